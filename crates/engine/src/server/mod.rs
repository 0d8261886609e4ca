//! The gateway process: threads, signals, status port, and an end that loses nothing.
//!
//! ```text
//! N workers      a runtime each: proxy::Worker                     (OS threads)
//! the log's      flushers and keeper                               (OS threads)
//! this thread    signals, control's stream, status port            (one runtime)
//! ```

mod inherited;
mod metrics;
pub mod options;
mod process_figures;
mod route_figures;
mod run;
mod status;
mod stop;
mod takeover;
mod threads;

use std::fmt;

pub use run::run;

/// Why the gateway did not start, or did not end well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartError {
    /// The option or the part that is concerned.
    pub what: String,
    /// What is wrong with it.
    pub problem: String,
}

impl StartError {
    fn new(what: &str, problem: &impl ToString) -> Self {
        Self {
            what: what.to_owned(),
            problem: problem.to_string(),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.what, self.problem)
    }
}

impl std::error::Error for StartError {}
