//! One direction of a tunnel: bytes as they come, a buffer of them at the most, none while nothing comes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::buffers::{BUFFER_BYTES, Buffer, BufferPool};
use super::stream::Stream;

/// Which end a tunnel broke at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    /// Where bytes came from.
    Source,
    /// Where they went.
    Sink,
}

/// How far a direction is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Bytes may come.
    Open,
    /// The source has ended; the sink is told when it has taken everything.
    Ending,
    /// The sink was told.
    Ended,
}

/// Passes bytes on from one stream to another.
#[derive(Debug)]
pub(super) struct Half {
    state: State,
    input: Option<Buffer>,
    /// Something was written since the sink was last flushed.
    unflushed: bool,
    passed: u64,
}

impl Half {
    /// Begins with what was read already.
    pub fn new(input: Option<Buffer>) -> Self {
        Self {
            state: State::Open,
            input,
            unflushed: false,
            passed: 0,
        }
    }

    /// Bytes that the sink has taken.
    pub fn passed(&self) -> u64 {
        self.passed
    }

    /// The source has ended.
    pub fn has_ended(&self) -> bool {
        self.state != State::Open
    }

    /// Bytes wait for the sink.
    pub fn is_stuck(&self) -> bool {
        self.input.as_ref().is_some_and(|input| !input.is_empty())
    }

    /// Goes on as far as both streams let it; ready when the source has ended and the sink knows.
    pub fn poll(
        &mut self,
        source: &mut Stream,
        sink: &mut Stream,
        buffers: &BufferPool,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Broken>> {
        loop {
            if let Some(input) = &mut self.input
                && !input.is_empty()
            {
                match ready!(Pin::new(&mut *sink).poll_write(context, input.unread())) {
                    Ok(0) | Err(_) => return Poll::Ready(Err(Broken::Sink)),
                    Ok(length) => {
                        input.consume(length);
                        self.passed += length as u64;
                        self.unflushed = true;
                    }
                }
                continue;
            }
            if self.unflushed {
                ready!(Pin::new(&mut *sink).poll_flush(context)).map_err(|_| Broken::Sink)?;
                self.unflushed = false;
            }
            match self.state {
                State::Open => match self.poll_fill(source, buffers, context) {
                    Poll::Pending => {
                        // Who rests holds no memory.
                        if let Some(empty) = self.input.take() {
                            buffers.give_back(empty);
                        }
                        return Poll::Pending;
                    }
                    Poll::Ready(Ok(0)) => self.state = State::Ending,
                    // TLS without its farewell: what is spoken within a tunnel has an end of its own.
                    Poll::Ready(Err(error)) if error.kind() == io::ErrorKind::UnexpectedEof => {
                        self.state = State::Ending;
                    }
                    Poll::Ready(Ok(_)) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(Err(Broken::Source)),
                },
                State::Ending => {
                    // A socket that can't be shut down is gone: its own direction tells.
                    let _ = ready!(Pin::new(&mut *sink).poll_shutdown(context));
                    self.state = State::Ended;
                }
                State::Ended => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Reads once; takes a buffer only when there is something for it.
    fn poll_fill(
        &mut self,
        source: &mut Stream,
        buffers: &BufferPool,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if self.input.is_none() {
            ready!(source.poll_read_ready(context))?;
        }
        self.input
            .get_or_insert_with(|| buffers.take())
            .poll_fill(source, BUFFER_BYTES, context)
    }
}
