//! The transport-free heart: what happens to a request, as a state machine that the HTTP layer drives. No I/O, no
//! clock, no runtime: the same code serves HTTP/1 and HTTP/2.
//!
//! ```text
//! // once per thread
//! let mut pipeline = Pipeline::new(&shared)?;                      // shared: configuration, counters, pepper
//! // once per connection (HTTP/2: per stream, pooled): keeps its buffers from request to request
//! let mut exchange = Exchange::new();
//!
//! // per request, when its head is complete
//! match pipeline.begin(&mut exchange, &head, now) {
//!     Verdict::Count(asked) => {                                   // a rate limit shared by several gateways
//!         // ask the store, then go on with the verdict of
//!         pipeline.resume(&mut exchange, outcome)                  // which is one of the other two
//!     }
//!     Verdict::Respond(answer) => {                                // 401, 404, 429, …: no usage event
//!         // status line from answer.status
//!         exchange.answer_headers(answer, now, &mut out);          // all but Content-Length, Connection and Date
//!         exchange.answer_body(answer, &mut body);                 // JSON; nothing for HEAD goes out
//!         exchange.says(body.len());                               // for whoever is told of exchanges
//!         exchange.answered(&pipeline, answer, now);               // counts it and lets the configuration go
//!     }
//!     Verdict::Forward(upstream) => {                              // Arc<Upstream>: address, timeouts, retries
//!         exchange.write_target(&head, &mut out);                  // path and query to ask the upstream for
//!         exchange.write_host(&head, &mut out);                    // the value of Host towards the upstream
//!         // each client header line that is end-to-end and for which exchange.forwards(name) holds, then
//!         exchange.upstream_headers(&head, &mut out);              // X-Consumer-*, X-Forwarded-*, Via, request id
//!         // no usable answer from the upstream:
//!         let answer = Answer::from(AnswerKind::UpstreamTimeout);  // and on as under Respond
//!         // for whoever is told of exchanges: exchange.asks(now), exchange.tries(&address) for each try
//!         // the upstream's head came: each of its end-to-end lines for which exchange.returns(name) holds, then
//!         exchange.response_headers(&times, &mut out);             // rate limits, latencies, Via, request id
//!         // before the last byte
//!         let event = exchange.event(&outcome);                    // borrows the exchange's path
//!         exchange.charge(&event);                                 // quotas: what it used beyond what was reserved
//!         shard.append(&event);
//!         exchange.charged(&event);                                // and back what it didn't use
//!         exchange.finished(&pipeline, &outcome);                  // counts it and lets the configuration go
//!         // or, where the client went away before an answer began: exchange.abandoned(&pipeline, now)
//!     }
//! }
//! ```
//!
//! A thread without requests calls [`Pipeline::refresh`] now and then, and one thread that serves none keeps room for
//! counters: `shared.counters().maintain(now)` every second.
//!
//! What the HTTP layer answers before a head is complete (400, 408, 414, 431) goes through
//! [`Pipeline::refuse`], which gives it a request id, and then on as under `Respond`.

mod allowances;
mod answer;
mod balancing;
mod exchange;
pub mod grpc;
mod headers;
mod ids;
mod json;
mod outcome;
mod pipeline;
mod refusal;
mod request;
mod stats;
mod text;
mod trust;

#[cfg(test)]
mod tests;

pub use answer::{Answer, AnswerKind};
pub use exchange::Exchange;
pub use outcome::{Outcome, UpstreamTimes};
pub use pipeline::{Pipeline, Shared, Verdict};
pub use request::{HeaderSink, Headers, Now, RequestHead, Version};
pub use stats::Totals;
pub use trust::Trust;
