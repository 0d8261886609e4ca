//! A connection's bytes on their way to and from h2, watched.

use std::cell::{Cell, RefCell};
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::manners::{Frames, Manners, kind};
use crate::proxy::stream::Stream;
use crate::proxy::timers::{Millis, Timers};

/// A connection that h2 reads and writes, in the hands of who drives it too.
#[derive(Debug, Clone)]
pub struct Wire(Rc<Watched>);

#[derive(Debug)]
struct Watched {
    stream: RefCell<Stream>,
    timers: Rc<Timers>,
    /// What had been read before it was known to be HTTP/2.
    early: RefCell<Vec<u8>>,
    manners: RefCell<Manners>,
    coming: RefCell<Frames>,
    going: RefCell<Frames>,
    heard: Cell<Millis>,
    data_came: Cell<u64>,
    stuck: Cell<Option<Millis>>,
    farewell: Cell<bool>,
    drained: Cell<usize>,
}

/// How much of what still comes is read and dropped.
const MOST_DRAINED: usize = 4 * 1024 * 1024;

/// What a client begins with; a server begins with a frame.
pub const CLIENT_PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

impl Wire {
    /// A connection that begins with `early`, which was read already.
    #[must_use]
    pub fn new(stream: Stream, early: Vec<u8>, by_client: bool, timers: &Rc<Timers>) -> Self {
        let preface = CLIENT_PREFACE.len();
        let (coming, going) = if by_client {
            (preface, 0)
        } else {
            (0, preface)
        };
        Self(Rc::new(Watched {
            stream: RefCell::new(stream),
            timers: Rc::clone(timers),
            early: RefCell::new(early),
            manners: RefCell::new(Manners::new(timers.now())),
            coming: RefCell::new(Frames::after(coming)),
            going: RefCell::new(Frames::after(going)),
            heard: Cell::new(timers.now()),
            data_came: Cell::new(0),
            stuck: Cell::new(None),
            farewell: Cell::new(false),
            drained: Cell::new(0),
        }))
    }

    /// The other side sends frames for the sake of sending.
    #[must_use]
    pub fn is_flooded(&self) -> bool {
        self.0.manners.borrow().is_spent()
    }

    /// When bytes came last.
    #[must_use]
    pub fn heard(&self) -> Millis {
        self.0.heard.get()
    }

    /// Bytes of bodies that came, padding and all.
    #[must_use]
    pub fn data_came(&self) -> u64 {
        self.0.data_came.get()
    }

    /// A stream was refused: asking for it is one of the things that cost its sender nothing.
    pub fn refused(&self) {
        self.0.manners.borrow_mut().refused();
    }

    /// Since when the other side takes nothing.
    #[must_use]
    pub fn stuck(&self) -> Option<Millis> {
        self.0.stuck.get()
    }

    /// The other side said that it wants no further streams.
    #[must_use]
    pub fn said_farewell(&self) -> bool {
        self.0.farewell.get()
    }

    /// Says that nothing follows, and reads and drops what still comes: what lies unread when the connection is
    /// closed would have the kernel send a reset, which may destroy the last words before they are read.
    /// Ready once the other side closed, too.
    pub fn poll_drain(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut stream = self.0.stream.borrow_mut();
        if Pin::new(&mut *stream).poll_shutdown(context).is_pending() {
            return Poll::Pending;
        }
        let mut bytes = [0; 4096];
        loop {
            let mut room = ReadBuf::new(&mut bytes);
            match Pin::new(&mut *stream).poll_read(context, &mut room) {
                Poll::Ready(Ok(())) if !room.filled().is_empty() => {
                    let drained = self.0.drained.get() + room.filled().len();
                    self.0.drained.set(drained);
                    if drained > MOST_DRAINED {
                        return Poll::Ready(());
                    }
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Takes note of what came.
    fn came(&self, bytes: &[u8]) {
        let watched = &*self.0;
        let now = watched.timers.now();
        watched.heard.set(now);
        let mut manners = watched.manners.borrow_mut();
        manners.at(now);
        watched.coming.borrow_mut().feed(bytes, |frame| {
            manners.received(frame);
            match frame.kind {
                kind::GOAWAY => watched.farewell.set(true),
                kind::DATA => {
                    let came = watched.data_came.get() + frame.length as u64;
                    watched.data_came.set(came);
                }
                _ => {}
            }
        });
    }

    /// Takes note of how much of `slices` left.
    fn left(&self, slices: &[IoSlice<'_>], written: &Poll<io::Result<usize>>) {
        let watched = &*self.0;
        match written {
            Poll::Pending if watched.stuck.get().is_none() => {
                watched.stuck.set(Some(watched.timers.now()));
            }
            Poll::Pending | Poll::Ready(Err(_)) => {}
            Poll::Ready(Ok(length)) => {
                watched.stuck.set(None);
                let mut left = *length;
                let mut going = watched.going.borrow_mut();
                for slice in slices {
                    let taken = left.min(slice.len());
                    left -= taken;
                    going.feed(&slice[..taken], |frame| {
                        watched.manners.borrow_mut().sent(frame);
                    });
                }
            }
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.is_flooded() {
            // Who drives the connection sees it after this call.
            return Poll::Pending;
        }
        let before = room.filled().len();
        let mut early = self.0.early.borrow_mut();
        if early.is_empty() {
            let mut stream = self.0.stream.borrow_mut();
            match Pin::new(&mut *stream).poll_read(context, room) {
                Poll::Ready(Ok(())) => {}
                other => return other,
            }
        } else {
            let length = early.len().min(room.remaining());
            room.put_slice(&early[..length]);
            early.drain(..length);
        }
        self.came(&room.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(context, &[IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = {
            let mut stream = self.0.stream.borrow_mut();
            Pin::new(&mut *stream).poll_write_vectored(context, slices)
        };
        self.left(slices, &written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut stream = self.0.stream.borrow_mut();
        Pin::new(&mut *stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut stream = self.0.stream.borrow_mut();
        Pin::new(&mut *stream).poll_shutdown(context)
    }
}
