//! The data plane of Tollway.

pub mod usage_log;
