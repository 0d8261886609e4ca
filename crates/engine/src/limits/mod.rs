mod window;

pub use window::{WINDOWS, Window};

/// Whose requests a counter counts: 128 bits of a SHA-256, so that no two ever share one by accident or design.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CounterKey {
    pub(crate) high: u64,
    pub(crate) low: u64,
}

impl CounterKey {
    /// From a digest. Never zero: a zero key marks an unused slot.
    #[must_use]
    pub fn new(digest: &[u8; 32]) -> Self {
        let words = digest.as_chunks::<8>().0;
        Self {
            high: u64::from_le_bytes(words[0]) | 1,
            low: u64::from_le_bytes(words[1]),
        }
    }
}

/// How many requests may pass in each window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits([u64; WINDOWS]);

impl Default for Limits {
    /// No limit at all.
    fn default() -> Self {
        Self([u64::MAX; WINDOWS])
    }
}

impl Limits {
    /// The greatest limit that a kind of window can have: what its count is kept in.
    #[must_use]
    pub fn most(window: Window) -> u64 {
        match window {
            Window::Second | Window::Minute | Window::Hour | Window::Day => u64::from(u32::MAX),
            Window::Month | Window::Year => (1 << 53) - 1,
        }
    }

    /// Sets the limit of a window, at most [`Limits::most`].
    pub fn set(&mut self, window: Window, limit: u64) {
        self.0[window as usize] = limit;
    }

    /// The limit of a window.
    #[must_use]
    pub fn get(&self, window: Window) -> Option<u64> {
        let limit = self.0[window as usize];
        (limit != u64::MAX).then_some(limit)
    }
}
