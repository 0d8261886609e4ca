//! What a connection may run over, towards clients and upstreams alike.
//!
//! An enum and not a trait object: on the way of plain TCP, which is most connections', it costs a comparison.

use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::coop::unconstrained;
use tokio_rustls::TlsStream;

use super::h2::{Accepted, Asked};
use super::outbox::Outbox;
use super::socket::Socket;

/// One end of a connection. Reading and writing are [`AsyncRead`]'s and [`AsyncWrite`]'s.
#[derive(Debug)]
pub enum Stream {
    /// Plain TCP.
    Tcp(Rc<Socket>),
    /// A socket of this machine's file system.
    Unix(UnixStream),
    /// TLS over TCP, its handshake done. Boxed: it is large, and most connections have none.
    Tls(Box<TlsStream<TcpStream>>),
    /// A stream of a client's HTTP/2 connection, read and written as HTTP/1.1 text.
    Accepted(Box<Accepted>),
    /// The same of a connection to an upstream.
    Asked(Box<Asked>),
}

impl Stream {
    /// Ready when a read would tell something: bytes, the end, or a fault.
    ///
    /// Of TLS it takes in what is no data (session tickets come unasked after the handshake), so that it wakes
    /// nobody for that.
    ///
    /// # Errors
    /// The connection's.
    pub fn poll_read_ready(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Tcp(stream) => stream.poll_read_ready(context),
            Self::Unix(stream) => stream.poll_read_ready(context),
            Self::Tls(stream) => Pin::new(&mut **stream)
                .poll_fill_buf(context)
                .map_ok(|_| ()),
            Self::Accepted(stream) => stream.poll_read_ready(context),
            Self::Asked(stream) => stream.poll_read_ready(context),
        }
    }

    /// Nothing arrived on an unused connection: neither its end nor bytes that nobody asked for. Of sockets it asks
    /// the runtime what that has already heard, and makes no system call. A task that used up its turn still gets the truth,
    /// where the runtime would have it wait: a connection that was closed must not look open.
    pub fn is_quiet(&mut self) -> bool {
        let asked = pin!(unconstrained(poll_fn(|context| {
            self.poll_read_ready(context)
        })));
        asked
            .poll(&mut Context::from_waker(Waker::noop()))
            .is_pending()
    }

    /// Plain TCP that has sent nothing yet.
    #[must_use]
    pub fn plain(stream: TcpStream) -> Self {
        Self::Tcp(Socket::new(stream))
    }

    /// Leaves a message with `outbox`, if that can take it. What is written here later still comes after it.
    pub(super) fn send_soon(&self, message: &[u8], outbox: &Outbox, context: &Context<'_>) -> bool {
        matches!(self, Self::Tcp(socket) if outbox.send_soon(socket, message, context))
    }

    /// Everything that was said here has at least reached the kernel.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        !matches!(self, Self::Tcp(socket) if socket.owes() || socket.refused())
    }

    /// Of the last message left with an outbox not a byte could be sent.
    #[must_use]
    pub fn refused(&self) -> bool {
        matches!(self, Self::Tcp(socket) if socket.refused())
    }

    /// Says that nothing follows, where the kernel doesn't by itself: without TLS's farewell the other side takes
    /// the end for a cut. To be dropped afterwards. Best effort: it waits for nothing.
    pub fn say_farewell(&mut self) {
        if let Self::Tls(stream) = self {
            let mut context = Context::from_waker(Waker::noop());
            let _ = Pin::new(&mut **stream).poll_shutdown(&mut context);
        }
    }

    /// Sees to it that dropping the connection looks like a cut, not like its usual end. Best effort: a TLS
    /// connection without farewell is one anyway, and a Unix socket has no way of saying it.
    pub fn cut(&self) {
        if let Self::Tcp(stream) = self {
            let _ = stream.tcp().set_zero_linger();
        }
    }
}

impl AsyncRead for Stream {
    #[inline]
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        room: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => stream.poll_read(context, room),
            Self::Unix(stream) => Pin::new(stream).poll_read(context, room),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_read(context, room),
            Self::Accepted(stream) => stream.poll_read(context, room),
            Self::Asked(stream) => stream.poll_read(context, room),
        }
    }
}

impl AsyncWrite for Stream {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => stream.poll_write(context, bytes),
            Self::Unix(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write(context, bytes),
            Self::Accepted(stream) => stream.poll_write(context, &[io::IoSlice::new(bytes)]),
            Self::Asked(stream) => stream.poll_write(context, &[io::IoSlice::new(bytes)]),
        }
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(stream) => stream.poll_write_vectored(context, slices),
            Self::Unix(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_write_vectored(context, slices),
            Self::Accepted(stream) => stream.poll_write(context, slices),
            Self::Asked(stream) => stream.poll_write(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// What TLS took and still holds is handed to the socket; sockets hold nothing back, and streams are driven by
    /// their connection's task.
    #[inline]
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(&mut **stream).poll_flush(context),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(stream) => stream.poll_shutdown(context),
            Self::Unix(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(context),
            Self::Accepted(stream) => {
                stream.shut();
                Poll::Ready(Ok(()))
            }
            Self::Asked(_) => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;
    use tokio::task::coop::poll_proceed;

    #[test]
    fn a_closed_connection_is_not_quiet_to_a_task_that_used_up_its_turn() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let mut stream = Stream::plain(TcpStream::connect(address).await.unwrap());
            drop(listener.accept().await.unwrap());
            poll_fn(|context| stream.poll_read_ready(context))
                .await
                .unwrap();
            poll_fn(|context| {
                while let Poll::Ready(turn) = poll_proceed(context) {
                    turn.made_progress();
                }
                Poll::Ready(())
            })
            .await;
            assert!(!stream.is_quiet());
        });
    }
}
