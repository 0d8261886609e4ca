//! One thread's lines.

use std::sync::Arc;

use super::{AccessLog, Format, combined, json};
use crate::observe::batches::Batches;
use crate::observe::entry::Entry;
use crate::observe::redact::Redacted;
use crate::observe::text::MOST;

/// Gathers one thread's lines. Nothing here waits, and after its beginning nothing allocates.
#[derive(Debug)]
pub struct Journal {
    log: Arc<AccessLog>,
    lines: Batches,
    redacted: Redacted,
    referer: Redacted,
}

impl Journal {
    /// With all the memory that it will ever take.
    #[must_use]
    pub fn new(log: &Arc<AccessLog>) -> Self {
        Self {
            log: Arc::clone(log),
            lines: Batches::new(&log.full, &log.figures),
            redacted: Redacted::default(),
            referer: Redacted::default(),
        }
    }

    /// Adds the line of an exchange that has ended; or counts it as dropped, where there is no room.
    pub fn add(&mut self, entry: &Entry<'_>) {
        let Some(line) = self.lines.room(MOST, 1) else {
            return;
        };
        let (path, query) = self.redacted.target(entry, &self.log.secrets);
        match self.log.format {
            Format::Json => json::write(entry, path, query, line),
            Format::Combined => {
                // A URL as well, with a path of its own.
                let referer = entry.request.referer();
                let referer = referer.map(|url| self.referer.text(entry, &self.log.secrets, url));
                combined::write(entry, (path, query), referer, line);
            }
        }
    }

    /// Gives the writer what there is.
    pub fn hand_over(&mut self) {
        self.lines.hand_over();
    }
}
