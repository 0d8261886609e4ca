//! Opening, appending, closing, dying, recovering, reading.

use std::sync::Arc;

use super::support::{NODE, append, end_of, event, open, read, recover, shard};
use crate::usage_log::{
    Cursors, Gap, GapKind, LogError, Reader, Refused, aggregate, delete_passed, layout, mark,
};

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

#[test]
fn segments_follow_one_another() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    (0..500).for_each(|number| append(&log, 0, number));
    log.close().unwrap();
    let shard_dir = layout::shard_dir(directory.path(), shard(1, 0));
    let bases = layout::segments(&shard_dir).unwrap();
    assert!(bases.len() > 10, "{bases:?}");
    let offsets: Vec<_> = read(directory.path(), shard(1, 0))
        .events
        .iter()
        .map(|event| event.0)
        .collect();
    assert!(bases.iter().all(|base| offsets.binary_search(base).is_ok()));
    let left: Vec<_> = ["ring", "spare"]
        .into_iter()
        .filter(|name| shard_dir.join(name).exists())
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn what_was_begun_and_not_finished_is_a_hole() {
    // Until the three are appended between two rounds of the flusher.
    for _ in 0..50 {
        let directory = tempfile::tempdir().unwrap();
        let log = open(directory.path());
        let appended: Vec<_> = (1..=3)
            .map(|number| {
                let path = vec![b'x'; number as usize];
                log.shard(0)
                    .unwrap()
                    .admit()
                    .unwrap()
                    .append(&event(number, &path))
            })
            .collect();
        drop(log);
        let shard_dir = layout::shard_dir(directory.path(), shard(1, 0));
        if mark::read(&shard_dir).unwrap().1.synced > 0 {
            continue;
        }
        let mut ring = std::fs::read(shard_dir.join("ring")).unwrap();
        let unfinished = appended[1].offset as usize;
        ring[unfinished..unfinished + 8].fill(0);
        std::fs::write(shard_dir.join("ring"), ring).unwrap();
        assert_eq!(
            Reader::new(directory.path().to_owned()).recover().unwrap()[0].holes,
            1
        );
        let contents = read(directory.path(), shard(1, 0));
        assert_eq!(contents.numbers(), [1, 3]);
        let hole = Gap {
            kind: GapKind::Hole,
            start: appended[1].offset,
            end: appended[1].end,
        };
        assert_eq!(contents.gaps, [hole]);
        return;
    }
    panic!("the flusher was always faster");
}

#[test]
fn several_threads_share_a_shard() {
    const THREADS: u64 = 4;
    const EACH: u64 = 5000;
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let log = &log;
            scope
                .spawn(move || (0..EACH).for_each(|number| append(log, 0, thread * EACH + number)));
        }
    });
    drop(log);
    assert_eq!(recover(directory.path()), 1);
    let contents = read(directory.path(), shard(1, 0));
    let mut numbers = contents.numbers();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..THREADS * EACH).collect::<Vec<_>>());
    assert!(contents.gaps.is_empty());
}

#[test]
fn epochs_count_up_and_are_never_used_again() {
    let directory = tempfile::tempdir().unwrap();
    let (first, second) = (open(directory.path()), open(directory.path()));
    assert_eq!(
        (first.epoch(), second.epoch()),
        (1, 2),
        "two may live at once, as in an upgrade"
    );
    append(&first, 0, 1);
    first.close().unwrap();
    second.close().unwrap();
    let mut reader = Reader::new(directory.path().to_owned());
    let end = end_of(&reader.view().unwrap());
    assert_eq!(delete_passed(directory.path(), &[end]).unwrap(), 2);
    assert_eq!(open(directory.path()).epoch(), 3);
}

#[test]
fn a_start_that_died_half_way_is_no_epoch() {
    let directory = tempfile::tempdir().unwrap();
    let unborn = layout::node_dir(directory.path(), &NODE).join(".new-1-1");
    std::fs::create_dir_all(unborn.join("0")).unwrap();
    assert!(
        Reader::new(directory.path().to_owned())
            .view()
            .unwrap()
            .shards
            .is_empty()
    );
    assert_eq!(open(directory.path()).epoch(), 1);
    assert!(!unborn.exists());
}

#[test]
fn a_log_that_is_in_use_stays_open() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    let shard_zero = Arc::clone(log.shard(0).unwrap());
    let permit = shard_zero.admit().unwrap();
    assert!(matches!(log.close(), Err(LogError::InUse(1))));
    assert_eq!(shard_zero.admit().err(), Some(Refused::Closed));
    permit.append(&event(1, b"x"));
    assert_eq!(
        recover(directory.path()),
        0,
        "not as long as somebody may append"
    );
    drop(shard_zero);
    assert_eq!(recover(directory.path()), 1);
    assert_eq!(read(directory.path(), shard(1, 0)).numbers(), [1]);
}

#[test]
fn a_mark_that_is_damaged_is_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    (0..500).for_each(|number| append(&log, 0, number));
    log.close().unwrap();
    let before = read(directory.path(), shard(1, 0));
    let mark = layout::shard_dir(directory.path(), shard(1, 0)).join("mark");
    for at in [20, 520] {
        let mut bytes = std::fs::read(&mark).unwrap();
        (at..bytes.len()).step_by(7).for_each(|at| bytes[at] ^= 1);
        std::fs::write(&mark, bytes).unwrap();
        assert!(
            Reader::new(directory.path().to_owned()).view().is_err(),
            "a fault is an alarm"
        );
        assert_eq!(recover(directory.path()), 1);
        assert_eq!(read(directory.path(), shard(1, 0)), before);
    }
}

#[test]
fn one_slot_of_a_mark_is_enough() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    append(&log, 0, 1);
    log.close().unwrap();
    let shard_dir = layout::shard_dir(directory.path(), shard(1, 0));
    let newest = mark::read(&shard_dir).unwrap().1;
    let mut older = 0;
    for at in [512, 1024] {
        let path = shard_dir.join("mark");
        let whole = std::fs::read(&path).unwrap();
        let mut torn = whole.clone();
        torn[at + 8] ^= 1;
        std::fs::write(&path, torn).unwrap();
        older += usize::from(mark::read(&shard_dir).unwrap().1 != newest);
        std::fs::write(&path, whole).unwrap();
    }
    assert_eq!(older, 1, "the newer slot counts; torn, the older one does");
}

#[test]
fn what_a_missing_segment_held_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path());
    (0..300).for_each(|number| append(&log, 0, number));
    log.close().unwrap();
    let shard_dir = layout::shard_dir(directory.path(), shard(1, 0));
    let bases = layout::segments(&shard_dir).unwrap();
    std::fs::remove_file(shard_dir.join(layout::segment_name(bases[0]))).unwrap();
    let mut reader = Reader::new(directory.path().to_owned());
    let end = end_of(&reader.view().unwrap());
    let fault = aggregate(&mut reader, &Cursors::new(), &end, Vec::new(), 1000).unwrap_err();
    assert!(
        fault
            .to_string()
            .contains("the segment that holds offset 0 is missing"),
        "{fault}"
    );
}
