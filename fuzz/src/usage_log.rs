//! A segment's bytes: whatever stands in it, reading ends, and two ways of reading agree.
//!
//! Records are guarded by a checksum, which no mutation would ever pass: so the input says what stands in the
//! segment, records with a body of its own choosing and the right checksum, or bytes as they are.

use std::cell::RefCell;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use tollway_engine::usage_log::{
    Completion, Cursors, Events, Level, LogConfig, Reader, Selection, ShardId, UsageEvent,
    UsageLog, aggregate,
};

const HEADER: u64 = 64;
const NODE: [u8; 16] = [7; 16];

/// A closed log whose one segment is overwritten by each run.
struct Log {
    folder: tempfile::TempDir,
    segment: File,
    shard: ShardId,
    seed: u32,
    length: u64,
}

impl Log {
    fn new() -> Self {
        // In memory where there is such a place: each run writes.
        let shm = Path::new("/dev/shm");
        let folder = if shm.is_dir() {
            tempfile::tempdir_in(shm)
        } else {
            tempfile::tempdir()
        };
        let folder = folder.expect("a folder");
        let log = UsageLog::open(LogConfig::new(
            folder.path().to_owned(),
            NODE,
            1,
            Level::Group,
        ));
        let log = log.expect("a log");
        let shard = log.shard(0).expect("a shard");
        for _ in 0..16 {
            let permit = shard.admit().expect("room");
            let _ = permit.append(&UsageEvent::default());
        }
        log.close().expect("closed");
        let mut reader = Reader::new(folder.path().to_owned());
        let view = reader.view().expect("a mark").shards;
        let (shard, length) = (view[0].shard, view[0].readable);
        let name: String = NODE.iter().map(|byte| format!("{byte:02x}")).collect();
        let file = folder
            .path()
            .join(name)
            .join(shard.epoch.to_string())
            .join(shard.shard.to_string())
            .join("00000000000000000000.seg");
        let segment = OpenOptions::new().read(true).write(true).open(file);
        let segment = segment.expect("the segment");
        let mut salt = [0; 8];
        segment.read_exact_at(&mut salt, 40).expect("its header");
        let mut seed = crc32c::crc32c(&salt);
        seed = crc32c::crc32c_append(seed, &shard.node);
        seed = crc32c::crc32c_append(seed, &shard.epoch.to_le_bytes());
        seed = crc32c::crc32c_append(seed, &shard.shard.to_le_bytes());
        Self {
            folder,
            segment,
            shard,
            seed,
            length,
        }
    }

    /// What the input says stands in the segment.
    fn stream(&self, mut data: &[u8]) -> Vec<u8> {
        let length = usize::try_from(self.length).expect("small");
        let mut stream = Vec::with_capacity(length);
        while let [kind, size, rest @ ..] = data
            && stream.len() < length
        {
            let body = &rest[..rest.len().min(8 * usize::from(*size))];
            data = &rest[body.len()..];
            if *kind < 128 && body.len().is_multiple_of(8) {
                let head = u32::from(*kind) << 24 | u32::try_from(body.len() + 8).expect("small");
                let mut crc =
                    crc32c::crc32c_append(self.seed, &(stream.len() as u64).to_le_bytes());
                crc = crc32c::crc32c_append(crc, &head.to_le_bytes());
                // A hole's body is not under its checksum.
                let crc = if *kind == 2 {
                    crc
                } else {
                    crc32c::crc32c_append(crc, body)
                };
                stream.extend_from_slice(&(u64::from(head) << 32 | u64::from(crc)).to_le_bytes());
            }
            stream.extend_from_slice(body);
        }
        stream.resize(length, 0);
        stream
    }
}

thread_local! {
    static LOG: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// What was read: events, bytes out.
type Sum = (u64, u128);

/// In batches of so many events.
fn add_up(log: &Log, most: u64) -> Option<Sum> {
    let mut sum = (0, 0);
    let mut reader = Reader::new(log.folder.path().to_owned());
    let end = Cursors::from([(log.shard, log.length)]);
    let mut from = Cursors::from([(log.shard, 0)]);
    loop {
        let batch = aggregate(&mut reader, &from, &end, Vec::new(), most).ok()?;
        for sums in batch.groups.values() {
            sum.0 += sums.events;
            sum.1 += sums.bytes_out;
        }
        if batch.done {
            return Some(sum);
        }
        assert_ne!(batch.after, from, "reading goes on");
        from = batch.after;
    }
}

fn pick(log: &Log) -> Option<Sum> {
    let mut sum = (0, 0);
    let reader = Reader::new(log.folder.path().to_owned());
    let from = Cursors::new();
    let to = Cursors::from([(log.shard, log.length)]);
    let mut events = Events::new(reader, &from, &to, Selection::default());
    loop {
        let more = events
            .next_batch(u64::MAX, |logged| {
                assert!(logged.event.completion as u8 <= Completion::UpstreamAbort as u8);
                sum.0 += 1;
                sum.1 += u128::from(logged.event.bytes_out);
            })
            .ok()?;
        if !more {
            return Some(sum);
        }
    }
}

/// # Panics
/// The engine does, doesn't come to an end, or adds up otherwise than it picks.
pub fn run(data: &[u8]) {
    LOG.with_borrow_mut(|log| {
        let log = log.get_or_insert_with(Log::new);
        let stream = log.stream(data);
        log.segment.write_all_at(&stream, HEADER).expect("written");
        let at_once = add_up(log, u64::MAX);
        assert_eq!(at_once, add_up(log, 1), "one by one");
        assert_eq!(at_once, pick(log), "added up and picked");
    });
}
