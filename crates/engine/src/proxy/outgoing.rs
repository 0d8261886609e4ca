//! What is to be written next: gathered into as few writes as it takes, large pieces without copying them.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::framing::{write_chunk_size, write_last_chunk};
use super::outbox::Outbox;
use super::stream::Stream;

/// Up to here a piece of body is copied behind the head: one copy is cheaper than a gathering write.
const COPIED: usize = 8 * 1024;

/// Capacity that an idle connection may keep.
const KEPT: usize = 4 * 1024;

/// Output in the making: `text`, then `borrowed` bytes that stay in the read buffer they came in, then `tail`.
#[derive(Debug, Default)]
pub struct Outgoing {
    text: Vec<u8>,
    borrowed: usize,
    tail: Vec<u8>,
    written: usize,
    /// How many of these bytes are body, framing aside.
    payload: usize,
    /// How many of those surely left.
    payload_written: usize,
}

impl Outgoing {
    /// The buffer to write heads into.
    pub fn text(&mut self) -> &mut Vec<u8> {
        &mut self.text
    }

    /// Adds a piece of body. True if it was copied; else its bytes must be handed to every
    /// [`Self::poll_flush`] until that is done.
    #[must_use]
    pub fn add_body(&mut self, piece: &[u8], chunked: bool) -> bool {
        if piece.is_empty() {
            return true;
        }
        self.payload += piece.len();
        if chunked {
            write_chunk_size(piece.len(), &mut self.text);
        }
        let copied = self.text.len() + piece.len() <= COPIED;
        if copied {
            self.text.extend_from_slice(piece);
        } else {
            self.borrowed = piece.len();
        }
        if chunked {
            self.end().extend_from_slice(b"\r\n");
        }
        copied
    }

    /// Ends a chunked body.
    pub fn add_last_chunk(&mut self, trailers: &[u8]) {
        write_last_chunk(trailers, self.end());
    }

    fn end(&mut self) -> &mut Vec<u8> {
        if self.borrowed == 0 {
            &mut self.text
        } else {
            &mut self.tail
        }
    }

    fn len(&self) -> usize {
        self.text.len() + self.borrowed + self.tail.len()
    }

    /// Nothing is to be written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// No byte of it was written yet.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.written == 0
    }

    /// No more should be added before this is written.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.borrowed > 0 || self.text.len() >= COPIED
    }

    /// Bytes of body in here.
    #[must_use]
    pub fn payload(&self) -> usize {
        self.payload
    }

    /// Bytes of body that surely left, by what was written so far. Never less than it was before.
    #[must_use]
    pub fn payload_written(&self) -> usize {
        self.payload_written
    }

    /// Notes that the stream took so many bytes more. More may be added before the next are taken, so how much of
    /// the body left is told now, by the framing that is there now.
    fn took(&mut self, bytes: usize) {
        self.written += bytes;
        let least = self.written.saturating_sub(self.len() - self.payload);
        self.payload_written = self.payload_written.max(least);
    }

    /// Writes everything. `borrowed` begins with the bytes that were not copied. Where nobody waits for a word on how that
    /// went, it may leave with `soon`, if it is little and in one piece. Stays as it is afterwards,
    /// until [`Self::clear`] or [`Self::rewind`].
    ///
    /// # Errors
    /// The stream's; `WriteZero` where it takes nothing any more.
    pub fn poll_flush(
        &mut self,
        stream: &mut Stream,
        borrowed: &[u8],
        soon: Option<&Outbox>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(outbox) = soon
            && self.is_untouched()
            && self.borrowed == 0
            && !self.text.is_empty()
            && stream.send_soon(&self.text, outbox, context)
        {
            self.took(self.text.len());
            return Poll::Ready(Ok(()));
        }
        let borrowed = borrowed.get(..self.borrowed).unwrap_or_default();
        while self.written < self.len() {
            let stream = Pin::new(&mut *stream);
            let written = if borrowed.is_empty() {
                ready!(stream.poll_write(context, &self.text[self.written..]))?
            } else {
                let mut skip = self.written;
                let slices = [&self.text[..], borrowed, &self.tail[..]].map(|part| {
                    let skipped = skip.min(part.len());
                    skip -= skipped;
                    IoSlice::new(&part[skipped..])
                });
                ready!(stream.poll_write_vectored(context, &slices))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.took(written);
        }
        Pin::new(stream).poll_flush(context)
    }

    /// Starts over with the same bytes, on another connection. Only where nothing was borrowed.
    pub fn rewind(&mut self) {
        debug_assert_eq!(self.borrowed, 0, "borrowed bytes are gone");
        (self.written, self.payload_written) = (0, 0);
    }

    /// Empties it, keeping a little capacity.
    pub fn clear(&mut self) {
        self.text.clear();
        self.tail.clear();
        (self.borrowed, self.written) = (0, 0);
        (self.payload, self.payload_written) = (0, 0);
    }

    /// Empties it and lets go of all its memory.
    pub fn let_go(&mut self) {
        *self = Self::default();
    }

    /// Lets go of memory that an unusually long head took.
    pub fn shrink(&mut self) {
        self.text.shrink_to(KEPT);
        self.tail.shrink_to(KEPT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_are_gathered_and_a_large_one_is_borrowed() {
        let mut out = Outgoing::default();
        out.text().extend_from_slice(b"head\r\n");
        assert!(out.add_body(b"abc", true));
        assert!(!out.is_full());
        assert!(!out.add_body(&[0; COPIED], true));
        assert!(out.is_full());
        out.add_last_chunk(b"");
        assert_eq!(out.text, b"head\r\n3\r\nabc\r\n2000\r\n");
        assert_eq!(out.tail, b"\r\n0\r\n\r\n");
        assert_eq!(out.payload(), COPIED + 3);
    }

    #[test]
    fn what_left_of_a_body_is_never_overstated() {
        let mut out = Outgoing::default();
        out.text().extend_from_slice(b"head");
        assert!(out.add_body(b"abcdef", false));
        out.took(2);
        assert_eq!(out.payload_written(), 0);
        out.took(5);
        assert_eq!(out.payload_written(), 3);
    }

    #[test]
    fn what_left_of_a_body_never_shrinks() {
        let mut out = Outgoing::default();
        assert!(out.add_body(&[0; 1000], true));
        out.took(900);
        let before = out.payload_written();
        assert_eq!(before, 900 - 7);
        // A client that stands still, and an upstream that goes on.
        assert!(out.add_body(b"abc", true));
        assert_eq!(out.payload_written(), before);
        out.took(1);
        assert_eq!(out.payload_written(), before);
    }
}
