//! `tollway._native`: the engine as a Python module. Thin: every decision lives in the engine.

mod config;
mod gateway;
mod usage;

use pyo3::prelude::*;

/// The module as Python sees it.
#[pymodule(gil_used = false)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add("FAILPOINTS", cfg!(feature = "failpoints"))?;
    config::register(module)?;
    gateway::register(module)?;
    usage::register(module)
}
