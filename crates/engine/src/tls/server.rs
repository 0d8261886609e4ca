//! How clients are served over TLS.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::{ClientHello, NoServerSessionStorage, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::PROVIDER;
use super::certificates::Pair;
use super::tickets::Tickets;
use crate::config::{Config, ConfigStore};

/// What is spoken over TLS without HTTP/2.
pub const HTTP1: &[u8] = b"http/1.1";

/// And by who names its older version.
pub const HTTP10: &[u8] = b"http/1.0";

/// HTTP/2, in the words of ALPN.
pub const HTTP2: &[u8] = b"h2";

/// The configuration of handshakes with clients: TLS 1.2 and 1.3, a certificate by SNI from the newest configuration.
/// `protocols` are those of ALPN, the preferred first.
///
/// # Errors
/// rustls' own, where the algorithms can't do TLS 1.2 or 1.3: never, as they are built in.
pub fn server_config(
    store: Arc<ConfigStore>,
    default: Option<Arc<Pair>>,
    tickets: Arc<Tickets>,
    protocols: &[&[u8]],
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(Newest { store, default }));
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    // Sessions lie with clients, as tickets: nothing is remembered here, so nothing can be filled up.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = tickets;
    Ok(Arc::new(config))
}

/// Finds the certificate in whatever configuration is the newest at the handshake.
#[derive(Debug)]
struct Newest {
    store: Arc<ConfigStore>,
    /// For clients that ask for a name without a certificate, or for none.
    default: Option<Arc<Pair>>,
}

impl ResolvesServerCert for Newest {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // Within the store's lock, so that no thread that serves holds on to a configuration: its last holder has to
        // free all of it.
        let name = hello.server_name();
        let find = |config: &Config| config.base.certificates.find(name).cloned();
        let own = self.store.look(find).flatten();
        own.as_ref()
            .or(self.default.as_ref())?
            .choose(hello.signature_schemes())
            .cloned()
    }
}
