//! `kill -9` of a process that appends: what it acknowledged is read exactly once, whenever it dies.
//!
//! The child is this test program again. It appends from two threads to each of two shards, and puts each
//! event's number into a file once `append` has returned. Built with the feature `failpoints`, it dies at
//! each place that has a name.
#![allow(clippy::unwrap_used)] // a test

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::{scope, sleep};
use std::time::{Duration, Instant};

use tollway_engine::usage_log::{
    Cursors, Events, Level, LogConfig, Reader, Selection, UsageEvent, UsageLog,
};

const DIRECTORY: &str = "TOLLWAY_TEST_USAGE_LOG";
const ACKNOWLEDGED: &str = "acknowledged";
const NODE: [u8; 16] = [7; 16];
const THREADS: u64 = 4;

/// What the child runs. Called as a test it does nothing.
#[test]
fn child() {
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return;
    };
    let path = Path::new(&directory).join(ACKNOWLEDGED);
    let acknowledged = File::options()
        .append(true)
        .create(true)
        .open(path)
        .unwrap();
    let log = UsageLog::open(LogConfig {
        segment_bytes: 16 << 10,
        ring_bytes: 64 << 10,
        ..LogConfig::new(directory.into(), NODE, 2, Level::Group)
    })
    .unwrap();
    scope(|scope| {
        for thread in 0..THREADS {
            let shard = log.shard(usize::from(thread % 2 == 0)).unwrap();
            let (mut acknowledged, first) = (&acknowledged, shard.id().epoch << 32);
            scope.spawn(move || {
                for number in (first + thread..).step_by(4) {
                    let permit = loop {
                        match shard.admit() {
                            Ok(permit) => break permit,
                            Err(_) => sleep(Duration::from_micros(200)),
                        }
                    };
                    let path = [b'x'; 512];
                    permit.append(&UsageEvent {
                        units: number,
                        path: &path[..usize::try_from(number % 400).unwrap()],
                        ..UsageEvent::default()
                    });
                    acknowledged.write_all(&number.to_le_bytes()).unwrap();
                }
            });
        }
    });
}

/// The other thing that a child may run.
#[test]
fn recovering_child() {
    if let Some(directory) = std::env::var_os(DIRECTORY) {
        Reader::new(directory.into()).recover().unwrap();
    }
}

/// Lets a child live until it dies by itself, or for so long.
fn live(directory: &Path, failpoint: Option<&str>, long: Duration) -> ExitStatus {
    run("child", directory, failpoint, long)
}

fn run(child: &str, directory: &Path, failpoint: Option<&str>, long: Duration) -> ExitStatus {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", child, "--nocapture"]);
    command.env(DIRECTORY, directory);
    if let Some(failpoint) = failpoint {
        command.env("TOLLWAY_FAILPOINT", failpoint);
    }
    let mut child = command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if begun.elapsed() > long {
            child.kill().unwrap();
            return child.wait().unwrap();
        }
        sleep(Duration::from_millis(1));
    }
}

/// After `lives` lives, each ended by a kill: acknowledged ⊆ read, each once, and no more read than that
/// and what was between the append and its acknowledgement.
fn check(directory: &Path, lives: u64) {
    let mut reader = Reader::new(directory.to_owned());
    reader.recover().unwrap();
    let view = reader.view().unwrap();
    assert!(view.shards.iter().all(|shard| shard.closed));
    let end: Cursors = view
        .shards
        .iter()
        .map(|shard| (shard.shard, shard.readable))
        .collect();
    let mut read = BTreeSet::new();
    let mut events = Events::new(reader, &Cursors::new(), &end, Selection::default());
    while events
        .next_batch(u64::MAX, |logged| {
            assert!(
                read.insert(logged.event.units),
                "doubled: {}",
                logged.event.units
            );
        })
        .unwrap()
    {}
    let bytes = std::fs::read(directory.join(ACKNOWLEDGED)).unwrap_or_default();
    let acknowledged: BTreeSet<_> = bytes
        .as_chunks::<8>()
        .0
        .iter()
        .map(|bytes| u64::from_le_bytes(*bytes))
        .collect();
    let lost: Vec<_> = acknowledged.difference(&read).collect();
    assert!(lost.is_empty(), "lost: {lost:?}");
    assert!((read.len() - acknowledged.len()) as u64 <= lives * THREADS);
}

#[test]
fn killed_at_any_time() {
    let directory = tempfile::tempdir().unwrap();
    for life in 1..=12 {
        let long = Duration::from_millis(20 + life * 37 % 130);
        assert_eq!(live(directory.path(), None, long).signal(), Some(9));
        // The next life begins on what was recovered, or on what wasn't.
        if life % 2 == 0 {
            check(directory.path(), life);
        }
    }
}

#[cfg(feature = "failpoints")]
#[test]
fn killed_at_each_failpoint() {
    let places = [
        "epoch_filled",
        "epoch_made",
        "before_append:500",
        "reserved:500",
        "after_append:500",
        "before_sync:3",
        "after_sync:3",
        "marked:3",
        "segment_switch:3",
        "segment_switched:3",
    ];
    for place in places {
        let directory = tempfile::tempdir().unwrap();
        for life in 1..=2 {
            let place = format!("usage_log.{place}");
            let status = live(directory.path(), Some(&place), Duration::from_secs(20));
            assert_eq!(status.signal(), Some(9), "never reached {place}");
            check(directory.path(), life);
        }
    }
}

#[cfg(feature = "failpoints")]
#[test]
fn recovery_may_be_killed_too() {
    let directory = tempfile::tempdir().unwrap();
    let long = Duration::from_secs(20);
    let places = [
        "usage_log.recovered_tail",
        "usage_log.recovered_mark",
        "usage_log.recovered_tail:2",
    ];
    for (lives, place) in (1..).zip(places) {
        let status = live(directory.path(), Some("usage_log.reserved:800"), long);
        assert_eq!(status.signal(), Some(9));
        let status = run("recovering_child", directory.path(), Some(place), long);
        assert_eq!(status.signal(), Some(9), "never reached {place}");
        check(directory.path(), lives);
    }
}
