//! Whether an address is in or out: counters of what speaks for it and against it, in one word that any thread changes.
//!
//! Failures count *in a row*: whatever speaks for the address sets them to zero. An address that is out comes back by
//! active checks, by an operator's word, or, where nobody asks it actively, by a trial: after a pause one request
//! may go there, and what becomes of it decides.

use std::sync::atomic::{AtomicU64, Ordering};

use super::policy::Thresholds;

/// The first pause before a trial, and the longest: each trial that fails doubles it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pauses {
    /// µs.
    pub first: u64,
    /// µs.
    pub most: u64,
}

/// What one request or check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// It speaks for the address.
    Success,
    /// An answer that speaks against it.
    Http,
    /// No connection, or one that broke before an answer.
    Tcp,
    /// It took too long.
    Timeout,
}

/// What a report changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The address is in again.
    Up,
    /// It is out.
    Down,
}

/// The state of one address.
#[derive(Debug, Default)]
pub struct Health {
    word: AtomicU64,
    /// µs of the process's clock from which on a trial may be made; 0 for none.
    trial_at: AtomicU64,
}

/// The word taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Word {
    down: bool,
    successes: u8,
    http: u8,
    tcp: u8,
    timeouts: u8,
    /// How often it went down, or failed a trial, without having been up in between.
    trips: u8,
}

impl Word {
    fn unpack(bits: u64) -> Self {
        let [down, successes, http, tcp, timeouts, trips, ..] = bits.to_le_bytes();
        Self {
            down: down != 0,
            successes,
            http,
            tcp,
            timeouts,
            trips,
        }
    }

    fn pack(self) -> u64 {
        let Self {
            down,
            successes,
            http,
            tcp,
            timeouts,
            trips,
        } = self;
        u64::from_le_bytes([u8::from(down), successes, http, tcp, timeouts, trips, 0, 0])
    }

    /// After a report, and what that changed.
    fn after(mut self, report: Report, thresholds: Thresholds) -> (Self, Option<Change>) {
        let (count, limit) = match report {
            Report::Success if !self.down => return (Self::default(), None),
            Report::Success => (&mut self.successes, thresholds.successes),
            Report::Http => (&mut self.http, thresholds.http_failures),
            Report::Tcp => (&mut self.tcp, thresholds.tcp_failures),
            Report::Timeout => (&mut self.timeouts, thresholds.timeouts),
        };
        if limit == 0 {
            return (self, None);
        }
        if self.down && report != Report::Success {
            // Requests that were under way when it went down tell nothing new.
            self.successes = 0;
            return (self, None);
        }
        *count = count.saturating_add(1);
        if *count < limit {
            return (self, None);
        }
        if self.down {
            return (Self::default(), Some(Change::Up));
        }
        let down = Self {
            down: true,
            trips: 1,
            ..Self::default()
        };
        (down, Some(Change::Down))
    }
}

impl Health {
    /// Whether requests may go there.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.word.load(Ordering::Relaxed).to_le_bytes()[0] == 0
    }

    /// Takes note of a report at `now` (µs). Where `pauses` are given, trials decide over the return of one that goes down.
    ///
    /// The usual case, a success of an address without failures, writes nothing.
    pub fn report(
        &self,
        report: Report,
        thresholds: Thresholds,
        pauses: Option<Pauses>,
        now: u64,
    ) -> Option<Change> {
        let mut change = None;
        let step = |bits| {
            let before = Word::unpack(bits);
            let (after, changed) = before.after(report, thresholds);
            change = changed;
            (after != before).then(|| after.pack())
        };
        let _ = (self.word).fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
        match (change, pauses) {
            (Some(Change::Down), Some(pauses)) => self.rest(pauses, 1, now),
            (Some(_), _) => self.trial_at.store(0, Ordering::Relaxed),
            (None, _) => {}
        }
        change
    }

    /// Takes note of how a trial went. Without a threshold one success is enough.
    pub fn tried(
        &self,
        report: Report,
        thresholds: Thresholds,
        pauses: Pauses,
        now: u64,
    ) -> Option<Change> {
        if report != Report::Success {
            let step = |bits| {
                let mut word = Word::unpack(bits);
                (word.successes, word.trips) = (0, word.trips.saturating_add(1));
                word.down.then(|| word.pack())
            };
            let updated = (self.word).fetch_update(Ordering::Relaxed, Ordering::Relaxed, step);
            if let Ok(before) = updated {
                self.rest(pauses, Word::unpack(before).trips.saturating_add(1), now);
            }
            return None;
        }
        let thresholds = Thresholds {
            successes: thresholds.successes.max(1),
            ..thresholds
        };
        let change = self.report(report, thresholds, None, now);
        if change.is_none() && !self.is_up() {
            // More successes are wanted: the next trial may follow at once.
            self.trial_at.store(now.max(1), Ordering::Relaxed);
        }
        change
    }

    fn rest(&self, pauses: Pauses, trips: u8, now: u64) {
        let until = now.saturating_add(pauses.after(trips)).max(1);
        self.trial_at.store(until, Ordering::Relaxed);
    }

    /// Whether a trial is due at `now`; true for one caller only, until the next pause is over.
    #[must_use]
    pub fn claim_trial(&self, pauses: Pauses, now: u64) -> bool {
        let due = self.trial_at.load(Ordering::Relaxed);
        if due == 0 || now < due || self.is_up() {
            return false;
        }
        let trips = Word::unpack(self.word.load(Ordering::Relaxed)).trips;
        let next = now.saturating_add(pauses.after(trips)).max(1);
        self.trial_at
            .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
            .is_ok()
    }

    /// An operator's word: in or out, whatever was counted. One who is out so gets no trials.
    pub fn set(&self, up: bool) {
        let word = Word {
            down: !up,
            ..Word::default()
        };
        self.trial_at.store(0, Ordering::Relaxed);
        self.word.store(word.pack(), Ordering::Relaxed);
    }
}

impl Pauses {
    fn after(self, trips: u8) -> u64 {
        let doublings = u32::from(trips.saturating_sub(1)).min(20);
        self.first.saturating_mul(1 << doublings).min(self.most)
    }
}
