//! Waiting until an event is on the disk: the level `strict`.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use super::error::Refused;
use super::shard::Shard;

/// The requests that wait for a sync. One sync serves all whose events it covers.
#[derive(Default)]
pub(super) struct Waiters {
    waiting: Mutex<Vec<(u64, Waker)>>,
}

impl Waiters {
    fn add(&self, end: u64, waker: Waker) {
        self.waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((end, waker));
    }

    pub(super) fn any(&self) -> bool {
        !self
            .waiting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }

    /// Wakes those whose events lie below `synced`.
    pub(super) fn wake(&self, synced: u64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let (ready, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut *waiting)
            .into_iter()
            .partition(|(end, _)| *end <= synced);
        *waiting = rest;
        drop(waiting);
        for (_, waker) in ready {
            waker.wake();
        }
    }
}

/// Resolves when the event is where its level wants it before the last byte leaves: in `group` and
/// `relaxed` at once, in `strict` when a sync has covered it. An error means that the last byte must not
/// leave.
#[must_use = "the last byte may leave only when this has resolved"]
pub struct Durable {
    shard: Arc<Shard>,
    /// What must be synced; 0 where the level asks for nothing.
    end: u64,
}

impl Durable {
    pub(super) fn new(shard: Arc<Shard>, end: u64) -> Self {
        Self { shard, end }
    }
}

impl Future for Durable {
    type Output = Result<(), Refused>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let shard = &self.shard;
        if shard.synced() >= self.end {
            return Poll::Ready(Ok(()));
        }
        shard.waiters().add(self.end, context.waker().clone());
        // What happened between the two looks would wake nobody.
        if shard.synced() >= self.end {
            return Poll::Ready(Ok(()));
        }
        if shard.failed() {
            return Poll::Ready(Err(Refused::Failed));
        }
        shard.wake_flusher();
        Poll::Pending
    }
}
