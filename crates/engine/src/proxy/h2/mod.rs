//! HTTP/2, by the h2 crate, at the edges: each stream is a [`Stream`](super::stream::Stream) that speaks
//! HTTP/1.1 as text, so that a request is parsed, judged, forwarded and billed by the same code whatever it came by.
//!
//! | part | does |
//! |---|---|
//! | [`head`] | heads and trailers, map to text and back |
//! | [`incoming`], [`outgoing`] | the two halves of a stream |
//! | [`accepted`], [`server`] | a client's stream, a client's connection |
//! | [`asked`], [`client`] | a stream to an upstream, the connections to upstreams |
//! | [`home`], [`room`] | what streams of a connection share; the bound on what a worker holds of bodies |
//! | [`wire`], [`manners`] | a connection's bytes, and what is a flood |
//! | [`fault`] | faults of streams as those of sockets |

mod accepted;
mod asked;
mod client;
mod fault;
pub mod head;
mod home;
mod incoming;
mod manners;
mod outgoing;
mod room;
mod server;
mod wire;

pub use accepted::Accepted;
pub use asked::Asked;
pub(super) use client::{Links, room_for_asking};
pub(super) use room::{Room, Taken};
pub(super) use server::serve;

/// How a connection of HTTP/2 begins that nothing announced, as far as it looks like a head of HTTP/1.
pub const PREFACE_HEAD: &[u8] = b"PRI * HTTP/2.0\r\n\r\n";
