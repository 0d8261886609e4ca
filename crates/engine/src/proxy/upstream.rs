//! Getting a connection to an upstream: one kept from before, or a new one, tried as often as its service says and the
//! budget allows, each time at another address if there is one.

use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;

use super::answers::Failure;
use super::budget::Budget;
use super::dial::{Address, Destination, DialFault, server_name};
use super::h2::{Taken, room_for_asking};
use super::seats::{Seated, first_answer};
use super::stream::Stream;
use super::timers::Millis;
use super::worker::Worker;
use crate::balancer::{Choice, InFlight, Moment, Nobody, Report, Tried};
use crate::config::Upstream;
use crate::phases::{AnswerKind, Exchange};

/// How long a request waits for the first answer about its upstream's names.
const FIRST_ANSWER: Duration = Duration::from_secs(5);

/// A connection ready for a request.
pub(super) struct Connected {
    pub stream: Stream,
    pub destination: Destination,
    /// It served requests before, so it may turn out to be closed already.
    pub reused: bool,
    /// When it was made.
    pub born: Millis,
    /// The place has another name than the one tried before: a head that was written for that one is wrong.
    pub renamed: bool,
}

/// The tries that one exchange makes.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// What the upstream has to prove by the client's `Host`, where it is told that.
    name: Option<Arc<ServerName<'static>>>,
    made: u16,
    failed: u16,
    balanced: Option<Balanced>,
    renamed: bool,
    /// For what HTTP/2 has the worker hold, as long as the exchange lasts.
    room: Option<Taken>,
}

/// Those of a balanced service.
#[derive(Debug)]
struct Balanced {
    members: Seated,
    tried: Tried,
    /// Where the request is now.
    current: Option<(Choice, InFlight)>,
}

impl Attempts {
    /// None yet. An upstream that is called over TLS has to prove `name`, where there is one, else its own.
    pub fn new(name: Option<Arc<ServerName<'static>>>) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// How many there were, for the usage event.
    pub fn count(&self) -> u8 {
        u8::try_from(self.made).unwrap_or(u8::MAX)
    }

    /// Connects to `upstream`; a kept connection only if `may_reuse`. The exchange learns what the place is called.
    ///
    /// Trying again is always safe here: nothing was sent yet.
    pub async fn connect(
        &mut self,
        worker: &Worker,
        upstream: &Upstream,
        exchange: &mut Exchange,
        may_reuse: bool,
    ) -> Result<Connected, Failure> {
        if self.made == 0 {
            self.budget(worker).save(worker.retry_rates);
        }
        self.renamed = false;
        if upstream.http2 && self.room.is_none() {
            self.room = room_for_asking(&worker.room);
            if self.room.is_none() {
                worker.stats.http2_refused.increment();
                worker.room.press(worker.timers.now());
                return Err(AnswerKind::Unavailable.into());
            }
        }
        loop {
            let address = self.place(worker, upstream, exchange).await?;
            let ip = match &address {
                Address::Tcp(address) => Some(address.ip()),
                Address::Unix(_) => None,
            };
            exchange.tries(&address);
            let destination = self.destination(address, upstream, exchange);
            self.made = self.made.saturating_add(1);
            let fault = match open(worker, upstream, destination, may_reuse).await {
                Ok(connected) => {
                    self.connected(worker, connected.reused);
                    return Ok(Connected {
                        renamed: self.renamed,
                        ..connected
                    });
                }
                Err(fault) => fault,
            };
            worker.stats.connect_failures.increment();
            let kind = match fault {
                DialFault::Timeout => AnswerKind::UpstreamTimeout,
                DialFault::Connect | DialFault::Tls(_) => AnswerKind::UpstreamInvalid,
            };
            if matches!(fault, DialFault::Tls(_)) && self.name.is_some() {
                // Who asks for a name that isn't there says nothing of the target: callers mustn't put it out.
                self.leave();
            } else {
                if let Some(ip) = ip {
                    worker.resolver.avoid(&upstream.host, ip);
                }
                self.unreachable(worker, kind);
            }
            self.failed = self.failed.saturating_add(1);
            if self.failed > upstream.retries {
                return Err(kind.into());
            }
            if !self.afford(worker) {
                return Err(kind.into());
            }
            worker.stats.connect_retries.increment();
        }
    }

    fn connected(&self, worker: &Worker, reused: bool) {
        if let Some(Balanced {
            members,
            current: Some((choice, _)),
            ..
        }) = &self.balanced
            && !reused
        {
            members.connected(*choice, true, moment(worker));
        }
    }

    /// The next try goes elsewhere, without a word about where the request was.
    fn leave(&mut self) {
        if let Some(balanced) = &mut self.balanced
            && let Some((choice, _)) = balanced.current.take()
        {
            balanced.tried.add(choice.member);
        }
    }

    fn unreachable(&mut self, worker: &Worker, kind: AnswerKind) {
        if let Some(Balanced {
            members,
            current: Some((choice, _)),
            ..
        }) = &self.balanced
        {
            members.connected(*choice, false, moment(worker));
        }
        self.gave_up(worker, kind);
    }

    /// The upstream's head came after so many µs: what its status says of the target.
    pub fn answered(&mut self, worker: &Worker, status: u16, micros: u64) {
        let Some(Balanced {
            members,
            current: Some((choice, in_flight)),
            ..
        }) = &self.balanced
        else {
            return;
        };
        let at = moment(worker);
        in_flight.took(micros, at.now);
        if let Some(report) = members.judge(*choice, status) {
            members.report(*choice, report, at);
        }
    }

    /// The connection ended before a byte of an answer: whether the request may be tried elsewhere, as far as its service
    /// and the budget say. That it does no harm is for the caller to know.
    pub fn may_go_on(&mut self, worker: &Worker, upstream: &Upstream) -> bool {
        self.gave_up(worker, AnswerKind::UpstreamInvalid);
        self.failed = self.failed.saturating_add(1);
        self.failed <= upstream.retries && self.afford(worker)
    }

    /// Pays for another try.
    fn afford(&self, worker: &Worker) -> bool {
        let may = self
            .budget(worker)
            .spend(worker.retry_rates, worker.timers.now());
        if !may {
            worker.stats.retries_refused.increment();
        }
        may
    }

    /// No answer came from where the request is now, because of `failure`.
    pub fn failed(&mut self, worker: &Worker, failure: Failure) {
        if let Failure::Answer(kind) = failure {
            self.gave_up(worker, kind);
        }
    }

    fn gave_up(&mut self, worker: &Worker, kind: AnswerKind) {
        let report = match kind {
            AnswerKind::UpstreamTimeout => Report::Timeout,
            AnswerKind::UpstreamInvalid => Report::Tcp,
            // The client's doing, or the gateway's.
            _ => return,
        };
        if let Some(balanced) = &mut self.balanced
            && let Some((choice, _)) = balanced.current.take()
        {
            balanced.tried.add(choice.member);
            balanced.members.report(choice, report, moment(worker));
        }
    }

    fn budget<'a>(&'a self, worker: &'a Worker) -> &'a Budget {
        let balanced = self.balanced.as_ref();
        balanced.map_or(&worker.budget, |balanced| &balanced.members.budget)
    }

    /// Where the next try goes.
    async fn place(
        &mut self,
        worker: &Worker,
        upstream: &Upstream,
        exchange: &mut Exchange,
    ) -> Result<Address, Failure> {
        if let Some(path) = &upstream.socket {
            return Ok(Address::Unix(Arc::clone(path)));
        }
        if upstream.balanced.is_some() {
            return self.choose(worker, upstream, exchange).await;
        }
        let found = worker.resolver.resolve(&upstream.host, upstream.port).await;
        found
            .map(Address::Tcp)
            .map_err(|_| AnswerKind::UpstreamUnresolved.into())
    }

    async fn choose(
        &mut self,
        worker: &Worker,
        upstream: &Upstream,
        exchange: &mut Exchange,
    ) -> Result<Address, Failure> {
        if self.balanced.is_none() {
            let (place, balancer) = exchange.balancer().ok_or(AnswerKind::NoTarget)?;
            let mut members = worker.seats.members(place, balancer);
            if members.members.is_empty() && members.awaited {
                first_answer(balancer, FIRST_ANSWER).await;
                members = worker.seats.members(place, balancer);
            }
            self.balanced = Some(Balanced {
                members,
                tried: Tried::default(),
                current: None,
            });
        }
        let balanced = self.balanced.as_mut().ok_or(AnswerKind::NoTarget)?;
        let members = &balanced.members;
        let chosen = members.choose(exchange.hash_key(), &balanced.tried, moment(worker));
        let choice = chosen.map_err(|nobody| match nobody {
            Nobody::Unresolved => AnswerKind::UpstreamUnresolved,
            Nobody::Unhealthy => AnswerKind::NoTarget,
        })?;
        let member = members.members.get(choice.member);
        let endpoint = &member.ok_or(AnswerKind::NoTarget)?.endpoint;
        let own = members.policy.host_header.as_deref();
        let foreign_port = upstream.foreign_port(endpoint.address.port());
        let (name, port) = own.map_or((&*endpoint.name, foreign_port), |own| (own, None));
        self.renamed |= exchange.direct(name, port);
        let address = Address::Tcp(endpoint.address);
        balanced.current = Some((choice, InFlight::new(endpoint)));
        Ok(address)
    }

    fn destination(
        &self,
        address: Address,
        upstream: &Upstream,
        exchange: &Exchange,
    ) -> Destination {
        let tls = upstream.tls.as_ref().and_then(|tls| {
            let name = self.name.clone();
            let name = name.or_else(|| server_name(upstream, exchange.chosen_host()));
            Some((tls.kind(), name?))
        });
        Destination { address, tls }
    }
}

/// A connection to `destination`, kept or new.
async fn open(
    worker: &Worker,
    upstream: &Upstream,
    destination: Destination,
    may_reuse: bool,
) -> Result<Connected, DialFault> {
    let kept = || {
        if upstream.http2 {
            // Its age is its link's.
            worker
                .links
                .take(&destination)
                .map(|stream| (stream, worker.timers.now()))
        } else {
            worker.pool.take(&destination)
        }
    };
    if may_reuse && let Some((stream, born)) = kept() {
        worker.stats.reused.increment();
        return Ok(Connected {
            stream,
            destination,
            reused: true,
            born,
            renamed: false,
        });
    }
    let timeout = Duration::from_millis(upstream.connect_timeout.into());
    let dialled = (worker.dialer)
        .connect(&destination, upstream.tls.as_deref(), timeout)
        .await;
    let mut stream = dialled.inspect_err(|fault| {
        if let DialFault::Tls(fault) = fault {
            fault.counter(&worker.stats).increment();
        }
    })?;
    worker.stats.connects.increment();
    if upstream.http2 {
        let begun = worker.begin_http2(destination.clone(), stream).await;
        stream = begun.map_err(|_| DialFault::Connect)?;
    }
    Ok(Connected {
        stream,
        destination,
        reused: false,
        born: worker.timers.now(),
        renamed: false,
    })
}

fn moment(worker: &Worker) -> Moment {
    Moment {
        now: worker.now().mono,
        pauses: worker.pauses,
    }
}
