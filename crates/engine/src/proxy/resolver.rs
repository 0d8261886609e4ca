//! The addresses of services' own hosts: literal ones at once, names as a worker remembers them.
//!
//! An answer is used until its lifetime ends; the first request after that has it asked for anew, and it and all others
//! go on with the old one meanwhile, unless that ended too long ago. While nobody answers, the old one stays in use.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use tokio::sync::Mutex;

use super::timers::{Millis, Timers};
use crate::names::{NameOptions, Names};

/// Names remembered by one worker; beyond that it starts over.
const MOST_NAMES: usize = 1024;

/// How long after its end an answer is used without waiting for the next: a name nobody asked for in a while may
/// have moved.
const GRACE_MS: Millis = 10_000;

/// How long an address that can't be connected to is taken last.
const AVOIDED_MS: Millis = 1000;

/// A worker's memory of names.
#[derive(Debug)]
pub struct Resolver {
    names: Names,
    timers: Rc<Timers>,
    known: RefCell<HashMap<Box<str>, Rc<Name>>>,
}

/// One name.
#[derive(Debug, Default)]
struct Name {
    /// Held by who asks.
    asking: Mutex<()>,
    answer: RefCell<Option<Answer>>,
    /// Which address is next.
    turn: Cell<usize>,
    /// Addresses that nobody could connect to, and until when others are taken first.
    avoided: RefCell<Vec<(IpAddr, Millis)>>,
}

#[derive(Debug, Clone)]
struct Answer {
    addresses: Rc<[IpAddr]>,
    /// Until when it is used without asking again.
    until: Millis,
    /// When its records' lifetime ended; later than `until` never, earlier where nobody answered since.
    ended: Millis,
}

impl Resolver {
    /// Goes by `options`, and by the clock of `timers`.
    #[must_use]
    pub fn new(options: NameOptions, timers: Rc<Timers>) -> Self {
        Self {
            names: Names::new(options),
            timers,
            known: RefCell::default(),
        }
    }

    /// An address of `host`: requests, and the tries of one request, go round them all.
    ///
    /// # Errors
    /// `NotFound` for a name without addresses, or of which nobody knows any.
    pub async fn resolve(self: &Rc<Self>, host: &str, port: u16) -> io::Result<SocketAddr> {
        if let Ok(literal) = host.parse::<IpAddr>() {
            return Ok(SocketAddr::new(literal, port));
        }
        let name = self.name(host);
        let now = self.timers.now();
        let known = name.answer.borrow().clone();
        let addresses = match known {
            Some(answer) if now < answer.until => answer.addresses,
            Some(answer)
                if now < answer.ended.saturating_add(GRACE_MS) && !answer.addresses.is_empty() =>
            {
                // One asks for all: a slow server must not gather a task for each request.
                if name.asking.try_lock().is_ok() {
                    let (resolver, host) = (Rc::clone(self), Box::<str>::from(host));
                    tokio::task::spawn_local(async move { resolver.ask(&host).await });
                }
                answer.addresses
            }
            _ => self.ask(host).await,
        };
        name.next(&addresses, now)
            .map(|address| SocketAddr::new(address, port))
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Nobody could connect to `ip`, an address of `host`: for a second others are taken, if there are any.
    pub fn avoid(&self, host: &str, ip: IpAddr) {
        if let Some(name) = self.known.borrow().get(host) {
            let now = self.timers.now();
            let mut avoided = name.avoided.borrow_mut();
            avoided.retain(|(known, until)| *until > now && *known != ip);
            avoided.push((ip, now.saturating_add(AVOIDED_MS)));
        }
    }

    fn name(&self, host: &str) -> Rc<Name> {
        let mut known = self.known.borrow_mut();
        if let Some(name) = known.get(host) {
            return Rc::clone(name);
        }
        if known.len() >= MOST_NAMES {
            known.clear();
        }
        let name = Rc::<Name>::default();
        known.insert(host.into(), Rc::clone(&name));
        name
    }

    /// Asks, once for all who want to know at the same time.
    async fn ask(&self, host: &str) -> Rc<[IpAddr]> {
        let name = self.name(host);
        let _asking = name.asking.lock().await;
        let old = name.answer.borrow().clone();
        if let Some(answer) = &old
            && self.timers.now() < answer.until
        {
            return Rc::clone(&answer.addresses);
        }
        let said = self.names.ask(host, false).await;
        let now = self.timers.now();
        let options = self.names.options();
        let answer = match (said, old) {
            (Ok(said), _) => {
                let ttl = u64::try_from(said.ttl.as_millis()).unwrap_or(u64::MAX);
                let until = now.saturating_add(ttl);
                Answer {
                    addresses: said.found.iter().map(|found| found.ip).collect(),
                    until,
                    ended: until,
                }
            }
            // Nobody answers: what was true last goes on for a while, and is asked about again soon.
            (Err(_), Some(old)) if now < old.ended.saturating_add(options.stale_ms) => Answer {
                until: now.saturating_add(options.negative_ttl_ms),
                ..old
            },
            (Err(_), _) => Answer {
                addresses: Rc::from([]),
                until: now.saturating_add(options.negative_ttl_ms),
                ended: now,
            },
        };
        let addresses = Rc::clone(&answer.addresses);
        *name.answer.borrow_mut() = Some(answer);
        addresses
    }
}

impl Name {
    /// The address whose turn it is.
    fn next(&self, addresses: &[IpAddr], now: Millis) -> Option<IpAddr> {
        let avoided = self.avoided.borrow();
        let is_avoided =
            |ip: &IpAddr| (avoided.iter()).any(|(known, until)| known == ip && *until > now);
        let start = self.turn.get();
        let all = addresses.len();
        let steps = (0..all).map(|step| start.wrapping_add(step) % all);
        let place = (steps.clone())
            .find(|place| !is_avoided(&addresses[*place]))
            .or_else(|| steps.clone().next())?;
        self.turn.set(place + 1);
        addresses.get(place).copied()
    }
}
