//! Adding up a stretch of the log: what metering reads.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::error::Result;
use super::event::{Completion, Id, Mode, ShardId, Source, UsageEvent};
use super::reader::{Cursors, Reader};
use super::scan::{GapKind, Item};

/// 15 minutes, µs.
const BUCKET: u64 = 15 * 60 * 1_000_000;

/// What the events of a group have in common: all that a meter can tell apart, and the key that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKey {
    /// µs: the start of the 15 minutes UTC, or the latest cut within them.
    pub start: u64,
    /// Who pays.
    pub customer: Id,
    /// Who called.
    pub consumer: Id,
    /// With which key.
    pub credential: Id,
    /// Under which phase of the subscription.
    pub phase: Id,
    /// Whether it is the trial of an integration.
    pub test_mode: bool,
    /// The rule that matched.
    pub route: Id,
    /// The upstream API.
    pub service: Id,
    /// The answer's status.
    pub status: u16,
    /// The trailer's, where it was gRPC.
    pub grpc_status: Option<u8>,
    /// See [`method_name`](super::method_name).
    pub method: u8,
    /// See [`Completion`].
    pub completion: u8,
    /// See [`Source`].
    pub source: u8,
}

impl GroupKey {
    fn of(event: &UsageEvent<'_>, start: u64) -> Self {
        Self {
            start,
            customer: event.customer,
            consumer: event.consumer,
            credential: event.credential,
            phase: event.phase,
            test_mode: event.mode == Mode::Test,
            route: event.route,
            service: event.service,
            status: event.status,
            grpc_status: event.grpc_status,
            method: event.method,
            completion: event.completion as u8,
            source: event.source as u8,
        }
    }

    /// How the exchanges ended.
    #[must_use]
    pub fn completion(&self) -> Completion {
        match self.completion {
            0 => Completion::Complete,
            1 => Completion::ClientAbort,
            _ => Completion::UpstreamAbort,
        }
    }

    /// Who gave the answers.
    #[must_use]
    pub fn source(&self) -> Source {
        if self.source == 0 {
            Source::Upstream
        } else {
            Source::Cache
        }
    }
}

/// What the events of a group add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sums {
    /// Records of the log.
    pub events: u64,
    /// Exchanges: the records that are part 0.
    pub requests: u64,
    /// Units. Wide, so that no sum overflows.
    pub units: u128,
    /// Body bytes from clients.
    pub bytes_in: u128,
    /// Body bytes delivered to clients.
    pub bytes_out: u128,
    /// The time of the latest of them, µs.
    pub last: u64,
}

/// A stretch of a shard that holds no events, and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Of which shard.
    pub shard: ShardId,
    /// Why.
    pub kind: FaultKind,
    /// The stretch's first byte; the cursor, where that is beyond the end.
    pub start: u64,
    /// The byte after its last; the end, where the cursor is beyond it.
    pub end: u64,
}

/// What is wrong with a stretch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Reserved but never finished: the process died there.
    Hole,
    /// It fails its checksum.
    Quarantined,
    /// The cursor is beyond the end of its log: nothing of that shard was read.
    BeyondEnd,
}

/// A stretch of the log, added up.
#[derive(Debug, Default)]
pub struct Batch {
    /// In no particular order.
    pub groups: HashMap<GroupKey, Sums>,
    /// How far each shard of the end was read.
    pub after: Cursors,
    /// What could not be read.
    pub faults: Vec<Fault>,
    /// How many events were read.
    pub events: u64,
    /// Whether all was read.
    pub done: bool,
}

/// Adds up the events from `start` to `end`, for the shards that `end` names. No group spans 15 minutes
/// UTC or one of `cuts` (µs). Stops after `max_events`.
///
/// # Errors
/// A file is missing or unreadable, or `end` lies above what is readable.
pub fn aggregate(
    reader: &mut Reader,
    start: &Cursors,
    end: &Cursors,
    mut cuts: Vec<u64>,
    max_events: u64,
) -> Result<Batch> {
    cuts.sort_unstable();
    let mut batch = Batch {
        done: true,
        ..Batch::default()
    };
    let mut buffer = Vec::new();
    for (shard, end) in end {
        let from = start.get(shard).copied().unwrap_or(0);
        let Some(mut range) = reader.range(*shard, from, *end)? else {
            batch.after.insert(*shard, from);
            batch.faults.push(Fault {
                shard: *shard,
                kind: FaultKind::BeyondEnd,
                start: from,
                end: *end,
            });
            continue;
        };
        if batch.events < max_events {
            range.read(&mut buffer, |item| {
                batch.add(*shard, &item, &cuts);
                if batch.events < max_events {
                    ControlFlow::Continue(())
                } else {
                    ControlFlow::Break(())
                }
            })?;
        }
        batch.done &= range.done();
        batch.after.insert(*shard, range.position());
    }
    Ok(batch)
}

impl Batch {
    fn add(&mut self, shard: ShardId, item: &Item<'_>, cuts: &[u64]) {
        match item {
            Item::Event { time, event, .. } => {
                let sums = self
                    .groups
                    .entry(GroupKey::of(event, bucket(*time, cuts)))
                    .or_default();
                sums.events += 1;
                sums.requests += u64::from(event.part == 0);
                sums.units += u128::from(event.units);
                sums.bytes_in += u128::from(event.bytes_in);
                sums.bytes_out += u128::from(event.bytes_out);
                sums.last = sums.last.max(*time);
                self.events += 1;
            }
            Item::Gap(gap) => self.faults.push(Fault {
                shard,
                kind: match gap.kind {
                    GapKind::Hole => FaultKind::Hole,
                    GapKind::Quarantined => FaultKind::Quarantined,
                },
                start: gap.start,
                end: gap.end,
            }),
            Item::Unknown { .. } => {}
        }
    }
}

/// The start of what an event at `time` is added up in.
fn bucket(time: u64, cuts: &[u64]) -> u64 {
    let quarter = time - time % BUCKET;
    let cut = cuts
        .partition_point(|cut| *cut <= time)
        .checked_sub(1)
        .map_or(0, |last| cuts[last]);
    quarter.max(cut)
}
