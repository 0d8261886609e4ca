//! Which route a request takes: Kong's traditional order of precedence.
//!
//! A rule is a route with one of its paths. Rules are ordered once; of those that match, the first in the order wins. To find
//! it without trying them all, rules are grouped by plain host, and within a group indexed by path. What the index answers is
//! held against trying all rules in order by a property test.

mod index;
mod path;
mod rule;

#[cfg(test)]
mod reference;

use std::collections::HashMap;

use regex::bytes::Regex;

use crate::config::{ConfigError, wire};
use crate::phases::Headers;
use index::{Best, Entry, Index};
pub use path::{normalise, write_escaped, write_upstream_path};
use rule::{Conditions, HostKind, PathPattern, Precedence};

/// What is known of a request for finding its route.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a, H> {
    pub method: &'a [u8],
    /// Lower case, without a port; empty where there is none.
    pub host: &'a [u8],
    /// The port asked for, or the protocol's own.
    pub host_port: u16,
    /// In normal form: see [`normalise`].
    pub path: &'a [u8],
    pub headers: H,
    /// Whether the request came over TLS.
    pub tls: bool,
    /// The name asked for in the TLS handshake, lower case.
    pub server_name: Option<&'a str>,
}

/// The route that a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Match {
    /// Its place in the list that the router was compiled from.
    pub route: usize,
    /// How much of the path the route's path matched; none where the route has no paths.
    pub matched: Option<usize>,
}

/// The compiled rules.
#[derive(Debug, Default)]
pub struct Router {
    /// By route.
    conditions: Vec<Conditions>,
    by_plain_host: HashMap<Box<[u8]>, Index>,
    by_wildcard: Index,
    any_host: Index,
}

impl Router {
    /// Compiles routes, each with its place in the configuration for faults' sake.
    ///
    /// # Errors
    /// [`ConfigError`] names the host, path, header or method that isn't one.
    pub(crate) fn compile(rows: &[(usize, &wire::Route)]) -> Result<Self, ConfigError> {
        let mut router = Self::default();
        let mut rules = Vec::new();
        for (number, (place, row)) in (0_u32..).zip(rows) {
            let here = format!("routes[{place}]");
            let conditions = Conditions::compile(row).map_err(|error| error.within(&here))?;
            router.conditions.push(conditions);
            let paths = row.paths.as_deref().unwrap_or_default();
            if paths.is_empty() {
                if Precedence::new(row, *place, None).is_empty() {
                    return Err(ConfigError::new(
                        here,
                        "the route would match everything",
                        "give at least one of methods, hosts, headers, paths, snis",
                    ));
                }
                rules.push((Precedence::new(row, *place, None), number, None));
            }
            for (index, path) in paths.iter().enumerate() {
                let path = PathPattern::compile(path, &format!("{here}.paths[{index}]"))?;
                rules.push((
                    Precedence::new(row, *place, Some(&path)),
                    number,
                    Some(path),
                ));
            }
        }
        // Stable: patterns of one route stay in the order in which they were written.
        rules.sort_by(|(one, ..), (other, ..)| other.cmp(one));
        for (rank, (_, route, path)) in (0_u32..).zip(rules) {
            router.add(rank, route, path.as_ref());
        }
        let groups = router.by_plain_host.values_mut();
        groups
            .chain([&mut router.by_wildcard, &mut router.any_host])
            .for_each(Index::finish);
        Ok(router)
    }

    fn add(&mut self, rank: u32, route: u32, path: Option<&PathPattern>) {
        let conditions = &self.conditions[route as usize];
        let entry = Entry {
            rank,
            route,
            with_host: true,
        };
        let add = |index: &mut Index, entry: Entry| match path {
            None => index.add_pathless(entry),
            Some(PathPattern::Prefix(prefix)) => index.add_prefix(prefix, entry),
            Some(PathPattern::Regex(regex)) => index.add_regex(regex.clone(), entry),
        };
        if conditions.hosts.is_empty() {
            return add(&mut self.any_host, entry);
        }
        let with_host = !conditions.ignores_ports();
        let mut is_wild = false;
        let mut seen: Vec<&[u8]> = Vec::new();
        for host in &conditions.hosts {
            match &host.kind {
                HostKind::Plain(plain) if !seen.contains(&&**plain) => {
                    seen.push(plain);
                    let index = self.by_plain_host.entry(plain.clone()).or_default();
                    add(index, Entry { with_host, ..entry });
                }
                HostKind::Plain(_) => {}
                HostKind::Suffix(_) | HostKind::Prefix(_) => is_wild = true,
            }
        }
        if is_wild {
            add(&mut self.by_wildcard, entry);
        }
    }

    /// The route of a request.
    #[must_use]
    pub fn find<H: Headers>(&self, query: &Query<'_, H>) -> Option<Match> {
        let mut best: Option<Best> = None;
        if !self.by_plain_host.is_empty()
            && let Some(index) = self.by_plain_host.get(query.host)
        {
            index.search(query, &self.conditions, &mut best);
        }
        self.by_wildcard.search(query, &self.conditions, &mut best);
        self.any_host.search(query, &self.conditions, &mut best);
        best.map(|best| Match {
            route: best.route as usize,
            matched: best.matched,
        })
    }
}

/// The patterns among a route's paths.
pub(crate) fn patterns(row: &wire::Route, place: usize) -> Result<Box<[Regex]>, ConfigError> {
    let paths = row.paths.iter().flatten().enumerate();
    let compiled = paths.map(|(index, path)| {
        PathPattern::compile(path, &format!("routes[{place}].paths[{index}]"))
    });
    compiled
        .filter_map(|pattern| match pattern {
            Ok(PathPattern::Regex(regex)) => Some(Ok(regex)),
            Ok(PathPattern::Prefix(_)) => None,
            Err(error) => Some(Err(error)),
        })
        .collect()
}

/// Splits an authority for [`Query`]: host and port, still in the case in which they came.
#[must_use]
pub fn split_authority(authority: &[u8]) -> (&[u8], Option<u16>) {
    rule::split_port(authority)
}
