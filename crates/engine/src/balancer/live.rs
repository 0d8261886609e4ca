//! An upstream as it lives: what its targets' names were last found to be, and the members made of it. Who chooses
//! reads without a lock; who changes is the main thread.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::endpoint::Endpoint;
use super::members::{Member, Members};
use super::policy::Policy;

/// One address that a name was found to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The address.
    pub ip: IpAddr,
    /// An SRV record's port, weight and name.
    pub srv: Option<(u16, u16, Box<str>)>,
}

/// What a target's name was last found to have; none where no answer came yet.
type Resolution = Option<Arc<[Found]>>;

/// One upstream of one version of the configuration. What follows it for the same upstream takes over its endpoints.
#[derive(Debug)]
pub struct Balancer {
    /// What is balanced over.
    pub policy: Arc<Policy>,
    /// Unlike any other's.
    pub serial: u64,
    /// By target.
    found: Mutex<Vec<Resolution>>,
    members: watch::Sender<Arc<Members>>,
}

impl Balancer {
    /// `before` is the same upstream's of the version before.
    #[must_use]
    pub fn new(policy: Arc<Policy>, before: Option<&Self>) -> Self {
        static SERIALS: AtomicU64 = AtomicU64::new(1);
        let mut found: Vec<Resolution> = vec![None; policy.targets.len()];
        if let Some(before) = before {
            let known = before.found();
            for (target, found) in policy.targets.iter().zip(&mut found) {
                let place = before
                    .policy
                    .targets
                    .iter()
                    .position(|old| old.host == target.host);
                *found = place.and_then(|place| known.get(place).cloned().flatten());
            }
        }
        let old = before.map(Self::members);
        let members = gather(&policy, &found, old.as_deref());
        Self {
            policy,
            serial: SERIALS.fetch_add(1, Ordering::Relaxed),
            found: Mutex::new(found),
            members: watch::Sender::new(Arc::new(members)),
        }
    }

    /// The members now.
    #[must_use]
    pub fn members(&self) -> Arc<Members> {
        Arc::clone(&self.members.borrow())
    }

    /// Hears of new members.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Arc<Members>> {
        self.members.subscribe()
    }

    /// The target's name was found to have these addresses, perhaps none.
    pub fn resolved(&self, target: usize, addresses: &Arc<[Found]>) {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(place) = found.get_mut(target) else {
            return;
        };
        if place.as_ref() == Some(addresses) {
            return;
        }
        *place = Some(Arc::clone(addresses));
        let old = self.members();
        let members = gather(&self.policy, &found, Some(&old));
        self.members.send_replace(Arc::new(members));
    }

    fn found(&self) -> Vec<Resolution> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.clone()
    }
}

/// The members that targets make, with the endpoints of `old` where they are the same.
fn gather(policy: &Arc<Policy>, found: &[Resolution], old: Option<&Members>) -> Members {
    let mut members = Vec::new();
    let (mut unresolved, mut awaited) = (0, false);
    for (number, target) in policy.targets.iter().enumerate() {
        let mut add = |ip: IpAddr, port: u16, weight: u32, name: &str| {
            let address = SocketAddr::new(ip, port);
            let known = old.and_then(|old| {
                let mut members = old.members.iter();
                let same = |member: &&Member| {
                    member.endpoint.address == address && *member.endpoint.name == *name
                };
                members
                    .find(same)
                    .map(|member| Arc::clone(&member.endpoint))
            });
            members.push(Member {
                endpoint: known.unwrap_or_else(|| Arc::new(Endpoint::new(address, name))),
                weight,
                target: number,
            });
        };
        let weight = u32::from(target.weight);
        if let Some(ip) = target.literal {
            let name = if ip.is_ipv6() {
                format!("[{ip}]")
            } else {
                ip.to_string()
            };
            add(ip, target.port, weight, &name);
            continue;
        }
        let addresses = found.get(number).and_then(Option::as_deref);
        for Found { ip, srv } in addresses.unwrap_or_default() {
            match srv {
                None => add(*ip, target.port, weight, &target.host),
                Some((port, share, name)) => {
                    let name = if policy.use_srv_name {
                        name
                    } else {
                        &target.host
                    };
                    // As Kong: the record's weight, at least 1, unless the target is out.
                    let share = u32::from((*share).max(1)) * u32::from(weight > 0);
                    add(*ip, *port, share, name);
                }
            }
        }
        if addresses.is_none_or(<[_]>::is_empty) {
            unresolved += u64::from(weight);
            awaited |= addresses.is_none();
        }
    }
    Members::new(
        Arc::clone(policy),
        members.into(),
        (unresolved, awaited),
        old,
    )
}
