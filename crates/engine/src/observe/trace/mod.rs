//! Traces: which one a request is part of, by the W3C's Trace Context, and spans for OpenTelemetry's collectors.
//!
//! | part | does |
//! |---|---|
//! | [`context`] | `traceparent`, read and written |
//! | [`span`] | an exchange as two spans, in OTLP's JSON |
//! | [`exporter`] | the thread that sends them, and tries again |
//! | [`post`] | one request to the collector |
//!
//! Spans go the same way as the access log's lines: a thread that serves writes them into memory that it has, and never
//! waits for a collector.

mod context;
mod exporter;
mod post;
mod span;

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;

use serde::Deserialize;

use super::background::Background;
use super::batches::{self, Batches, Figures, Full};
use super::entry::Entry;
use super::redact::{Redacted, Secrets};
use crate::usage_log::Id;

pub use context::{Parent, SpanId, TRACEPARENT};

use exporter::Exporter;
use post::Collector;

/// What is traced, and who is told.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TraceOptions {
    /// Where spans are posted: `http://host[:port]/path`, or https.
    pub endpoint: String,
    /// Header lines that the collector wants, names and values: often a key.
    #[serde(default)]
    pub headers: Vec<(String, String)>,
    /// `service.name`.
    pub service_name: String,
    /// `service.version`.
    #[serde(default)]
    pub version: String,
    /// Of a million traces that begin here, how many are recorded.
    pub sample_per_million: u32,
    /// Whose traces go on here; others' requests begin one.
    #[serde(rename = "continue")]
    pub continues: Continues,
    /// As the access log has it.
    #[serde(default)]
    pub secret_parameters: Vec<String>,
}

impl fmt::Debug for TraceOptions {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("TraceOptions")
            .field("endpoint", &self.endpoint)
            .finish_non_exhaustive()
    }
}

/// Whose traces go on here. Whoever may continue one decides whether it is recorded, which costs the seller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Continues {
    /// Nobody's.
    Never,
    /// Those of trusted proxies.
    Trusted,
    /// Everybody's.
    Always,
}

/// The trace that an exchange is part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// Its number.
    pub id: Id,
    /// This exchange's part in it; none where the gateway has none, and only knows what the client says.
    pub spans: Option<Spans>,
}

/// An exchange's part in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spans {
    /// The caller's span; none where the trace begins here.
    pub parent: Option<SpanId>,
    /// The request as the gateway serves it.
    pub server: SpanId,
    /// The request as an upstream is asked: what the upstream is told.
    pub client: SpanId,
    /// Whether they are recorded.
    pub sampled: bool,
}

impl Trace {
    /// What the upstream is told.
    #[must_use]
    pub fn traceparent(&self) -> Option<[u8; TRACEPARENT]> {
        let spans = self.spans?;
        Some(context::write(self.id, spans.client, spans.sampled))
    }
}

/// Tracing, as the threads that serve share it.
#[derive(Debug)]
pub struct Tracing {
    sample_per_million: u32,
    continues: Continues,
    secrets: Secrets,
    full: SyncSender<Full>,
    figures: Arc<Figures>,
}

impl Tracing {
    /// Starts who tells the collector.
    ///
    /// # Errors
    /// What is wrong with the endpoint or a header, without its value; or that no thread can be started.
    pub fn start(options: &TraceOptions) -> Result<(Self, Background), String> {
        let collector = Collector::new(&options.endpoint, &options.headers)?;
        let (full, waiting) = batches::way();
        let figures = Arc::<Figures>::default();
        let exporter = Exporter::new(collector, options, Arc::clone(&figures));
        let work = move || exporter.run(&waiting);
        let background =
            Background::start("tollway-traces", work).map_err(|error| error.to_string())?;
        let tracing = Self {
            sample_per_million: options.sample_per_million,
            continues: options.continues,
            secrets: Secrets::new(&options.secret_parameters),
            full,
            figures,
        };
        Ok((tracing, background))
    }

    /// What became of the spans so far.
    #[must_use]
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// The trace of a request: `parent` is what it says of one, `fresh` two numbers that nobody else has.
    #[must_use]
    pub fn begin(&self, parent: Option<Parent>, is_trusted: bool, fresh: [Id; 2]) -> Trace {
        let believed = match self.continues {
            Continues::Never => false,
            Continues::Trusted => is_trusted,
            Continues::Always => true,
        };
        let parent = parent.filter(|_| believed);
        let [id, spans] = fresh;
        let mut halves = [[0; 8]; 2];
        for (half, bytes) in halves.iter_mut().zip(spans.as_chunks::<8>().0) {
            // All zero is no span.
            *half = if *bytes == [0; 8] { [1; 8] } else { *bytes };
        }
        let [server, client] = halves;
        Trace {
            id: parent.map_or(id, |parent| parent.trace),
            spans: Some(Spans {
                parent: parent.map(|parent| parent.span),
                server,
                client,
                sampled: parent.map_or_else(|| self.samples(id), |parent| parent.sampled),
            }),
        }
    }

    fn samples(&self, id: Id) -> bool {
        let [.., a, b, c, d] = id;
        let drawn = (u64::from(u32::from_be_bytes([a, b, c, d])) * 1_000_000) >> 32;
        drawn < self.sample_per_million.into()
    }
}

/// One thread's spans.
#[derive(Debug)]
pub struct Tracer {
    tracing: Arc<Tracing>,
    spans: Batches,
    redacted: Redacted,
    target: Vec<u8>,
}

impl Tracer {
    /// With all the memory that it will ever take.
    #[must_use]
    pub fn new(tracing: &Arc<Tracing>) -> Self {
        Self {
            tracing: Arc::clone(tracing),
            spans: Batches::new(&tracing.full, &tracing.figures),
            redacted: Redacted::default(),
            target: Vec::new(),
        }
    }

    /// Adds the spans of an exchange that has ended, where they are wanted; or counts them as dropped.
    pub fn add(&mut self, entry: &Entry<'_>) {
        let Some(trace) = entry.trace else { return };
        let Some(spans) = trace.spans.filter(|spans| spans.sampled) else {
            return;
        };
        let count = 1 + u64::from(entry.upstream_us.is_some());
        let Some(out) = self.spans.room(span::MOST, count) else {
            return;
        };
        let secrets = &self.tracing.secrets;
        let (path, query) = self.redacted.target(entry, secrets);
        span::server(entry, trace.id, &spans, (path, query), out);
        if entry.upstream_us.is_some() {
            self.target.clear();
            entry.write_upstream_path(&mut self.target);
            let path = self.redacted.text(entry, secrets, &self.target);
            span::client(entry, trace.id, &spans, path, out);
        }
    }

    /// Gives the exporter what there is.
    pub fn hand_over(&mut self) {
        self.spans.hand_over();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tracing(continues: Continues, sample_per_million: u32) -> Tracing {
        Tracing {
            sample_per_million,
            continues,
            secrets: Secrets::default(),
            full: batches::way().0,
            figures: Arc::default(),
        }
    }

    const FRESH: [Id; 2] = [[7; 16], [8; 16]];
    const PARENT: Parent = Parent {
        trace: [1; 16],
        span: [2; 8],
        sampled: true,
    };

    #[test]
    fn a_trace_goes_on_for_those_who_are_believed() {
        for (continues, is_trusted, goes_on) in [
            (Continues::Never, true, false),
            (Continues::Trusted, false, false),
            (Continues::Trusted, true, true),
            (Continues::Always, false, true),
        ] {
            let trace = tracing(continues, 0).begin(Some(PARENT), is_trusted, FRESH);
            let spans = trace.spans.unwrap();
            assert_eq!(trace.id == PARENT.trace, goes_on, "{continues:?}");
            assert_eq!(spans.parent == Some(PARENT.span), goes_on);
            assert_eq!(
                spans.sampled, goes_on,
                "nothing that begins here is recorded"
            );
            let told = trace.traceparent().unwrap();
            assert_eq!(Parent::parse(&told).unwrap().span, spans.client);
        }
    }

    #[test]
    fn so_many_are_recorded_as_were_asked_for() {
        for (wanted, least, most) in [
            (0, 0, 0),
            (250_000, 2300, 2700),
            (1_000_000, 10_000, 10_000),
        ] {
            let tracing = tracing(Continues::Never, wanted);
            let recorded = (0..10_000_u32).filter(|number| {
                let mut id = [0; 16];
                id[12..].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
                tracing.samples(id)
            });
            let recorded = recorded.count();
            assert!((least..=most).contains(&recorded), "{wanted}: {recorded}");
        }
    }
}
