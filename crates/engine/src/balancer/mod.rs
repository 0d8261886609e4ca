//! Balancing over an upstream's targets; no I/O, no runtime, no clock.
//!
//! | part | owns |
//! |---|---|
//! | [`settings`], [`policy`] | the upstream as control writes it, and compiled |
//! | [`hash_key`], [`hash`] | what consistent hashing goes by |
//! | [`schedule`], [`owners`] | weighted turns; who owns a key |
//! | [`health`], [`endpoint`] | what is known of an address, shared by all threads and kept over versions |
//! | [`members`] | the addresses at one instant, and the choice among them |
//! | [`report`] | how upstreams are, for people |
//! | [`live`] | an upstream over time: its names' addresses come and go |

mod endpoint;
mod hash;
mod hash_key;
mod health;
mod live;
mod members;
mod owners;
mod policy;
mod report;
mod schedule;
mod settings;

#[cfg(test)]
mod tests;

pub use endpoint::Endpoint;
pub use hash_key::HashKey;
pub use health::{Change, Health, Pauses, Report};
pub use live::{Balancer, Found};
pub use members::{Choice, InFlight, Member, Members, Moment, Nobody, Tried};
pub use policy::{Active, Passive, Policy, Statuses, Target, Thresholds};
pub use report::health;
pub use settings::{Algorithm, CheckKind};

pub(crate) use hash::{bytes as hash_bytes, more as hash_more};
pub(crate) use settings::Settings;
