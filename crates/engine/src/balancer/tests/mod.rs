//! What upstreams compile to.

mod compile;
