//! How a forwarded exchange went, as the HTTP layer tells it.

use super::Now;
use crate::usage_log::Completion;

/// The upstream's part of an exchange, known when its head has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UpstreamTimes {
    /// When the first try began: what went before is the gateway's own time.
    pub sent: Now,
    /// When the answer's head was complete.
    pub head: Now,
}

/// The end of a forwarded exchange; everything that its usage event needs beside what the request said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The status that the client saw.
    pub status: u16,
    /// The trailer's status, where the exchange was gRPC.
    pub grpc_status: Option<u8>,
    /// How it ended.
    pub completion: Completion,
    /// How often an upstream was tried.
    pub attempts: u8,
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes delivered to the client.
    pub bytes_out: u64,
    /// The upstream's part.
    pub upstream: UpstreamTimes,
    /// The end, or for one part of a long exchange that part's end.
    pub ended: Now,
}
