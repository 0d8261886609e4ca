//! Closing while the client may still be sending.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use tokio::io::AsyncWrite;

use super::connection::Client;

/// How long a client may go on after its answer.
const LONGEST_MS: u64 = 2_000;

/// How much it may send meanwhile.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Ends our side, then reads and drops what the client sends, for a while.
///
/// Closing with bytes unread would send a reset, and the reset may destroy the answer before the client has
/// read it.
pub(super) async fn linger(client: &mut Client<'_>) {
    let worker = client.worker;
    let mut buffer = worker.buffers.take();
    let due = worker.timers.after(LONGEST_MS);
    let mut left = MOST_BYTES;
    poll_fn(|context| {
        // A socket that can't be shut down is gone already; reading tells the same.
        if Pin::new(&mut client.stream)
            .poll_shutdown(context)
            .is_pending()
        {
            return Poll::Pending;
        }
        loop {
            match buffer.poll_fill(&mut client.stream, 0, context) {
                Poll::Ready(Ok(length)) if length > 0 && length < left => {
                    left -= length;
                    buffer.consume(length);
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return client.wait_until(due, context),
            }
        }
    })
    .await;
    worker.buffers.give_back(buffer);
}
