//! The threads that serve.

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};

use super::StartError;
use super::options::{Limits, Timeouts};
use super::stop::Stage;
use crate::names::NameOptions;
use crate::phases::{Pipeline, Shared};
use crate::proxy::opening::ServerTls;
use crate::proxy::stats::WorkerStats;
use crate::proxy::worker::{Protocols, Worker};
use crate::usage_log::Shard;

/// How long an idle connection stays when the gateway ends: its client may have sent a request just then.
const QUIET_MS: u64 = 200;

/// The same where another gateway serves on, and nobody waits for this one's end.
const QUIET_REPLACED_MS: u64 = 2_500;

/// What every worker is given.
#[derive(Clone)]
pub(super) struct Means {
    pub shared: Arc<Shared>,
    pub timeouts: Timeouts,
    pub limits: Limits,
    pub names: NameOptions,
    pub tls: Option<ServerTls>,
    pub verify_upstreams: bool,
    pub stage: watch::Receiver<Stage>,
    /// Tells that a worker has ended, well or not.
    pub ended: mpsc::UnboundedSender<()>,
}

/// Starts the worker of number `number`, which accepts on its own copies of `listeners`.
pub(super) fn start(
    number: usize,
    listeners: &[(TcpListener, Protocols)],
    shard: Arc<Shard>,
    stats: Arc<WorkerStats>,
    means: Means,
) -> Result<JoinHandle<io::Result<()>>, StartError> {
    let what = format!("worker {number}");
    let fault = |error: io::Error| StartError::new(&what, &error);
    let listeners: Vec<_> = listeners
        .iter()
        .map(|(listener, protocols)| Ok((listener.try_clone()?, *protocols)))
        .collect::<io::Result<_>>()
        .map_err(fault)?;
    thread::Builder::new()
        .name(format!("tollway-work{number}"))
        .spawn(move || {
            let _ended = Ended(means.ended.clone());
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default())?;
            runtime.block_on(serve(listeners, shard, stats, means))
        })
        .map_err(fault)
}

/// Serves until the last stage; what is still in flight then is dropped, which closes its bills.
async fn serve(
    listeners: Vec<(TcpListener, Protocols)>,
    shard: Arc<Shard>,
    stats: Arc<WorkerStats>,
    mut means: Means,
) -> io::Result<()> {
    let pipeline = Pipeline::new(&means.shared).map_err(io::Error::from)?;
    let worker = Worker::new(pipeline, shard, stats, means.timeouts, means.limits)
        .asking(means.names)
        .with_tls(means.tls, means.verify_upstreams);
    let worker = Rc::new(worker);
    worker.run();
    // An error means that nobody can say stop any more: then it is time. The same below.
    let _ = (means.stage)
        .wait_for(|stage| *stage > Stage::Starting)
        .await;
    let mut accepting = Vec::new();
    for (listener, protocols) in listeners {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        accepting.push(tokio::task::spawn_local(
            Rc::clone(&worker).accept(listener, protocols),
        ));
    }
    let quiet = match (means.stage)
        .wait_for(|stage| *stage > Stage::Serving)
        .await
        .as_deref()
    {
        Ok(Stage::Replaced) => QUIET_REPLACED_MS,
        _ => QUIET_MS,
    };
    for task in accepting {
        task.abort();
    }
    let mut drained = std::pin::pin!(worker.drain(quiet));
    let mut ending = std::pin::pin!(means.stage.wait_for(|stage| *stage == Stage::Ending));
    std::future::poll_fn(|context| {
        if drained.as_mut().poll(context).is_ready() || ending.as_mut().poll(context).is_ready() {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    Ok(())
}

/// Tells of the thread's end, however it comes.
struct Ended(mpsc::UnboundedSender<()>);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}
