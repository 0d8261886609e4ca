//! What the gateway knows of control, for readiness and metrics.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// Written by the client, read by the status port.
#[derive(Debug, Default)]
pub struct ControlState {
    connected: AtomicBool,
    contacted: AtomicBool,
    newest: AtomicU64,
    applied: AtomicU64,
    rejected: AtomicU64,
    fault: Mutex<Option<String>>,
}

impl ControlState {
    /// Whether there is a connection now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    /// Whether control said anything since the start.
    #[must_use]
    pub fn was_contacted(&self) -> bool {
        self.contacted.load(Ordering::Relaxed)
    }

    /// The newest version that control spoke of; 0 if it didn't.
    #[must_use]
    pub fn newest(&self) -> u64 {
        self.newest.load(Ordering::Relaxed)
    }

    /// Versions applied since the start.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.applied.load(Ordering::Relaxed)
    }

    /// Versions refused since the start.
    #[must_use]
    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::Relaxed)
    }

    /// What went wrong last, for people; none once control's word was applied again.
    #[must_use]
    pub fn fault(&self) -> Option<String> {
        self.fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn connected(&self, connected: bool) {
        self.connected.store(connected, Ordering::Relaxed);
    }

    /// Control says which version is the newest: after a restore of its database it may be an older one.
    pub(super) fn heard_of(&self, version: u64) {
        self.newest.store(version, Ordering::Relaxed);
        self.contacted.store(true, Ordering::Relaxed);
    }

    pub(super) fn count_applied(&self) {
        self.applied.fetch_add(1, Ordering::Relaxed);
        self.set_fault(None);
    }

    pub(super) fn count_rejected(&self, fault: String) {
        self.rejected.fetch_add(1, Ordering::Relaxed);
        self.set_fault(Some(fault));
    }

    pub(super) fn set_fault(&self, fault: Option<String>) {
        *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }
}
