//! The events of the log, one by one.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use tollway_engine::usage_log::{
    Cursors, Events, Id, Logged, Mode, Reader, Selection, method_name, node_name,
};

use super::{completion_name, raised, source_name};

/// How many events are read at a time.
const BATCH: u64 = 1000;

#[pyclass(frozen, get_all, module = "tollway._native")]
pub struct LogEvent {
    node: String,
    epoch: u64,
    shard: u32,
    offset: u64,
    request_id: String,
    time_us: u64,
    duration_us: u32,
    upstream_us: u32,
    consumer: Id,
    credential: Id,
    customer: Id,
    phase: Id,
    route: Id,
    service: Id,
    config_version: u64,
    bytes_in: u64,
    bytes_out: u64,
    units: u64,
    part: u16,
    last: bool,
    completion: &'static str,
    source: &'static str,
    test_mode: bool,
    status: u16,
    grpc_status: Option<u8>,
    attempts: u8,
    method: &'static str,
    path: String,
}

impl From<Logged<'_>> for LogEvent {
    fn from(logged: Logged<'_>) -> Self {
        let event = logged.event;
        Self {
            node: node_name(&logged.shard.node),
            epoch: logged.shard.epoch,
            shard: logged.shard.shard,
            offset: logged.offset,
            request_id: format!("{:032x}", u128::from_be_bytes(event.request_id)),
            time_us: logged.time,
            duration_us: event.duration,
            upstream_us: event.upstream,
            consumer: event.consumer,
            credential: event.credential,
            customer: event.customer,
            phase: event.phase,
            route: event.route,
            service: event.service,
            config_version: event.config_version,
            bytes_in: event.bytes_in,
            bytes_out: event.bytes_out,
            units: event.units,
            part: event.part,
            last: event.last,
            completion: completion_name(event.completion),
            source: source_name(event.source),
            test_mode: event.mode == Mode::Test,
            status: event.status,
            grpc_status: event.grpc_status,
            attempts: event.attempts,
            method: method_name(event.method),
            path: String::from_utf8_lossy(event.path).into_owned(),
        }
    }
}

pub fn mode(test: bool) -> Mode {
    if test { Mode::Test } else { Mode::Live }
}

/// What `UsageReader.events` returns: an iterator that reads ahead in batches.
#[pyclass(frozen, module = "tollway._native")]
pub struct UsageEvents(Mutex<(Events, VecDeque<LogEvent>)>);

impl UsageEvents {
    pub fn new(reader: Reader, start: &Cursors, end: &Cursors, selection: Selection) -> Self {
        let events = Events::new(reader, start, end, selection);
        Self(Mutex::new((events, VecDeque::new())))
    }
}

#[pymethods]
impl UsageEvents {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<LogEvent>> {
        loop {
            let next = py.detach(|| {
                let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                let (events, batch) = &mut *state;
                let mut more = true;
                if batch.is_empty() {
                    more = events.next_batch(BATCH, |logged| batch.push_back(logged.into()))?;
                }
                Ok((batch.pop_front(), more))
            });
            match next.map_err(raised)? {
                (Some(event), _) => return Ok(Some(event)),
                (None, false) => return Ok(None),
                // A long stretch without a match.
                (None, true) => py.check_signals()?,
            }
        }
    }
}
