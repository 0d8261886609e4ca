//! New connections to upstreams: over TCP or a Unix socket, and TLS over TCP.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{AlertDescription, CertificateError, ClientConfig};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::stats::{Counter, WorkerStats};
use super::stream::Stream;
use crate::config::Upstream;
use crate::router::split_authority;
use crate::tls::client::{ClientTls, Kind};

/// Kinds of TLS whose sessions a worker remembers; beyond that it starts over.
const MOST_KINDS: usize = 1024;

/// A place to connect to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// Over TCP.
    Tcp(SocketAddr),
    /// Over a socket of this machine's file system.
    Unix(Arc<Path>),
}

/// All that makes connections to upstreams differ: those to equal destinations may stand for one another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    /// Where it is.
    pub address: Address,
    /// TLS, and the name that the upstream has to prove.
    pub tls: Option<Tls>,
}

/// The kind of TLS, and the name that is asked for and has to be proved.
pub type Tls = (Kind, Arc<ServerName<'static>>);

/// The name that an upstream has to prove: what `Host` tells it, where `host` is that, else the service's own.
#[must_use]
pub fn server_name(upstream: &Upstream, host: Option<&[u8]>) -> Option<Arc<ServerName<'static>>> {
    let own = upstream.server_name.as_ref()?;
    let told = host.and_then(|host| {
        let host = str::from_utf8(split_authority(host).0).ok()?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        ServerName::try_from(host.to_ascii_lowercase()).ok()
    });
    Some(told.map_or_else(|| Arc::clone(own), Arc::new))
}

/// Why there is no connection.
#[derive(Debug)]
pub enum DialFault {
    /// It wasn't there in time.
    Timeout,
    /// Nobody listens there, or it can't be reached.
    Connect,
    /// The handshake failed.
    Tls(TlsFault),
}

/// Why a handshake with an upstream failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFault {
    /// Its certificate is for other names.
    WrongName,
    /// Its certificate isn't valid at this time.
    Expired,
    /// Nobody vouches for it who is believed here.
    UnknownIssuer,
    /// Its certificate is wrong in another way.
    BadCertificate,
    /// It doesn't take our certificate, or wants one.
    ClientCertificate,
    /// It broke off, or doesn't speak TLS as we do.
    Other,
}

impl TlsFault {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::WrongName,
        Self::Expired,
        Self::UnknownIssuer,
        Self::BadCertificate,
        Self::ClientCertificate,
        Self::Other,
    ];

    /// Its name in the metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::WrongName => "wrong_name",
            Self::Expired => "expired",
            Self::UnknownIssuer => "unknown_issuer",
            Self::BadCertificate => "bad_certificate",
            Self::ClientCertificate => "client_certificate",
            Self::Other => "other",
        }
    }

    /// Its counter.
    #[must_use]
    pub fn counter(self, stats: &WorkerStats) -> &Counter {
        &stats.upstream_tls_faults[self as usize]
    }

    fn of(error: &io::Error) -> Self {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        match cause {
            Some(rustls::Error::InvalidCertificate(fault)) => match fault {
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => Self::WrongName,
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Self::Expired,
                CertificateError::UnknownIssuer => Self::UnknownIssuer,
                _ => Self::BadCertificate,
            },
            Some(rustls::Error::AlertReceived(
                AlertDescription::BadCertificate
                | AlertDescription::CertificateRequired
                | AlertDescription::CertificateExpired
                | AlertDescription::CertificateRevoked
                | AlertDescription::CertificateUnknown
                | AlertDescription::UnknownCA
                | AlertDescription::UnsupportedCertificate
                | AlertDescription::AccessDenied,
            )) => Self::ClientCertificate,
            _ => Self::Other,
        }
    }
}

/// Makes one worker's connections, and remembers what speeds up the next ones: sessions of TLS.
pub struct Dialer {
    /// Whether upstreams are checked where their service doesn't say.
    verify: bool,
    kinds: RefCell<HashMap<Kind, Arc<ClientConfig>>>,
}

impl fmt::Debug for Dialer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Dialer").finish_non_exhaustive()
    }
}

/// Connects; small requests must not wait for the acknowledgement of the one before.
async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl Dialer {
    /// `verify` is for services that don't say whether their upstream is to be checked.
    #[must_use]
    pub fn new(verify: bool) -> Self {
        Self {
            verify,
            kinds: RefCell::default(),
        }
    }

    /// Connects within `limit`, the handshake of TLS included. `tls` is what `destination`'s kind is of.
    ///
    /// # Errors
    /// [`DialFault`]; nothing was sent of a request then.
    pub async fn connect(
        &self,
        destination: &Destination,
        tls: Option<&ClientTls>,
        limit: Duration,
    ) -> Result<Stream, DialFault> {
        let failed = |_: io::Error| DialFault::Connect;
        let connecting = async {
            match (&destination.address, &destination.tls, tls) {
                (Address::Unix(path), None, None) => {
                    let connected = UnixStream::connect(path).await;
                    connected.map(Stream::Unix).map_err(failed)
                }
                (Address::Tcp(address), None, None) => {
                    let connected = connect(*address).await;
                    connected.map(Stream::plain).map_err(failed)
                }
                (Address::Tcp(address), Some((_, name)), Some(tls)) => {
                    let stream = connect(*address).await.map_err(failed)?;
                    self.shake_hands(stream, name, tls).await
                }
                // Plain text never goes where TLS is meant.
                _ => Err(DialFault::Tls(TlsFault::Other)),
            }
        };
        (tokio::time::timeout(limit, connecting).await).map_err(|_| DialFault::Timeout)?
    }

    async fn shake_hands(
        &self,
        stream: TcpStream,
        name: &ServerName<'static>,
        tls: &ClientTls,
    ) -> Result<Stream, DialFault> {
        let config = (self.config(tls)).map_err(|_| DialFault::Tls(TlsFault::Other))?;
        let shaken = TlsConnector::from(config).connect(name.clone(), stream);
        // Boxed: a handshake's state would make every request's future larger.
        match Box::pin(shaken).await {
            Ok(stream) => Ok(Stream::Tls(Box::new(stream.into()))),
            Err(error) => Err(DialFault::Tls(TlsFault::of(&error))),
        }
    }

    fn config(&self, tls: &ClientTls) -> Result<Arc<ClientConfig>, rustls::Error> {
        if let Some(known) = self.kinds.borrow().get(&tls.kind()) {
            return Ok(Arc::clone(known));
        }
        let config = tls.config(self.verify)?;
        let mut kinds = self.kinds.borrow_mut();
        if kinds.len() >= MOST_KINDS {
            kinds.clear();
        }
        kinds.insert(tls.kind(), Arc::clone(&config));
        Ok(config)
    }
}
