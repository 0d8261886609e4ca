//! The log of one gateway: an epoch with its shards and their threads.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use super::config::LogConfig;
use super::epoch::{self, Epoch};
use super::error::{AtPath, LogError, Result};
use super::event::ShardId;
use super::flusher::{Flusher, Progress};
use super::health::{Health, ShardHealth};
use super::keeper::{Keeper, Space};
use super::layout::{self, RING, SPARE};
use super::mark::{Mark, MarkFile};
use super::ring::Ring;
use super::segment::{Segments, remove_if_there};
use super::shard::Shard;

/// How long a close waits for requests that may still append.
const CLOSING: Duration = Duration::from_secs(1);

/// The log of one gateway, open for appending.
///
/// Dropped without [`close`](Self::close), it leaves what a dead process leaves: an epoch that recovery
/// closes.
pub struct UsageLog {
    epoch: Epoch,
    config: LogConfig,
    shards: Vec<Arc<Shard>>,
    progress: Vec<Arc<Progress>>,
    space: Arc<Space>,
    threads: Threads,
}

/// The threads behind the log. Dropped, they end.
struct Threads {
    stop: Arc<AtomicBool>,
    flushers: Vec<JoinHandle<MarkFile>>,
    keeper: Option<JoinHandle<()>>,
}

impl Threads {
    fn stop(&mut self) -> Vec<MarkFile> {
        self.stop.store(true, Ordering::Release);
        if let Some(keeper) = self.keeper.take() {
            keeper.thread().unpark();
            let _ = keeper.join();
        }
        let flushers = std::mem::take(&mut self.flushers);
        for flusher in &flushers {
            flusher.thread().unpark();
        }
        flushers
            .into_iter()
            .filter_map(|flusher| flusher.join().ok())
            .collect()
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}

impl UsageLog {
    /// Begins a new epoch of the node.
    ///
    /// # Errors
    /// A setting is out of range, or the disk has no room or refuses.
    pub fn open(config: LogConfig) -> Result<Self> {
        config.check()?;
        let epoch = epoch::create(&config)?;
        let space = Arc::new(Space::new(config.budget_bytes));
        let mut threads = Threads {
            stop: Arc::new(AtomicBool::new(false)),
            flushers: Vec::new(),
            keeper: None,
        };
        let mut opened = Vec::new();
        for number in 0..config.shards {
            opened.push(open_shard(&config, &epoch, number)?);
        }
        let shards: Vec<_> = opened.iter().map(|(shard, _)| Arc::clone(shard)).collect();
        let keeper = Keeper {
            directory: config.directory.clone(),
            shards: shards.clone(),
            segment_bytes: config.segment_bytes,
            space: Arc::clone(&space),
            stop: Arc::clone(&threads.stop),
        };
        let keeper = spawn("tollway-keep", &epoch.directory, move || keeper.run())?;
        let keeping = keeper.thread().clone();
        threads.keeper = Some(keeper);
        let mut progress = Vec::new();
        for (number, (shard, mark)) in opened.into_iter().enumerate() {
            let flusher = Flusher {
                shard: Arc::clone(&shard),
                mark,
                interval: config.level.interval(),
                progress: Arc::default(),
                stop: Arc::clone(&threads.stop),
            };
            progress.push(Arc::clone(&flusher.progress));
            let name = format!("tollway-flush{number}");
            let flusher = spawn(&name, &epoch.directory, move || flusher.run())?;
            shard.set_threads(flusher.thread().clone(), keeping.clone());
            threads.flushers.push(flusher);
        }
        Ok(Self {
            epoch,
            config,
            shards,
            progress,
            space,
            threads,
        })
    }

    /// The shard for one of the gateway's threads.
    #[must_use]
    pub fn shard(&self, number: usize) -> Option<&Arc<Shard>> {
        self.shards.get(number)
    }

    /// The epoch's number.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch.number
    }

    /// How the log is.
    #[must_use]
    pub fn health(&self) -> Health {
        let now = (self.config.clock)();
        let shards = self
            .shards
            .iter()
            .zip(&self.progress)
            .map(|(shard, progress)| {
                let fault = progress
                    .fault
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                ShardHealth {
                    appended: shard.tail(),
                    synced: shard.synced(),
                    lag_us: now.saturating_sub(progress.time.load(Ordering::Relaxed)),
                    worst_sync_us: progress.worst.load(Ordering::Relaxed),
                    late_syncs: progress.late.load(Ordering::Relaxed),
                    room: shard.room(),
                    clock_ahead_us: shard.ahead(),
                    fault,
                }
            });
        Health {
            used_bytes: self.space.used.load(Ordering::Relaxed),
            budget_bytes: self.space.budget,
            alarming: self.space.alarming(),
            space_fault: self.space.fault(),
            shards: shards.collect(),
        }
    }

    /// Ends the epoch: takes no more requests, waits a second for those that may still append, makes all
    /// durable and says so.
    ///
    /// # Errors
    /// Requests hold permits still, or the disk refuses. The epoch is left as a dead process leaves it.
    pub fn close(mut self) -> Result<()> {
        let patience = Instant::now() + CLOSING;
        loop {
            match self.shards.iter().map(|shard| shard.shut()).sum() {
                0 => break,
                open if Instant::now() >= patience => return Err(LogError::InUse(open)),
                _ => std::thread::sleep(Duration::from_millis(1)),
            }
        }
        let marks = self.threads.stop();
        for (shard, mut mark) in self.shards.iter().zip(marks) {
            let directory = layout::shard_dir(&self.config.directory, shard.id());
            let (end, time) = shard.freeze();
            let mut drain = shard.drain();
            shard.copy_out(&mut drain)?;
            if drain.drained < end {
                let problem = format!("{} bytes could not be written", end - drain.drained);
                return Err(LogError::Damaged {
                    path: directory,
                    problem,
                });
            }
            drain.segments.take_unsynced().sync()?;
            mark.write(Mark {
                synced: end,
                time,
                closed: true,
            })?;
            mark.sync()?;
            shard.set_synced(end);
            drain.segments.trim()?;
            remove_if_there(&directory.join(RING))?;
        }
        Ok(())
    }
}

fn open_shard(config: &LogConfig, epoch: &Epoch, number: u32) -> Result<(Arc<Shard>, MarkFile)> {
    let id = ShardId {
        node: config.node,
        epoch: epoch.number,
        shard: number,
    };
    let directory = layout::shard_dir(&config.directory, id);
    let mark = MarkFile::open(&directory)?;
    let open = |name: &str| {
        let path = directory.join(name);
        File::options()
            .read(true)
            .write(true)
            .open(&path)
            .at("open", &path)
    };
    let ring = Ring::map(&open(RING)?, config.ring_bytes).at("map", &directory.join(RING))?;
    ring.touch(0, config.ring_bytes);
    let mut segments = Segments::resume(&directory, mark.header(), 0, 0, config.segment_bytes)?;
    segments.put_spare(open(SPARE)?);
    let shard = Shard::new(
        mark.header(),
        config.level,
        Arc::clone(&config.clock),
        epoch.start_time,
        ring,
        segments,
        Arc::clone(&epoch.lock),
    );
    Ok((Arc::new(shard), mark))
}

fn spawn<T: Send + 'static>(
    name: &str,
    directory: &Path,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>> {
    Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .at("start a thread for", directory)
}
