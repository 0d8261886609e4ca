//! A crash at every byte boundary, with two writers.
//!
//! Two writers fill a ring at once. Each of their stores is kept: a byte of a body, or a commit word, which
//! is written at once. Whatever the prefix of those stores that happened: each record whose word is in it
//! is found exactly once, nothing else is found, and what lies between counts as holes.

use std::cell::RefCell;

use proptest::prelude::*;

use super::support::{event, shard};
use crate::usage_log::record::{MAX_RECORD, Memory, Record, Seed};
use crate::usage_log::scan::{Gap, GapKind, Item, Scanner};
use crate::usage_log::tail::{Repair, Sources, Tail};

const RING: usize = 4096;
const SEGMENT: usize = 2048;

#[derive(Clone, Copy)]
enum Store {
    Byte(u64, u8),
    Word(u64, u64),
}

#[derive(Default)]
struct Stores(RefCell<Vec<Store>>);

impl Memory for Stores {
    fn put(&self, offset: u64, bytes: &[u8]) {
        let stores = (offset..)
            .zip(bytes)
            .map(|(offset, byte)| Store::Byte(offset, *byte));
        self.0.borrow_mut().extend(stores);
    }

    fn commit(&self, offset: u64, word: u64) {
        self.0.borrow_mut().push(Store::Word(offset, word));
    }
}

fn seed() -> Seed {
    Seed::new(shard(1, 0), 0x5eed)
}

/// A record of the history: where it begins and ends, and after how many stores it is finished.
struct Written {
    start: u64,
    end: u64,
    finished: usize,
}

/// Two writers, each with some events; `turns` says who makes the next store.
struct History {
    start: u64,
    stores: Vec<Store>,
    records: Vec<Written>,
}

impl History {
    fn new(start: u64, events: usize, turns: impl IntoIterator<Item = bool>) -> Self {
        let mut history = Self {
            start,
            stores: Vec::new(),
            records: Vec::new(),
        };
        let mut tail = start;
        let mut pending: [Vec<Store>; 2] = [Vec::new(), Vec::new()];
        let mut current = [0, 0];
        let mut begun = 0;
        for turn in turns.into_iter().map(usize::from) {
            if pending[turn].is_empty() && begun < events {
                let path = vec![b'x'; begun * 37 % 200];
                let mut record = Record::new(&event(begun as u64, &path));
                let stores = Stores::default();
                record.write(&stores, seed(), tail, 1_000 + begun as u64);
                pending[turn] = stores.0.into_inner();
                pending[turn].reverse();
                current[turn] = begun;
                history.records.push(Written {
                    start: tail,
                    end: tail + record.length(),
                    finished: usize::MAX,
                });
                tail += record.length();
                begun += 1;
            }
            if let Some(store) = pending[turn].pop() {
                history.stores.push(store);
                if pending[turn].is_empty() {
                    history.records[current[turn]].finished = history.stores.len();
                }
            }
        }
        history
    }

    /// The ring after the first `count` stores.
    fn ring(&self, count: usize) -> Vec<u8> {
        let mut ring = vec![0; RING];
        let mut set = |offset: u64, byte| ring[offset as usize % RING] = byte;
        for store in &self.stores[..count] {
            match *store {
                Store::Byte(offset, byte) => set(offset, byte),
                Store::Word(offset, word) => {
                    (offset..)
                        .zip(word.to_le_bytes())
                        .for_each(|(offset, byte)| set(offset, byte));
                }
            }
        }
        ring
    }

    fn finished(&self, count: usize) -> Vec<u64> {
        let finished = self
            .records
            .iter()
            .filter(|record| record.finished <= count);
        finished.map(|record| record.start).collect()
    }

    /// What lies between the finished records.
    fn between(&self, count: usize) -> Vec<(u64, u64)> {
        let mut holes = Vec::new();
        let mut at = self.start;
        for record in self
            .records
            .iter()
            .filter(|record| record.finished <= count)
        {
            if at < record.start {
                holes.push((at, record.start));
            }
            at = record.end;
        }
        holes
    }
}

/// The segments after recovery has repaired them.
fn repaired(tail: &Tail, start: u64, mut segments: Vec<u8>) -> Vec<u8> {
    segments.resize((tail.end() - start) as usize, 0);
    let mut put = |offset: u64, bytes: &[u8]| {
        let at = (offset - start) as usize;
        segments[at..at + bytes.len()].copy_from_slice(bytes);
    };
    for repair in tail.repairs() {
        match repair {
            Repair::Copy { offset, bytes } => put(*offset, bytes),
            Repair::Hole { start, end } => {
                seed()
                    .holes(*start, *end)
                    .for_each(|(at, word)| put(at, &word.to_le_bytes()));
            }
        }
    }
    segments
}

/// Recovers, and reads the result; events by offset, and holes. There must be nothing else.
fn recovered(start: u64, segments: Vec<u8>, ring: Vec<u8>) -> (Vec<u64>, Vec<(u64, u64)>) {
    let tail = Tail::find(&Sources::new(start, segments.clone(), ring.clone()), seed()).unwrap();
    let result = repaired(&tail, start, segments);
    let again = Tail::find(&Sources::new(start, result.clone(), ring), seed()).unwrap();
    assert!(again.repairs().is_empty(), "recovery is idempotent");
    assert_eq!(again.end(), tail.end());
    let mut scanner = Scanner::new(seed(), start);
    let (mut events, mut holes) = (Vec::new(), Vec::new());
    while let Some(item) = scanner.next(&result, start, true) {
        match item {
            Item::Event {
                offset,
                time,
                event,
                ..
            } => {
                assert_eq!(time, 1_000 + event.units, "not an event that was written");
                events.push(offset);
            }
            Item::Gap(Gap {
                kind: GapKind::Hole,
                start,
                end,
            }) => holes.push((start, end)),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(tail.holes(), holes.len() as u64);
    (events, holes)
}

fn check(history: &History, count: usize) {
    let (events, mut holes) = recovered(history.start, vec![0; SEGMENT], history.ring(count));
    assert_eq!(events, history.finished(count), "after {count} stores");
    let between = history.between(count);
    if holes.len() > between.len() {
        // A last record that was begun but not finished; of one whose bytes are all zero, nobody knows.
        let (start, end) = holes.pop().unwrap();
        let last = history
            .records
            .iter()
            .rfind(|record| record.finished <= count);
        assert_eq!(start, last.map_or(history.start, |record| record.end));
        assert!(end - start <= MAX_RECORD as u64);
    }
    assert_eq!(holes, between, "after {count} stores");
}

#[test]
fn every_byte_boundary_of_two_writers_in_step() {
    let turns = (0..6000).map(|turn| turn % 2 == 0);
    let history = History::new(0, 6, turns);
    assert!(history.stores.len() > 1500);
    for count in 0..=history.stores.len() {
        check(&history, count);
    }
}

#[test]
fn every_byte_boundary_where_the_ring_wraps() {
    let turns = (0..6000).map(|turn| turn % 3 == 0 || turn % 700 < 90);
    let history = History::new(RING as u64 * 5 - 1000, 6, turns);
    for count in 0..=history.stores.len() {
        check(&history, count);
    }
}

#[test]
fn a_commit_word_in_part_is_no_commit() {
    let history = History::new(0, 1, [true; 500]);
    let Some(Store::Word(at, word)) = history.stores.last().copied() else {
        panic!()
    };
    let mut ring = history.ring(history.stores.len() - 1);
    for bytes in 1..8 {
        ring[at as usize..at as usize + bytes].copy_from_slice(&word.to_le_bytes()[..bytes]);
        assert!(recovered(0, vec![0; SEGMENT], ring.clone()).0.is_empty());
    }
}

#[test]
fn copying_and_clearing_may_stop_at_every_byte() {
    let history = History::new(0, 6, (0..6000).map(|turn| turn % 2 == 0));
    let count = history.stores.len();
    let (ring, all) = (history.ring(count), history.finished(count));
    let end = history.records.last().unwrap().end as usize;
    for byte in 0..=end {
        let mut segment = vec![0; SEGMENT];
        segment[..byte].copy_from_slice(&ring[..byte]);
        assert_eq!(
            recovered(0, segment, ring.clone()),
            (all.clone(), vec![]),
            "copied {byte}"
        );
        let mut segment = vec![0; SEGMENT];
        segment[..end].copy_from_slice(&ring[..end]);
        let mut cleared = ring.clone();
        cleared[..byte].fill(0);
        assert_eq!(
            recovered(0, segment, cleared),
            (all.clone(), vec![]),
            "cleared {byte}"
        );
    }
}

#[test]
fn what_an_earlier_lap_left_is_not_found_again() {
    let first = History::new(0, 6, (0..6000).map(|turn| turn % 2 == 0));
    let ring = first.ring(first.stores.len());
    let (events, _) = recovered(RING as u64, vec![0; SEGMENT], ring);
    assert!(events.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn any_interleaving_cut_anywhere(
        turns in prop::collection::vec(any::<bool>(), 4000),
        start in (0_u64..4).prop_map(|lap| lap * 1700 / 8 * 8),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 40),
    ) {
        let history = History::new(start, 6, turns);
        for cut in cuts {
            check(&history, cut.index(history.stores.len() + 1));
        }
    }
}
