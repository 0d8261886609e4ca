//! The phases in their order, once per request.

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::allowances::Allowances;
use super::exchange::{Exchange, Rate};
use super::ids::RequestIds;
use super::stats::{ThreadStats, Totals};
use super::trust::{Forwarded, Trust};
use super::{Answer, AnswerKind, Headers, Now, RequestHead, grpc};
use crate::config::{
    Config, ConfigReader, ConfigStore, Consumer, KeyHash, Pinned, Route, Upstream,
};
use crate::entitlement::Part;
use crate::failpoint;
use crate::limits::{Admission, Counted, CounterKey, Counters, Limits};
use crate::observe::access_log::{AccessLog, Journal};
use crate::observe::trace::{Parent, Trace, Tracer, Tracing};
use crate::observe::{Board, Entry, Figures, Ledger};
use crate::plugins::acl::Passage;
use crate::plugins::entitlement::Passage as Entitled;
use crate::plugins::key_auth::{KeyAuth, Shown};
use crate::plugins::rate_limiting::Caller;
use crate::redis::{self, Namespace, SharedCount};
use crate::router::{self, Query};
use crate::usage_log::method_number;

/// What the threads of a gateway have in common.
#[derive(Debug)]
pub struct Shared {
    store: Arc<ConfigStore>,
    counters: Arc<Counters>,
    /// HMAC with the key already in it: both of its SHA-256 states are ready, and copied per look-up.
    pepper: Hmac<Sha256>,
    trust: Trust,
    access_log: Option<Arc<AccessLog>>,
    tracing: Option<Arc<Tracing>>,
    threads: Mutex<Vec<(Arc<ThreadStats>, Arc<Ledger>)>>,
}

/// One thread's way through the phases.
#[derive(Debug)]
pub struct Pipeline {
    shared: Arc<Shared>,
    reader: ConfigReader,
    ids: RequestIds,
    stats: Arc<ThreadStats>,
    board: Board,
    journal: Option<RefCell<Journal>>,
    tracer: Option<RefCell<Tracer>>,
    /// For what is looked at once: a host in lower case, a decoded key.
    buffer: Vec<u8>,
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It goes to this upstream.
    Forward(Arc<Upstream>),
    /// The gateway answers it.
    Respond(Answer),
    /// It is to be counted in a shared store first; what that says goes to [`Pipeline::resume`].
    Count(SharedCount),
}

impl Shared {
    /// `pepper` is the key of API keys' HMAC.
    #[must_use]
    pub fn new(store: Arc<ConfigStore>, counters: Arc<Counters>, pepper: [u8; 32]) -> Self {
        // HMAC fills a shorter key up with zeros.
        let mut block = [0; 64];
        block[..pepper.len()].copy_from_slice(&pepper);
        Self {
            store,
            counters,
            pepper: Hmac::new(&block.into()),
            trust: Trust::default(),
            access_log: None,
            tracing: None,
            threads: Mutex::default(),
        }
    }

    /// Believes these proxies about who calls; without this nobody is believed.
    #[must_use]
    pub fn trusting(self, trust: Trust) -> Self {
        Self { trust, ..self }
    }

    /// Tells this log of every exchange; without this there is none.
    #[must_use]
    pub fn logging(self, access_log: AccessLog) -> Self {
        Self {
            access_log: Some(Arc::new(access_log)),
            ..self
        }
    }

    /// Traces exchanges; without this none are.
    #[must_use]
    pub fn tracing(self, tracing: Tracing) -> Self {
        Self {
            tracing: Some(Arc::new(tracing)),
            ..self
        }
    }

    /// What became of spans, where there are any.
    #[must_use]
    pub fn spans(&self) -> Option<&Figures> {
        self.tracing.as_ref().map(|tracing| tracing.figures())
    }

    /// What became of the access log's lines, where there is one.
    #[must_use]
    pub fn access_log(&self) -> Option<&Figures> {
        self.access_log.as_ref().map(|log| log.figures())
    }

    /// The counters, for [`Counters::maintain`].
    #[must_use]
    pub fn counters(&self) -> &Arc<Counters> {
        &self.counters
    }

    /// What all threads have counted.
    #[must_use]
    pub fn totals(&self) -> Totals {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let stats: Vec<_> = threads.iter().map(|(stats, _)| &**stats).collect();
        Totals::sum(&stats)
    }

    /// What each thread has counted by route and consumer group.
    #[must_use]
    pub fn ledgers(&self) -> Vec<Arc<Ledger>> {
        let threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads
            .iter()
            .map(|(_, ledger)| Arc::clone(ledger))
            .collect()
    }
}

impl Pipeline {
    /// A thread's own pipeline.
    ///
    /// # Errors
    /// The operating system gives no seed.
    pub fn new(shared: &Arc<Shared>) -> Result<Self, getrandom::Error> {
        let (stats, board) = (Arc::new(ThreadStats::default()), Board::default());
        let mut threads = shared
            .threads
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        threads.push((Arc::clone(&stats), Arc::clone(board.ledger())));
        drop(threads);
        Ok(Self {
            reader: ConfigReader::new(Arc::clone(&shared.store)),
            shared: Arc::clone(shared),
            ids: RequestIds::new()?,
            stats,
            board,
            journal: (shared.access_log.as_ref()).map(|log| RefCell::new(Journal::new(log))),
            tracer: (shared.tracing.as_ref()).map(|tracing| RefCell::new(Tracer::new(tracing))),
            buffer: Vec::new(),
        })
    }

    pub(super) fn board(&self) -> &Board {
        &self.board
    }

    /// Writes down an exchange that has ended, where that is wanted.
    pub(super) fn tell<'a>(&self, entry: impl FnOnce() -> Entry<'a>) {
        if self.journal.is_none() && self.tracer.is_none() {
            return;
        }
        let entry = entry();
        if let Some(journal) = &self.journal {
            journal.borrow_mut().add(&entry);
        }
        if let Some(tracer) = &self.tracer {
            tracer.borrow_mut().add(&entry);
        }
    }

    pub(super) fn stats(&self) -> &ThreadStats {
        &self.stats
    }

    /// Takes note that the configuration may have changed, so that a thread without requests doesn't keep an old version;
    /// and lets what was written down be read.
    pub fn refresh(&mut self) {
        self.reader.current();
        if let Some(journal) = &mut self.journal {
            journal.get_mut().hand_over();
        }
        if let Some(tracer) = &mut self.tracer {
            tracer.get_mut().hand_over();
        }
    }

    /// Keeps of a request what is told of it at its end, where that is wanted. [`Self::begin`] does that by itself.
    pub fn note<H: Headers>(&mut self, exchange: &mut Exchange, head: &RequestHead<'_, H>) {
        if self.journal.is_none() && self.tracer.is_none() {
            return;
        }
        exchange.noted.take(head);
        let parent = Parent::of(head.headers);
        exchange.trace = if let Some(tracing) = &self.shared.tracing {
            // A trace that begins here has the request's id: who knows the one finds the other.
            let fresh = [exchange.request_id, self.ids.next()];
            Some(tracing.begin(parent, exchange.is_trusted, fresh))
        } else {
            let (id, spans) = (parent.map(|parent| parent.trace), None);
            id.map(|id| Trace { id, spans })
        };
    }

    /// For what is answered before there is a whole head: gives the exchange a request id.
    pub fn refuse(&mut self, exchange: &mut Exchange, kind: AnswerKind, now: Now) -> Answer {
        exchange.reset(self.ids.next(), now);
        Answer::from(kind)
    }

    /// Takes a request through the phases.
    pub fn begin<H: Headers>(
        &mut self,
        exchange: &mut Exchange,
        head: &RequestHead<'_, H>,
        now: Now,
    ) -> Verdict {
        exchange.reset(self.ids.next(), now);
        failpoint!("phases.begin");
        exchange.method = method_number(head.method);
        exchange.is_call = grpc::is_call(head);
        self.identify(exchange, head);
        self.note(exchange, head);
        let Some(config) = self.reader.current() else {
            return Verdict::Respond(AnswerKind::Unavailable.into());
        };
        let config = exchange.config.insert(config.clone()).clone();
        self.judge(&config, exchange, head, now)
            .unwrap_or_else(Verdict::Respond)
    }

    /// Goes on with a request for which [`Self::begin`] wanted a shared count, with what came of it.
    pub fn resume(
        &mut self,
        exchange: &mut Exchange,
        outcome: Result<Counted, redis::Fault>,
    ) -> Verdict {
        let Some(config) = exchange.config.clone() else {
            return Verdict::Respond(AnswerKind::Unavailable.into());
        };
        self.judge_shared(&config, exchange, outcome)
            .unwrap_or_else(Verdict::Respond)
    }

    /// What names this installation in a shared store.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        Namespace::of(&self.shared.pepper)
    }

    fn judge<H: Headers>(
        &mut self,
        config: &Pinned,
        exchange: &mut Exchange,
        head: &RequestHead<'_, H>,
        now: Now,
    ) -> Result<Verdict, Answer> {
        let route = self.route(config, exchange, head)?;
        if route.needs_tls && !head.tls {
            check_tls(route, exchange, head)?;
        }
        if route.needs_grpc && !exchange.is_call {
            return Err(if grpc::is_grpc_content(head) {
                AnswerKind::NeedsHttp2.into()
            } else {
                AnswerKind::NotGrpc.into()
            });
        }
        let upstream = route.upstream.as_ref().ok_or(AnswerKind::NoService)?;
        if let Some(key_auth) = &route.plugins.key_auth {
            self.authenticate(key_auth, config, exchange, head, now)?;
        }
        if let Some(acl) = &route.plugins.acl {
            match acl.judge(exchange.consumer.as_deref(), &config.base) {
                Passage::Pass { show_groups } => exchange.show_groups = show_groups,
                Passage::Unauthenticated => return Err(AnswerKind::AclUnauthenticated.into()),
                Passage::Forbidden => return Err(AnswerKind::AclForbidden.into()),
            }
        }
        if let Some(gate) = &route.plugins.entitlement {
            match gate.judge(exchange.consumer.as_deref()) {
                Entitled::Pass => {}
                Entitled::Unauthenticated => {
                    return Err(AnswerKind::EntitlementUnauthenticated.into());
                }
                Entitled::NoSubscription => return Err(AnswerKind::NoSubscription.into()),
                Entitled::FeatureMissing => return Err(AnswerKind::FeatureNotInPlan.into()),
            }
        }
        if let Some(place) = upstream.balanced {
            exchange.find_hash_key(config, route, place, head);
        }
        Ok(match self.limit(config, route, exchange, head, now)? {
            None => Verdict::Forward(Arc::clone(upstream)),
            Some(count) => Verdict::Count(count),
        })
    }

    /// The rest of [`Self::judge`], where the rate limit is counted in a shared store.
    fn judge_shared(
        &self,
        config: &Config,
        exchange: &mut Exchange,
        outcome: Result<Counted, redis::Fault>,
    ) -> Result<Verdict, Answer> {
        let route = (exchange.route)
            .and_then(|route| config.base.routes.get(route))
            .ok_or(AnswerKind::NoRoute)?;
        let upstream = route.upstream.as_ref().ok_or(AnswerKind::NoService)?;
        let plugin = (config.base)
            .rate_limiting(route, exchange.consumer.as_deref())
            .ok_or(AnswerKind::PluginFault)?;
        let refusal = match outcome {
            Ok(counted) => {
                exchange.rate = Rate::told(plugin, counted);
                (!counted.admitted).then_some(Answer {
                    kind: AnswerKind::RateLimited,
                    status: plugin.error_code,
                })
            }
            Err(_) if plugin.fault_tolerant => {
                self.stats.uncounted();
                None
            }
            Err(_) => Some(AnswerKind::PluginFault.into()),
        };
        match refusal {
            None => Ok(Verdict::Forward(Arc::clone(upstream))),
            Some(answer) => {
                exchange.refuse_drawn();
                Err(answer)
            }
        }
    }

    /// Whether what comes from `peer` about who calls counts.
    #[must_use]
    pub fn believes(&self, peer: IpAddr) -> bool {
        self.shared.trust.believes(peer.to_canonical())
    }

    /// Finds out who calls.
    fn identify<H: Headers>(&self, exchange: &mut Exchange, head: &RequestHead<'_, H>) {
        let peer = head.client.ip().to_canonical();
        let trust = &self.shared.trust;
        exchange.is_trusted = trust.believes(peer);
        exchange.client = Some(if exchange.is_trusted {
            trust.client(peer, head.headers)
        } else {
            peer
        });
    }

    fn route<'a, H: Headers>(
        &mut self,
        config: &'a Config,
        exchange: &mut Exchange,
        head: &RequestHead<'_, H>,
    ) -> Result<&'a Route, Answer> {
        router::normalise(head.path, &mut exchange.path);
        let (host, port) = router::split_authority(head.host.unwrap_or_default());
        let host = if host.iter().any(u8::is_ascii_uppercase) {
            self.buffer.clear();
            self.buffer.extend(host.iter().map(u8::to_ascii_lowercase));
            &self.buffer
        } else {
            host
        };
        let query = Query {
            method: head.method,
            host,
            host_port: port.unwrap_or(if head.tls { 443 } else { 80 }),
            path: &exchange.path,
            headers: head.headers,
            tls: head.tls,
            server_name: head.server_name,
        };
        let found = config.base.router.find(&query).ok_or(AnswerKind::NoRoute)?;
        let route = config
            .base
            .routes
            .get(found.route)
            .ok_or(AnswerKind::NoRoute)?;
        exchange.route = Some(found.route);
        exchange.matched = found.matched;
        Ok(route)
    }

    /// key-auth, 1250.
    fn authenticate<H: Headers>(
        &mut self,
        plugin: &KeyAuth,
        config: &Config,
        exchange: &mut Exchange,
        head: &RequestHead<'_, H>,
        now: Now,
    ) -> Result<(), Answer> {
        if !plugin.run_on_preflight && head.method == b"OPTIONS" {
            return Ok(());
        }
        let refusal = match plugin.find(head, &mut self.buffer) {
            Shown::Nothing => AnswerKind::NoKey,
            Shown::Duplicate => AnswerKind::DuplicateKey,
            Shown::Key { key, name } => {
                exchange.hidden_key = plugin.hide_credentials.then_some(name);
                let hash = self.shared.pepper.clone().chain_update(key).finalize();
                if let Some((consumer, credential)) =
                    config.by_key(&KeyHash(hash.into_bytes().into()), now.wall)
                {
                    exchange.consumer = Some(Arc::clone(consumer));
                    exchange.credential = Some(credential.id);
                    return Ok(());
                }
                AnswerKind::UnknownKey
            }
        };
        let anonymous = plugin.anonymous.as_ref().ok_or(refusal)?;
        let consumer = config.anonymous(anonymous).ok_or(AnswerKind::PluginFault)?;
        exchange.consumer = Some(Arc::clone(consumer));
        Ok(())
    }

    /// rate-limiting, 910, and with it the quotas of the caller's subscription: either takes note of the request only if
    /// both let it pass.
    ///
    /// Where the rate limit is counted in a shared store the two can't be decided in one step: quotas, which are here, are
    /// reserved first and given back if the store refuses. So neither is charged for what the other refuses.
    fn limit<H: Headers>(
        &self,
        config: &Config,
        route: &Route,
        exchange: &mut Exchange,
        head: &RequestHead<'_, H>,
        now: Now,
    ) -> Result<Option<SharedCount>, Answer> {
        let consumer: Option<&Consumer> = exchange.consumer.as_deref();
        let plugin = config.base.rate_limiting(route, consumer);
        let quotas = (consumer.and_then(|consumer| consumer.entitlement.as_deref()))
            .map_or(&[][..], |entitlement| &entitlement.quotas);
        if plugin.is_none() && quotas.is_empty() {
            return Ok(None);
        }
        let caller = Caller {
            consumer: consumer.map(|consumer| consumer.id),
            credential: exchange.credential,
            service: route.upstream.as_ref().map(|upstream| upstream.service),
            path: &exchange.path,
            address: exchange.client.unwrap_or(head.client.ip()),
        };
        let part = Part {
            method: exchange.method,
            route: route.id,
        };
        let allowances = (!quotas.is_empty()).then(|| Allowances::of(quotas, part, now.wall));
        let rate = plugin.map(|plugin| (plugin.counter(&caller, head), &plugin.limits));
        let (rate, shared) = match (plugin, rate) {
            (Some(plugin), Some((counter, _))) if plugin.shared.is_some() => {
                let plugin = Arc::clone(plugin);
                (None, Some(SharedCount { plugin, counter }))
            }
            (_, rate) => (rate, None),
        };
        let tolerant = rate.is_some() && plugin.is_some_and(|plugin| plugin.fault_tolerant);
        let admission = self.admit(rate, allowances.as_ref(), tolerant, now)?;
        if let (Some(plugin), Some(counted)) = (plugin, admission.rate) {
            exchange.rate = Rate::told(plugin, counted);
        }
        if let Some(mut allowances) = allowances {
            allowances.note(&admission);
            exchange.allowances = Some(allowances);
            if exchange.counters.is_none() {
                exchange.counters = Some(Arc::clone(&self.shared.counters));
            }
        }
        if admission.admitted {
            return Ok(shared);
        }
        // A quota comes back later than a window: whoever waits for the window only would be refused again.
        Err(match plugin {
            Some(plugin) if admission.exhausted.is_none() => Answer {
                kind: AnswerKind::RateLimited,
                status: plugin.error_code,
            },
            _ => AnswerKind::QuotaExceeded.into(),
        })
    }

    /// Asks the counters. A fault of theirs lets rate-limiting pass where it is `tolerant`, a quota never.
    fn admit(
        &self,
        rate: Option<(CounterKey, &Limits)>,
        allowances: Option<&Allowances>,
        tolerant: bool,
        now: Now,
    ) -> Result<Admission, Answer> {
        let counters = &self.shared.counters;
        let (draws, count) = match allowances {
            // The usual case takes the short way.
            None => {
                let Some((key, limits)) = rate else {
                    return Ok(Admission::FREE);
                };
                match counters.count(key, limits, now) {
                    Ok(counted) => return Ok(Admission::rated(counted)),
                    Err(_) if tolerant => {
                        self.stats.uncounted();
                        return Ok(Admission::FREE);
                    }
                    Err(_) => return Err(AnswerKind::PluginFault.into()),
                }
            }
            Some(allowances) => allowances.draws(),
        };
        let draws = &draws[..count];
        let mut admission = counters.admit(rate, draws, now);
        if admission.is_err() && tolerant {
            self.stats.uncounted();
            admission = counters.admit(None, draws, now);
        }
        admission.map_err(|_| AnswerKind::PluginFault.into())
    }
}

/// Lets a plain request onto a route for TLS alone if a trusted proxy says that the client speaks TLS; else that is
/// the answer.
fn check_tls<H: Headers>(
    route: &Route,
    exchange: &mut Exchange,
    head: &RequestHead<'_, H>,
) -> Result<(), Answer> {
    let forwarded = if exchange.is_trusted {
        Forwarded::read(&head.headers)
    } else {
        Forwarded::default()
    };
    if forwarded.is_https() == Some(true) {
        return Ok(());
    }
    let host = forwarded.host.or(head.host);
    let (Some(host), 301..=308) = (host, route.https_redirect_status) else {
        return Err(AnswerKind::NeedsTls.into());
    };
    let location = &mut exchange.location;
    location.extend_from_slice(b"https://");
    location.extend_from_slice(router::split_authority(host).0);
    router::write_escaped(&exchange.path, location);
    if let Some(query) = head.query {
        location.push(b'?');
        location.extend_from_slice(query);
    }
    Err(Answer {
        kind: AnswerKind::RedirectToTls,
        status: route.https_redirect_status,
    })
}
