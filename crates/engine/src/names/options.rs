//! Whom to ask about names, and how long to believe it.

use std::net::SocketAddr;

use serde::Deserialize;

/// The option `names`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NameOptions {
    /// DNS servers; the system's where none is given.
    pub servers: Vec<SocketAddr>,
    /// How long one question may take altogether.
    pub timeout_ms: u64,
    /// What records say of their lifetime is taken for no less than this, so that 0 doesn't mean a question a request,
    pub min_ttl_ms: u64,
    /// and for no more than this.
    pub max_ttl_ms: u64,
    /// How long it is believed that a name has no address; also the pause after a question without an answer.
    pub negative_ttl_ms: u64,
    /// How long after its end an answer is still used while no new one comes.
    pub stale_ms: u64,
}

impl Default for NameOptions {
    fn default() -> Self {
        Self {
            servers: Vec::new(),
            timeout_ms: 5000,
            min_ttl_ms: 1000,
            max_ttl_ms: 300_000,
            negative_ttl_ms: 2000,
            stale_ms: 3_600_000,
        }
    }
}
