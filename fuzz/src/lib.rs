//! Fuzz targets. Each takes bytes that somebody else chose and holds the engine to more than not panicking: what is
//! accepted means the same to whoever reads it next.

pub mod chunked;
pub mod configuration;
pub mod gateway;
pub mod h2_head;
pub mod request_head;
pub mod response_head;
pub mod usage_log;
