//! What a balanced request is told apart by: the key that consistent hashing goes by, the cookie that carries it, and the
//! host that the chosen target is called by.

use std::sync::Arc;

use super::exchange::Exchange;
use super::text::Decimal;
use super::{Headers, RequestHead};
use crate::balancer::{Algorithm, Balancer, HashKey, hash_bytes, hash_more};
use crate::config::{Config, Route};
use crate::plugins::key_auth::query_value;
use crate::uuid::hex_text;

/// What balancing knows of a request. Its buffer stays for the next.
#[derive(Debug, Default)]
pub(super) struct Balancing {
    /// The hash of what the request is told apart by; none where it goes by turn.
    key: Option<u64>,
    /// The cookie is missing: the answer sets it, with the request's id for its value.
    sets_cookie: bool,
    /// What `Host` says towards the chosen target, unless the route preserves the client's; empty before one was chosen.
    pub(super) host: Vec<u8>,
}

impl Balancing {
    pub(super) fn reset(&mut self) {
        (self.key, self.sets_cookie) = (None, false);
        self.host.clear();
    }
}

impl Exchange {
    /// The balancer of the request's service; none where the service has a host of its own.
    #[must_use]
    pub fn balancer(&self) -> Option<(usize, &Arc<Balancer>)> {
        let place = self.route()?.upstream.as_ref()?.balanced?;
        let balancers = &self.config.as_ref()?.balancers;
        Some((place, balancers.get(place)?))
    }

    /// What consistent hashing goes by.
    #[must_use]
    pub fn hash_key(&self) -> Option<u64> {
        self.balancing.key
    }

    /// The request goes to a target called `name`, with a port where that isn't the protocol's own. True where what was
    /// written for the upstream before now names the wrong host.
    pub fn direct(&mut self, name: &str, port: Option<u16>) -> bool {
        let host = &mut self.balancing.host;
        // The new one is written behind the old one, to compare them without room of its own.
        let old = host.len();
        host.extend_from_slice(name.as_bytes());
        if let Some(port) = port {
            host.push(b':');
            host.extend_from_slice(Decimal::new(u64::from(port)).bytes());
        }
        let changed = host[..old] != host[old..];
        host.drain(..old);
        changed && old > 0 && !self.route().is_some_and(|route| route.preserve_host)
    }

    /// Finds what the request is told apart by, where its service is balanced by hashing.
    pub(super) fn find_hash_key<H: Headers>(
        &mut self,
        config: &Config,
        route: &Route,
        place: usize,
        head: &RequestHead<'_, H>,
    ) {
        let Some(policy) = config.base.policies.get(place) else {
            return;
        };
        if policy.algorithm != Algorithm::ConsistentHashing {
            return;
        }
        for key in &policy.keys {
            self.balancing.key = self.key_of(key, route, head);
            if self.balancing.key.is_some() {
                return;
            }
        }
    }

    fn key_of<H: Headers>(
        &mut self,
        key: &HashKey,
        route: &Route,
        head: &RequestHead<'_, H>,
    ) -> Option<u64> {
        match key {
            HashKey::None => None,
            HashKey::Consumer => {
                let consumer = self.consumer.as_deref().map(|consumer| consumer.id);
                consumer.or(self.credential).map(|id| hash_bytes(&id.0))
            }
            HashKey::Ip => Some(match self.client? {
                std::net::IpAddr::V4(ip) => hash_bytes(&ip.octets()),
                std::net::IpAddr::V6(ip) => hash_bytes(&ip.octets()),
            }),
            HashKey::Header(name) => {
                let lines = head.headers.lines();
                let mut values = lines
                    .filter(|(line, _)| line.eq_ignore_ascii_case(name))
                    .map(|(_, value)| value);
                let first = hash_bytes(values.next()?);
                Some(values.fold(first, hash_more))
            }
            HashKey::Cookie { name, .. } => {
                let shown = cookie(head.headers, name.as_bytes());
                self.balancing.sets_cookie = shown.is_none();
                Some(shown.unwrap_or_else(|| hash_bytes(&hex_text(&self.request_id))))
            }
            HashKey::Path => Some(hash_bytes(&self.path)),
            HashKey::QueryArg(name) => {
                let mut value = Vec::new();
                query_value(head.query?, name, &mut value).then(|| hash_bytes(&value))
            }
            HashKey::UriCapture(name) => {
                let mut found = route.patterns.iter().filter_map(|pattern| {
                    let captures = pattern.captures(&self.path)?;
                    captures.name(name).map(|part| hash_bytes(part.as_bytes()))
                });
                found.next()
            }
        }
    }

    /// The `Set-Cookie` that makes the client come back to the same target, where it is to be set.
    pub(super) fn sticky_cookie(&self) -> Option<Vec<u8>> {
        if !self.balancing.sets_cookie {
            return None;
        }
        let (_, balancer) = self.balancer()?;
        let cookie = balancer.policy.keys.iter().find_map(|key| match key {
            HashKey::Cookie { name, path } => Some((name, path)),
            _ => None,
        });
        let (name, path) = cookie?;
        let value = hex_text(&self.request_id);
        let parts: [&[u8]; 6] = [
            name.as_bytes(),
            b"=",
            &value,
            b"; Path=",
            path.as_bytes(),
            b"; HttpOnly",
        ];
        Some(parts.concat())
    }
}

/// The hash of a cookie's value.
fn cookie<H: Headers>(headers: H, name: &[u8]) -> Option<u64> {
    let lines = headers.lines();
    let mut pairs = lines
        .filter(|(line, _)| line.eq_ignore_ascii_case(b"cookie"))
        .flat_map(|(_, value)| value.split(|byte| *byte == b';'));
    pairs.find_map(|pair| {
        let value = pair.trim_ascii().strip_prefix(name)?.strip_prefix(b"=")?;
        Some(hash_bytes(value))
    })
}
