//! Room: what is admitted can be appended, whatever the disk says; what can't be, is refused.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::support::{SEGMENT, append, config, end_of, event, open, read, recover, shard};
use crate::usage_log::{LogConfig, Permit, Reader, Refused, UsageLog, delete_passed, layout};

/// Takes permits until there are no more; after a pause in which the keeper may find room.
fn admit_all(log: &UsageLog) -> Vec<Permit> {
    let mut permits = Vec::new();
    let mut refusals = 0;
    while refusals < 20 {
        match log.shard(0).unwrap().admit() {
            Ok(permit) => permits.push(permit),
            Err(refused) => {
                assert_eq!(refused, Refused::Full);
                refusals += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
        }
    }
    permits
}

/// Fills the log with the largest events, and checks that all that were admitted are there after it.
fn fill(directory: &Path, log: UsageLog, rounds: usize) -> u64 {
    let mut count = 0;
    for _ in 0..rounds {
        for permit in admit_all(&log) {
            permit.append(&event(299 + 300 * count, &[b'x'; 299]));
            count += 1;
        }
    }
    drop(log);
    recover(directory);
    let contents = read(directory, shard(1, 0));
    let expected: Vec<_> = (0..count).map(|number| 299 + 300 * number).collect();
    assert_eq!(contents.numbers(), expected);
    assert!(contents.gaps.is_empty());
    count
}

#[test]
fn what_was_admitted_fits() {
    let directory = tempfile::tempdir().unwrap();
    assert!(fill(directory.path(), open(directory.path()), 4) > 40);
}

#[test]
fn a_permit_gives_its_room_back() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let before = admit_all(&log).len();
    assert!(before > 10);
    assert_eq!(admit_all(&log).len(), before);
    assert_eq!(log.health().shards[0].room, before as u64);
}

#[test]
fn requests_are_refused_at_95_percent_of_the_budget() {
    let directory = tempfile::tempdir().unwrap();
    let budget = 20 * SEGMENT;
    let log = UsageLog::open(LogConfig {
        budget_bytes: budget,
        ring_bytes: 4096,
        ..config(directory.path(), 1)
    })
    .unwrap();
    assert!(!log.health().alarming);
    let mut alarmed_at = 0;
    let (mut number, begun) = (0, Instant::now());
    loop {
        let health = log.health();
        if health.alarming && alarmed_at == 0 {
            alarmed_at = number;
        }
        match log.shard(0).unwrap().admit() {
            Ok(permit) => {
                permit.append(&event(number, &vec![b'x'; (number % 300) as usize]));
                number += 1;
            }
            Err(_) if health.space_fault.is_some() && !health.serving() => break,
            Err(_) => std::thread::sleep(Duration::from_millis(1)),
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{health:?}");
    }
    let health = log.health();
    assert!(alarmed_at > 0 && alarmed_at < number);
    assert!(
        health.used_bytes <= budget * 95 / 100 && health.degraded(),
        "{health:?}"
    );
    let fault = health.space_fault.unwrap();
    assert!(fault.contains("stay within the log's budget"), "{fault}");
    // Once the meter has passed, there is room again.
    let mut reader = Reader::new(directory.path().to_owned());
    while reader.readable(shard(1, 0)).unwrap() < health.shards[0].appended {
        std::thread::sleep(Duration::from_millis(5));
    }
    let end = end_of(&reader.view().unwrap());
    assert!(delete_passed(directory.path(), &[end]).unwrap() > 10);
    let offset = log.shard(0).unwrap().tail();
    append(&log, 0, number);
    assert!(log.shard(0).unwrap().tail() > offset);
    log.close().unwrap();
}

#[test]
fn a_disk_that_gives_no_room_is_an_error_off_the_request_path() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let spare = layout::shard_dir(directory.path(), shard(1, 0)).join("spare");
    append(&log, 0, 0);
    {
        // Takes the next segment into use, and gets in the way of the one after it.
        let shard = log.shard(0).unwrap();
        let mut drain = shard.drain();
        shard.copy_out(&mut drain).unwrap();
        assert!(drain.segments.next().unwrap());
        std::fs::create_dir(&spare).unwrap();
    }
    assert!(!admit_all(&log).is_empty(), "what there is still serves");
    let fault = log.health().space_fault.expect("a fault");
    assert!(
        fault.contains("can't allocate") && fault.contains("spare"),
        "{fault}"
    );
    std::fs::remove_dir(&spare).unwrap();
    (1..200).for_each(|number| append(&log, 0, number));
    assert_eq!(log.health().space_fault, None);
    log.close().unwrap();
    assert_eq!(read(directory.path(), shard(1, 0)).events.len(), 200);
}

/// Needs the right to mount; without it the test above is all there is.
#[test]
fn a_full_disk_loses_nothing_that_was_admitted() {
    let directory = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| {
        Command::new("mount")
            .args(arguments)
            .arg(directory.path())
            .output()
    };
    if !mount(&["-t", "tmpfs", "-o", "size=256k", "tmpfs"]).is_ok_and(|done| done.status.success())
    {
        eprintln!("not allowed to mount: skipped");
        return;
    }
    let result = std::panic::catch_unwind(|| {
        let count = fill(directory.path(), open(directory.path()), 40);
        assert!(count > 200, "{count}");
        let fault = UsageLog::open(config(directory.path(), 8))
            .map(drop)
            .unwrap_err()
            .to_string();
        assert!(fault.contains("No space left"), "{fault}");
    });
    let done = Command::new("umount")
        .arg(directory.path())
        .status()
        .unwrap();
    assert!(done.success());
    result.unwrap();
}

#[test]
fn a_failed_disk_refuses_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let shard = log.shard(0).unwrap();
    let permit = shard.admit().unwrap();
    shard.fail();
    assert_eq!(shard.admit().err(), Some(Refused::Failed));
    permit.append(&event(1, b"x"));
}
