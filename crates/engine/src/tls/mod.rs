//! What the configuration says of TLS: certificates and their keys, whom to trust, whom to show what.
//!
//! | part | does |
//! |---|---|
//! | [`pem`] | texts to certificates and keys |
//! | [`certificates`] | which certificate a client sees, by the name that it asks for |
//! | [`server`], [`tickets`] | how clients are served, and how their sessions are resumed |
//! | [`client`], [`verifier`] | how a service's upstream is called, and what it has to prove |
//!
//! The handshakes are the HTTP layer's (`proxy::opening`, `proxy::dial`). All cryptography is ring's, by way of rustls.

pub mod certificates;
pub mod client;
pub(crate) mod pem;
pub mod server;
pub mod tickets;
mod verifier;

use std::sync::{Arc, LazyLock};

use rustls::crypto::CryptoProvider;

/// The algorithms in use: ring's, TLS 1.2 and 1.3.
pub(crate) static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::ring::default_provider()));
