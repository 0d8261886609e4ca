//! Records: what is written is read, and nothing else is.

use std::fmt::Write;

use proptest::prelude::*;

use super::support::{event, shard};
use crate::usage_log::record::{Found, MAX_RECORD, Memory, Record, Seed, find};
use crate::usage_log::scan::{Item, Scanner};
use crate::usage_log::{Completion, MAX_PATH, Mode, ShardId, Source, UsageEvent};

/// Bytes that records are written into.
struct Bytes(std::cell::RefCell<Vec<u8>>);

impl Memory for Bytes {
    fn put(&self, offset: u64, bytes: &[u8]) {
        let at = usize::try_from(offset).unwrap();
        self.0.borrow_mut()[at..at + bytes.len()].copy_from_slice(bytes);
    }

    fn commit(&self, offset: u64, word: u64) {
        self.put(offset, &word.to_le_bytes());
    }
}

fn seed() -> Seed {
    Seed::new(shard(1, 0), 7)
}

/// Writes events one after another; returns the bytes and where each begins.
fn written(events: &[UsageEvent<'_>]) -> (Vec<u8>, Vec<u64>) {
    let bytes = Bytes(vec![0; events.len() * MAX_RECORD].into());
    let (mut offset, mut offsets) = (0, Vec::new());
    for event in events {
        let mut record = Record::new(event);
        record.write(&bytes, seed(), offset, 1_000 + offset);
        offsets.push(offset);
        offset += record.length();
    }
    let mut bytes = bytes.0.into_inner();
    bytes.truncate(usize::try_from(offset).unwrap());
    (bytes, offsets)
}

/// The offsets of the events in `bytes`, each checked to be the one that was written there.
fn scanned(
    bytes: &[u8],
    events: &[UsageEvent<'_>],
    offsets: &[u64],
) -> (Vec<u64>, Vec<(u64, u64)>) {
    let mut scanner = Scanner::new(seed(), 0);
    let (mut found, mut gaps) = (Vec::new(), Vec::new());
    while let Some(item) = scanner.next(bytes, 0, true) {
        match item {
            Item::Event {
                offset,
                time,
                event,
                ..
            } => {
                let place = offsets
                    .binary_search(&offset)
                    .expect("an event nobody wrote");
                assert_eq!((time, event), (1_000 + offset, events[place]));
                found.push(offset);
            }
            Item::Gap(gap) => gaps.push((gap.start, gap.end)),
            Item::Unknown { offset } => panic!("unknown record at {offset}"),
        }
    }
    (found, gaps)
}

#[test]
fn a_record_has_these_bytes() {
    let event = UsageEvent {
        request_id: [0x11; 16],
        consumer: [0x22; 16],
        credential: [0x33; 16],
        customer: [0x44; 16],
        phase: [0x55; 16],
        route: [0x66; 16],
        service: [0x77; 16],
        config_version: 0x0101,
        bytes_in: 0x0202,
        bytes_out: 0x0303,
        units: 0x0404,
        duration: 0x0505,
        upstream: 0x0606,
        status: 404,
        part: 3,
        last: true,
        completion: Completion::UpstreamAbort,
        source: Source::Cache,
        mode: Mode::Test,
        grpc_status: Some(14),
        attempts: 2,
        method: 4,
        path: b"/v1/x",
    };
    let bytes = Bytes(vec![0; 4096 + MAX_RECORD].into());
    Record::new(&event).write(&bytes, seed(), 4096, 1_780_000_000_000_000);
    let mut hex = String::new();
    for byte in &bytes.0.into_inner()[4096..4096 + 192] {
        write!(hex, "{byte:02x}").unwrap();
    }
    let golden = include_str!("record.golden").replace(['\n', ' '], "");
    assert_eq!(hex, golden);
}

#[test]
fn no_flipped_bit_makes_another_event() {
    let events: Vec<_> = (0..4).map(|number| event(number, b"/some/path")).collect();
    let (mut bytes, offsets) = written(&events);
    for bit in 0..bytes.len() * 8 {
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (found, gaps) = scanned(&bytes, &events, &offsets);
        let hit = offsets.partition_point(|offset| *offset <= (bit / 8) as u64) - 1;
        let mut others = offsets.clone();
        let start = others.remove(hit);
        assert_eq!(found, others, "bit {bit}");
        let end = offsets.get(hit + 1).copied().unwrap_or(bytes.len() as u64);
        assert_eq!(gaps, [(start, end)], "bit {bit}");
        bytes[bit / 8] ^= 1 << (bit % 8);
    }
}

#[test]
fn bytes_of_another_place_are_no_record() {
    let (bytes, _) = written(&[event(1, b"/")]);
    let here = shard(1, 0);
    let elsewhere = [
        (Seed::new(here, 7), 8),
        (Seed::new(here, 8), 0),
        (Seed::new(shard(2, 0), 7), 0),
        (Seed::new(shard(1, 1), 7), 0),
        (
            Seed::new(
                ShardId {
                    node: [1; 16],
                    ..here
                },
                7,
            ),
            0,
        ),
    ];
    assert!(matches!(
        find(Seed::new(here, 7), 0, &bytes),
        Found::Event { .. }
    ));
    for (seed, offset) in elsewhere {
        assert_eq!(find(seed, offset, &bytes), Found::Invalid);
    }
}

#[test]
fn a_path_is_cut_at_its_limit() {
    let long = [b'a'; MAX_PATH + 1];
    let (bytes, _) = written(&[event(1, &long)]);
    let Found::Event { length, event, .. } = find(seed(), 0, &bytes) else {
        panic!("no event");
    };
    assert_eq!((length, event.path.len()), (MAX_RECORD, MAX_PATH));
}

#[test]
fn a_walk_goes_on_over_several_buffers() {
    let events: Vec<_> = (0..2000)
        .map(|number| event(number, b"/some/path"))
        .collect();
    let (mut bytes, offsets) = written(&events);
    // A stretch that is longer than a buffer.
    let (from, to) = (offsets[500] as usize, offsets[1500] as usize);
    bytes[from..to].fill(0xff);
    let mut scanner = Scanner::new(seed(), 0);
    let (mut found, mut gaps) = (Vec::new(), Vec::new());
    while scanner.at() < bytes.len() as u64 {
        let at = scanner.at() as usize;
        let end = bytes.len().min(at + 70_000);
        while let Some(item) = scanner.next(&bytes[at..end], at as u64, end == bytes.len()) {
            match item {
                Item::Event { offset, .. } => found.push(offset),
                Item::Gap(gap) => gaps.push((gap.start as usize, gap.end as usize)),
                Item::Unknown { .. } => panic!("{item:?}"),
            }
        }
        assert!(scanner.settled() as usize <= from || scanner.settled() as usize >= to);
    }
    assert_eq!(found, [&offsets[..500], &offsets[1500..]].concat());
    assert_eq!(gaps, [(from, to)]);
}

#[test]
fn later_fields_are_passed_over_and_later_kinds_are_not() {
    let (bytes, _) = written(&[event(1, b"/abcdefg")]);
    // As a later version would write it: a tail of one optional field.
    let mut body = bytes[8..].to_vec();
    body.extend_from_slice(&[9, 5, 0, 1, 2, 3, 4, 5]);
    let found = |kind| {
        let record = seed().sealed(0, kind, &body);
        match find(seed(), 0, &record) {
            Found::Event { length, event, .. } => {
                assert_eq!((length, event.path), (record.len(), &b"/abcdefg"[..]));
                true
            }
            Found::Unknown => false,
            other => panic!("{other:?}"),
        }
    };
    assert!(found(1));
    assert!(!found(3));
}

prop_compose! {
    fn any_event()(
        ids in any::<[[u8; 16]; 7]>(),
        numbers in any::<(u64, u64, u64, u64, u32, u32, u16, u16)>(),
        bytes in any::<(u8, u8, Option<u8>)>(),
        flags in (any::<bool>(), 0..3_u8, any::<bool>(), any::<bool>()),
        path in prop::collection::vec(any::<u8>(), 0..=MAX_PATH),
    ) -> UsageEvent<'static> {
        UsageEvent {
            request_id: ids[0],
            consumer: ids[1],
            credential: ids[2],
            customer: ids[3],
            phase: ids[4],
            route: ids[5],
            service: ids[6],
            config_version: numbers.0,
            bytes_in: numbers.1,
            bytes_out: numbers.2,
            units: numbers.3,
            duration: numbers.4,
            upstream: numbers.5,
            status: numbers.6,
            part: numbers.7,
            last: flags.0,
            completion: match flags.1 {
                0 => Completion::Complete,
                1 => Completion::ClientAbort,
                _ => Completion::UpstreamAbort,
            },
            source: if flags.2 { Source::Cache } else { Source::Upstream },
            mode: if flags.3 { Mode::Test } else { Mode::Live },
            grpc_status: bytes.2,
            attempts: bytes.0,
            method: bytes.1,
            path: path.leak(),
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(events in prop::collection::vec(any_event(), 1..6)) {
        let (bytes, offsets) = written(&events);
        let (found, gaps) = scanned(&bytes, &events, &offsets);
        prop_assert_eq!(found, offsets);
        prop_assert!(gaps.is_empty());
    }

    #[test]
    fn random_bytes_are_no_event(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let (found, _) = scanned(&bytes, &[], &[]);
        prop_assert!(found.is_empty());
    }
}
