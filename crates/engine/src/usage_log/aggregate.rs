//! Adding up a stretch of the log: what metering reads.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::ControlFlow;

use super::error::Result;
use super::event::{Completion, Id, Mode, ShardId, Source, UsageEvent};
use super::reader::{Cursors, Reader};
use super::scan::{GapKind, Item};

/// 15 minutes, µs.
const BUCKET: u64 = 15 * 60 * 1_000_000;

/// One hour, µs.
const HOUR: u64 = 4 * BUCKET;

/// A batch ends once it has so many groups: they, not its events, are what it costs to keep and to store.
const MOST_GROUPS: usize = 128 * 1024;

/// The hash of a [`GroupKey`]: one multiplication a word. Ids are given out by us, most of them at random, so a
/// hash that withstands attackers would cost a third of all reading for nothing.
#[derive(Debug, Default)]
pub struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        // The best bits are the uppermost; tables look at the lowest too.
        self.0.rotate_left(26)
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(u64::from(number));
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }
}

/// Groups by what their events have in common.
pub type Groups = HashMap<GroupKey, Sums, BuildHasherDefault<KeyHasher>>;

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

impl Sums {
    fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.requests += other.requests;
        self.units += other.units;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.last = self.last.max(other.last);
    }
}

impl ActivityKey {
    fn of(key: &GroupKey) -> Self {
        Self {
            hour: key.start - key.start % HOUR,
            customer: key.customer,
            consumer: key.consumer,
            credential: key.credential,
            route: key.route,
            status: key.status,
            test_mode: key.test_mode,
        }
    }
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
    pub groups: Groups,
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
/// UTC or one of `cuts` (µs). Stops after `max_events`, or when there are very many groups.
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
        if batch.has_room(max_events) {
            range.read(&mut buffer, |item| {
                batch.add(*shard, &item, &cuts);
                if batch.has_room(max_events) {
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

/// What pages show: a consumer's hour, by key, route and status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ActivityKey {
    /// µs: the start of the hour UTC.
    pub hour: u64,
    /// Who pays.
    pub customer: Id,
    /// Who called.
    pub consumer: Id,
    /// With which key.
    pub credential: Id,
    /// The rule that matched.
    pub route: Id,
    /// The answer's status.
    pub status: u16,
    /// Whether it is the trial of an integration.
    pub test_mode: bool,
}

impl Batch {
    /// The groups added up further, ordered by their keys: in that order a database takes them fastest.
    #[must_use]
    pub fn activity(&self) -> Vec<(ActivityKey, Sums)> {
        let mut rows: Vec<_> = (self.groups.iter())
            .map(|(key, sums)| (ActivityKey::of(key), *sums))
            .collect();
        rows.sort_unstable_by_key(|(key, _)| *key);
        rows.dedup_by(|(key, sums), (before, total)| {
            let same = key == before;
            if same {
                total.add(sums);
            }
            same
        });
        rows
    }

    fn has_room(&self, max_events: u64) -> bool {
        self.events < max_events && self.groups.len() < MOST_GROUPS
    }

    fn add(&mut self, shard: ShardId, item: &Item<'_>, cuts: &[u64]) {
        match item {
            Item::Event { time, event, .. } => {
                let sums = self
                    .groups
                    .entry(GroupKey::of(event, bucket(*time, cuts)))
                    .or_default();
                sums.add(&Sums {
                    events: 1,
                    requests: u64::from(event.part == 0),
                    units: event.units.into(),
                    bytes_in: event.bytes_in.into(),
                    bytes_out: event.bytes_out.into(),
                    last: *time,
                });
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

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: u32, status: u16) -> UsageEvent<'static> {
        let mut consumer = [0; 16];
        consumer[..4].copy_from_slice(&number.to_le_bytes());
        UsageEvent {
            consumer,
            status,
            bytes_out: 10,
            ..UsageEvent::default()
        }
    }

    fn add(batch: &mut Batch, time: u64, event: UsageEvent<'_>) {
        let shard = ShardId {
            node: [1; 16],
            epoch: 1,
            shard: 0,
        };
        let item = Item::Event {
            offset: 0,
            length: 0,
            time,
            event,
        };
        batch.add(shard, &item, &[]);
    }

    #[test]
    fn a_batch_ends_by_its_groups_too() {
        let mut batch = Batch::default();
        for number in 0..131_072 {
            assert!(batch.has_room(u64::MAX));
            add(&mut batch, 0, event(number, 200));
            add(&mut batch, 0, event(number, 200));
        }
        assert!(!batch.has_room(u64::MAX));
    }

    #[test]
    fn activity_adds_up_the_groups_of_an_hour_in_order() {
        let mut batch = Batch::default();
        for (number, status, time) in [
            (2, 200, 5),
            (1, 500, 1),
            (1, 200, 1),
            (1, 200, BUCKET + 7),
            (1, 200, HOUR),
        ] {
            add(&mut batch, time, event(number, status));
        }
        let rows: Vec<_> = (batch.activity().iter())
            .map(|(key, sums)| {
                let row = (key.hour, key.consumer[0], key.status);
                (row, sums.requests, sums.bytes_out, sums.last)
            })
            .collect();
        assert_eq!(
            rows,
            [
                ((0, 1, 200), 2, 20, BUCKET + 7),
                ((0, 1, 500), 1, 10, 1),
                ((0, 2, 200), 1, 10, 5),
                ((HOUR, 1, 200), 1, 10, HOUR),
            ]
        );
    }
}
