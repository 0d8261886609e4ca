//! How the upstream of a service is called over TLS: what it has to prove, and what it is shown.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::LazyLock;

use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{ResolvesClientCert, Resumption};
use rustls::pki_types::{CertificateDer, TrustAnchor};
use rustls::sign::CertifiedKey;
use sha2::{Digest, Sha256};

use super::certificates::{Certificates, Pair};
use super::verifier::{Anybody, Chain};
use super::{PROVIDER, pem};
use crate::config::{ConfigError, wire};
use crate::uuid::Uuid;

/// Sessions that one worker remembers of the upstreams of one kind.
const SESSIONS: usize = 256;

/// The system's authorities, read when the first service needs them.
static SYSTEM: LazyLock<Arc<[TrustAnchor<'static>]>> = LazyLock::new(|| {
    // What can't be read is left out, as everywhere: an upstream that it vouched for isn't believed then.
    let found = rustls_native_certs::load_native_certs().certs;
    found.iter().filter_map(anchor).collect()
});

fn anchor(certificate: &CertificateDer<'_>) -> Option<TrustAnchor<'static>> {
    Some(
        webpki::anchor_from_trusted_cert(certificate)
            .ok()?
            .to_owned(),
    )
}

/// What tells kinds of TLS apart: connections and sessions of one kind may stand for each other, if they lead to the
/// same address and name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind([u8; 32]);

/// TLS towards the upstreams of a service.
#[derive(Debug)]
pub struct ClientTls {
    kind: Kind,
    /// None where the gateway's own setting holds.
    verify: Option<bool>,
    depth: Option<usize>,
    /// None for the system's.
    authorities: Option<Arc<[TrustAnchor<'static>]>>,
    shown: Option<Arc<Pair>>,
    protocols: Box<[&'static [u8]]>,
}

/// Certificates of authorities, by id.
pub(crate) type Authorities = HashMap<Uuid, CertificateDer<'static>>;

/// # Errors
/// [`ConfigError`] names the certificate and the field.
pub(crate) fn authorities(rows: &[wire::CaCertificate]) -> Result<Authorities, ConfigError> {
    let mut authorities = Authorities::new();
    for (place, row) in rows.iter().enumerate() {
        let here = format!("ca_certificates[{place}]");
        let certificate = pem::authority("cert", &row.cert).map_err(|error| error.within(&here))?;
        if authorities.insert(row.id, certificate).is_some() {
            return Err(ConfigError::new(
                format!("{here}.id"),
                "the id is there twice",
                "give each its own id",
            ));
        }
    }
    Ok(authorities)
}

/// What a service may say of TLS.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wish<'a> {
    pub verify: Option<bool>,
    pub depth: Option<u32>,
    pub authorities: Option<&'a [Uuid]>,
    pub client_certificate: Option<Uuid>,
    /// ALPN, the preferred first.
    pub protocols: &'a [&'static [u8]],
}

impl ClientTls {
    /// # Errors
    /// [`ConfigError`] names the field that refers to what isn't there.
    pub(crate) fn compile(
        wish: Wish<'_>,
        certificates: &Certificates,
        known: &Authorities,
    ) -> Result<Self, ConfigError> {
        let missing = |field: String, what: &str, id: Uuid| {
            ConfigError::new(
                field,
                format!("there is no {what} {id}"),
                format!("name a {what} of this configuration"),
            )
        };
        let mut digest = Sha256::new();
        digest.update([wish.verify.map_or(2, u8::from)]);
        digest.update(wish.depth.map_or(u64::MAX, u64::from).to_be_bytes());
        let mut part = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        };
        let mut anchors = Vec::new();
        for (place, id) in wish.authorities.unwrap_or_default().iter().enumerate() {
            let field = || format!("ca_certificates[{place}]");
            let certificate =
                (known.get(id)).ok_or_else(|| missing(field(), "CA certificate", *id))?;
            part(certificate);
            anchors.extend(anchor(certificate));
        }
        let shown =
            match wish.client_certificate {
                None => None,
                Some(id) => Some(certificates.get(id).ok_or_else(|| {
                    missing("client_certificate.id".to_owned(), "certificate", id)
                })?),
            };
        part(b"shown");
        shown.iter().flat_map(|pair| pair.der()).for_each(&mut part);
        part(b"protocols");
        wish.protocols.iter().copied().for_each(&mut part);
        Ok(Self {
            kind: Kind(digest.finalize().into()),
            verify: wish.verify,
            depth: wish.depth.map(|depth| depth as usize),
            authorities: (!anchors.is_empty()).then(|| anchors.into()),
            shown: shown.cloned(),
            protocols: wish.protocols.into(),
        })
    }

    /// TLS that shows no certificate and believes the system's authorities, or anybody.
    #[cfg(test)]
    pub(crate) fn unshown(verify: bool) -> Self {
        let wish = Wish {
            verify: Some(verify),
            depth: None,
            authorities: None,
            client_certificate: None,
            protocols: &[],
        };
        Self::compile(wish, &Certificates::default(), &Authorities::new())
            .unwrap_or_else(|error| unreachable!("{error}"))
    }

    /// Which connections may stand for each other.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The configuration of handshakes. `verify` is the gateway's own setting.
    ///
    /// # Errors
    /// rustls' own, where the algorithms can't do TLS 1.2 or 1.3: never, as they are built in.
    pub fn config(&self, verify: bool) -> Result<Arc<ClientConfig>, rustls::Error> {
        let verifier: Arc<dyn ServerCertVerifier> = if self.verify.unwrap_or(verify) {
            let anchors = self.authorities.clone();
            Arc::new(Chain {
                anchors: anchors.unwrap_or_else(|| Arc::clone(&SYSTEM)),
                depth: self.depth,
            })
        } else {
            Arc::new(Anybody)
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.shown {
            None => builder.with_no_client_auth(),
            Some(pair) => builder.with_client_cert_resolver(Arc::new(Shown(Arc::clone(pair)))),
        };
        config.alpn_protocols = self.protocols.iter().map(|name| name.to_vec()).collect();
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Ok(Arc::new(config))
    }
}

/// For who is believed by the system's authorities and is shown no certificate.
///
/// # Errors
/// As [`ClientTls::config`].
pub(crate) fn system_config() -> Result<Arc<ClientConfig>, rustls::Error> {
    let verifier = Arc::new(Chain {
        anchors: Arc::clone(&SYSTEM),
        depth: None,
    });
    let config = ClientConfig::builder_with_provider(Arc::clone(&PROVIDER))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// The certificate that an upstream is shown if it asks.
#[derive(Debug)]
struct Shown(Arc<Pair>);

impl ResolvesClientCert for Shown {
    fn resolve(
        &self,
        _issuers: &[&[u8]],
        schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<CertifiedKey>> {
        self.0.choose(schemes).cloned()
    }

    fn has_certs(&self) -> bool {
        true
    }
}
