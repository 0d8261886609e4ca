//! Judging configuration before it is stored, by the code that gateways compile it with.

use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use tollway_engine::config;

create_exception!(tollway._native, ConfigError, PyValueError);

pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("ConfigError", module.py().get_type::<ConfigError>())?;
    module.add_function(wrap_pyfunction!(check_base, module)?)?;
    module.add_function(wrap_pyfunction!(check_rows, module)?)
}

#[pyfunction]
fn check_base(py: Python<'_>, json: &str) -> PyResult<()> {
    py.detach(|| config::check_base(json))
        .map_err(|fault| raised(py, &fault))
}

#[pyfunction]
fn check_rows(py: Python<'_>, table: &str, json: &str) -> PyResult<()> {
    py.detach(|| config::check_rows(table, json))
        .map_err(|fault| raised(py, &fault))
}

/// The fault as an exception with its three parts as attributes.
fn raised(py: Python<'_>, fault: &config::ConfigError) -> PyErr {
    let error = ConfigError::new_err(fault.to_string());
    let value = error.value(py);
    let parts = [
        ("location", &fault.location),
        ("problem", &fault.problem),
        ("fix", &fault.fix),
    ];
    for (name, part) in parts {
        if let Err(failed) = value.setattr(name, part) {
            return failed;
        }
    }
    error
}
