//! What ADR 2 was decided by: three ways to get an event into the usage log, under the same paced load
//! and the same `fdatasync` every 50 ms.
//!
//! `cargo run --release --example log_mechanism -- DIRECTORY [EVENTS_PER_SECOND [SECONDS]]`, on the file
//! system that will hold the log. Prints, per way, alone and beside a neighbour that keeps the file
//! system's journal busy: an append as the request thread sees it (reading the clock included), the
//! flusher's CPU per event, and how long a sync takes.
#![allow(unsafe_code, clippy::print_stdout)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)] // a table's figures

use std::error::Error;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, fallocate, fdatasync};
use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap};

const RECORD: usize = 256;
const SEGMENT: usize = 64 << 20;
const RING: usize = 4 << 20;
const TICK: Duration = Duration::from_millis(50);
const TURN: Duration = Duration::from_millis(1);
/// How much the flusher makes writable again ahead of the tail, after a sync.
const AHEAD: usize = 256 << 10;

/// One way to append. `at` is where the record goes; the caller never passes the segment's end.
trait Way: Sync {
    fn append(&self, at: usize, record: &[u8; RECORD]);
    /// The end of a turn of the request thread's loop: all up to `to` must survive `kill -9` now.
    fn end_turn(&self, _from: usize, _to: usize) {}
    /// On the flusher's thread, each tick.
    fn sync(&self, tail: usize) -> io::Result<()>;
}

struct Map(*mut u8);
// SAFETY: the mapping lives until the process ends; the ranges that two threads touch don't overlap.
unsafe impl Send for Map {}
// SAFETY: as above.
unsafe impl Sync for Map {}

impl Map {
    fn new(file: &File, length: usize, populate: bool) -> io::Result<Self> {
        let flags = if populate {
            MapFlags::SHARED | MapFlags::POPULATE
        } else {
            MapFlags::SHARED
        };
        // SAFETY: a fresh mapping at an address of the kernel's choice, of a file as long as it.
        let at = unsafe {
            mmap(
                ptr::null_mut(),
                length,
                ProtFlags::READ | ProtFlags::WRITE,
                flags,
                file,
                0,
            )?
        };
        Ok(Self(at.cast()))
    }

    fn put(&self, at: usize, record: &[u8; RECORD]) {
        // SAFETY: the caller keeps `at + RECORD` below SEGMENT, and nobody else writes there.
        unsafe { ptr::copy_nonoverlapping(record.as_ptr(), self.0.add(at), RECORD) }
    }
}

struct Nothing;
impl Way for Nothing {
    fn append(&self, _at: usize, record: &[u8; RECORD]) {
        std::hint::black_box(record);
    }
    fn sync(&self, _tail: usize) -> io::Result<()> {
        Ok(())
    }
}

struct Mapped {
    map: Map,
    file: File,
    touch_ahead: bool,
}
impl Way for Mapped {
    fn append(&self, at: usize, record: &[u8; RECORD]) {
        self.map.put(at, record);
    }
    fn sync(&self, tail: usize) -> io::Result<()> {
        fdatasync(&self.file)?;
        if self.touch_ahead {
            let page = tail & !4095;
            let length = AHEAD.min(SEGMENT - page);
            // SAFETY: within the mapping; the advice changes no content.
            unsafe {
                madvise(
                    self.map.0.add(page).cast(),
                    length,
                    Advice::LinuxPopulateWrite,
                )?;
            }
        }
        Ok(())
    }
}

/// Events gather in memory of the thread; one `write` a turn, before any last byte leaves.
struct Written {
    buffer: Map,
    file: File,
}
impl Way for Written {
    fn append(&self, at: usize, record: &[u8; RECORD]) {
        self.buffer.put(at, record);
    }
    fn end_turn(&self, from: usize, to: usize) {
        // SAFETY: within the mapping; only this thread writes there.
        let bytes = unsafe { std::slice::from_raw_parts(self.buffer.0.add(from), to - from) };
        let _ = self.file.write_all_at(bytes, from as u64);
    }
    fn sync(&self, _tail: usize) -> io::Result<()> {
        Ok(fdatasync(&self.file)?)
    }
}

/// A ring in a mapped file of its own, which is never synced, so that it survives `kill -9`; the
/// writer's thread copies it to the log.
struct Ring {
    map: Map,
    file: File,
    drained: AtomicU64,
}
impl Way for Ring {
    fn append(&self, at: usize, record: &[u8; RECORD]) {
        self.map.put(at % RING, record);
    }
    fn sync(&self, tail: usize) -> io::Result<()> {
        let mut from = self.drained.swap(tail as u64, Ordering::Relaxed) as usize;
        let advance = tail - from;
        while from < tail {
            let length = (tail - from).min(RING - from % RING);
            // SAFETY: within the mapping, below the tail and less than a lap behind it: complete.
            let bytes = unsafe { std::slice::from_raw_parts(self.map.0.add(from % RING), length) };
            self.file.write_all_at(bytes, from as u64)?;
            from += length;
        }
        fdatasync(&self.file)?;
        let page = (tail % RING) & !4095;
        let length = (2 * advance).min(RING - page);
        // SAFETY: within the mapping; the advice changes no content.
        unsafe {
            madvise(
                self.map.0.add(page).cast(),
                length,
                Advice::LinuxPopulateWrite,
            )?;
        }
        Ok(())
    }
}

fn allocate(path: &Path, length: usize, zeroes: bool) -> io::Result<File> {
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(path)?;
    fallocate(&file, FallocateFlags::empty(), 0, length as u64)?;
    if zeroes {
        file.write_all_at(&vec![0; length], 0)?;
    }
    file.sync_all()?;
    Ok(file)
}

/// Creates, syncs and removes a file over and over, as a database beside us would.
fn neighbour(path: &Path, stop: &AtomicBool) -> io::Result<()> {
    while !stop.load(Ordering::Relaxed) {
        let file = File::create(path)?;
        file.write_all_at(&vec![1; 1 << 20], 0)?;
        file.sync_all()?;
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// The CPU that this thread has used.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec as u32)
}

struct Outcome {
    nanoseconds: Vec<u64>,
    syncs: Vec<Duration>,
    flushing: Duration,
}

fn run(way: &Arc<impl Way + Send + 'static>, rate: usize, length: Duration) -> io::Result<Outcome> {
    let tail = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let flusher = thread::spawn({
        let (way, tail, stop) = (Arc::clone(way), Arc::clone(&tail), Arc::clone(&stop));
        move || -> io::Result<(Vec<Duration>, Duration)> {
            let mut syncs = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let begun = Instant::now();
                way.sync(tail.load(Ordering::Acquire) as usize)?;
                syncs.push(begun.elapsed());
                thread::sleep(TICK.saturating_sub(begun.elapsed()));
            }
            Ok((syncs, cpu()))
        }
    });
    let turns = (length.as_nanos() / TURN.as_nanos()) as usize;
    let per_turn = (rate / 1000).clamp(1, SEGMENT / RECORD / turns);
    let mut nanoseconds = Vec::with_capacity(turns * per_turn);
    let (record, begun) = ([7; RECORD], Instant::now());
    let mut at = 0;
    for turn in 1..=turns {
        let first = at;
        for _ in 0..per_turn {
            let instant = Instant::now();
            way.append(at, &record);
            at += RECORD;
            nanoseconds.push(instant.elapsed().as_nanos() as u64);
        }
        let instant = Instant::now();
        way.end_turn(first, at);
        let share = instant.elapsed().as_nanos() as u64 / per_turn as u64;
        let count = nanoseconds.len();
        nanoseconds[count - per_turn..]
            .iter_mut()
            .for_each(|each| *each += share);
        tail.store(at as u64, Ordering::Release);
        thread::sleep((TURN * turn as u32).saturating_sub(begun.elapsed()));
    }
    stop.store(true, Ordering::Relaxed);
    let (syncs, flushing) = flusher
        .join()
        .map_err(|_| io::Error::other("the flusher panicked"))??;
    nanoseconds.sort_unstable();
    Ok(Outcome {
        nanoseconds,
        syncs,
        flushing,
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments
        .next()
        .ok_or("name a directory on the file system to measure")?;
    let rate = arguments.next().map_or(Ok(10_000), |text| text.parse())?;
    let length = Duration::from_secs(arguments.next().map_or(Ok(5), |text| text.parse())?);
    let directory = Path::new(&directory);
    println!(
        "{:34} {:>6} {:>6} {:>6} {:>7} {:>8} {:>8} {:>7}",
        "append, ns", "mean", "p50", "p99", "p99.9", "max", "flush ns", "sync ms"
    );
    measure(directory, rate, length)?;
    println!("beside a busy journal");
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let busy = scope.spawn(|| neighbour(&directory.join("log-neighbour.tmp"), &stop));
        let outcome = measure(directory, rate, length);
        stop.store(true, Ordering::Relaxed);
        busy.join()
            .map_err(|_| io::Error::other("the neighbour panicked"))??;
        outcome
    })?;
    Ok(())
}

fn measure(directory: &Path, rate: usize, length: Duration) -> io::Result<()> {
    let (path, ring_path) = (
        directory.join("log-mechanism.tmp"),
        directory.join("log-ring.tmp"),
    );
    let report = |name: &str, outcome: &Outcome| {
        let all = &outcome.nanoseconds;
        let rank = |share: f64| all[((all.len() - 1) as f64 * share) as usize];
        println!(
            "{name:34} {:6} {:6} {:6} {:7} {:8} {:8} {:7.2}",
            all.iter().sum::<u64>() / all.len() as u64,
            rank(0.5),
            rank(0.99),
            rank(0.999),
            rank(1.0),
            outcome.flushing.as_nanos() as u64 / all.len() as u64,
            outcome.syncs.iter().sum::<Duration>().as_secs_f64() * 1e3 / outcome.syncs.len() as f64,
        );
    };
    report(
        "no log (the loop itself)",
        &run(&Arc::new(Nothing), rate, length)?,
    );
    for (name, zeroes, touch_ahead) in [
        ("mapped, allocated only", false, false),
        ("mapped, zeroed and populated", true, false),
        ("mapped, zeroed, touched ahead", true, true),
    ] {
        let file = allocate(&path, SEGMENT, zeroes)?;
        let map = Map::new(&file, SEGMENT, zeroes)?;
        report(
            name,
            &run(
                &Arc::new(Mapped {
                    map,
                    file,
                    touch_ahead,
                }),
                rate,
                length,
            )?,
        );
    }
    let (file, memory) = (
        allocate(&path, SEGMENT, true)?,
        allocate(&ring_path, SEGMENT, true)?,
    );
    let buffer = Map::new(&memory, SEGMENT, true)?;
    report(
        "one write a turn",
        &run(&Arc::new(Written { buffer, file }), rate, length)?,
    );
    for (name, zeroes) in [
        ("ring, drained; log allocated only", false),
        ("ring, drained; log zeroed", true),
    ] {
        let (file, memory) = (
            allocate(&path, SEGMENT, zeroes)?,
            allocate(&ring_path, RING, true)?,
        );
        let ring = Ring {
            map: Map::new(&memory, RING, true)?,
            file,
            drained: AtomicU64::new(0),
        };
        report(name, &run(&Arc::new(ring), rate, length)?);
    }
    std::fs::remove_file(path)?;
    std::fs::remove_file(ring_path)
}
