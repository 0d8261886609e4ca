//! What the tests of the log share.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::usage_log::scan::Item;
use crate::usage_log::{
    Clock, Cursors, Gap, Id, Level, LogConfig, Reader, ShardId, UsageEvent, UsageLog, View,
};

pub const NODE: Id = [0xab; 16];
pub const SEGMENT: u64 = 8192;

/// A clock that stands still until it is set, µs.
#[derive(Clone, Default)]
pub struct TestClock(Arc<AtomicU64>);

impl TestClock {
    pub fn at(time: u64) -> Self {
        let clock = Self::default();
        clock.set(time);
        clock
    }

    pub fn set(&self, time: u64) {
        self.0.store(time, Ordering::SeqCst);
    }

    pub fn clock(&self) -> Clock {
        let time = Arc::clone(&self.0);
        Arc::new(move || time.load(Ordering::SeqCst))
    }
}

/// Small segments and rings, so that every edge is met.
pub fn config(directory: &Path, shards: u32) -> LogConfig {
    LogConfig {
        segment_bytes: SEGMENT,
        ring_bytes: 1 << 16,
        ..LogConfig::new(directory.to_owned(), NODE, shards, Level::Group)
    }
}

pub fn open(directory: &Path) -> UsageLog {
    UsageLog::open(config(directory, 1)).unwrap()
}

/// An event that can be told from others.
pub fn event(number: u64, path: &[u8]) -> UsageEvent<'_> {
    let mut request_id = [0; 16];
    request_id[..8].copy_from_slice(&number.to_le_bytes());
    UsageEvent {
        request_id,
        units: number,
        status: 200,
        path,
        ..UsageEvent::default()
    }
}

/// Appends, waiting for room.
pub fn append(log: &UsageLog, shard: usize, number: u64) {
    let shard = log.shard(shard).unwrap();
    for _ in 0..5000 {
        if let Ok(permit) = shard.admit() {
            permit.append(&event(number, &vec![b'x'; (number % 300) as usize]));
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("no room within 5 s: {:?}", log.health());
}

/// The end of each shard, as the view says it.
pub fn end_of(view: &View) -> Cursors {
    view.shards
        .iter()
        .map(|shard| (shard.shard, shard.readable))
        .collect()
}

/// What is read from a shard: offset, time and number of each event, and the gaps.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub events: Vec<(u64, u64, u64)>,
    pub gaps: Vec<Gap>,
}

impl Contents {
    pub fn numbers(&self) -> Vec<u64> {
        self.events.iter().map(|(_, _, number)| *number).collect()
    }
}

/// Reads all of a shard that may be read.
pub fn read(directory: &Path, shard: ShardId) -> Contents {
    let mut reader = Reader::new(directory.to_owned());
    let view = reader.view().unwrap();
    let end = end_of(&view)[&shard];
    let mut contents = Contents::default();
    let mut range = reader.range(shard, 0, end).unwrap().unwrap();
    range
        .read(&mut Vec::new(), |item| {
            match item {
                Item::Event {
                    offset,
                    time,
                    event,
                    ..
                } => {
                    let number = u64::from_le_bytes(event.request_id[..8].try_into().unwrap());
                    assert_eq!(number, event.units);
                    assert_eq!(event.path.len() as u64, number % 300);
                    contents.events.push((offset, time, number));
                }
                Item::Gap(gap) => contents.gaps.push(gap),
                Item::Unknown { offset } => panic!("unknown record at {offset}"),
            }
            ControlFlow::Continue(())
        })
        .unwrap();
    assert!(range.done());
    contents
}

/// Recovers, and returns how many shards were closed.
pub fn recover(directory: &Path) -> usize {
    Reader::new(directory.to_owned()).recover().unwrap().len()
}

pub fn shard(epoch: u64, shard: u32) -> ShardId {
    ShardId {
        node: NODE,
        epoch,
        shard,
    }
}
