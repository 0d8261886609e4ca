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
    /// Not serving yet: another gateway still does, on the same sockets.
    Starting,
    /// Serve.
    Serving,
    /// Another gateway serves now: as [`Self::Draining`], and the status port is the other's too.
    Replaced,
    /// Accept nothing new; finish what is in flight.
    Draining,
    /// End now.
    Ending,
}

/// Hears signals and the end of the supervisor.
pub(super) struct Stop {
    terminate: Signal,
    interrupt: Signal,
    replaced: Signal,
    /// Heard and not heeded: a terminal that goes away tells every process of the group, and the supervisor decides.
    _hangup: Signal,
    lifeline: Option<pipe::Receiver>,
}

/// Why to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reason {
    Interrupted,
    Terminated,
    Replaced,
}

impl Stop {
    /// Listens from now on. To be called within a runtime.
    pub(super) fn new(lifeline: Option<OwnedFd>) -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            replaced: signal(SignalKind::quit())?,
            _hangup: signal(SignalKind::hangup())?,
            lifeline: lifeline.map(pipe::Receiver::from_owned_fd).transpose()?,
        })
    }

    /// Moves `stage` on: to draining at the first reason, to ending when asked once more or after `drain`.
    pub(super) async fn run(mut self, stage: Arc<watch::Sender<Stage>>, drain: Duration) {
        let mut reason = self.reason().await;
        let drained = async {
            if reason == Reason::Replaced {
                stage.send_replace(Stage::Replaced);
                // What ends the whole service is not yet impatience with this gateway.
                reason = self.reason().await;
            }
            stage.send_replace(Stage::Draining);
            // Also after the supervisor's death: a signal may follow, an end of file can't come twice.
            self.asked_again(reason == Reason::Interrupted).await;
        };
        let _ = tokio::time::timeout(drain, drained).await;
        stage.send_replace(Stage::Ending);
    }

    async fn reason(&mut self) -> Reason {
        let lifeline = &mut self.lifeline;
        let orphaned = async {
            match lifeline {
                // Nothing is ever written to it: it ends when whoever holds its other end does.
                Some(lifeline) => while matches!(lifeline.read(&mut [0; 16]).await, Ok(1..)) {},
                None => std::future::pending().await,
            }
        };
        // The interrupt first: of two that came together it is the one that tells more, see `asked_again`.
        let terminated = either(orphaned, self.terminate.recv());
        let ended = either(self.interrupt.recv(), terminated);
        let mut interrupted = false;
        let ended = async { interrupted = ended.await };
        match either(ended, self.replaced.recv()).await {
            true if interrupted => Reason::Interrupted,
            true => Reason::Terminated,
            false => Reason::Replaced,
        }
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
pub(super) async fn either(one: impl Future, other: impl Future) -> bool {
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
