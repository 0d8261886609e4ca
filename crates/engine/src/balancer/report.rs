//! How upstreams are, as control and operators are told, in Kong's words.

use serde_json::{Value, json};

use super::live::Balancer;
use super::members::{Member, Members};

/// The members of the frame `health` for one upstream.
#[must_use]
pub fn health(balancer: &Balancer) -> Value {
    let policy = &balancer.policy;
    let members = balancer.members();
    let is_watched = policy.active.is_some() || policy.passive.thresholds.can_fail();
    let word = |is_up: bool| match (is_up, is_watched) {
        (false, _) => "UNHEALTHY",
        (true, true) => "HEALTHY",
        (true, false) => "HEALTHCHECKS_OFF",
    };
    let targets = policy.targets.iter().enumerate().map(|(place, target)| {
        let own = || {
            members
                .members
                .iter()
                .filter(|member| member.target == place)
        };
        let is_up = |member: &Member| member.endpoint.health.is_up();
        let health = match own().count() {
            0 => "DNS_ERROR",
            _ => word(own().any(is_up)),
        };
        let addresses: Vec<Value> = own()
            .map(|member| {
                let address = member.endpoint.address;
                json!({
                    "ip": address.ip().to_string(), "port": address.port(), "weight": member.weight,
                    "health": word(is_up(member)),
                })
            })
            .collect();
        json!({"id": target.id.to_string(), "health": health, "addresses": addresses})
    });
    let targets: Vec<Value> = targets.collect();
    let health = word(members.is_sufficient());
    json!({"id": policy.id.to_string(), "health": health, "targets": targets})
}

impl Members {
    /// An operator's word on a target, or on one of its addresses.
    pub(crate) fn set_target(&self, target: usize, address: Option<&str>, up: bool) {
        for (number, member) in self.members.iter().enumerate() {
            let is_meant =
                address.is_none_or(|address| member.endpoint.address.to_string() == *address);
            if member.target == target && is_meant {
                self.set(number, up);
            }
        }
    }
}
