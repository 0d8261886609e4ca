//! The usage event: what one exchange used, and who pays for it.

/// An identifier as the log holds it: 16 raw bytes, all zero where there is none.
pub type Id = [u8; 16];

/// Stands for "none" where an event names no consumer, route and so on.
pub const NO_ID: Id = [0; 16];

/// The longest path an event holds, in bytes; what is longer is cut.
pub const MAX_PATH: usize = 512;

/// Which record of a log an event is. The same identity never means two events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ShardId {
    /// The gateway node, random, made with its data folder.
    pub node: Id,
    /// Which start of a gateway on that node; counts up, never used again.
    pub epoch: u64,
    /// Which of that gateway's threads.
    pub shard: u32,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Completion {
    /// The whole answer was handed to the client's connection.
    #[default]
    Complete = 0,
    /// The client went away first.
    ClientAbort = 1,
    /// The upstream broke off within its answer.
    UpstreamAbort = 2,
}

/// Who gave the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Source {
    /// The upstream API.
    #[default]
    Upstream = 0,
    /// The gateway's cache.
    Cache = 1,
}

/// Whether money stands behind the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum Mode {
    /// Charged for.
    #[default]
    Live = 0,
    /// A customer's trial of the integration: metered, never charged.
    Test = 1,
}

/// What one exchange used: the fields of the table in `docs/maintainer/formats.md`, section 2, but for
/// `time`, which the log itself assigns at the append.
///
/// [`Default`] is a complete live answer of an upstream to nobody in particular, in one part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UsageEvent<'a> {
    /// What client and upstream saw as `X-Kong-Request-Id`.
    pub request_id: Id,
    /// The calling identity.
    pub consumer: Id,
    /// The key it showed.
    pub credential: Id,
    /// Who pays.
    pub customer: Id,
    /// The phase of the subscription that judged the request.
    pub phase: Id,
    /// The rule that matched.
    pub route: Id,
    /// The upstream API.
    pub service: Id,
    /// The version of the configuration that judged the request.
    pub config_version: u64,
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes delivered to the client.
    pub bytes_out: u64,
    /// What the request is worth; 1 unless a plugin says otherwise.
    pub units: u64,
    /// The whole exchange, µs.
    pub duration: u32,
    /// The part of it spent waiting for the upstream's head, µs.
    pub upstream: u32,
    /// The answer's status.
    pub status: u16,
    /// Which part of a long exchange this is, from 0.
    pub part: u16,
    /// Whether this is the last part.
    pub last: bool,
    /// How the exchange ended.
    pub completion: Completion,
    /// Who gave the answer.
    pub source: Source,
    /// Whether money stands behind it.
    pub mode: Mode,
    /// The trailer's status, where the exchange was gRPC.
    pub grpc_status: Option<u8>,
    /// How often an upstream was tried.
    pub attempts: u8,
    /// The method's number: see [`method_number`].
    pub method: u8,
    /// Normalised, without the query; cut at [`MAX_PATH`] bytes.
    pub path: &'a [u8],
}

impl Default for UsageEvent<'_> {
    fn default() -> Self {
        Self {
            request_id: NO_ID,
            consumer: NO_ID,
            credential: NO_ID,
            customer: NO_ID,
            phase: NO_ID,
            route: NO_ID,
            service: NO_ID,
            config_version: 0,
            bytes_in: 0,
            bytes_out: 0,
            units: 1,
            duration: 0,
            upstream: 0,
            status: 0,
            part: 0,
            last: true,
            completion: Completion::Complete,
            source: Source::Upstream,
            mode: Mode::Live,
            grpc_status: None,
            attempts: 1,
            method: OTHER_METHOD,
            path: b"",
        }
    }
}

/// The number of every method that isn't one of the known.
pub const OTHER_METHOD: u8 = 255;

/// The known methods; a method's number is its place here. Only ever added to, at the end.
const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE",
];

/// The number that stands for a method, e.g. `b"GET"`. Methods are case-sensitive.
#[must_use]
pub fn method_number(name: &[u8]) -> u8 {
    METHODS
        .iter()
        .position(|known| known.as_bytes() == name)
        .and_then(|place| u8::try_from(place).ok())
        .unwrap_or(OTHER_METHOD)
}

/// The method that a number stands for; `"OTHER"` for one that isn't known.
#[must_use]
pub fn method_name(number: u8) -> &'static str {
    METHODS.get(usize::from(number)).copied().unwrap_or("OTHER")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_keep_their_numbers() {
        assert_eq!(method_number(b"GET"), 0);
        assert_eq!(method_number(b"TRACE"), 8);
        assert_eq!(method_number(b"get"), OTHER_METHOD);
        for (number, name) in (0_u8..).zip(METHODS) {
            assert_eq!(method_number(name.as_bytes()), number);
            assert_eq!(method_name(number), name);
        }
        assert_eq!(method_name(OTHER_METHOD), "OTHER");
    }
}
