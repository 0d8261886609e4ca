//! How the log is, for readiness and metrics.

/// How the log of a gateway is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Bytes that all logs under the directory take.
    pub used_bytes: u64,
    /// Bytes that they may take.
    pub budget_bytes: u64,
    /// 70 % of the budget are used: read the log, or delete what every reader has passed.
    pub alarming: bool,
    /// Why no segment could be allocated ahead: requests are refused when the last one is full.
    pub space_fault: Option<String>,
    /// One for each thread.
    pub shards: Vec<ShardHealth>,
}

/// How one shard is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShardHealth {
    /// Bytes appended in this epoch.
    pub appended: u64,
    /// Bytes of them that are durable.
    pub synced: u64,
    /// How old the newest instant is that is durable, µs: the watermark's age.
    pub lag_us: u64,
    /// The longest that an event of this epoch was not durable, µs.
    pub worst_sync_us: u64,
    /// How often that was longer than the level allows: the disk is too slow for the promise.
    pub late_syncs: u64,
    /// How many more requests would be admitted now.
    pub room: u64,
    /// How far the events' clock is ahead of the wall's, µs: the wall's clock stepped back by so much.
    pub clock_ahead_us: u64,
    /// Why the shard takes no more requests for good.
    pub fault: Option<String>,
}

impl Health {
    /// Whether requests are served now.
    #[must_use]
    pub fn serving(&self) -> bool {
        self.shards
            .iter()
            .all(|shard| shard.fault.is_none() && shard.room > 0)
    }

    /// Whether an operator should look: readiness degrades before requests are refused.
    #[must_use]
    pub fn degraded(&self) -> bool {
        self.alarming || self.space_fault.is_some() || !self.serving()
    }
}
