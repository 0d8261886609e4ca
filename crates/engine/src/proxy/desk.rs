//! Everything that serving one request needs to have at hand, lent to a connection while a request is on it.

use std::cell::RefCell;

use super::buffers::Buffer;
use super::outgoing::Outgoing;
use super::request_head::RequestHead;
use super::response_head::ResponseHead;
use crate::phases::Exchange;

/// Desks that a worker keeps for reuse.
const KEPT: usize = 256;

/// What a request is worked on with. An idle connection has none: ten thousand of them cost sockets, not memory.
#[derive(Default)]
pub struct Desk {
    /// What was read from the client.
    pub input: Buffer,
    /// The request's head.
    pub request: RequestHead,
    /// The upstream's head.
    pub response: ResponseHead,
    /// What the phases know of the exchange.
    pub exchange: Exchange,
    /// How much of the request's body may be read and dropped, so that the next request can follow; None where
    /// that can't be said, or is too much.
    pub unread: Option<u64>,
    /// What goes to the client.
    pub to_client: Outgoing,
    /// What goes to the upstream.
    pub to_upstream: Outgoing,
}

impl Desk {
    /// Ready for the next request: what was read beyond this one stays.
    pub fn tidy(&mut self) {
        self.input.release();
        self.to_client.clear();
        self.to_upstream.clear();
    }
}

/// A worker's spare desks.
#[derive(Default)]
pub struct Desks {
    // Boxed, so that lending one moves a pointer.
    #[expect(clippy::vec_box, reason = "desks go in and out of tasks")]
    spare: RefCell<Vec<Box<Desk>>>,
}

impl Desks {
    /// A tidy desk, the one used last.
    #[must_use]
    pub fn take(&self) -> Box<Desk> {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes a tidied desk back; one whose buffer grew is let go.
    pub fn give_back(&self, mut desk: Box<Desk>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < KEPT && !desk.input.has_grown() {
            desk.to_client.shrink();
            desk.to_upstream.shrink();
            spare.push(desk);
        }
    }
}
