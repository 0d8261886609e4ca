//! The data plane of Tollway.

pub mod phases;
pub mod proxy;
pub mod server;
pub mod usage_log;
