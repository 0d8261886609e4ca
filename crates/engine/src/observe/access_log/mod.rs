//! The access log: a line for every exchange, without what would let anybody else make it.
//!
//! | part | does |
//! |---|---|
//! | [`journal`] | a thread's lines, gathered in memory that is there from the start |
//! | [`writer`] | the thread that writes them, and the only one that waits for a disk or a reader |
//! | [`sink`] | a file, opened anew once it was renamed away, or standard output |
//! | [`json`], [`combined`] | a line's form |
//! | [`line`] | what goes into a line: bounded and escaped |
//! | [`redact`] | takes the values of secrets out of targets |
//!
//! Whoever serves never waits: where the writer can't keep up, lines are dropped and counted.

mod combined;
mod journal;
mod json;
mod line;
mod redact;
mod sink;
mod writer;

#[cfg(test)]
mod tests;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;

use serde::Deserialize;

pub use journal::Journal;
pub use writer::Writer;

use journal::Full;
use redact::Spelling;

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

/// What became of the lines.
#[derive(Debug, Default)]
pub struct Figures {
    written: AtomicU64,
    dropped: AtomicU64,
}

impl Figures {
    /// Lines written.
    #[must_use]
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Lines that nobody took in time, or that couldn't be written.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// The log, as the threads that serve share it.
#[derive(Debug)]
pub struct AccessLog {
    format: Format,
    secrets: Secrets,
    full: SyncSender<Full>,
    figures: Arc<Figures>,
}

/// Parameters whose values nobody may read, beyond what the configuration says.
#[derive(Debug, Default)]
struct Secrets {
    all: bool,
    named: Box<[Spelling]>,
}

impl Secrets {
    fn new(names: &[String]) -> Self {
        Self {
            all: names.iter().any(|name| name == "*"),
            named: (names.iter())
                .map(|name| redact::spelling(name.as_bytes()))
                .collect(),
        }
    }
}

impl AccessLog {
    /// Opens the log and starts who writes it.
    ///
    /// # Errors
    /// The file can't be opened for appending, or there is no standard output.
    pub fn open(options: &AccessLogOptions) -> io::Result<(Self, Writer)> {
        let sink = sink::Sink::open(options.path.as_deref())?;
        let figures = Arc::<Figures>::default();
        let (full, writer) = Writer::start(sink, Arc::clone(&figures))?;
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

/// Parameter names of a configuration, as secrets are compared; to be made once, not for each request.
pub(crate) fn spellings<'a>(names: impl Iterator<Item = &'a [u8]>) -> Box<[Spelling]> {
    let mut all: Vec<Spelling> = names.map(redact::spelling).collect();
    all.sort_unstable();
    all.dedup();
    all.into()
}
