//! Waiting for the disk.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::support::{append, config, event, read, shard};
use crate::usage_log::{Level, LogConfig, Refused, UsageLog, layout, mark};

fn open(directory: &std::path::Path, level: Level) -> UsageLog {
    UsageLog::open(LogConfig {
        level,
        segment_bytes: 1 << 20,
        ring_bytes: 1 << 20,
        ..config(directory, 1)
    })
    .unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap()
}

#[test]
fn strict_waits_until_the_mark_has_passed_and_shares_syncs() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), Level::Strict);
    let shard_dir = layout::shard_dir(directory.path(), shard(1, 0));
    let begun = Instant::now();
    runtime().block_on(tokio::task::LocalSet::new().run_until(async {
        let tasks: Vec<_> = (0..500)
            .map(|number| {
                let (shard, shard_dir) = (Arc::clone(log.shard(0).unwrap()), shard_dir.clone());
                tokio::task::spawn_local(async move {
                    let appended = shard
                        .admit()
                        .unwrap()
                        .append(&event(number, &vec![b'x'; (number % 300) as usize]));
                    shard.durable(&appended).await.unwrap();
                    assert!(mark::read(&shard_dir).unwrap().1.synced >= appended.end);
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "500 syncs, not a few: {:?}",
        begun.elapsed()
    );
    log.close().unwrap();
    let contents = read(directory.path(), shard(1, 0));
    assert_eq!(contents.numbers(), (0..500).collect::<Vec<_>>());
}

#[test]
fn group_does_not_wait() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), Level::Group);
    let shard_zero = log.shard(0).unwrap();
    let appended = shard_zero.admit().unwrap().append(&event(1, b"x"));
    let waker = std::task::Waker::noop();
    let ready = std::pin::pin!(shard_zero.durable(&appended))
        .poll(&mut std::task::Context::from_waker(waker))
        .is_ready();
    assert!(ready);
}

#[test]
fn who_waits_for_a_disk_that_fails_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), Level::Strict);
    let shard = log.shard(0).unwrap();
    let appended = shard.admit().unwrap().append(&event(1, b"x"));
    shard.fail();
    // Either the sync came first, or the wait ends with the failure; it never hangs.
    let outcome = runtime().block_on(shard.durable(&appended));
    assert!(matches!(outcome, Ok(()) | Err(Refused::Failed)));
}

#[test]
fn group_is_synced_within_its_bound() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path(), Level::Group);
    for number in 0..30 {
        append(&log, 0, number);
        std::thread::sleep(Duration::from_millis(7));
    }
    let health = &log.health().shards[0];
    assert!(
        health.worst_sync_us > 0 && health.lag_us < 1_000_000,
        "{health:?}"
    );
    log.close().unwrap();
    assert_eq!(read(directory.path(), shard(1, 0)).events.len(), 30);
}
