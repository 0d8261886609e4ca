//! Rules indexed by path: only those whose prefix the path has are looked at.

use regex::bytes::Regex;

use super::Query;
use super::rule::Conditions;
use crate::phases::Headers;

/// A rule's number in the order of precedence: the smallest that matches wins.
pub(super) type Rank = u32;

/// A rule in an index.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) rank: Rank,
    /// Which conditions; a route's rules share them.
    pub(super) route: u32,
    /// Whether finding the entry doesn't yet say that the host is right.
    pub(super) with_host: bool,
}

/// The best match so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Best {
    pub(super) rank: Rank,
    pub(super) route: u32,
    /// How much of the path the rule's path matched; none where the rule has no path.
    pub(super) matched: Option<usize>,
}

/// Rules of one group, each list ordered by rank.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Ordered by prefix. The longest prefix that a path has is the last one not greater than the path, or one of
    /// those that this one extends; and all the others are what that one extends.
    prefixes: Vec<PrefixNode>,
    regexes: Vec<(Regex, Entry)>,
    pathless: Vec<Entry>,
}

#[derive(Debug)]
struct PrefixNode {
    prefix: Box<[u8]>,
    /// The longest other prefix that this one extends.
    parent: Option<u32>,
    entries: Vec<Entry>,
}

impl Index {
    /// Adds a rule; in the order of their ranks.
    pub(super) fn add_prefix(&mut self, prefix: &[u8], entry: Entry) {
        match self
            .prefixes
            .binary_search_by(|node| (*node.prefix).cmp(prefix))
        {
            Ok(place) => self.prefixes[place].entries.push(entry),
            Err(place) => {
                let node = PrefixNode {
                    prefix: prefix.into(),
                    parent: None,
                    entries: vec![entry],
                };
                self.prefixes.insert(place, node);
            }
        }
    }

    pub(super) fn add_regex(&mut self, regex: Regex, entry: Entry) {
        self.regexes.push((regex, entry));
    }

    pub(super) fn add_pathless(&mut self, entry: Entry) {
        self.pathless.push(entry);
    }

    /// To be called once, after the last rule was added: finds out which prefixes extend which.
    pub(super) fn finish(&mut self) {
        let mut extended: Vec<usize> = Vec::new();
        for place in 0..self.prefixes.len() {
            let extends = |shorter: usize| {
                let shorter = &self.prefixes[shorter].prefix;
                self.prefixes[place].prefix.starts_with(shorter)
            };
            while extended.last().is_some_and(|last| !extends(*last)) {
                extended.pop();
            }
            self.prefixes[place].parent =
                extended.last().and_then(|last| u32::try_from(*last).ok());
            extended.push(place);
        }
    }

    /// Improves `best` by the rules that match.
    pub(super) fn search<H: Headers>(
        &self,
        query: &Query<'_, H>,
        conditions: &[Conditions],
        best: &mut Option<Best>,
    ) {
        let holds = |entry: &Entry| conditions[entry.route as usize].hold(query, entry.with_host);
        let mut improve = |entries: &[Entry], matched: Option<usize>| {
            let better = |entry: &&Entry| best.is_none_or(|best| entry.rank < best.rank);
            if let Some(entry) = entries.iter().take_while(better).find(|entry| holds(entry)) {
                *best = Some(Best {
                    rank: entry.rank,
                    route: entry.route,
                    matched,
                });
            }
        };
        let after = self
            .prefixes
            .partition_point(|node| *node.prefix <= *query.path);
        let mut next = after.checked_sub(1);
        while let Some(node) = next.and_then(|place| self.prefixes.get(place)) {
            if query.path.starts_with(&node.prefix) {
                improve(&node.entries, Some(node.prefix.len()));
            }
            next = node.parent.map(|parent| parent as usize);
        }
        improve(&self.pathless, None);
        // Last, since patterns cost most: many are ruled out by a better match already there.
        for (regex, entry) in &self.regexes {
            if best.is_some_and(|best| best.rank < entry.rank) {
                break;
            }
            if holds(entry)
                && let Some(found) = regex.find(query.path)
            {
                *best = Some(Best {
                    rank: entry.rank,
                    route: entry.route,
                    matched: Some(found.end()),
                });
                break;
            }
        }
    }
}
