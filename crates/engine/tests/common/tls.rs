//! TLS around tests' plain clients and upstreams: certificates of every kind, and ports that add or take off TLS.

use std::net::{SocketAddr, TcpListener as StdListener};
use std::sync::{Arc, Mutex};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion, RootCertStore, ServerConfig};
use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tollway_engine::config::ConfigStore;
use tollway_engine::proxy::opening::ServerTls;
use tollway_engine::server::options::SecretKey;
use tollway_engine::tls::certificates::Pair;
use tollway_engine::tls::server::{HTTP1, HTTP2, HTTP10, server_config};
use tollway_engine::tls::tickets::Tickets;

/// Who signs certificates.
pub struct Authority {
    pub pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its key, PEM.
#[derive(Clone)]
pub struct Identity {
    pub cert: String,
    pub key: String,
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_after = rcgen::date_time_ymd(2999, 1, 1);
    params
}

fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(&[]);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let params = authority_params(name);
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    /// One below this: certificates that it signs are two steps away.
    pub fn intermediate(&self, name: &str) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let params = authority_params(name);
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        Self {
            pem,
            issuer: Issuer::new(params, key),
        }
    }

    pub fn sign(&self, names: &[&str]) -> Identity {
        self.sign_with(names, |_| {})
    }

    pub fn sign_with(
        &self,
        names: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) -> Identity {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = params(names);
        change(&mut params);
        Identity {
            cert: params.signed_by(&key, &self.issuer).unwrap().pem(),
            key: key.serialize_pem(),
        }
    }

    /// A trust store of this authority alone.
    pub fn roots(&self) -> Arc<RootCertStore> {
        let mut roots = RootCertStore::empty();
        let certificate = CertificateDer::from_pem_slice(self.pem.as_bytes()).unwrap();
        roots.add(certificate).unwrap();
        Arc::new(roots)
    }
}

impl Identity {
    fn chain(&self) -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_slice_iter(self.cert.as_bytes())
            .map(Result::unwrap)
            .collect()
    }

    fn private_key(&self) -> PrivateKeyDer<'static> {
        PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap()
    }

    /// Serves with this certificate; with `clients`, only whom that authority vouches for.
    pub fn server(&self, clients: Option<&Authority>) -> ServerConfig {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(authority.roots(), provider());
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        builder
            .with_single_cert(self.chain(), self.private_key())
            .unwrap()
    }
}

/// The gateway's side, with tickets that all gateways of the tests understand.
pub fn serving(store: &Arc<ConfigStore>, default: Option<&Identity>) -> ServerTls {
    let pair = default.map(|identity| Pair::read(&identity.cert, &identity.key).unwrap());
    let pair = pair.map(Arc::new);
    let tickets = Arc::new(Tickets::new(SecretKey([7; 32])));
    let config = |protocols: &[&[u8]]| {
        let (store, tickets) = (Arc::clone(store), Arc::clone(&tickets));
        server_config(store, pair.clone(), tickets, protocols).unwrap()
    };
    ServerTls {
        http1: config(&[HTTP1, HTTP10]),
        http2: config(&[HTTP2, HTTP1, HTTP10]),
    }
}

pub fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A client that believes `authority` and speaks `versions`.
pub fn client(
    authority: &Authority,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(authority.roots())
        .with_no_client_auth()
}

/// What a handshake came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shaken {
    pub server_name: Option<String>,
    pub certificates: Vec<CertificateDer<'static>>,
    pub resumed: bool,
    pub version: Option<ProtocolVersion>,
    pub protocol: Option<Vec<u8>>,
}

impl Shaken {
    fn of<Side>(connection: &rustls::ConnectionCommon<Side>) -> Self {
        Self {
            server_name: None,
            certificates: (connection.peer_certificates().unwrap_or_default())
                .iter()
                .map(|certificate| certificate.clone().into_owned())
                .collect(),
            resumed: connection.handshake_kind() == Some(HandshakeKind::Resumed),
            version: connection.protocol_version(),
            protocol: connection.alpn_protocol().map(<[u8]>::to_vec),
        }
    }
}

/// A port on which TLS is added or taken off.
pub struct Port {
    pub address: SocketAddr,
    pub shaken: Arc<Mutex<Vec<Result<Shaken, String>>>>,
}

impl Port {
    /// The handshakes so far that succeeded.
    pub fn handshakes(&self) -> Vec<Shaken> {
        let shaken = self.shaken.lock().unwrap();
        shaken.iter().flatten().cloned().collect()
    }

    /// What the last failed one failed of.
    pub fn fault(&self) -> Option<String> {
        let shaken = self.shaken.lock().unwrap();
        shaken.iter().rev().find_map(|one| one.clone().err())
    }

    /// Takes TLS off in front of the plain upstream at `to`.
    pub fn terminating(config: ServerConfig, to: SocketAddr) -> Self {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        Self::start(move |stream, shaken| {
            let acceptor = acceptor.clone();
            async move {
                let outcome = acceptor.accept(stream).await;
                let told = outcome.as_ref().map(|stream| {
                    let connection = stream.get_ref().1;
                    Shaken {
                        server_name: connection.server_name().map(str::to_owned),
                        ..Shaken::of(connection)
                    }
                });
                shaken
                    .lock()
                    .unwrap()
                    .push(told.map_err(ToString::to_string));
                if let (Ok(mut stream), Ok(mut plain)) = (outcome, TcpStream::connect(to).await) {
                    let _ = copy_bidirectional(&mut stream, &mut plain).await;
                    let _ = stream.shutdown().await;
                }
            }
        })
    }

    /// Adds TLS in front of the gateway at `to`, for clients that ask for `name`.
    pub fn originating(config: ClientConfig, name: &str, to: SocketAddr) -> Self {
        let connector = TlsConnector::from(Arc::new(config));
        let name = ServerName::try_from(name.to_owned()).unwrap();
        Self::start(move |mut plain, shaken| {
            let (connector, name) = (connector.clone(), name.clone());
            async move {
                let stream = TcpStream::connect(to).await.unwrap();
                let outcome = connector.connect(name, stream).await;
                let told = outcome
                    .as_ref()
                    .map(|stream| Shaken::of(stream.get_ref().1));
                shaken
                    .lock()
                    .unwrap()
                    .push(told.map_err(ToString::to_string));
                if let Ok(mut stream) = outcome {
                    let _ = copy_bidirectional(&mut plain, &mut stream).await;
                }
            }
        })
    }

    fn start<Served: Future<Output = ()> + Send + 'static>(
        serve: impl Fn(TcpStream, Arc<Mutex<Vec<Result<Shaken, String>>>>) -> Served + Send + 'static,
    ) -> Self {
        let listener = StdListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shaken = Arc::<Mutex<Vec<_>>>::default();
        let told = Arc::clone(&shaken);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    tokio::spawn(serve(stream, Arc::clone(&told)));
                }
            });
        });
        Self { address, shaken }
    }
}
