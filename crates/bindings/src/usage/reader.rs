//! `UsageReader` and what it returns.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};
use tollway_engine::usage_log::{
    ActivityKey, Batch, Fault, FaultKind, GroupKey, Reader, Selection, Sums, View, aggregate,
    delete_passed, method_name, node_name,
};

use super::events::UsageEvents;
use super::{Cursor, completion_name, cursor, cursors, raised, source_name};

#[pyclass(frozen, get_all, module = "tollway._native")]
pub struct ShardState {
    node: String,
    epoch: u64,
    shard: u32,
    readable: u64,
    synced_us: u64,
    closed: bool,
}

#[pyclass(frozen, module = "tollway._native")]
pub struct UsageView(View);

#[pymethods]
impl UsageView {
    #[getter]
    fn as_of_us(&self) -> u64 {
        self.0.as_of
    }

    #[getter]
    fn shards(&self) -> Vec<ShardState> {
        let state = |view: &tollway_engine::usage_log::ShardView| ShardState {
            node: node_name(&view.shard.node),
            epoch: view.shard.epoch,
            shard: view.shard.shard,
            readable: view.readable,
            synced_us: view.time,
            closed: view.closed,
        };
        self.0.shards.iter().map(state).collect()
    }

    fn watermark(&self, node: &str) -> PyResult<u64> {
        Ok(self.0.watermark(&super::node(node)?))
    }
}

/// Groups and activity become Python objects when they are asked for: there may be very many of them.
#[pyclass(frozen, module = "tollway._native")]
pub struct UsageBatch(Batch);

#[pymethods]
impl UsageBatch {
    #[getter]
    fn groups<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let rows = self.0.groups.iter();
        let rows: PyResult<Vec<_>> = rows.map(|(key, sums)| group(py, key, sums)).collect();
        PyList::new(py, rows?)
    }

    #[getter]
    fn activity<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let rows = py.detach(|| self.0.activity());
        let rows: PyResult<Vec<_>> = (rows.iter().map(|row| activity(py, row))).collect();
        PyList::new(py, rows?)
    }

    #[getter]
    fn after(&self) -> Vec<Cursor> {
        let after = self.0.after.iter();
        after
            .map(|(shard, offset)| cursor(*shard, *offset))
            .collect()
    }

    #[getter]
    fn faults(&self) -> Vec<(String, u64, u32, &'static str, u64, u64)> {
        self.0.faults.iter().map(fault).collect()
    }

    #[getter]
    fn events(&self) -> u64 {
        self.0.events
    }

    #[getter]
    fn done(&self) -> bool {
        self.0.done
    }
}

#[pyclass(frozen, module = "tollway._native")]
pub struct UsageReader {
    directory: PathBuf,
    reader: Mutex<Reader>,
}

impl UsageReader {
    fn reader(&self) -> MutexGuard<'_, Reader> {
        self.reader.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl UsageReader {
    #[new]
    fn new(directory: PathBuf) -> Self {
        Self {
            reader: Mutex::new(Reader::new(directory.clone())),
            directory,
        }
    }

    fn recover(&self, py: Python<'_>) -> PyResult<Vec<Cursor>> {
        let closed = py.detach(|| self.reader().recover()).map_err(raised)?;
        Ok(closed
            .into_iter()
            .map(|shard| cursor(shard.shard, shard.end))
            .collect())
    }

    fn view(&self, py: Python<'_>) -> PyResult<UsageView> {
        py.detach(|| self.reader().view())
            .map(UsageView)
            .map_err(raised)
    }

    fn aggregate(
        &self,
        py: Python<'_>,
        start: Vec<Cursor>,
        end: Vec<Cursor>,
        cuts_us: Vec<u64>,
        max_events: u64,
    ) -> PyResult<UsageBatch> {
        let (start, end) = (cursors(start)?, cursors(end)?);
        py.detach(|| aggregate(&mut self.reader(), &start, &end, cuts_us, max_events))
            .map(UsageBatch)
            .map_err(raised)
    }

    #[pyo3(signature = (start, end, *, customer=None, consumer=None, phase=None, test_mode=None, from_us=None, to_us=None))]
    #[allow(clippy::too_many_arguments)] // keyword arguments
    fn events(
        &self,
        start: Vec<Cursor>,
        end: Vec<Cursor>,
        customer: Option<[u8; 16]>,
        consumer: Option<[u8; 16]>,
        phase: Option<[u8; 16]>,
        test_mode: Option<bool>,
        from_us: Option<u64>,
        to_us: Option<u64>,
    ) -> PyResult<UsageEvents> {
        let selection = Selection {
            customer,
            consumer,
            phase,
            mode: test_mode.map(super::events::mode),
            from: from_us,
            to: to_us,
        };
        let reader = Reader::new(self.directory.clone());
        Ok(UsageEvents::new(
            reader,
            &cursors(start)?,
            &cursors(end)?,
            selection,
        ))
    }

    fn delete_passed(&self, py: Python<'_>, readers: Vec<Vec<Cursor>>) -> PyResult<u64> {
        let readers = readers
            .into_iter()
            .map(cursors)
            .collect::<PyResult<Vec<_>>>()?;
        py.detach(|| delete_passed(&self.directory, &readers))
            .map_err(raised)
    }
}

fn group<'py>(py: Python<'py>, key: &GroupKey, sums: &Sums) -> PyResult<Bound<'py, PyTuple>> {
    let id = |id: &[u8; 16]| PyBytes::new(py, id).into_any();
    PyTuple::new(
        py,
        [
            key.start.into_pyobject(py)?.into_any(),
            id(&key.customer),
            id(&key.consumer),
            id(&key.credential),
            id(&key.phase),
            key.test_mode.into_pyobject(py)?.to_owned().into_any(),
            id(&key.route),
            id(&key.service),
            key.status.into_pyobject(py)?.into_any(),
            key.grpc_status.into_pyobject(py)?.into_any(),
            method_name(key.method).into_pyobject(py)?.into_any(),
            completion_name(key.completion())
                .into_pyobject(py)?
                .into_any(),
            source_name(key.source()).into_pyobject(py)?.into_any(),
            sums.events.into_pyobject(py)?.into_any(),
            sums.requests.into_pyobject(py)?.into_any(),
            sums.units.into_pyobject(py)?.into_any(),
            sums.bytes_in.into_pyobject(py)?.into_any(),
            sums.bytes_out.into_pyobject(py)?.into_any(),
            sums.last.into_pyobject(py)?.into_any(),
        ],
    )
}

fn activity<'py>(
    py: Python<'py>,
    (key, sums): &(ActivityKey, Sums),
) -> PyResult<Bound<'py, PyTuple>> {
    let id = |id: &[u8; 16]| PyBytes::new(py, id).into_any();
    PyTuple::new(
        py,
        [
            key.hour.into_pyobject(py)?.into_any(),
            id(&key.customer),
            id(&key.consumer),
            id(&key.credential),
            id(&key.route),
            key.status.into_pyobject(py)?.into_any(),
            key.test_mode.into_pyobject(py)?.to_owned().into_any(),
            // Usage from elsewhere names its endpoint, the gateway's own has its route.
            intern!(py, "").clone().into_any(),
            sums.requests.into_pyobject(py)?.into_any(),
            sums.units.into_pyobject(py)?.into_any(),
            sums.bytes_out.into_pyobject(py)?.into_any(),
            sums.last.into_pyobject(py)?.into_any(),
        ],
    )
}

fn fault(fault: &Fault) -> (String, u64, u32, &'static str, u64, u64) {
    let kind = match fault.kind {
        FaultKind::Hole => "hole",
        FaultKind::Quarantined => "quarantined",
        FaultKind::BeyondEnd => "beyond_end",
    };
    let shard = fault.shard;
    (
        node_name(&shard.node),
        shard.epoch,
        shard.shard,
        kind,
        fault.start,
        fault.end,
    )
}
