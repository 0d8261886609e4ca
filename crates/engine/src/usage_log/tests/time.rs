//! What times and marks promise, with several appenders and clocks that step back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::support::{NODE, TestClock, append, config, end_of, open, read, recover, shard};
use crate::usage_log::{LogConfig, Reader, UsageLog, layout, mark};

fn open_at(directory: &std::path::Path, clock: &TestClock) -> UsageLog {
    UsageLog::open(LogConfig {
        clock: clock.clock(),
        ..config(directory, 1)
    })
    .unwrap()
}

#[test]
fn a_mark_says_that_every_earlier_event_lies_below_it() {
    const THREADS: u64 = 4;
    const EACH: u64 = 3000;
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let shard_dir = layout::shard_dir(directory.path(), shard(1, 0));
    let (done, appended) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut marks = Vec::new();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (log, appended, done) = (&log, &appended, &done);
            scope.spawn(move || {
                for number in 0..EACH {
                    append(log, 0, thread * EACH + number);
                }
                if appended.fetch_add(EACH, Ordering::AcqRel) + EACH == THREADS * EACH {
                    done.store(true, Ordering::Release);
                }
            });
        }
        while !done.load(Ordering::Acquire) {
            // What is read below the mark is looked at through the mark that was read before.
            marks.push(mark::read(&shard_dir).unwrap().1);
            log.shard(0).unwrap().wake_flusher();
            thread::sleep(Duration::from_micros(200));
        }
    });
    log.close().unwrap();
    let contents = read(directory.path(), shard(1, 0));
    assert_eq!(contents.events.len() as u64, THREADS * EACH);
    assert!(contents.gaps.is_empty());
    assert!(
        contents.events.is_sorted_by(|a, b| a.1 <= b.1),
        "a time went back"
    );
    marks.dedup();
    assert!(marks.len() > 3, "too few marks to tell: {}", marks.len());
    for mark in marks {
        let above = contents
            .events
            .partition_point(|(offset, ..)| *offset < mark.synced);
        assert!(
            contents.events[above..]
                .iter()
                .all(|(_, time, _)| *time >= mark.time)
        );
    }
}

#[test]
fn times_do_not_go_back_when_the_clock_does() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(5_000);
    let log = open_at(directory.path(), &clock);
    append(&log, 0, 1);
    clock.set(1_000);
    append(&log, 0, 2);
    assert_eq!(log.health().shards[0].clock_ahead_us, 4_000);
    drop(log);
    // Not recovered: its last time is found in the ring and the segments.
    let log = open_at(directory.path(), &clock);
    append(&log, 0, 3);
    log.close().unwrap();
    recover(directory.path());
    assert_eq!(read(directory.path(), shard(1, 0)).events[1].1, 5_000);
    assert_eq!(read(directory.path(), shard(2, 0)).events[0].1, 5_000);
}

#[test]
fn no_epoch_begins_before_an_instant_that_a_reader_called_complete() {
    let directory = tempfile::tempdir().unwrap();
    let clock = TestClock::at(1_000);
    open_at(directory.path(), &clock).close().unwrap();
    let later = TestClock::at(7_000);
    let mut reader = Reader::with_clock(directory.path().to_owned(), later.clock());
    let view = reader.view().unwrap();
    assert_eq!(
        view.watermark(&NODE),
        7_000,
        "no gateway lives: all of the past is in"
    );
    let log = open_at(directory.path(), &clock);
    append(&log, 0, 1);
    assert!(
        reader.view().unwrap().watermark(&NODE) <= 7_000,
        "bounded by the one that lives"
    );
    log.close().unwrap();
    assert_eq!(read(directory.path(), shard(2, 0)).events[0].1, 7_000);
}

#[test]
fn the_watermark_follows_the_clock_while_nothing_happens() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let mut reader = Reader::new(directory.path().to_owned());
    let first = reader.view().unwrap();
    thread::sleep(Duration::from_millis(150));
    let second = reader.view().unwrap();
    assert!(second.watermark(&NODE) > first.watermark(&NODE));
    assert_eq!(end_of(&first), end_of(&second));
    drop(log);
    thread::sleep(Duration::from_millis(20));
    let dead = reader.view().unwrap();
    assert!(
        dead.watermark(&NODE) < dead.as_of,
        "who died may have left events"
    );
    assert_eq!(reader.recover().unwrap().len(), 1);
    let view = reader.view().unwrap();
    assert_eq!(view.watermark(&NODE), view.as_of);
}
