//! Read buffers, lent from a pool for as long as there is something in them: an idle connection holds none.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};

use super::stream::Stream;

/// What one buffer holds before it has to grow: a usual head, or a good piece of a body.
pub const BUFFER_BYTES: usize = 16 * 1024;

/// What a buffer may grow to where only a head's own limit bounds it.
pub const MOST_BUFFERED: usize = 4 * 1024 * 1024;

/// Less room than this is not worth a read.
const LEAST_ROOM: usize = 1024;

/// Buffers that a worker keeps for reuse; more than this many busy connections allocate.
const KEPT: usize = 256;

/// Bytes that were read and not yet used, and in front of them the head that an exchange still refers to.
///
/// ```text
/// [ .. | held head | unread | room ]
///      held        start    end
/// ```
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<u8>,
    held: usize,
    base: usize,
    start: usize,
    end: usize,
}

impl Default for Buffer {
    fn default() -> Self {
        Self {
            bytes: vec![0; BUFFER_BYTES],
            held: 0,
            base: 0,
            start: 0,
            end: 0,
        }
    }
}

impl Buffer {
    /// Gives away its memory; not to be read into afterwards.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let hollow = Self {
            bytes: Vec::new(),
            held: 0,
            base: 0,
            start: 0,
            end: 0,
        };
        std::mem::replace(self, hollow)
    }

    /// A head or a body needed more than usual, or its memory was given away: not a buffer to keep.
    #[must_use]
    pub fn has_grown(&self) -> bool {
        self.bytes.len() != BUFFER_BYTES
    }

    /// What was read and not used yet.
    #[must_use]
    pub fn unread(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// The same, to decode in place.
    pub fn unread_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Nothing is left unread.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.start == self.end
    }

    /// Uses up the first `length` unread bytes.
    pub fn consume(&mut self, length: usize) {
        self.start = self.end.min(self.start + length);
        if self.start == self.end {
            (self.start, self.end) = (self.base, self.base);
        }
    }

    /// Uses up a head of `length` bytes, but keeps it readable by [`Self::head`] until [`Self::release`].
    pub fn hold(&mut self, length: usize) {
        self.held = self.start;
        self.base = self.end.min(self.start + length);
        self.consume(length);
    }

    /// The head held.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.bytes[self.held..self.base]
    }

    /// Lets go of the head: its room can be read into again.
    pub fn release(&mut self) {
        (self.held, self.base) = (0, 0);
        self.consume(0);
    }

    /// Makes room behind what is unread: by moving it to the front, else by growing to at most `most` bytes.
    fn make_room(&mut self, most: usize) {
        if self.bytes.len() - self.end >= LEAST_ROOM {
            return;
        }
        if self.start > self.base {
            self.bytes.copy_within(self.start..self.end, self.base);
            self.end -= self.start - self.base;
            self.start = self.base;
        }
        if self.bytes.len() - self.end < LEAST_ROOM && self.bytes.len() < most {
            self.bytes.resize((self.bytes.len() * 2).min(most), 0);
        }
    }

    /// Reads once from `stream`; 0 at its end.
    ///
    /// `most` is what the buffer may grow to: a caller that has found no end of a head in so many bytes gives
    /// up before reading again.
    ///
    /// # Errors
    /// The stream's, or `OutOfMemory` for a buffer that is full at its greatest size.
    pub fn poll_fill(
        &mut self,
        stream: &mut Stream,
        most: usize,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        self.make_room(most);
        let mut room = ReadBuf::new(&mut self.bytes[self.end..]);
        if room.capacity() == 0 {
            return Poll::Ready(Err(io::ErrorKind::OutOfMemory.into()));
        }
        ready!(Pin::new(stream).poll_read(context, &mut room))?;
        let length = room.filled().len();
        self.end += length;
        Poll::Ready(Ok(length))
    }
}

/// A worker's spare buffers.
#[derive(Debug, Default)]
pub struct BufferPool {
    spare: RefCell<Vec<Buffer>>,
}

impl BufferPool {
    /// A buffer with nothing in it: the one used last, whose memory is warm.
    #[must_use]
    pub fn take(&self) -> Buffer {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes a buffer back. One that grew is let go: a single long head should not cost memory for ever.
    pub fn give_back(&self, mut buffer: Buffer) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < KEPT && !buffer.has_grown() {
            (buffer.held, buffer.base, buffer.start, buffer.end) = (0, 0, 0, 0);
            spare.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(content: &[u8]) -> Buffer {
        let mut buffer = Buffer::default();
        buffer.bytes[..content.len()].copy_from_slice(content);
        buffer.end = content.len();
        buffer
    }

    #[test]
    fn a_held_head_outlives_the_body_behind_it() {
        let mut buffer = with(b"HEADbodyNEXT");
        buffer.hold(4);
        assert_eq!(
            (buffer.head(), buffer.unread()),
            (&b"HEAD"[..], &b"bodyNEXT"[..])
        );
        buffer.consume(4);
        buffer.release();
        assert_eq!(buffer.unread(), b"NEXT");
        buffer.consume(4);
        assert_eq!(
            (buffer.start, buffer.end),
            (0, 0),
            "an empty buffer starts over"
        );
    }

    #[test]
    fn room_is_made_by_moving_before_growing() {
        let mut buffer = Buffer {
            end: BUFFER_BYTES,
            ..Buffer::default()
        };
        buffer.bytes[BUFFER_BYTES - 1] = b'x';
        buffer.consume(BUFFER_BYTES - 1);
        buffer.make_room(BUFFER_BYTES);
        assert_eq!((buffer.unread(), buffer.start), (&b"x"[..], 0));
        buffer.end = BUFFER_BYTES;
        buffer.make_room(BUFFER_BYTES);
        assert_eq!(buffer.bytes.len(), BUFFER_BYTES, "no further than it may");
        buffer.make_room(BUFFER_BYTES * 4);
        assert_eq!(buffer.bytes.len(), BUFFER_BYTES * 2);
    }
}
