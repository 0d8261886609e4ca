//! The addresses behind an upstream at one instant, and the choice among them. Immutable but for what the endpoints
//! count: a change of configuration or of a name's addresses makes new members.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::endpoint::Endpoint;
use super::hash;
use super::health::{Change, Pauses, Report};
use super::owners::{Bidder, Owners, best};
use super::policy::Policy;
use super::schedule::Schedule;
use super::settings::Algorithm;

/// Endpoints that one request remembers having tried.
const REMEMBERED: usize = 16;

/// An endpoint, and its share.
#[derive(Debug, Clone)]
pub struct Member {
    /// The address and what is known of it.
    pub endpoint: Arc<Endpoint>,
    /// 0 takes it out.
    pub weight: u32,
    /// The place of its target in the policy.
    pub target: usize,
}

/// What is chosen from.
#[derive(Debug)]
pub struct Members {
    /// What it is chosen by.
    pub policy: Arc<Policy>,
    /// All addresses.
    pub members: Box<[Member]>,
    /// Weight of targets without an address.
    pub unresolved: u64,
    /// No answer has come yet about the name of one of them.
    pub awaited: bool,
    schedule: Schedule,
    owners: Option<Owners>,
    turn: AtomicUsize,
    /// Somebody may be out: only then are trials looked for. The same for all members that the upstream ever has, as its
    /// endpoints are.
    suspect: Arc<AtomicBool>,
}

/// When something happens, and how long one that is out rests.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// µs of the process's clock.
    pub now: u64,
    /// Until a trial.
    pub pauses: Pauses,
}

/// The endpoints that a request tried in vain.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tried {
    list: [u16; REMEMBERED],
    count: usize,
}

/// An endpoint chosen for a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    /// Its place among the members.
    pub member: usize,
    /// It is out, and this request tries whether it still should be.
    pub trial: bool,
}

/// Why there is nobody to choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nobody {
    /// No target's name has an address.
    Unresolved,
    /// None is in, or too few are.
    Unhealthy,
}

impl Tried {
    /// Takes note of a member.
    pub fn add(&mut self, member: usize) {
        if let (Some(place), Ok(member)) = (self.list.get_mut(self.count), u16::try_from(member)) {
            *place = member;
            self.count += 1;
        }
    }

    fn has(&self, member: usize) -> bool {
        self.list[..self.count]
            .iter()
            .any(|tried| usize::from(*tried) == member)
    }
}

impl Members {
    /// `old` are those that these follow.
    pub(super) fn new(
        policy: Arc<Policy>,
        members: Box<[Member]>,
        (unresolved, awaited): (u64, bool),
        old: Option<&Self>,
    ) -> Self {
        let weights: Vec<u32> = members.iter().map(|member| member.weight).collect();
        let slots = policy.slots;
        Self {
            schedule: Schedule::new(&weights, slots),
            owners: (policy.algorithm == Algorithm::ConsistentHashing).then(|| Owners::new(slots)),
            policy,
            members,
            unresolved,
            awaited,
            // Goes on: whoever comes first would otherwise get more than its share.
            turn: AtomicUsize::new(old.map_or(0, |old| old.turn.load(Ordering::Relaxed))),
            suspect: old.map_or_else(Arc::default, |old| Arc::clone(&old.suspect)),
        }
    }

    /// Chooses for a request whose hash key is `key`, if it has one, but not whom it `tried` before, as long as there
    /// are others.
    ///
    /// # Errors
    /// [`Nobody`].
    pub fn choose(&self, key: Option<u64>, tried: &Tried, at: Moment) -> Result<Choice, Nobody> {
        if self.members.is_empty() {
            return Err(if self.unresolved > 0 {
                Nobody::Unresolved
            } else {
                Nobody::Unhealthy
            });
        }
        let suspect = self.suspect.load(Ordering::Relaxed);
        if suspect && let Some(member) = self.due_trial(tried, at) {
            return Ok(member);
        }
        let partial = suspect || self.unresolved > 0;
        if partial && self.policy.threshold > 0.0 && !self.is_sufficient() {
            return Err(Nobody::Unhealthy);
        }
        let is_open = |member: usize| self.is_open(member);
        let is_new = |member: usize| is_open(member) && !tried.has(member);
        let is_near = |member: usize| is_new(member) && !self.is_avoided(member);
        self.by_algorithm(key, &is_near)
            .or_else(|| self.by_algorithm(key, &is_new))
            .or_else(|| self.by_algorithm(key, &is_open))
            .map(|member| Choice {
                member,
                trial: false,
            })
            .ok_or(Nobody::Unhealthy)
    }

    /// Takes note of what a request met at `member`; `trial` as it was chosen.
    pub fn report(&self, choice: Choice, report: Report, at: Moment) -> Option<Change> {
        let endpoint = &self.members.get(choice.member)?.endpoint;
        if report != Report::Success {
            endpoint.fail();
        }
        let thresholds = self.policy.passive.thresholds;
        let change = if choice.trial {
            endpoint.health.tried(report, thresholds, at.pauses, at.now)
        } else {
            let pauses = (!self.is_asked_when_out()).then_some(at.pauses);
            endpoint.health.report(report, thresholds, pauses, at.now)
        };
        self.note(change);
        change
    }

    /// Nobody could connect to `member`, or somebody could.
    pub fn connected(&self, choice: Choice, could: bool, at: Moment) {
        let Some(Member { endpoint, .. }) = self.members.get(choice.member) else {
            return;
        };
        if could {
            endpoint.reached();
        } else {
            endpoint.avoid(at.now);
            self.suspect.store(true, Ordering::Release);
        }
    }

    /// What a status says of a trial or of any other request; none where it says nothing.
    #[must_use]
    pub fn judge(&self, choice: Choice, status: u16) -> Option<Report> {
        match self.policy.passive.statuses.says(status) {
            Some(false) => Some(Report::Http),
            Some(true) => Some(Report::Success),
            // Whoever answers at all is there again.
            None => choice.trial.then_some(Report::Success),
        }
    }

    /// Takes note of what a check said of `endpoint`.
    pub fn checked(&self, endpoint: &Endpoint, report: Report) -> Option<Change> {
        let active = self.policy.active.as_ref()?;
        let change = endpoint.health.report(report, active.thresholds, None, 0);
        self.note(change);
        change
    }

    /// An operator's word on `member`.
    pub fn set(&self, member: usize, up: bool) {
        if let Some(member) = self.members.get(member) {
            member.endpoint.health.set(up);
            self.suspect.store(true, Ordering::Release);
        }
    }

    fn note(&self, change: Option<Change>) {
        if change.is_some() {
            self.suspect.store(true, Ordering::Release);
        }
    }

    /// Whether one that is out is asked by active checks, so that no request needs to try it.
    fn is_asked_when_out(&self) -> bool {
        let active = self.policy.active.as_ref();
        active.is_some_and(|active| {
            active.unhealthy_every_ms.is_some() && active.thresholds.successes > 0
        })
    }

    /// Whether as much of the weight is in as the threshold demands.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "a sum of 16-bit weights")]
    pub fn is_sufficient(&self) -> bool {
        let (mut up, mut all) = (0_u64, self.unresolved);
        for member in &self.members {
            let weight = u64::from(member.weight);
            all += weight;
            up += if member.endpoint.health.is_up() {
                weight
            } else {
                0
            };
        }
        up > 0 && up as f64 * 100.0 >= self.policy.threshold * all as f64
    }

    fn is_open(&self, member: usize) -> bool {
        self.members
            .get(member)
            .is_some_and(|member| member.weight > 0 && member.endpoint.health.is_up())
    }

    fn is_avoided(&self, member: usize) -> bool {
        (self.members.get(member)).is_some_and(|member| member.endpoint.is_avoided())
    }

    /// One that is out, or couldn't be reached, and that this request may see after; takes note if there is none such.
    fn due_trial(&self, tried: &Tried, at: Moment) -> Option<Choice> {
        // Before looking: whoever goes down meanwhile sets it again, and whoever did before is seen.
        self.suspect.swap(false, Ordering::AcqRel);
        let mut found = None;
        for (
            number,
            Member {
                endpoint, weight, ..
            },
        ) in self.members.iter().enumerate()
        {
            let trial = !endpoint.health.is_up();
            if !trial && !endpoint.is_avoided() {
                continue;
            }
            self.suspect.store(true, Ordering::Release);
            let is_due = || {
                if trial {
                    endpoint.health.claim_trial(at.pauses, at.now)
                } else {
                    endpoint.claim_look(at.now)
                }
            };
            if found.is_none() && *weight > 0 && !tried.has(number) && is_due() {
                found = Some(Choice {
                    member: number,
                    trial,
                });
            }
        }
        found
    }

    fn by_algorithm(&self, key: Option<u64>, is_open: &impl Fn(usize) -> bool) -> Option<usize> {
        match (self.policy.algorithm, &self.owners, key) {
            (Algorithm::ConsistentHashing, Some(owners), Some(key)) => {
                self.by_hash(owners, key, is_open)
            }
            (Algorithm::LeastConnections, ..) => self.by_load(is_open),
            (Algorithm::Latency, ..) => self.by_latency(is_open),
            // Also what has nothing to be hashed.
            _ => self.by_turn(is_open),
        }
    }

    fn next_turn(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    fn by_turn(&self, is_open: &impl Fn(usize) -> bool) -> Option<usize> {
        // Whoever is out passes the turn on, to the next in the cycle: not always to the same one.
        for _ in 0..2 * self.members.len() {
            let member = self.schedule.at(self.next_turn())?;
            if is_open(member) {
                return Some(member);
            }
        }
        let start = self.next_turn();
        let all = self.members.len();
        (0..all)
            .map(|step| (start + step) % all)
            .find(|member| is_open(*member))
    }

    fn by_hash(
        &self,
        owners: &Owners,
        key: u64,
        is_open: &impl Fn(usize) -> bool,
    ) -> Option<usize> {
        let bidders = || {
            let members = self.members.iter().enumerate();
            members.map(|(number, member)| Bidder {
                number,
                seed: member.endpoint.seed,
                weight: member.weight,
            })
        };
        let slot = owners.slot(key);
        let owner = owners.owner(slot, bidders())?;
        if is_open(owner) {
            return Some(owner);
        }
        best(slot, bidders().filter(|bidder| is_open(bidder.number)))
    }

    /// The fewest in flight for its weight; of equals each in turn.
    fn by_load(&self, is_open: &impl Fn(usize) -> bool) -> Option<usize> {
        let (start, all) = (self.next_turn(), self.members.len());
        let open = (0..all)
            .map(|step| start.wrapping_add(step) % all)
            .filter(|member| is_open(*member));
        let load = |member: usize| {
            let member = &self.members[member];
            (
                u128::from(member.endpoint.in_flight() + 1),
                u128::from(member.weight),
            )
        };
        // Read once each: others change it meanwhile.
        open.map(|member| (member, load(member)))
            .min_by(|(_, (one, its)), (_, (other, others))| (one * others).cmp(&(other * its)))
            .map(|(member, _)| member)
    }

    /// The better of two taken at random: better than the best of all, which everybody would run to.
    fn by_latency(&self, is_open: &impl Fn(usize) -> bool) -> Option<usize> {
        let drawn = hash::mix(self.next_turn() as u64);
        let all = self.members.len();
        let nth = |start: usize, not: Option<usize>| {
            (0..all)
                .map(|step| (start + step) % all)
                .find(|member| is_open(*member) && Some(*member) != not)
        };
        let spread = |half: u64| usize::try_from(half % all as u64).unwrap_or_default();
        let one = nth(spread(drawn >> 32), None)?;
        let Some(other) = nth(spread(drawn & 0xffff_ffff), Some(one)) else {
            return Some(one);
        };
        let cost = |member: usize| {
            let Member {
                endpoint, weight, ..
            } = &self.members[member];
            let in_flight = u128::from(endpoint.in_flight());
            let latency = match endpoint.latency_us() {
                // One that nothing is known of is asked soon, but not by everybody before its first answer.
                0 if in_flight > 0 => u128::from(u32::MAX),
                known => u128::from(known),
            };
            (latency * (in_flight + 1), u128::from(*weight))
        };
        let ((own, its), (others, weight)) = (cost(one), cost(other));
        Some(if own * weight <= others * its {
            one
        } else {
            other
        })
    }
}

/// A request on its way to an endpoint, counted until it is dropped.
#[derive(Debug)]
pub struct InFlight(Arc<Endpoint>);

impl InFlight {
    /// Counts a request to `endpoint`.
    #[must_use]
    pub fn new(endpoint: &Arc<Endpoint>) -> Self {
        endpoint.start();
        Self(Arc::clone(endpoint))
    }

    /// The head of its answer took so many µs.
    pub fn took(&self, micros: u64, now: u64) {
        self.0.took(micros, now);
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.end();
    }
}
