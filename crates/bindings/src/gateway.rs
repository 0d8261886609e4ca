//! Running a gateway: the interpreter is only the shell around it.

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;
use tollway_engine::server::{self, options::Options};

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(run_gateway, module)?)
}

#[pyfunction]
fn run_gateway(py: Python<'_>, options: &[u8]) -> PyResult<()> {
    let options =
        Options::from_json(options).map_err(|fault| PyValueError::new_err(fault.to_string()))?;
    // Python's own handler would raise KeyboardInterrupt after an orderly end. The gateway installs its own.
    let signal = py.import("signal")?;
    let default = (signal.getattr("SIGINT")?, signal.getattr("SIG_DFL")?);
    signal.call_method1("signal", default)?;
    py.detach(|| server::run(&options))
        .map_err(|fault| PyOSError::new_err(fault.to_string()))
}
