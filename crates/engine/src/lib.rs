//! The data plane of Tollway.

pub mod balancer;
pub mod config;
pub mod control;
pub mod entitlement;
pub mod failpoint;
pub mod limits;
pub mod names;
pub mod observe;
pub mod phases;
pub mod plugins;
pub mod proxy;
pub mod redis;
pub mod router;
pub mod server;
pub mod tls;
pub mod upkeep;
pub mod usage_log;
pub mod uuid;
