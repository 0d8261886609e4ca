//! What comes over a stream, to be read as HTTP/1.1 text: the head, then the body in its framing.

use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use h2::RecvStream;
use tokio::io::ReadBuf;

use super::fault::broken;
use super::head::{Form, write_trailers};
use crate::proxy::framing::write_chunk_size;

/// The incoming half of a stream.
///
/// Chunks are written here only to be taken apart again by the engine's decoder: some nanoseconds for each DATA
/// frame, and in return bodies, trailers and their limits are one thing for both versions of HTTP.
#[derive(Debug, Default)]
pub struct Incoming {
    /// Head and framing that weren't read yet.
    text: Vec<u8>,
    read: usize,
    /// What is left of the frame at hand.
    data: Bytes,
    body: Option<RecvStream>,
    chunked: bool,
    ended: bool,
}

impl Incoming {
    /// The head pushed last is final: the body behind it is written in `form`.
    pub fn begin(&mut self, form: Form, body: RecvStream) {
        // Where no body is announced none is read: what comes nevertheless breaks the stream by h2's own count.
        self.chunked = form == Form::Chunked;
        self.ended = form == Form::None;
        self.body = Some(body);
    }

    /// A head came.
    pub fn push(&mut self, text: &[u8]) {
        self.text.extend_from_slice(text);
    }

    /// A final head came.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.body.is_some()
    }

    /// Nothing more will come.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.ended && !self.has_some()
    }

    /// There is something to read.
    #[must_use]
    pub fn has_some(&self) -> bool {
        self.read < self.text.len() || !self.data.is_empty()
    }

    /// Ready when there is something to read, or [`Self::is_over`]. To be called once a head came.
    ///
    /// # Errors
    /// The stream's.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.has_some() && !self.ended {
            ready!(self.poll_frame(context))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Reads as much as is there and has room; nothing once [`Self::is_over`].
    ///
    /// # Errors
    /// The stream's.
    pub fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = room.filled().len();
        while room.remaining() > 0 {
            match self.poll_ready(context) {
                Poll::Ready(Ok(())) if self.is_over() => break,
                Poll::Ready(Ok(())) => self.copy(room),
                // What came before a fault is read before it.
                _ if room.filled().len() > before => break,
                other => return other,
            }
        }
        Poll::Ready(Ok(()))
    }

    fn copy(&mut self, room: &mut ReadBuf<'_>) {
        let text = &self.text[self.read..];
        if !text.is_empty() {
            let length = text.len().min(room.remaining());
            room.put_slice(&text[..length]);
            self.read += length;
            if self.read == self.text.len() {
                self.text.clear();
                self.read = 0;
            }
            return;
        }
        let length = self.data.len().min(room.remaining());
        room.put_slice(&self.data[..length]);
        self.data.advance(length);
        if let Some(body) = &mut self.body {
            // Only what is read makes room for more: this is all the flow control there is.
            let _ = body.flow_control().release_capacity(length);
        }
        if self.data.is_empty() && self.chunked {
            self.text.extend_from_slice(b"\r\n");
        }
    }

    /// Takes in one frame.
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(body) = &mut self.body else {
            self.ended = true;
            return Poll::Ready(Ok(()));
        };
        match ready!(body.poll_data(context)) {
            Some(Ok(data)) => {
                if self.chunked && !data.is_empty() {
                    write_chunk_size(data.len(), &mut self.text);
                }
                self.data = data;
            }
            Some(Err(error)) => return Poll::Ready(Err(broken(&error))),
            None => {
                let trailers =
                    ready!(body.poll_trailers(context)).map_err(|error| broken(&error))?;
                if self.chunked {
                    self.text.extend_from_slice(b"0\r\n");
                    if let Some(trailers) = trailers {
                        write_trailers(&trailers, &mut self.text);
                    }
                    self.text.extend_from_slice(b"\r\n");
                }
                self.ended = true;
            }
        }
        Poll::Ready(Ok(()))
    }
}
