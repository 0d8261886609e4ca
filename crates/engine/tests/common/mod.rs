//! A gateway worker on a real socket, upstreams whose every byte a test decides, and a client that reads strictly.
#![allow(dead_code, reason = "every test file uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected stops right there"
)]

pub mod balanced;
pub mod client;
pub mod corpus;
pub mod dns;
pub mod grpc;
pub mod http2;
pub mod tls;
pub mod upstream;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::{mpsc, oneshot};

use tollway_engine::config::{ConfigStore, Progress, Updater};
use tollway_engine::limits::{CounterRoom, Counters};
use tollway_engine::names::NameOptions;
use tollway_engine::phases::{Pipeline, Shared, Trust};
use tollway_engine::proxy::stats::WorkerStats;
use tollway_engine::proxy::worker::{Protocols, Worker};
use tollway_engine::server::options::{Limits, Timeouts};
use tollway_engine::upkeep;
use tollway_engine::usage_log::{
    Completion, Cursors, Level, LogConfig, Permit, Reader, UsageLog, aggregate, method_name,
};

/// What a test may set.
pub struct Setup {
    pub timeouts: Timeouts,
    pub limits: Limits,
    /// Where the usage log lies; a folder of its own where not said.
    pub folder: Option<PathBuf>,
    pub level: Level,
    /// Laid over the service.
    pub service: Value,
    /// Laid over the route.
    pub route: Value,
    /// The plugins.
    pub plugins: Value,
    /// Whom to ask about names.
    pub names: NameOptions,
    /// The upstreams that services may name.
    pub upstreams: Value,
    /// Who is believed about who calls.
    pub trust: Trust,
    /// What is spoken at the gateway's listener.
    pub protocols: Protocols,
    /// Shown to clients that ask for a name without a certificate.
    pub default_certificate: Option<tls::Identity>,
    /// Laid over the rest of the base.
    pub base: Value,
    /// Rows of the keyed tables, by table.
    pub rows: Vec<(&'static str, Value)>,
}

/// A running gateway with one worker.
pub struct Gateway {
    pub address: SocketAddr,
    pub stats: Arc<WorkerStats>,
    /// For the phases' totals.
    pub shared: Arc<Shared>,
    pub store: Arc<ConfigStore>,
    updater: Updater,
    base: Value,
    directory: PathBuf,
    folder: tempfile::TempDir,
    log: UsageLog,
    stop: Option<oneshot::Sender<()>>,
    freeze: mpsc::UnboundedSender<Duration>,
    thread: Option<JoinHandle<()>>,
}

/// Usage events that look alike, added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub events: u64,
    pub requests: u64,
    pub units: u64,
    pub bytes_in: u64,
    pub bytes_out: u64,
}

/// Usage by `"METHOD STATUS completion"`, for calls of gRPC `"METHOD STATUS grpc GRPC_STATUS completion"`.
pub type Bill = BTreeMap<String, Usage>;

const ID: &str = "00000000-0000-4000-8000-00000000000";

fn base(upstream: SocketAddr, setup: &Setup) -> Value {
    let mut service = json!({
        "id": format!("{ID}1"), "name": "api", "protocol": "http", "host": upstream.ip().to_string(),
        "port": upstream.port(), "path": null, "connect_timeout": 1000, "write_timeout": 2000,
        "read_timeout": 2000, "retries": 2, "enabled": true, "tags": null,
    });
    let mut route = json!({
        "id": format!("{ID}2"), "name": "api", "protocols": ["http"], "methods": null, "hosts": null,
        "paths": ["/"], "headers": null, "regex_priority": 0, "strip_path": false, "preserve_host": true,
        "path_handling": "v0", "https_redirect_status_code": 426, "request_buffering": true,
        "response_buffering": true, "service": {"id": format!("{ID}1")}, "created_at": 1, "tags": null,
    });
    for (onto, from) in [(&mut service, &setup.service), (&mut route, &setup.route)] {
        for (name, value) in from.as_object().unwrap() {
            onto[name] = value.clone();
        }
    }
    let mut base = json!({
        "services": [service], "routes": [route], "consumer_groups": [], "plugins": setup.plugins,
        "upstreams": setup.upstreams, "certificates": [], "ca_certificates": [],
        "offers": [], "portal_url": null,
    });
    for (name, value) in setup.base.as_object().unwrap() {
        base[name] = value.clone();
    }
    base
}

impl Gateway {
    pub fn start(upstream: SocketAddr) -> Self {
        Self::with(upstream, |_| {})
    }

    pub fn with(upstream: SocketAddr, change: impl FnOnce(&mut Setup)) -> Self {
        let mut setup = Setup {
            timeouts: Timeouts::default(),
            limits: Limits::default(),
            folder: None,
            level: Level::Group,
            service: json!({}),
            route: json!({}),
            plugins: json!([]),
            names: NameOptions::default(),
            upstreams: json!([]),
            trust: Trust::default(),
            protocols: Protocols {
                http2: true,
                ..Protocols::default()
            },
            default_certificate: None,
            base: json!({}),
            rows: Vec::new(),
        };
        change(&mut setup);
        let folder = tempfile::tempdir().unwrap();
        let directory = setup
            .folder
            .clone()
            .unwrap_or_else(|| folder.path().to_owned());
        let mut config = LogConfig::new(directory.clone(), [7; 16], 1, setup.level);
        config.segment_bytes = 1 << 20;
        let log = UsageLog::open(config).unwrap();
        let store = Arc::new(ConfigStore::default());
        let mut updater = Updater::new(Arc::clone(&store), None);
        let base = base(upstream, &setup);
        let begin = json!({"type": "full_begin", "version": 1, "base": base});
        updater.frame(&begin.to_string()).unwrap();
        for (table, rows) in &setup.rows {
            let rows = json!({"type": "rows", "table": table, "rows": rows});
            updater.frame(&rows.to_string()).unwrap();
        }
        let applied = updater
            .frame(r#"{"type": "full_end", "version": 1}"#)
            .unwrap();
        assert_eq!(applied, Progress::Applied(1));
        let counters = Counters::open(&directory.join("counters"), CounterRoom::default()).unwrap();
        let shared = Arc::new(
            Shared::new(Arc::clone(&store), Arc::new(counters), [0; 32])
                .trusting(setup.trust.clone()),
        );
        let totals = Arc::clone(&shared);
        let looked_after = Arc::clone(&store);
        let stats = Arc::new(WorkerStats::default());
        let protocols = setup.protocols;
        let server_tls = tls::serving(&store, setup.default_certificate.as_ref());
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let (freeze, mut frozen) = mpsc::unbounded_channel();
        let (counted, usage) = (Arc::clone(&stats), Arc::clone(log.shard(0).unwrap()));
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .build_local(LocalOptions::default())
                .unwrap();
            runtime.block_on(async move {
                tokio::task::spawn_local(upkeep::run(looked_after, setup.names.clone()));
                let pipeline = Pipeline::new(&shared).unwrap();
                let worker = Worker::new(pipeline, usage, counted, setup.timeouts, setup.limits);
                let worker = worker.asking(setup.names).with_tls(Some(server_tls), true);
                let worker = Rc::new(worker);
                worker.run();
                tokio::task::spawn_local(async move {
                    while let Some(time) = frozen.recv().await {
                        std::thread::sleep(time);
                    }
                });
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                let accepting =
                    tokio::task::spawn_local(Rc::clone(&worker).accept(listener, protocols));
                let _ = stopped.await;
                accepting.abort();
                worker.drain(100).await;
            });
        });
        let (stop, thread) = (Some(stop), Some(thread));
        Self {
            address,
            stats,
            shared: totals,
            store,
            updater,
            base,
            directory,
            folder,
            log,
            stop,
            freeze,
            thread,
        }
    }

    /// Takes all the room there is in the usage log, as requests in flight would.
    pub fn fill_log(&self) -> Vec<Permit> {
        let shard = self.log.shard(0).unwrap();
        std::iter::from_fn(|| shard.admit().ok()).collect()
    }

    /// Changes the base; what comes from then on is judged by it.
    pub fn change(&mut self, change: impl FnOnce(&mut Value)) {
        change(&mut self.base);
        let from = self.updater.version().unwrap();
        let delta = json!({
            "type": "delta", "from": from, "version": from + 1, "base": self.base, "put": {}, "delete": {},
        });
        let applied = self.updater.frame(&delta.to_string()).unwrap();
        assert_eq!(applied, Progress::Applied(from + 1));
    }

    /// Says an operator's word on a target, as control passes it on.
    pub fn set_health(&mut self, target: &str, address: Option<&str>, healthy: bool) {
        let frame = json!({
            "type": "set_health", "upstream": format!("{ID}9"), "target": target, "address": address,
            "healthy": healthy,
        });
        self.updater.frame(&frame.to_string()).unwrap();
    }

    /// How upstreams are, as control is told.
    pub fn health(&self) -> Vec<Value> {
        self.updater.health()
    }

    /// Has the worker do nothing for so long: what happens meanwhile has happened at once to it.
    pub fn freeze(&self, milliseconds: u64) {
        let time = Duration::from_millis(milliseconds);
        self.freeze.send(time).unwrap();
    }

    /// Stops accepting and begins to drain; does not wait.
    pub fn drain(&mut self) {
        self.stop.take().map(|stop| stop.send(()));
    }

    /// Drains, ends the epoch and reads it.
    pub fn bill(mut self) -> Bill {
        self.drain();
        self.thread.take().unwrap().join().unwrap();
        self.log.close().unwrap();
        read_bill(&self.directory)
    }
}

/// What a usage log holds, of epochs that were closed or whose gateway died.
pub fn read_bill(directory: &Path) -> Bill {
    let mut reader = Reader::new(directory.to_owned());
    reader.recover().unwrap();
    let view = reader.view().unwrap();
    let end: Cursors = view
        .shards
        .iter()
        .map(|shard| (shard.shard, shard.readable))
        .collect();
    let batch = aggregate(&mut reader, &Cursors::new(), &end, Vec::new(), u64::MAX).unwrap();
    assert!(batch.faults.is_empty(), "{:?}", batch.faults);
    let mut bill = Bill::new();
    for (key, sums) in batch.groups {
        let completion = match key.completion() {
            Completion::Complete => "complete",
            Completion::ClientAbort => "client_abort",
            Completion::UpstreamAbort => "upstream_abort",
        };
        let call = key
            .grpc_status
            .map_or(String::new(), |status| format!("grpc {status} "));
        let name = format!(
            "{} {} {call}{completion}",
            method_name(key.method),
            key.status
        );
        let narrow = |value: u128| u64::try_from(value).unwrap();
        let usage = Usage {
            events: sums.events,
            requests: sums.requests,
            units: narrow(sums.units),
            bytes_in: narrow(sums.bytes_in),
            bytes_out: narrow(sums.bytes_out),
        };
        assert!(bill.insert(name, usage).is_none());
    }
    bill
}

/// One event for one request.
pub fn one(bytes_in: u64, bytes_out: u64) -> Usage {
    Usage {
        events: 1,
        requests: 1,
        units: 1,
        bytes_in,
        bytes_out,
    }
}

/// Waits for `condition`, a few seconds at most.
pub fn eventually(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..500 {
        if condition() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("{what}: did not happen");
}
