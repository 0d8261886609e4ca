//! What a forwarded exchange will be billed by: its usage event, appended before the last byte leaves.
//!
//! A bill that is dropped unfinished, by a panic or by the end of a drain, closes itself: once an upstream has
//! answered, no way out of an exchange leaves no event.

use crate::failpoint;
use crate::phases::{Exchange, Now, Outcome, UpstreamTimes};
use crate::usage_log::{Appended, Completion, Permit};

use super::worker::Worker;

/// An exchange goes on in parts once its body has flowed so long.
const PART_MICROSECONDS: u64 = 10_000_000;

/// And then a part ends at the latest after so many bytes, in either direction.
const PART_BYTES: u64 = 1024 * 1024;

/// What an exchange has used so far.
#[derive(Debug, Clone, Copy)]
pub struct Used {
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes delivered to the client.
    pub bytes_out: u64,
    /// When.
    pub at: Now,
}

/// The open bill of one exchange.
pub struct Bill<'a> {
    worker: &'a Worker,
    exchange: &'a mut Exchange,
    permit: Option<Permit>,
    outcome: Outcome,
    part: u16,
    parted: Used,
    /// What was used when a part was tried last: without room for it the next try waits as long again.
    tried: Used,
}

/// What a bill is opened with, when the upstream's head has come.
#[derive(Debug, Clone, Copy)]
pub struct Opening {
    /// The answer's status.
    pub status: u16,
    /// How often an upstream was tried.
    pub attempts: u8,
    /// When the request began.
    pub began: Now,
    /// The upstream's part.
    pub upstream: UpstreamTimes,
}

impl<'a> Bill<'a> {
    /// Opens the bill; `permit` is the log's promise of room for it.
    pub fn open(
        worker: &'a Worker,
        exchange: &'a mut Exchange,
        permit: Permit,
        opening: Opening,
    ) -> Self {
        let Opening {
            status,
            attempts,
            began,
            upstream,
        } = opening;
        let outcome = Outcome {
            status,
            grpc_status: None,
            completion: Completion::UpstreamAbort,
            attempts,
            bytes_in: 0,
            bytes_out: 0,
            upstream,
            ended: upstream.head,
        };
        let parted = Used {
            bytes_in: 0,
            bytes_out: 0,
            at: began,
        };
        Self {
            worker,
            exchange,
            permit: Some(permit),
            outcome,
            part: 0,
            parted,
            tried: parted,
        }
    }

    /// Notes how a call of gRPC ended.
    pub fn call_ended(&mut self, status: u8) {
        self.outcome.grpc_status = Some(status);
    }

    /// Notes what was used, for a bill that nobody gets to close.
    pub fn note(&mut self, used: Used) {
        self.outcome.bytes_in = used.bytes_in;
        self.outcome.bytes_out = used.bytes_out;
        self.outcome.ended = used.at;
    }

    /// Whether a part is due: the first when the body has flowed for ten seconds, none once the bill is closed.
    ///
    /// A closed one tells of bytes that are still on their way: a slow client takes the last of them later.
    #[must_use]
    pub fn part_is_due(&self, used: Used) -> bool {
        if self.permit.is_none() {
            return false;
        }
        let grown = (used.bytes_out.saturating_sub(self.tried.bytes_out))
            .max(used.bytes_in.saturating_sub(self.tried.bytes_in));
        let long = used.at.mono.saturating_sub(self.tried.at.mono) >= PART_MICROSECONDS;
        (long && self.has_news(used)) || (self.part > 0 && grown >= PART_BYTES)
    }

    /// A part would tell something: the request, or bytes. Who rests for hours is billed when that ends.
    fn has_news(&self, used: Used) -> bool {
        let Used {
            bytes_in,
            bytes_out,
            ..
        } = self.parted;
        self.part == 0 || used.bytes_in > bytes_in || used.bytes_out > bytes_out
    }

    /// How many milliseconds the exchange may go on before a part is due by time.
    #[must_use]
    pub fn until_part(&self, used: Used) -> u64 {
        if self.permit.is_none() || !self.has_news(used) {
            return u64::MAX;
        }
        let spent = used.at.mono.saturating_sub(self.tried.at.mono);
        PART_MICROSECONDS.saturating_sub(spent).div_ceil(1000)
    }

    /// Appends the first part at once, with nothing used yet: the request is on record before what may go on for hours.
    /// `next` is room for what follows it. What comes back is to be awaited where the level is strict.
    pub fn begin_parts(&mut self, next: Permit, at: Now) -> Option<Appended> {
        self.note(Used {
            bytes_in: 0,
            bytes_out: 0,
            at,
        });
        self.append(false, Some(next))
    }

    /// Appends what was used since the last part. Room for the next one is claimed first; where there is none,
    /// or part numbers run out, the exchange goes on within this part.
    pub fn add_part(&mut self, used: Used) {
        self.note(used);
        self.tried = used;
        if self.part == u16::MAX - 1 {
            return;
        }
        let Ok(next) = self.worker.shard.admit() else {
            return;
        };
        self.append(false, Some(next));
    }

    /// Appends the event, or its last part; what comes back is to be awaited where the level is strict.
    pub fn close(&mut self, completion: Completion, used: Used) -> Option<Appended> {
        self.outcome.completion = completion;
        self.note(used);
        let appended = self.append(true, None);
        if appended.is_some() {
            match completion {
                Completion::Complete => {}
                Completion::ClientAbort => self.worker.stats.events_client_abort.increment(),
                Completion::UpstreamAbort => self.worker.stats.events_upstream_abort.increment(),
            }
            self.exchange
                .finished(&self.worker.pipeline.borrow(), &self.outcome);
        }
        appended
    }

    fn append(&mut self, last: bool, next: Option<Permit>) -> Option<Appended> {
        // What is closed stays closed, whatever comes with `next`.
        let permit = self.permit.take()?;
        self.permit = next;
        let mut event = self.exchange.event(&self.outcome);
        event.part = self.part;
        event.last = last;
        if !last {
            event.completion = Completion::Complete;
        }
        if self.part > 0 {
            // The sum over the parts is what the exchange used: the request itself is in part 0.
            event.units = 0;
            event.upstream = 0;
        }
        if self.part > 0 || !last {
            event.bytes_in -= self.parted.bytes_in;
            event.bytes_out -= self.parted.bytes_out;
            let spent = self.outcome.ended.mono.saturating_sub(self.parted.at.mono);
            event.duration = u32::try_from(spent).unwrap_or(u32::MAX);
        }
        self.exchange.charge(&event);
        failpoint!("proxy.before_append");
        let appended = permit.append(&event);
        self.exchange.charged(&event);
        self.worker.stats.events.increment();
        self.part = self.part.saturating_add(1);
        self.parted = Used {
            bytes_in: self.outcome.bytes_in,
            bytes_out: self.outcome.bytes_out,
            at: self.outcome.ended,
        };
        self.tried = self.parted;
        Some(appended)
    }
}

impl Drop for Bill<'_> {
    fn drop(&mut self) {
        let used = Used {
            bytes_in: self.outcome.bytes_in,
            bytes_out: self.outcome.bytes_out,
            at: self.outcome.ended,
        };
        self.close(Completion::UpstreamAbort, used);
    }
}
