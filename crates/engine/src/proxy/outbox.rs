//! What a thread's connections have to say, sent together: see [`Socket`](super::socket).

use std::cell::RefCell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use super::socket::Socket;

/// Messages after which it sends at once: with [`LONGEST`](super::socket::LONGEST), the memory that they may take.
const MOST_WAITING: usize = 128;

/// Capacity up to which an empty buffer is kept.
const KEPT: usize = 4 * 1024;

/// A thread's messages that wait for their like.
#[derive(Debug, Default)]
pub struct Outbox {
    waiting: RefCell<Vec<(Rc<Socket>, Waker)>>,
    spares: RefCell<Vec<Vec<u8>>>,
    /// Whose turn comes after that of all tasks that can go on by now.
    sender: RefCell<Option<Waker>>,
}

impl Outbox {
    /// Takes `message` over; the task of `context` is woken if the kernel doesn't take all of it. False where `socket`
    /// has to send something else before, or `message` is too long.
    pub(super) fn send_soon(
        &self,
        socket: &Rc<Socket>,
        message: &[u8],
        context: &Context<'_>,
    ) -> bool {
        let spare = || self.spares.borrow_mut().pop().unwrap_or_default();
        if !socket.owe(message, spare) {
            return false;
        }
        let waiting = {
            let mut waiting = self.waiting.borrow_mut();
            waiting.push((Rc::clone(socket), context.waker().clone()));
            waiting.len()
        };
        if waiting == 1
            && let Some(sender) = &*self.sender.borrow()
        {
            sender.wake_by_ref();
        } else if waiting >= MOST_WAITING {
            self.send_all();
        }
        true
    }

    /// Hands everything to the kernel.
    pub fn send_all(&self) {
        for (socket, task) in self.waiting.borrow_mut().drain(..) {
            match socket.hand_over() {
                None => task.wake(),
                Some(buffer) if buffer.capacity() == 0 || buffer.capacity() > KEPT => {}
                Some(mut buffer) => {
                    buffer.clear();
                    self.spares.borrow_mut().push(buffer);
                }
            }
        }
    }

    /// Sends what waits whenever its turn comes. Never ends.
    pub async fn run(&self) {
        poll_fn(|context| {
            let mut sender = self.sender.borrow_mut();
            if !sender
                .as_ref()
                .is_some_and(|known| known.will_wake(context.waker()))
            {
                *sender = Some(context.waker().clone());
            }
            self.send_all();
            Poll::<()>::Pending
        })
        .await;
    }
}

/// What was left here was promised to be sent.
impl Drop for Outbox {
    fn drop(&mut self) {
        self.send_all();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{self, Read};
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use tokio::runtime::{Builder, LocalOptions};
    use tokio::task::{spawn_local, yield_now};

    use super::*;

    type Fault = Box<dyn std::error::Error>;

    /// Both ends of a connection; the peer's waits at most ten seconds.
    async fn pair() -> Result<(Rc<Socket>, TcpStream), Fault> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let ours = tokio::net::TcpStream::connect(listener.local_addr()?).await?;
        let (theirs, _) = listener.accept()?;
        theirs.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok((Socket::new(ours), theirs))
    }

    fn run(test: impl Future<Output = Result<(), Fault>>) {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build_local(LocalOptions::default())
            .unwrap();
        runtime.block_on(test).unwrap();
    }

    async fn left_with(outbox: &Outbox, socket: &Rc<Socket>, message: &[u8]) -> bool {
        poll_fn(|context| Poll::Ready(outbox.send_soon(socket, message, context))).await
    }

    async fn write(socket: &Socket, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let taken = poll_fn(|context| socket.poll_write(context, bytes)).await?;
            bytes = &bytes[taken..];
        }
        Ok(())
    }

    #[test]
    fn what_waits_is_sent_once_the_others_had_their_turn() {
        run(async {
            let outbox = Rc::<Outbox>::default();
            let sending = Rc::clone(&outbox);
            spawn_local(async move { sending.run().await });
            yield_now().await;
            let (socket, mut theirs) = pair().await?;
            assert!(left_with(&outbox, &socket, b"hello").await);
            assert!(socket.owes());
            while socket.owes() {
                yield_now().await;
            }
            let mut heard = [0; 5];
            theirs.read_exact(&mut heard)?;
            assert_eq!(&heard, b"hello");
            Ok(())
        });
    }

    #[test]
    fn what_is_written_later_comes_later() {
        run(async {
            let outbox = Outbox::default();
            let (socket, mut theirs) = pair().await?;
            assert!(left_with(&outbox, &socket, b"first ").await);
            assert!(!left_with(&outbox, &socket, b"refused").await);
            write(&socket, b"second ").await?;
            assert!(left_with(&outbox, &socket, b"third").await);
            poll_fn(|context| socket.poll_shutdown(context)).await?;
            outbox.send_all();
            let mut heard = String::new();
            theirs.read_to_string(&mut heard)?;
            assert_eq!(heard, "first second third");
            Ok(())
        });
    }

    #[test]
    fn a_connection_that_ends_has_said_what_it_left_behind() {
        run(async {
            let (socket, mut theirs) = pair().await?;
            {
                let outbox = Outbox::default();
                assert!(left_with(&outbox, &socket, b"farewell").await);
                drop(socket);
            }
            let mut heard = String::new();
            theirs.read_to_string(&mut heard)?;
            assert_eq!(heard, "farewell");
            Ok(())
        });
    }

    #[test]
    fn what_the_kernel_would_not_take_goes_on_beside_reading() {
        run(async {
            let outbox = Outbox::default();
            let (socket, mut theirs) = pair().await?;
            // Full to the last byte: nobody reads yet.
            let mut before = 0;
            while let Ok(taken) = socket.tcp().try_write(&[b'.'; 1000]) {
                before += taken;
            }
            let message = [b'x'; super::super::socket::LONGEST];
            assert!(left_with(&outbox, &socket, &message).await);
            outbox.send_all();
            assert!(socket.owes());
            let reading = std::thread::spawn(move || {
                let mut heard = vec![0; before + message.len()];
                theirs.read_exact(&mut heard).map(|()| heard)
            });
            poll_fn(|context| {
                let asked = socket.poll_read_ready(context);
                if socket.owes() {
                    asked
                } else {
                    Poll::Ready(Ok(()))
                }
            })
            .await?;
            let heard = reading.join().map_err(|_| "the reader failed")??;
            assert!(heard.ends_with(&message));
            Ok(())
        });
    }

    #[test]
    fn a_broken_connection_says_that_it_took_nothing() {
        run(async {
            let outbox = Outbox::default();
            let (socket, theirs) = pair().await?;
            // Dropped with this, it ends by a reset.
            rustix::net::sockopt::set_socket_linger(&theirs, Some(Duration::ZERO))?;
            drop(theirs);
            assert!(left_with(&outbox, &socket, b"lost").await);
            // The reset may take its time.
            while !socket.refused() {
                outbox.send_all();
                tokio::time::sleep(Duration::from_millis(5)).await;
                if !socket.owes() && !socket.refused() {
                    assert!(left_with(&outbox, &socket, b"lost").await);
                }
            }
            Ok(())
        });
    }
}
