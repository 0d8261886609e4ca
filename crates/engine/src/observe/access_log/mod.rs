//! The access log: a line for every exchange, without what would let anybody else make it.
//!
//! | part | does |
//! |---|---|
//! | [`journal`] | a thread's lines, gathered in memory that is there from the start |
//! | [`writer`] | the thread that writes them, and the only one that waits for a disk or a reader |
//! | [`sink`] | a file, opened anew once it was renamed away, or standard output |
//! | [`json`], [`combined`] | a line's form |
//!
//! Whoever serves never waits: where the writer can't keep up, lines are dropped and counted.

mod combined;
mod journal;
mod json;
mod sink;
mod writer;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use serde::Deserialize;

use super::background::Background;
use super::batches::{self, Figures, Full};
use super::redact::Secrets;

pub use journal::Journal;

/// What is logged where, and how.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessLogOptions {
    /// The file that lines are appended to; standard output where there is none.
    #[serde(default)]
    pub path: Option<PathBuf>,
    /// A line's form.
    pub format: Format,
    /// Parameters whose values are secret, beside those that show API keys and those that usually are; `*` for all.
    #[serde(default)]
    pub secret_parameters: Vec<String>,
}

/// A line's form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// An object, with all there is to tell.
    Json,
    /// As Apache and nginx have it by that name.
    Combined,
}

/// The log, as the threads that serve share it.
#[derive(Debug)]
pub struct AccessLog {
    format: Format,
    secrets: Secrets,
    full: SyncSender<Full>,
    figures: Arc<Figures>,
}

impl AccessLog {
    /// Opens the log and starts who writes it.
    ///
    /// # Errors
    /// The file can't be opened for appending, or there is no standard output.
    pub fn open(options: &AccessLogOptions) -> io::Result<(Self, Background)> {
        let sink = sink::Sink::open(options.path.as_deref())?;
        let (full, waiting) = batches::way();
        let figures = Arc::<Figures>::default();
        let noting = Arc::clone(&figures);
        let writer = Background::start("tollway-access", move || {
            writer::write_all(sink, &waiting, &noting);
        })?;
        let log = Self {
            format: options.format,
            secrets: Secrets::new(&options.secret_parameters),
            full,
            figures,
        };
        Ok((log, writer))
    }

    /// What became of the lines so far.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.figures
    }
}
