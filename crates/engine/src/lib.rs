//! The data plane of Tollway.

pub mod proxy;
pub mod server;
pub mod usage_log;
