//! Picking events out of a stretch of the log: what opens an invoice line to its requests.

use std::ops::ControlFlow;

use super::error::{LogError, Result};
use super::event::{Id, Mode, ShardId, UsageEvent};
use super::reader::{Cursors, Range, Reader};
use super::scan::Item;

/// After so many events a batch ends, found or not: whoever waits may want to stop.
const PATIENCE: u64 = 1_000_000;

/// Which events: each field that is set must match.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selection {
    /// Who pays.
    pub customer: Option<Id>,
    /// Who called.
    pub consumer: Option<Id>,
    /// Under which phase of the subscription.
    pub phase: Option<Id>,
    /// Live or test.
    pub mode: Option<Mode>,
    /// No earlier than this, µs.
    pub from: Option<u64>,
    /// Earlier than this, µs.
    pub to: Option<u64>,
}

impl Selection {
    fn takes(&self, time: u64, event: &UsageEvent<'_>) -> bool {
        self.customer
            .is_none_or(|customer| customer == event.customer)
            && self
                .consumer
                .is_none_or(|consumer| consumer == event.consumer)
            && self.phase.is_none_or(|phase| phase == event.phase)
            && self.mode.is_none_or(|mode| mode == event.mode)
            && self.from.is_none_or(|from| from <= time)
    }
}

/// An event and its identity.
#[derive(Debug, Clone, Copy)]
pub struct Logged<'a> {
    /// Node, epoch and shard.
    pub shard: ShardId,
    /// Where in the shard.
    pub offset: u64,
    /// µs since 1970.
    pub time: u64,
    /// What was used.
    pub event: UsageEvent<'a>,
}

/// A walk over the events of a stretch that match a selection, shard by shard.
pub struct Events {
    reader: Reader,
    selection: Selection,
    /// Shards that are yet to be read, last first: whose, from, to.
    ahead: Vec<(ShardId, u64, u64)>,
    current: Option<Range>,
    buffer: Vec<u8>,
}

impl Events {
    /// The events from `start` to `end`, for the shards that `end` names.
    #[must_use]
    pub fn new(reader: Reader, start: &Cursors, end: &Cursors, selection: Selection) -> Self {
        let from = |shard| start.get(shard).copied().unwrap_or(0);
        Self {
            reader,
            selection,
            ahead: end
                .iter()
                .rev()
                .map(|(shard, end)| (*shard, from(shard), *end))
                .collect(),
            current: None,
            buffer: Vec::new(),
        }
    }

    /// Gives the next events to `take`, about `limit` of them; fewer where they are rare. Returns whether
    /// there may be more. Holes and quarantined stretches are passed over.
    ///
    /// # Errors
    /// A file is missing or unreadable, or a cursor lies above what is readable.
    pub fn next_batch(&mut self, limit: u64, mut take: impl FnMut(Logged<'_>)) -> Result<bool> {
        let (mut seen, mut taken) = (0, 0);
        while seen < PATIENCE && taken < limit {
            let Some(mut range) = self.next_range()? else {
                return Ok(false);
            };
            let (shard, selection) = (range.shard(), self.selection);
            let mut passed = false;
            range.read(&mut self.buffer, |item| {
                let Item::Event {
                    offset,
                    time,
                    event,
                    ..
                } = item
                else {
                    return ControlFlow::Continue(());
                };
                seen += 1;
                // Times don't go back within a shard.
                passed = selection.to.is_some_and(|to| to <= time);
                if !passed && selection.takes(time, &event) {
                    taken += 1;
                    take(Logged {
                        shard,
                        offset,
                        time,
                        event,
                    });
                }
                if passed || seen == PATIENCE || taken == limit {
                    ControlFlow::Break(())
                } else {
                    ControlFlow::Continue(())
                }
            })?;
            if !passed && !range.done() {
                self.current = Some(range);
            }
        }
        Ok(true)
    }

    /// The range that is being read, or the next.
    fn next_range(&mut self) -> Result<Option<Range>> {
        if let Some(range) = self.current.take() {
            return Ok(Some(range));
        }
        while let Some((shard, start, end)) = self.ahead.pop() {
            if start >= end {
                continue;
            }
            let Some(mut range) = self.reader.range(shard, start, end)? else {
                return Err(LogError::BeyondReadable {
                    shard,
                    cursor: start,
                    readable: self.reader.readable(shard)?,
                });
            };
            if let Some(from) = self.selection.from {
                range.skip_before(from)?;
            }
            return Ok(Some(range));
        }
        Ok(None)
    }
}
