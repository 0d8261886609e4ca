//! A plain TCP connection, whose small messages may leave together with others'.
//!
//! Sending is the dearest thing that a request asks of the kernel, and dearer by itself than among its like: each
//! `send` that finds its receiver asleep wakes it, and between two of them the processor forgets the kernel's code.
//! So a message that nobody has to wait for is left with the [`Outbox`], which sends what its thread's tasks had to say
//! once all of them that could go on have done so. What the kernel wouldn't take of it is driven on by the
//! connection's own task, by whatever that does next.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown, recv, send, shutdown};
use tokio::io::{Interest, ReadBuf};
use tokio::net::TcpStream;

/// The longest message that may be left with the outbox.
pub const LONGEST: usize = 16 * 1024;

/// A connection, and what of a message left with the outbox has not been taken by the kernel.
#[derive(Debug)]
pub struct Socket {
    tcp: TcpStream,
    owed: RefCell<Vec<u8>>,
    /// How much of `owed` was taken.
    taken: Cell<usize>,
    stage: Cell<Stage>,
}

/// What became of the last message left with the outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The kernel has it.
    Sent,
    /// The outbox has it.
    Waiting,
    /// The kernel took part of it, or none; the rest is for the connection's task.
    Late,
    /// The connection was broken before a byte of it was taken.
    Refused,
}

impl Socket {
    /// A connection that owes nothing.
    #[must_use]
    pub fn new(tcp: TcpStream) -> Rc<Self> {
        Rc::new(Self {
            tcp,
            owed: RefCell::default(),
            taken: Cell::new(0),
            stage: Cell::new(Stage::Sent),
        })
    }

    /// The connection itself, to ask things of it.
    #[must_use]
    pub fn tcp(&self) -> &TcpStream {
        &self.tcp
    }

    /// Bytes were left with the outbox that the kernel doesn't have.
    #[must_use]
    pub fn owes(&self) -> bool {
        matches!(self.stage.get(), Stage::Waiting | Stage::Late)
    }

    /// Of the last message left with the outbox not a byte could be sent.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.stage.get() == Stage::Refused
    }

    /// Ready when a read would tell something.
    ///
    /// # Errors
    /// The connection's.
    pub fn poll_read_ready(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.drive(context);
        self.tcp.poll_read_ready(context)
    }

    /// Reads once, as the runtime's own `poll_read` does, but for the C library: in a process of several threads that
    /// prepares each call for being cancelled, which is a fiftieth of what a request costs.
    ///
    /// # Errors
    /// The connection's.
    pub fn poll_read(
        &self,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.drive(context);
        loop {
            ready!(self.tcp.poll_read_ready(context))?;
            let mut came = None;
            let done = self.tcp.try_io(Interest::READABLE, || {
                let bytes = room.initialize_unfilled();
                let most = bytes.len();
                let (length, _) = recv(&self.tcp, bytes, RecvFlags::empty())?;
                came = Some(length);
                if 0 < length && length < most {
                    // There was no more: told so, the runtime doesn't have it read again in vain.
                    return Err(io::ErrorKind::WouldBlock.into());
                }
                Ok(())
            });
            match (came, done) {
                (Some(length), _) => {
                    room.advance(length);
                    return Poll::Ready(Ok(()));
                }
                (None, Err(fault)) if fault.kind() != io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Err(fault));
                }
                _ => {}
            }
        }
    }

    /// Writes once, after what is owed.
    ///
    /// # Errors
    /// The connection's.
    pub fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_owed(context))?;
        self.poll_send(context, bytes)
    }

    /// The same of several pieces.
    ///
    /// # Errors
    /// The connection's.
    pub fn poll_write_vectored(
        &self,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_owed(context))?;
        loop {
            ready!(self.tcp.poll_write_ready(context))?;
            match self.tcp.try_write_vectored(slices) {
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    /// Ends our side, after what is owed.
    ///
    /// # Errors
    /// The connection's.
    pub fn poll_shutdown(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_owed(context))?;
        Poll::Ready(Ok(shutdown(&self.tcp, Shutdown::Write)?))
    }

    /// What is late goes on beside reading. A fault is the reader's to meet.
    fn drive(&self, context: &mut Context<'_>) {
        if self.stage.get() == Stage::Late {
            let _ = self.poll_owed(context);
        }
    }

    /// Sends what is owed, whether or not the outbox still waits with it.
    fn poll_owed(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.owes() {
            let owed = self.owed.borrow();
            let sent = ready!(self.poll_send(context, &owed[self.taken.get()..]));
            drop(owed);
            match sent {
                Ok(length) => self.took(length),
                Err(fault) => {
                    self.broke();
                    return Poll::Ready(Err(fault));
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.tcp.poll_write_ready(context))?;
            let write = || Ok(send(&self.tcp, bytes, SendFlags::NOSIGNAL)?);
            match self.tcp.try_io(Interest::WRITABLE, write) {
                Err(fault) if fault.kind() == io::ErrorKind::WouldBlock => {}
                done => return Poll::Ready(done),
            }
        }
    }

    fn took(&self, length: usize) {
        let taken = self.taken.get() + length;
        if taken < self.owed.borrow().len() {
            self.taken.set(taken);
        } else {
            self.settle(Stage::Sent);
        }
    }

    fn broke(&self) {
        let nothing = self.taken.get() == 0;
        self.settle(if nothing { Stage::Refused } else { Stage::Sent });
    }

    /// Nothing is owed any more.
    fn settle(&self, stage: Stage) {
        self.stage.set(stage);
        self.taken.set(0);
        self.owed.take();
    }

    /// Owes `message` from here on, which waits in an outbox. False if there is something else to be sent before.
    pub(super) fn owe(&self, message: &[u8], spare: impl FnOnce() -> Vec<u8>) -> bool {
        if self.owes() || message.len() > LONGEST {
            return false;
        }
        let mut owed = spare();
        owed.extend_from_slice(message);
        self.owed.replace(owed);
        self.stage.set(Stage::Waiting);
        true
    }

    /// Hands what waited to the kernel; the buffer that is free again. Nothing where the connection's task has to see
    /// to the rest.
    pub(super) fn hand_over(&self) -> Option<Vec<u8>> {
        if self.stage.get() != Stage::Waiting {
            // It was sent meanwhile, because something else had to follow it.
            return Some(Vec::new());
        }
        let sent = send(
            &self.tcp,
            &self.owed.borrow()[self.taken.get()..],
            SendFlags::NOSIGNAL,
        );
        match sent {
            Ok(length) if self.taken.get() + length == self.owed.borrow().len() => {
                self.stage.set(Stage::Sent);
                self.taken.set(0);
                return Some(self.owed.take());
            }
            Ok(length) => {
                self.taken.set(self.taken.get() + length);
                self.stage.set(Stage::Late);
            }
            Err(Errno::AGAIN | Errno::INTR) => self.stage.set(Stage::Late),
            Err(_) => self.broke(),
        }
        None
    }
}
