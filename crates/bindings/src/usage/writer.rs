//! `UsageWriter`: a log written from Python, for tests and simulations.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tollway_engine::usage_log::{
    Completion, Level, LogConfig, Permit, Refused, Shard, Source, UsageEvent, UsageLog,
    method_number, system_clock,
};

use super::events::mode;
use super::{UsageLogError, node, raised};

/// How long an append waits for room.
const PATIENCE: Duration = Duration::from_secs(10);

#[pyclass(frozen, module = "tollway._native")]
pub struct UsageWriter {
    log: Mutex<Option<UsageLog>>,
    /// Where its clock stands; 0: the system's clock.
    now: Arc<AtomicU64>,
}

impl UsageWriter {
    fn log(&self) -> MutexGuard<'_, Option<UsageLog>> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl UsageWriter {
    #[new]
    #[pyo3(signature = (directory, node_id, *, shards=1, level="group", segment_bytes=None, budget_bytes=None, now_us=0))]
    #[allow(clippy::too_many_arguments)] // keyword arguments
    fn new(
        py: Python<'_>,
        directory: PathBuf,
        node_id: &str,
        shards: u32,
        level: &str,
        segment_bytes: Option<u64>,
        budget_bytes: Option<u64>,
        now_us: u64,
    ) -> PyResult<Self> {
        let level = match level {
            "group" => Level::Group,
            "strict" => Level::Strict,
            "relaxed" => Level::Relaxed,
            other => return Err(unknown("level", other, "group, strict or relaxed")),
        };
        let now = Arc::new(AtomicU64::new(now_us));
        let (fixed, system) = (Arc::clone(&now), system_clock());
        let mut config = LogConfig::new(directory, node(node_id)?, shards, level);
        config.segment_bytes = segment_bytes.unwrap_or(config.segment_bytes);
        config.budget_bytes = budget_bytes.unwrap_or(config.budget_bytes);
        config.clock = Arc::new(move || match fixed.load(Ordering::Relaxed) {
            0 => system(),
            now => now,
        });
        let log = py.detach(|| UsageLog::open(config)).map_err(raised)?;
        Ok(Self {
            log: Mutex::new(Some(log)),
            now,
        })
    }

    #[getter]
    fn epoch(&self) -> PyResult<u64> {
        self.log().as_ref().map(UsageLog::epoch).ok_or_else(closed)
    }

    fn set_now(&self, now_us: u64) {
        self.now.store(now_us, Ordering::Relaxed);
    }

    #[pyo3(signature = (shard=0, *, request_id=[0; 16], consumer=[0; 16], credential=[0; 16], customer=[0; 16],
        phase=[0; 16], route=[0; 16], service=[0; 16], config_version=0, bytes_in=0, bytes_out=0, units=1,
        duration_us=0, upstream_us=0, status=200, part=0, last=true, completion="complete", source="upstream",
        test_mode=false, grpc_status=None, attempts=1, method="GET", path="/"))]
    #[allow(clippy::too_many_arguments, clippy::fn_params_excessive_bools)] // keyword arguments
    fn append(
        &self,
        py: Python<'_>,
        shard: usize,
        request_id: [u8; 16],
        consumer: [u8; 16],
        credential: [u8; 16],
        customer: [u8; 16],
        phase: [u8; 16],
        route: [u8; 16],
        service: [u8; 16],
        config_version: u64,
        bytes_in: u64,
        bytes_out: u64,
        units: u64,
        duration_us: u32,
        upstream_us: u32,
        status: u16,
        part: u16,
        last: bool,
        completion: &str,
        source: &str,
        test_mode: bool,
        grpc_status: Option<u8>,
        attempts: u8,
        method: &str,
        path: &str,
    ) -> PyResult<(u64, u64)> {
        let completion = match completion {
            "complete" => Completion::Complete,
            "client_abort" => Completion::ClientAbort,
            "upstream_abort" => Completion::UpstreamAbort,
            other => {
                return Err(unknown(
                    "completion",
                    other,
                    "complete, client_abort or upstream_abort",
                ));
            }
        };
        let source = match source {
            "upstream" => Source::Upstream,
            "cache" => Source::Cache,
            other => return Err(unknown("source", other, "upstream or cache")),
        };
        let event = UsageEvent {
            request_id,
            consumer,
            credential,
            customer,
            phase,
            route,
            service,
            config_version,
            bytes_in,
            bytes_out,
            units,
            duration: duration_us,
            upstream: upstream_us,
            status,
            part,
            last,
            completion,
            source,
            mode: mode(test_mode),
            grpc_status,
            attempts,
            method: method_number(method.as_bytes()),
            path: path.as_bytes(),
        };
        py.detach(|| {
            let log = self.log();
            let log = log.as_ref().ok_or_else(closed)?;
            let shard = log.shard(shard).ok_or_else(|| {
                PyValueError::new_err(format!("shard: there is no shard {shard}"))
            })?;
            let appended = admit(shard)?.append(&event);
            Ok((appended.offset, appended.time))
        })
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let log = self.log().take().ok_or_else(closed)?;
        py.detach(|| log.close()).map_err(raised)
    }

    fn abandon(&self, py: Python<'_>) {
        let log = self.log().take();
        py.detach(|| drop(log));
    }
}

/// Where the gateway would refuse a request, a simulation waits for the disk.
fn admit(shard: &Arc<Shard>) -> PyResult<Permit> {
    let patience = Instant::now() + PATIENCE;
    loop {
        match shard.admit() {
            Err(Refused::Full) if Instant::now() < patience => sleep(Duration::from_millis(1)),
            other => return other.map_err(|why| UsageLogError::new_err(why.to_string())),
        }
    }
}

fn unknown(name: &str, given: &str, allowed: &str) -> PyErr {
    PyValueError::new_err(format!("{name}: is {given:?}; use {allowed}"))
}

fn closed() -> PyErr {
    UsageLogError::new_err("the usage log is closed")
}
