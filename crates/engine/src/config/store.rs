//! Where threads find the current configuration.
//!
//! Publishing takes a lock; reading takes none: a thread compares one number per request, and fetches the new version
//! only when the number has changed. Each thread wraps the version in a counted reference of its own, so requests of
//! different threads don't write to the same reference count.

use std::ops::Deref;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::Config;

/// The current configuration; none before the first was published.
#[derive(Debug, Default)]
pub struct ConfigStore {
    current: Mutex<Option<Arc<Config>>>,
    /// Counts publications. Read without the lock.
    publications: AtomicU64,
    /// For the one who waits for them.
    published: Notify,
}

impl ConfigStore {
    /// Makes `config` the current one; returns the one before.
    pub(super) fn publish(&self, config: Arc<Config>) -> Option<Arc<Config>> {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let old = current.replace(config);
        self.publications.fetch_add(1, Ordering::Release);
        self.published.notify_one();
        old
    }

    /// Waits until something was published since the last call. For one caller.
    pub async fn changed(&self) {
        self.published.notified().await;
    }

    /// Asks something of the current configuration without holding on to it: the answer must be quick, as all who
    /// publish or fetch wait for it.
    pub(crate) fn look<T>(&self, ask: impl FnOnce(&Config) -> T) -> Option<T> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.as_deref().map(ask)
    }

    /// The current configuration.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Config>> {
        let current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }
}

/// One thread's view of the current configuration.
#[derive(Debug)]
pub struct ConfigReader {
    store: Arc<ConfigStore>,
    seen: u64,
    pinned: Option<Pinned>,
}

/// A version that somebody on this thread still uses: it stays as long as they do.
#[derive(Debug, Clone)]
#[allow(
    clippy::redundant_allocation,
    reason = "the outer count is this thread's alone"
)]
pub struct Pinned(Arc<Arc<Config>>);

impl Deref for Pinned {
    type Target = Config;

    fn deref(&self) -> &Config {
        &self.0
    }
}

impl ConfigReader {
    /// A view of `store`.
    #[must_use]
    pub fn new(store: Arc<ConfigStore>) -> Self {
        Self {
            store,
            seen: 0,
            pinned: None,
        }
    }

    /// The current configuration, for a request to hold to its end.
    pub fn current(&mut self) -> Option<&Pinned> {
        let published = self.store.publications.load(Ordering::Acquire);
        if published != self.seen {
            // Read before the version: if another one is published in between, it is fetched the next time.
            self.seen = published;
            self.pinned = self.store.current().map(|config| Pinned(Arc::new(config)));
        }
        self.pinned.as_ref()
    }
}
