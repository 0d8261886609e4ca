//! One exchange: what the phases found out about a request, kept until its end.

use std::net::IpAddr;
use std::sync::Arc;

use super::allowances::Allowances;
use super::balancing::Balancing;
use super::{Answer, Now, Outcome, Pipeline};
use crate::config::{Consumer, Pinned, Route};
use crate::entitlement::{Entitlement, Quota};
use crate::limits::{Counted, Counters, Limits};
use crate::observe::trace::Trace;
use crate::observe::{End, Ending, Entry, Noted, Status};
use crate::plugins::rate_limiting::RateLimiting;
use crate::proxy::dial::Address;
use crate::usage_log::{Id, MAX_PATH, Mode, NO_ID, Source, UsageEvent};
use crate::uuid::Uuid;

/// The state of one exchange, used again for the next: its buffers stay, so a request that is like the ones before it
/// allocates nothing.
#[derive(Debug, Default)]
pub struct Exchange {
    /// The version that judges this request, to its end.
    pub(super) config: Option<Pinned>,
    /// The route's place in it.
    pub(super) route: Option<usize>,
    pub(super) request_id: Id,
    pub(super) began: Option<Now>,
    /// Who calls: the connection's other end, or whom a trusted proxy there names.
    pub(super) client: Option<IpAddr>,
    /// The connection's other end is a trusted proxy.
    pub(super) is_trusted: bool,
    pub(super) method: u8,
    /// Normalised.
    pub(super) path: Vec<u8>,
    /// How much of `path` the route's path matched.
    pub(super) matched: Option<usize>,
    pub(super) consumer: Option<Arc<Consumer>>,
    pub(super) credential: Option<Uuid>,
    /// The number of the name under which the key was shown, if the upstream must not see it.
    pub(super) hidden_key: Option<u8>,
    pub(super) show_groups: bool,
    pub(super) rate: Option<Rate>,
    /// What it draws on quotas. There are [`Self::counters`] where there is any.
    pub(super) allowances: Option<Allowances>,
    /// Where that is given back to, whatever becomes of this exchange.
    pub(super) counters: Option<Arc<Counters>>,
    /// A call of gRPC, to be answered as one.
    pub(super) is_call: bool,
    /// Where a redirect goes.
    pub(super) location: Vec<u8>,
    pub(super) balancing: Balancing,
    /// What is told of the request afterwards.
    pub(super) noted: Noted,
    /// The trace that it is part of: the gateway's own, or where it makes none what the client says.
    pub(super) trace: Option<Trace>,
    tries: Tries,
    /// Bytes of the body of an answer of the gateway's own.
    said: u64,
}

/// How an upstream was asked.
#[derive(Debug, Default)]
struct Tries {
    /// When it began; none where none was asked.
    began: Option<Now>,
    count: u8,
    /// Where the last went.
    place: Option<Address>,
}

/// What the access log says of a client that got no answer: it is nobody's status, and logs have it since nginx's.
const GONE: u16 = 499;

/// What rate-limiting found, for the headers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    pub(super) limits: Limits,
    pub(super) counted: Counted,
}

impl Rate {
    /// What clients are told of it, if anything.
    pub(super) fn told(plugin: &RateLimiting, counted: Counted) -> Option<Self> {
        (!plugin.hide_client_headers).then_some(Self {
            limits: plugin.limits,
            counted,
        })
    }
}

impl Exchange {
    /// One that nothing has happened in.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins anew.
    pub(super) fn reset(&mut self, request_id: Id, began: Now) {
        self.release();
        self.request_id = request_id;
        self.began = Some(began);
        self.path.clear();
        self.location.clear();
        self.balancing.reset();
        (self.matched, self.hidden_key, self.rate) = (None, None, None);
        (self.client, self.is_trusted) = (None, false);
        self.show_groups = false;
        self.is_call = false;
        self.credential = None;
        self.noted.clear();
        (self.trace, self.tries, self.said) = (None, Tries::default(), 0);
    }

    /// Lets go of what other threads share, and gives back what was reserved for a request that left no usage event.
    fn release(&mut self) {
        if let (Some(allowances), Some(counters)) = (&self.allowances, &self.counters) {
            allowances.cancel(counters);
        }
        // Not taken out of its place: it is large, and most requests have none.
        self.allowances = None;
        self.route = None;
        self.config = None;
        self.consumer = None;
    }

    /// Notes who is at the other end, of a request that nothing else is known of.
    pub fn meets(&mut self, client: IpAddr) {
        self.client = Some(client.to_canonical());
    }

    /// Notes that an upstream is asked from now on.
    pub fn asks(&mut self, now: Now) {
        self.tries.began = Some(now);
    }

    /// Notes where it is tried.
    pub fn tries(&mut self, place: &Address) {
        self.tries.count = self.tries.count.saturating_add(1);
        self.tries.place = Some(place.clone());
    }

    /// Notes how long the body is that the gateway answers with.
    pub fn says(&mut self, bytes: u64) {
        self.said = bytes;
    }

    /// Whether it is a call of gRPC: its own answers are heads alone, of status 200, with `grpc-status` in them.
    #[must_use]
    pub fn is_call(&self) -> bool {
        self.is_call
    }

    /// The route, once one matched.
    pub(super) fn route(&self) -> Option<&Route> {
        self.config.as_ref()?.base.routes.get(self.route?)
    }

    /// Who calls, once the head was read: what limits and logs go by.
    #[must_use]
    pub fn client(&self) -> Option<IpAddr> {
        self.client
    }

    /// What the caller's subscription grants, once the caller is known.
    pub(super) fn entitlement(&self) -> Option<&Entitlement> {
        self.consumer.as_deref()?.entitlement.as_deref()
    }

    /// The quotas that the request draws on, and how.
    pub(super) fn drawn(&self) -> Option<(&Allowances, &[Quota])> {
        Some((self.allowances.as_ref()?, &self.entitlement()?.quotas))
    }

    /// Gives back what was drawn on quotas: the rate limit refuses the request.
    pub(super) fn refuse_drawn(&mut self) {
        if let (Some(allowances), Some(counters)) = (&mut self.allowances, &self.counters) {
            allowances.refuse(counters);
        }
    }

    /// To be called before [`Self::event`]'s event is appended: quotas are charged what it says beyond what was reserved.
    pub fn charge(&self, event: &UsageEvent<'_>) {
        if let (Some((allowances, quotas)), Some(counters)) = (self.drawn(), &self.counters) {
            allowances.draw_more(quotas, event, counters);
        }
    }

    /// And after it was: quotas get back what it says was not used.
    pub fn charged(&self, event: &UsageEvent<'_>) {
        if let (Some((allowances, quotas)), Some(counters)) = (self.drawn(), &self.counters) {
            allowances.give_back(quotas, event, counters);
        }
    }

    /// The usage event of a forwarded exchange, or of one part of it. `time` is the log's to say.
    #[must_use]
    pub fn event(&self, outcome: &Outcome) -> UsageEvent<'_> {
        let began = self.began.unwrap_or(outcome.upstream.sent);
        let consumer = self.consumer.as_deref();
        let id = |id: Option<Uuid>| id.map_or(NO_ID, |id| id.0);
        let route = self.route();
        let upstream = route.and_then(|route| route.upstream.as_ref());
        UsageEvent {
            request_id: self.request_id,
            consumer: id(consumer.map(|consumer| consumer.id)),
            credential: id(self.credential),
            customer: id(consumer.and_then(|consumer| consumer.customer)),
            phase: id(consumer.and_then(|consumer| consumer.phase)),
            route: id(route.map(|route| route.id)),
            service: id(upstream.map(|upstream| upstream.service)),
            config_version: self.config.as_ref().map_or(0, |config| config.version),
            bytes_in: outcome.bytes_in,
            bytes_out: outcome.bytes_out,
            units: 1,
            duration: span(began, outcome.ended),
            upstream: span(outcome.upstream.sent, outcome.upstream.head),
            status: outcome.status,
            part: 0,
            last: true,
            completion: outcome.completion,
            source: Source::Upstream,
            mode: consumer.map_or(Mode::Live, |consumer| consumer.mode),
            grpc_status: outcome.grpc_status,
            attempts: outcome.attempts,
            method: self.method,
            path: &self.path[..self.path.len().min(MAX_PATH)],
        }
    }

    /// The answer of the gateway's own is on its way: counts it, and lets the configuration go.
    pub fn answered(&mut self, pipeline: &Pipeline, answer: Answer, now: Now) {
        pipeline.stats().answered(answer.kind);
        let took = u64::from(span(self.began.unwrap_or(now), now));
        pipeline.board().record(&Ending {
            status: Status {
                code: answer.status,
                by_gateway: true,
            },
            whole_us: took,
            upstream_us: None,
            own_us: took,
            bytes_in: 0,
            bytes_out: 0,
            ..self.ending()
        });
        pipeline.tell(|| Entry {
            // What gRPC's clients are told is in another place.
            status: if self.is_call { 200 } else { answer.status },
            grpc_status: self.is_call.then(|| answer.grpc_status()),
            ..self.entry(End::Answered(answer.kind), now)
        });
        self.release();
    }

    /// The forwarded exchange has ended, and its event was appended.
    pub fn finished(&mut self, pipeline: &Pipeline, outcome: &Outcome) {
        pipeline.stats().forwarded(outcome.status);
        let times = &outcome.upstream;
        let began = self.began.unwrap_or(times.sent);
        pipeline.board().record(&Ending {
            status: Status {
                code: outcome.status,
                by_gateway: false,
            },
            whole_us: span(began, outcome.ended).into(),
            upstream_us: Some(span(times.sent, times.head).into()),
            own_us: span(began, times.sent).into(),
            bytes_in: outcome.bytes_in,
            bytes_out: outcome.bytes_out,
            ..self.ending()
        });
        pipeline.tell(|| Entry {
            status: outcome.status,
            grpc_status: outcome.grpc_status,
            bytes_in: outcome.bytes_in,
            bytes_out: outcome.bytes_out,
            upstream_us: Some(span(times.sent, times.head).into()),
            ..self.entry(End::Forwarded(outcome.completion), outcome.ended)
        });
        self.release();
    }

    /// What its end's figures are counted under.
    fn ending(&self) -> Ending<'_> {
        Ending {
            config: self.config.as_deref(),
            route: self.route,
            groups: (self.consumer.as_deref()).map_or(&[], |consumer| &consumer.groups),
            status: Status {
                code: 0,
                by_gateway: true,
            },
            whole_us: 0,
            upstream_us: None,
            own_us: 0,
            bytes_in: 0,
            bytes_out: 0,
        }
    }

    /// What there is to tell of its end; what is told only of some ends is as where nobody answered.
    fn entry(&self, end: End, ended: Now) -> Entry<'_> {
        let began = self.began.unwrap_or(ended);
        let asked = self.tries.began;
        Entry {
            began,
            request_id: &self.request_id,
            trace: self.trace,
            request: &self.noted,
            client: self.client,
            consumer: self.consumer.as_deref(),
            config: self.config.as_deref(),
            route: self.route(),
            path: (&self.path, self.matched),
            status: GONE,
            grpc_status: None,
            bytes_in: 0,
            bytes_out: self.said,
            whole_us: span(began, ended).into(),
            upstream_us: asked.map(|asked| span(asked, ended).into()),
            own_us: span(began, asked.unwrap_or(ended)).into(),
            upstream: self.tries.place.as_ref(),
            attempts: self.tries.count,
            end,
        }
    }

    /// The client went away before any answer began: nobody was served, nothing is billed.
    pub fn abandoned(&mut self, pipeline: &Pipeline, now: Now) {
        pipeline.stats().abandoned();
        pipeline.tell(|| self.entry(End::Abandoned, now));
        self.release();
    }
}

impl Drop for Exchange {
    /// A request that is dropped half-way, at the end of a drain say, has used nothing.
    fn drop(&mut self) {
        self.release();
    }
}

/// µs from one instant to another; none where they are the wrong way round.
fn span(from: Now, to: Now) -> u32 {
    u32::try_from(to.mono.saturating_sub(from.mono)).unwrap_or(u32::MAX)
}
