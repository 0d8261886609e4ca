//! Walks a stretch of a log: what is valid is read, what isn't is passed over and reported.

use super::event::UsageEvent;
use super::record::{Found, MAX_BELIEVED, Seed, find};

/// Why a stretch holds no event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapKind {
    /// Reserved but never finished: the process died there.
    Hole,
    /// It fails its checksum.
    Quarantined,
}

/// A stretch without events, `[start, end)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Why.
    pub kind: GapKind,
    /// Its first byte.
    pub start: u64,
    /// The byte after its last.
    pub end: u64,
}

/// What a walk comes upon.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    Event {
        offset: u64,
        length: usize,
        time: u64,
        event: UsageEvent<'a>,
    },
    Gap(Gap),
    /// Written by a later version of Tollway. The walk can't pass it.
    Unknown {
        offset: u64,
    },
}

/// A walk that goes on over several buffers.
#[derive(Debug)]
pub(super) struct Scanner {
    seed: Seed,
    at: u64,
    /// Where the invalid stretch began that the walk is in.
    invalid_from: Option<u64>,
}

impl Scanner {
    pub(super) fn new(seed: Seed, at: u64) -> Self {
        Self {
            seed,
            at,
            invalid_from: None,
        }
    }

    /// The offset that the next buffer must begin at, or below.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// A walk over the same shard that begins elsewhere.
    pub(super) fn restarted(&self, at: u64) -> Self {
        Self::new(self.seed, at)
    }

    /// Everything below was returned: what is above begins a later walk.
    pub(super) fn settled(&self) -> u64 {
        self.invalid_from.unwrap_or(self.at)
    }

    /// Returns the next item of `bytes`, which begin at `offset` of the stream.
    ///
    /// Without `complete`, more bytes follow these, and the walk stops short of where a record might not
    /// be whole. With it, none follow, and an invalid stretch ends where the bytes do.
    pub(super) fn next<'a>(
        &mut self,
        bytes: &'a [u8],
        offset: u64,
        complete: bool,
    ) -> Option<Item<'a>> {
        let end = offset + bytes.len() as u64;
        let believed = if complete { 0 } else { MAX_BELIEVED as u64 };
        while self.at + believed < end {
            let here = usize::try_from(self.at - offset).map_or(&[][..], |skip| &bytes[skip..]);
            let found = find(self.seed, self.at, here);
            if found == Found::Invalid {
                self.invalid_from.get_or_insert(self.at);
                self.at = (self.at + 8).min(end);
                continue;
            }
            // The invalid stretch goes first; what ended it is found again by the next call.
            return Some(self.end_invalid().unwrap_or_else(|| self.take(found)));
        }
        if complete { self.end_invalid() } else { None }
    }

    fn take<'a>(&mut self, found: Found<'a>) -> Item<'a> {
        let offset = self.at;
        match found {
            Found::Event {
                length,
                time,
                event,
            } => {
                self.at += length as u64;
                Item::Event {
                    offset,
                    length,
                    time,
                    event,
                }
            }
            Found::Hole { length } => {
                self.at += length as u64;
                Item::Gap(Gap {
                    kind: GapKind::Hole,
                    start: offset,
                    end: self.at,
                })
            }
            Found::Unknown | Found::Invalid => Item::Unknown { offset },
        }
    }

    fn end_invalid<'a>(&mut self) -> Option<Item<'a>> {
        self.invalid_from.take().map(|start| {
            Item::Gap(Gap {
                kind: GapKind::Quarantined,
                start,
                end: self.at,
            })
        })
    }
}
