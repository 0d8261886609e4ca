//! The usage log for Python: reading it, and writing one in tests and simulations.

mod events;
mod reader;
mod writer;

use pyo3::create_exception;
use pyo3::exceptions::{PyException, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use tollway_engine::usage_log::{
    Completion, Cursors, Id, LogError, ShardId, Source, node_name, parse_node,
};

create_exception!(tollway._native, UsageLogError, PyException);

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("UsageLogError", module.py().get_type::<UsageLogError>())?;
    for alias in ["Activity", "Cursor", "Fault", "Group"] {
        // What the stub calls these is a tuple; there at run time too, for annotations.
        module.add(alias, module.py().get_type::<PyTuple>())?;
    }
    module.add_class::<reader::ShardState>()?;
    module.add_class::<reader::UsageView>()?;
    module.add_class::<reader::UsageBatch>()?;
    module.add_class::<reader::UsageReader>()?;
    module.add_class::<events::LogEvent>()?;
    module.add_class::<writer::UsageWriter>()
}

/// Node, epoch, shard, offset.
type Cursor = (String, u64, u32, u64);

#[allow(clippy::needless_pass_by_value)] // a function for `map_err`
fn raised(error: LogError) -> PyErr {
    UsageLogError::new_err(error.to_string())
}

fn node(text: &str) -> PyResult<Id> {
    parse_node(text)
        .ok_or_else(|| PyValueError::new_err(format!("node: is {text:?}; use 32 hex digits")))
}

fn cursors(given: Vec<Cursor>) -> PyResult<Cursors> {
    given
        .into_iter()
        .map(|(name, epoch, shard, offset)| {
            let node = node(&name)?;
            Ok((ShardId { node, epoch, shard }, offset))
        })
        .collect()
}

fn cursor(shard: ShardId, offset: u64) -> Cursor {
    (node_name(&shard.node), shard.epoch, shard.shard, offset)
}

fn completion_name(completion: Completion) -> &'static str {
    match completion {
        Completion::Complete => "complete",
        Completion::ClientAbort => "client_abort",
        Completion::UpstreamAbort => "upstream_abort",
    }
}

fn source_name(source: Source) -> &'static str {
    match source {
        Source::Upstream => "upstream",
        Source::Cache => "cache",
    }
}
