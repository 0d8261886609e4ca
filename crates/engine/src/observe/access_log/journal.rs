//! One thread's lines, until the writer takes them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use super::line::MOST;
use super::redact::redact;
use super::{AccessLog, Format, combined, json};
use crate::observe::entry::Entry;

/// What is handed over at once.
const BUFFER_BYTES: usize = 64 * 1024;

/// Buffers of a thread: half a megabyte for a disk that is slow for a moment.
const BUFFERS: usize = 8;

/// Lines for the writer, and where their buffer goes back to.
#[derive(Debug)]
pub(super) struct Full {
    pub bytes: Vec<u8>,
    pub lines: u64,
    pub home: SyncSender<Vec<u8>>,
}

/// Gathers one thread's lines. Nothing here waits, and after its beginning nothing allocates.
#[derive(Debug)]
pub struct Journal {
    log: Arc<AccessLog>,
    /// None where the writer has all of them.
    current: Option<Vec<u8>>,
    lines: u64,
    spare: Receiver<Vec<u8>>,
    home: SyncSender<Vec<u8>>,
    /// Path and query without their secrets, and room to find them.
    path: Vec<u8>,
    query: Vec<u8>,
    name: Vec<u8>,
}

impl Journal {
    /// With all the memory that it will ever take.
    #[must_use]
    pub fn new(log: &Arc<AccessLog>) -> Self {
        let (home, spare) = sync_channel(BUFFERS);
        for _ in 0..BUFFERS {
            let _ = home.try_send(Vec::with_capacity(BUFFER_BYTES));
        }
        Self {
            log: Arc::clone(log),
            current: None,
            lines: 0,
            spare,
            home,
            path: Vec::new(),
            query: Vec::new(),
            name: Vec::new(),
        }
    }

    /// Adds the line of an exchange that has ended; or counts it as dropped, where there is no room.
    pub fn add(&mut self, entry: &Entry<'_>) {
        if (self.current.as_ref()).is_some_and(|current| current.len() + MOST > BUFFER_BYTES) {
            self.hand_over();
        }
        if self.current.is_none() {
            self.current = self.spare.try_recv().ok();
        }
        let Some(current) = &mut self.current else {
            self.log.figures.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let keys = entry.config.map(|config| &*config.base.key_parameters);
        let secrets = &self.log.secrets;
        self.path.clear();
        redact(
            entry.request.path(),
            keys,
            secrets,
            &mut self.name,
            &mut self.path,
        );
        let query = entry.request.query().map(|query| {
            self.query.clear();
            redact(query, keys, secrets, &mut self.name, &mut self.query);
            &*self.query
        });
        match self.log.format {
            Format::Json => json::write(entry, &self.path, query, current),
            Format::Combined => combined::write(entry, &self.path, query, current),
        }
        self.lines += 1;
    }

    /// Gives the writer what there is.
    pub fn hand_over(&mut self) {
        if self.lines == 0 {
            return;
        }
        let Some(bytes) = self.current.take() else {
            return;
        };
        let lines = std::mem::take(&mut self.lines);
        let home = self.home.clone();
        if let Err(refused) = self.log.full.try_send(Full { bytes, lines, home }) {
            use std::sync::mpsc::TrySendError::{Disconnected, Full as NoRoom};
            let (NoRoom(full) | Disconnected(full)) = refused;
            self.log.figures.dropped.fetch_add(lines, Ordering::Relaxed);
            let mut bytes = full.bytes;
            bytes.clear();
            self.current = Some(bytes);
        }
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        self.hand_over();
    }
}
