//! When to stop, and how quickly.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// What the workers are to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    /// Serve.
    Serving,
    /// Accept nothing new; finish what is in flight.
    Draining,
    /// End now.
    Ending,
}

/// Hears signals and the end of the supervisor.
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
    lifeline: Option<pipe::Receiver>,
}

impl Stop {
    /// Listens from now on. To be called within a runtime.
    pub(super) fn new(lifeline: Option<OwnedFd>) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            lifeline: lifeline.map(pipe::Receiver::from_owned_fd).transpose()?,
        })
    }

    /// Moves `stage` on: to draining at the first reason, to ending when asked once more or after `drain`.
    pub(super) async fn run(mut self, stage: Arc<watch::Sender<Stage>>, drain: Duration) {
        let interrupted = self.first_reason().await;
        stage.send_replace(Stage::Draining);
        // Also after the supervisor's death: a signal may follow, an end of file can't come twice.
        let _ = tokio::time::timeout(drain, self.asked_again(interrupted)).await;
        stage.send_replace(Stage::Ending);
    }

    /// True for an interrupt.
    async fn first_reason(&mut self) -> bool {
        let mut lifeline = self.lifeline.take();
        let orphaned = async {
            match &mut lifeline {
                // Nothing is ever written to it: it ends when whoever holds its other end does.
                Some(lifeline) => while matches!(lifeline.read(&mut [0; 16]).await, Ok(1..)) {},
                None => std::future::pending().await,
            }
        };
        // The interrupt first: of two that came together it is the one that tells more, see `asked_again`.
        either(
            self.interrupt.recv(),
            either(orphaned, self.terminate.recv()),
        )
        .await
    }

    /// A terminal's Ctrl-C reaches the whole process group, and then the supervisor passes its own on as SIGTERM:
    /// that pair is one wish, and not yet an impatient one.
    async fn asked_again(&mut self, interrupted: bool) {
        let terminated = async {
            self.terminate.recv().await;
            if interrupted {
                self.terminate.recv().await;
            }
        };
        either(terminated, self.interrupt.recv()).await;
    }
}

/// Ready when the first of the two is; true where that is `one`.
async fn either(one: impl Future, other: impl Future) -> bool {
    let (mut one, mut other) = (std::pin::pin!(one), std::pin::pin!(other));
    std::future::poll_fn(|context| {
        if one.as_mut().poll(context).is_ready() {
            std::task::Poll::Ready(true)
        } else {
            other.as_mut().poll(context).map(|_| false)
        }
    })
    .await
}
