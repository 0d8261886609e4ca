//! Traces: what a request is part of, by the W3C's Trace Context.

mod context;

pub use context::Parent;
