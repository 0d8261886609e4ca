//! What the thread does that sends spans.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread::sleep;
use std::time::Duration;

use tokio::runtime::Builder;

use super::TraceOptions;
use super::post::{Answer, Collector};
use crate::observe::batches::{Figures, Full};
use crate::observe::text::quoted;

/// Buffers that are sent as one.
const MOST_JOINED: usize = 16;

/// Tries for one request; what lies between them doubles from the first pause on.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// The longest that a collector may say that it wants to be left alone for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Sends spans to a collector.
pub(super) struct Exporter {
    collector: Collector,
    /// What stands before the spans: who tells of them.
    prefix: Vec<u8>,
    figures: Arc<Figures>,
    fails: bool,
}

impl Exporter {
    pub fn new(collector: Collector, options: &TraceOptions, figures: Arc<Figures>) -> Self {
        let mut prefix = br#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"#.to_vec();
        quoted(&mut prefix, options.service_name.as_bytes(), 256);
        prefix.extend_from_slice(br#"}},{"key":"service.version","value":{"stringValue":"#);
        quoted(&mut prefix, options.version.as_bytes(), 64);
        prefix.extend_from_slice(br#"}}]},"scopeSpans":[{"scope":{"name":"tollway"},"spans":["#);
        Self {
            collector,
            prefix,
            figures,
            fails: false,
        }
    }

    /// Until nobody has any more to tell.
    pub fn run(mut self, waiting: &Receiver<Full>) {
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = match runtime {
            Ok(runtime) => runtime,
            Err(error) => return self.tell(Some(&error.to_string())),
        };
        while let Ok(first) = waiting.recv() {
            let mut body = self.prefix.clone();
            let mut count = 0;
            let more = std::iter::from_fn(|| waiting.try_recv().ok());
            for full in std::iter::once(first).chain(more.take(MOST_JOINED - 1)) {
                body.extend_from_slice(&full.bytes);
                count += full.count;
                let mut bytes = full.bytes;
                bytes.clear();
                let _ = full.home.try_send(bytes);
            }
            // The last span's comma.
            body.pop();
            body.extend_from_slice(b"]}]}]}");
            let sent = send(|| runtime.block_on(self.collector.post(&body)));
            self.figures.note(count, sent.is_ok());
            self.tell(sent.err().as_deref());
        }
    }

    /// Says once that spans are lost, until they aren't.
    fn tell(&mut self, problem: Option<&str>) {
        if let Some(problem) = problem
            && !self.fails
        {
            let collector = self.collector.name();
            // Where nobody reads that either, this thread goes on nevertheless: eprintln! would end it.
            let mut stderr = io::stderr();
            let _ = writeln!(
                stderr,
                "tollway: the collector at {collector} takes no traces, spans are dropped: {problem}"
            );
        }
        self.fails = problem.is_some();
    }
}

/// Asks until it is taken, refused, or was tried often enough.
fn send(ask: impl Fn() -> io::Result<Answer>) -> Result<(), String> {
    let mut pause = FIRST_PAUSE;
    let mut tries = 1;
    loop {
        let (problem, wanted) = match ask() {
            Ok(Answer { status, .. }) if (200..300).contains(&status) => return Ok(()),
            Ok(Answer {
                status,
                retry_after,
            }) => {
                let problem = format!("it answers with status {status}");
                if !matches!(status, 429 | 502..=504) {
                    return Err(problem);
                }
                (problem, retry_after.map(Duration::from_secs))
            }
            Err(error) => (error.to_string(), None),
        };
        if tries >= TRIES {
            return Err(problem);
        }
        sleep(wanted.unwrap_or(pause).min(LONGEST_PAUSE));
        tries += 1;
        pause *= 2;
    }
}
