//! From options to a running gateway, and to its end.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, watch};

use super::options::{Durability, Options};
use super::status::{self, Facts};
use super::stop::{Stage, Stop};
use super::takeover::take_over;
use super::threads::{self, Means};
use super::{StartError, inherited};
use crate::config::{Cache, ConfigStore, Updater};
use crate::control::{Client, ControlState, Identity};
use crate::limits::{CounterRoom, Counters};
use crate::observe::Background;
use crate::observe::access_log::AccessLog;
use crate::observe::trace::Tracing;
use crate::phases::Shared;
use crate::proxy::clock::Clock;
use crate::proxy::opening::ServerTls;
use crate::proxy::stats::WorkerStats;
use crate::proxy::worker::Protocols;
use crate::tls::certificates::Pair;
use crate::tls::server::{HTTP1, HTTP2, HTTP10, server_config};
use crate::tls::tickets::Tickets;
use crate::upkeep;
use crate::usage_log::{Level, LogConfig, UsageLog};

/// The configuration's copy, below the data folder.
const CACHE_FILE: &str = "gateway-config.cache";

/// The limits' counters, shared by all gateways of the data folder.
const COUNTERS_FOLDER: &str = "counters";

/// How often the counters' room is looked after.
const MAINTENANCE: Duration = Duration::from_secs(1);

/// Runs a gateway until it is asked to stop, and drains it. Blocks.
///
/// # Errors
/// [`StartError`] where an option or the system does not allow the start, where a worker ended by itself, or
/// where the usage log could not be closed: its epoch is then left to recovery, and nothing is lost.
pub fn run(options: &Options) -> Result<(), StartError> {
    raise_descriptor_limit();
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default())
        .map_err(|error| StartError::new("the main thread", &error))?;
    let sockets = Sockets::inherit(options)?;
    let stop = {
        let _entered = runtime.enter();
        Stop::new(sockets.lifeline)
            .map_err(|error| StartError::new("option lifeline_fd", &error))?
    };
    let parts = Parts::open(options)?;
    let stage = Arc::new(watch::channel(Stage::Serving).0);
    if sockets.ready.is_some() {
        stage.send_replace(Stage::Starting);
    }
    let (crew, ends) = Crew::start(options, &parts, &sockets.proxy, &stage)?;
    drop(sockets.proxy);

    let drain = Duration::from_secs(options.drain_seconds);
    let Parts {
        log,
        store,
        shared,
        control,
        client,
        tellers,
    } = parts;
    let counters = Arc::clone(shared.counters());
    let upstreams = Arc::clone(&store);
    let facts = Rc::new(Facts {
        store,
        control,
        shared,
        stats: crew.stats,
        log: Arc::clone(&log),
        stage: stage.subscribe(),
        needs_control: options.ready_needs_control,
        version: options.version.clone(),
    });
    let outcome = runtime.block_on(async {
        tokio::task::spawn_local(client.run());
        tokio::task::spawn_local(maintain(counters));
        tokio::task::spawn_local(upkeep::run(upstreams, options.names.clone()));
        if let Some(ready) = sockets.ready {
            let taking = take_over(ready, Rc::clone(&facts), Arc::clone(&stage));
            tokio::task::spawn_local(taking);
        }
        tokio::task::spawn_local(status::serve(sockets.status, facts));
        tokio::task::spawn_local(stop.run(Arc::clone(&stage), drain));
        all_ended(ends, &stage).await
    });
    drop(runtime);
    let joined = join(crew.handles);
    // Nobody has anything to tell any more.
    tellers.into_iter().for_each(Background::finish);
    joined.and(outcome)?;
    close(log)
}

/// What the process was started with.
struct Sockets {
    proxy: Vec<(TcpListener, Protocols)>,
    status: Option<TcpListener>,
    lifeline: Option<OwnedFd>,
    ready: Option<OwnedFd>,
}

impl Sockets {
    fn inherit(options: &Options) -> Result<Self, StartError> {
        let proxy = options.listeners.iter();
        let status = options.status_fd;
        let lifeline = options.lifeline_fd;
        Ok(Self {
            proxy: proxy
                .map(|listener| {
                    let socket = inherited::listener("option listeners", listener.fd)?;
                    Ok((socket, Protocols::from(*listener)))
                })
                .collect::<Result<_, _>>()?,
            status: status
                .map(|number| inherited::listener("option status_fd", number))
                .transpose()?,
            lifeline: lifeline
                .map(|number| inherited::owned("option lifeline_fd", number))
                .transpose()?,
            ready: (options.ready_fd)
                .map(|number| inherited::owned("option ready_fd", number))
                .transpose()?,
        })
    }
}

/// What stands behind the threads.
struct Parts {
    log: Arc<UsageLog>,
    store: Arc<ConfigStore>,
    shared: Arc<Shared>,
    control: Arc<ControlState>,
    client: Client,
    /// Who tell others of exchanges.
    tellers: Vec<Background>,
}

impl Parts {
    fn open(options: &Options) -> Result<Self, StartError> {
        let log = Arc::new(open_log(options, worker_count(options)?)?);
        let store = Arc::new(ConfigStore::default());
        let folder = options.data_dir.join(COUNTERS_FOLDER);
        let counters = Counters::open(&folder, CounterRoom::default())
            .map_err(|error| StartError::new("the rate-limit counters", &error))?;
        let pepper = options.pepper.0;
        let shared = Shared::new(Arc::clone(&store), Arc::new(counters), pepper);
        let shared = shared.trusting(options.trust.clone());
        let mut tellers = Vec::new();
        let shared = open_access_log(options, shared, &mut tellers)?;
        let shared = Arc::new(start_tracing(options, shared, &mut tellers)?);
        let control = Arc::new(ControlState::default());
        let cache = Cache::new(options.data_dir.join(CACHE_FILE), options.cache_key.0);
        // Who takes over leaves the copy on disk to whom it takes over from, until it has one of its own.
        let updater = if options.ready_fd.is_some() {
            Updater::anew(Arc::clone(&store), cache)
        } else {
            Updater::new(Arc::clone(&store), Some(cache))
        };
        let identity = Identity {
            node: options.node,
            epoch: log.epoch(),
        };
        let socket = options.control_socket.clone();
        let client = Client::new(socket, identity, updater, Arc::clone(&control));
        Ok(Self {
            log,
            store,
            shared,
            control,
            client,
            tellers,
        })
    }
}

/// The workers.
struct Crew {
    handles: Vec<JoinHandle<io::Result<()>>>,
    stats: Vec<Arc<WorkerStats>>,
}

impl Crew {
    /// Starts a worker for every shard of the log; the receiver hears of each that ends.
    fn start(
        options: &Options,
        parts: &Parts,
        listeners: &[(TcpListener, Protocols)],
        stage: &watch::Sender<Stage>,
    ) -> Result<(Self, mpsc::UnboundedReceiver<()>), StartError> {
        let (ended, ends) = mpsc::unbounded_channel();
        let means = Means {
            shared: Arc::clone(&parts.shared),
            timeouts: options.timeouts,
            limits: options.limits,
            names: options.names.clone(),
            tls: server_tls(options, &parts.store)?,
            verify_upstreams: options.upstream_tls_verify,
            stage: stage.subscribe(),
            ended,
        };
        let mut crew = Self {
            handles: Vec::new(),
            stats: Vec::new(),
        };
        while let Some(shard) = parts.log.shard(crew.handles.len()) {
            let stats = Arc::new(WorkerStats::default());
            crew.stats.push(Arc::clone(&stats));
            let number = crew.handles.len();
            let worker =
                threads::start(number, listeners, Arc::clone(shard), stats, means.clone())?;
            crew.handles.push(worker);
        }
        Ok((crew, ends))
    }
}

/// How clients are served over TLS, where any listener does that.
fn server_tls(
    options: &Options,
    store: &Arc<ConfigStore>,
) -> Result<Option<ServerTls>, StartError> {
    let Some(tls) = &options.tls else {
        return Ok(None);
    };
    let pair = Pair::read(&tls.default_cert, &tls.default_key)
        .map_err(|error| StartError::new("option tls", &error.within("default")))?;
    let (pair, tickets) = (Arc::new(pair), Arc::new(Tickets::new(tls.ticket_key)));
    let config = |protocols: &[&[u8]]| {
        let (store, pair) = (Arc::clone(store), Some(Arc::clone(&pair)));
        server_config(store, pair, Arc::clone(&tickets), protocols)
            .map_err(|error| StartError::new("option tls", &error))
    };
    Ok(Some(ServerTls {
        http1: config(&[HTTP1, HTTP10])?,
        http2: config(&[HTTP2, HTTP1, HTTP10])?,
    }))
}

fn worker_count(options: &Options) -> Result<usize, StartError> {
    match options.workers {
        Some(workers) => Ok(workers.get()),
        None => std::thread::available_parallelism()
            .map(std::num::NonZeroUsize::get)
            .map_err(|error| StartError::new("option workers", &error)),
    }
}

/// Keeps room for counters ahead of need, for as long as it runs.
async fn maintain(counters: Arc<Counters>) {
    let clock = Clock::default();
    loop {
        tokio::time::sleep(MAINTENANCE).await;
        clock.adjust();
        // A full disk shows in `tollway_requests_uncounted_total`, or in 500s, when it begins to matter.
        let _ = counters.maintain(clock.now());
    }
}

/// Waits for the workers. One that ends before it was asked to takes the others with it: better a new process
/// than one that serves with half its threads.
async fn all_ended(
    mut ends: mpsc::UnboundedReceiver<()>,
    stage: &watch::Sender<Stage>,
) -> Result<(), StartError> {
    let mut outcome = Ok(());
    while ends.recv().await.is_some() {
        if *stage.borrow() <= Stage::Serving {
            outcome = Err(StartError::new(
                "a worker",
                &"ended by itself; see its message above",
            ));
            stage.send_replace(Stage::Ending);
        }
    }
    outcome
}

fn join(handles: Vec<JoinHandle<io::Result<()>>>) -> Result<(), StartError> {
    for handle in handles {
        match handle.join() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(StartError::new("a worker", &error)),
            Err(_) => {
                return Err(StartError::new(
                    "a worker",
                    &"panicked; see its message above",
                ));
            }
        }
    }
    Ok(())
}

fn open_log(options: &Options, workers: usize) -> Result<UsageLog, StartError> {
    let shards = u32::try_from(workers).unwrap_or(u32::MAX);
    let level = match options.usage_log_level {
        Durability::Strict => Level::Strict,
        Durability::Group => Level::Group,
        Durability::Relaxed => Level::Relaxed,
    };
    let mut config = LogConfig::new(options.usage_log_dir.clone(), options.node, shards, level);
    config.budget_bytes = options.usage_log_budget_bytes;
    UsageLog::open(config).map_err(|error| StartError::new("the usage log", &error))
}

/// Lets what is shared tell of exchanges, where that is wanted.
fn open_access_log(
    options: &Options,
    shared: Shared,
    tellers: &mut Vec<Background>,
) -> Result<Shared, StartError> {
    let Some(wanted) = &options.access_log else {
        return Ok(shared);
    };
    let (log, writer) = AccessLog::open(wanted).map_err(|error| {
        let path = wanted.path.as_ref().map(|path| path.display().to_string());
        let place = path.unwrap_or_else(|| "standard output".to_owned());
        let problem = format!("{place} can't be written: {error}");
        StartError::new("option access_log.path", &problem)
    })?;
    tellers.push(writer);
    Ok(shared.logging(log))
}

/// The same for traces.
fn start_tracing(
    options: &Options,
    shared: Shared,
    tellers: &mut Vec<Background>,
) -> Result<Shared, StartError> {
    let Some(wanted) = &options.tracing else {
        return Ok(shared);
    };
    let started = Tracing::start(wanted);
    let (tracing, exporter) =
        started.map_err(|problem| StartError::new("option tracing.endpoint", &problem))?;
    tellers.push(exporter);
    Ok(shared.tracing(tracing))
}

/// Ends the epoch, so that nobody has to recover it.
fn close(log: Arc<UsageLog>) -> Result<(), StartError> {
    let fault = |problem: String| StartError::new("the usage log", &problem);
    let log = Arc::into_inner(log).ok_or_else(|| fault("is still in use".to_owned()))?;
    log.close().map_err(|error| fault(error.to_string()))
}

/// Every connection takes a descriptor: as many as the system lets us have. Best effort; connections beyond
/// the limit wait in the listener's queue.
fn raise_descriptor_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
}
