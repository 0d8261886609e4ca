//! Opening, appending, closing, dying, recovering, reading.

use super::support::{append, open, read, recover, shard};

#[test]
fn a_closed_log_holds_what_was_appended() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    (0..500).for_each(|number| append(&log, 0, number));
    log.close().unwrap();
    let contents = read(directory.path(), shard(1, 0));
    assert_eq!(contents.numbers(), (0..500).collect::<Vec<_>>());
    assert!(contents.gaps.is_empty());
    assert!(contents.events.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1));
    assert_eq!(
        recover(directory.path()),
        0,
        "a closed log needs no recovery"
    );
}

#[test]
fn a_dead_log_holds_it_after_recovery() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    (0..500).for_each(|number| append(&log, 0, number));
    assert_eq!(recover(directory.path()), 0, "it lives");
    drop(log);
    assert_eq!(recover(directory.path()), 1);
    let contents = read(directory.path(), shard(1, 0));
    assert_eq!(contents.numbers(), (0..500).collect::<Vec<_>>());
    assert!(contents.gaps.is_empty());
    assert_eq!(recover(directory.path()), 0, "once is enough");
}
