//! What a thread that serves has to tell, until a thread that waits for disks or networks takes it.
//!
//! Buffers go round between the two: nothing here waits, and after its beginning nothing allocates. Where none is spare,
//! what there is to tell is dropped and counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

/// What is handed over at once.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;

/// Buffers of a thread: half a megabyte for whoever is slow for a moment.
const BUFFERS: usize = 8;

/// Buffers that may wait: more than any number of threads has that a machine serves with.
const MOST_WAITING: usize = 4096;

/// What became of what was told.
#[derive(Debug, Default)]
pub struct Figures {
    delivered: AtomicU64,
    dropped: AtomicU64,
}

impl Figures {
    /// What was written, or sent.
    #[must_use]
    pub fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// What nobody took in time, or couldn't be written or sent.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Takes note of what became of so many.
    pub(super) fn note(&self, count: u64, delivered: bool) {
        let figure = if delivered {
            &self.delivered
        } else {
            &self.dropped
        };
        figure.fetch_add(count, Ordering::Relaxed);
    }
}

/// A buffer for who waits, and where it goes back to, emptied.
#[derive(Debug)]
pub(super) struct Full {
    pub bytes: Vec<u8>,
    pub count: u64,
    pub home: SyncSender<Vec<u8>>,
}

/// Both ends of the way.
pub(super) fn way() -> (SyncSender<Full>, Receiver<Full>) {
    sync_channel(MOST_WAITING)
}

/// One thread's buffers.
#[derive(Debug)]
pub(super) struct Batches {
    /// None where the other side has all of them.
    current: Option<Vec<u8>>,
    count: u64,
    spare: Receiver<Vec<u8>>,
    home: SyncSender<Vec<u8>>,
    full: SyncSender<Full>,
    figures: Arc<Figures>,
}

impl Batches {
    /// With all the memory that it will ever take.
    pub fn new(full: &SyncSender<Full>, figures: &Arc<Figures>) -> Self {
        let (home, spare) = sync_channel(BUFFERS);
        for _ in 0..BUFFERS {
            let _ = home.try_send(Vec::with_capacity(BUFFER_BYTES));
        }
        Self {
            current: None,
            count: 0,
            spare,
            home,
            full: full.clone(),
            figures: Arc::clone(figures),
        }
    }

    /// Where to append `count` more things, of `most` bytes; none where they are dropped, which is counted.
    pub fn room(&mut self, most: usize, count: u64) -> Option<&mut Vec<u8>> {
        if (self.current.as_ref()).is_some_and(|current| current.len() + most > BUFFER_BYTES) {
            self.hand_over();
        }
        if self.current.is_none() {
            self.current = self.spare.try_recv().ok();
        }
        if self.current.is_some() {
            self.count += count;
        } else {
            self.figures.note(count, false);
        }
        self.current.as_mut()
    }

    /// Gives the other side what there is.
    pub fn hand_over(&mut self) {
        if self.count == 0 {
            return;
        }
        let Some(bytes) = self.current.take() else {
            return;
        };
        let (count, home) = (std::mem::take(&mut self.count), self.home.clone());
        if let Err(refused) = self.full.try_send(Full { bytes, count, home }) {
            let (TrySendError::Full(full) | TrySendError::Disconnected(full)) = refused;
            self.figures.note(count, false);
            let mut bytes = full.bytes;
            bytes.clear();
            self.current = Some(bytes);
        }
    }
}

impl Drop for Batches {
    fn drop(&mut self) {
        self.hand_over();
    }
}
