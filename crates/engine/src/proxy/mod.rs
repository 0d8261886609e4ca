//! The HTTP layer: HTTP/1.1 of our own on one runtime per thread.
//!
//! | part | does |
//! |---|---|
//! | [`head`], [`request_head`], [`response_head`] | parse and check heads; no I/O |
//! | [`framing`], [`chunked`] | find the end of bodies; no I/O |
//! | [`heads_out`], [`outgoing`] | what is written |
//! | [`buffers`], [`desk`], [`pool`], [`resolver`], [`timers`], [`clock`], [`date`] | what a thread's connections share |
//! | [`h2`] | HTTP/2 at the edges: its streams as streams of ours |
//! | [`opening`], [`proxy_protocol`] | what comes before the first request: PROXY header, TLS handshake |
//! | [`stream`] | what connections run over |
//! | [`connection`] | one client: request after request |
//! | [`exchange`] | one request: judged, then answered or forwarded |
//! | [`forward`], [`upstream`], [`dial`], [`way`], [`body`] | forwarding, both directions at once |
//! | [`request_side`], [`response_side`] | one direction each: state machines over two sockets |
//! | [`tunnel`], [`half`] | after a 101: bytes both ways |
//! | [`bill`] | the usage event, before the last byte leaves |
//! | [`answers`] | faults to answers, in this one place |

mod answers;
mod bill;
mod body;
mod budget;
mod buffers;
pub mod chunked;
pub mod clock;
mod connection;
mod date;
mod desk;
pub mod dial;
mod exchange;
mod forward;
pub mod framing;
pub mod h2;
mod half;
pub mod head;
pub mod heads_out;
mod linger;
pub mod opening;
mod outbox;
mod outgoing;
mod pool;
pub mod proxy_protocol;
pub mod request_head;
mod request_side;
mod resolver;
pub mod response_head;
mod response_side;
mod seats;
mod socket;
pub mod stats;
pub mod stream;
pub(crate) mod timers;
mod tunnel;
mod upstream;
mod way;
pub mod worker;
