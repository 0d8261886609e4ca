//! One check: a connection, and over HTTP one question on it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::balancer::{Active, CheckKind, Endpoint, Report};
use crate::proxy::head::{HeadLimits, Scan};
use crate::proxy::response_head::ResponseHead;

/// What an answer to a check may take.
const LIMITS: HeadLimits = HeadLimits {
    first_line: 2048,
    bytes: 16 * 1024,
    count: 100,
};

/// Asks; none where the answer says nothing, for or against.
pub(super) async fn ask(active: &Active, endpoint: &Endpoint) -> Option<Report> {
    let limit = Duration::from_millis(active.timeout_ms);
    match tokio::time::timeout(limit, Box::pin(connect(active, endpoint))).await {
        Err(_) => Some(Report::Timeout),
        Ok(Err(_)) => Some(Report::Tcp),
        Ok(Ok(None)) => Some(Report::Success),
        Ok(Ok(Some(status))) => active.statuses.says(status).map(|healthy| {
            if healthy {
                Report::Success
            } else {
                Report::Http
            }
        }),
    }
}

/// The status, where one was asked for.
async fn connect(active: &Active, endpoint: &Endpoint) -> io::Result<Option<u16>> {
    let stream = TcpStream::connect(endpoint.address).await?;
    match active.kind {
        CheckKind::Tcp | CheckKind::Grpc | CheckKind::Grpcs => Ok(None),
        CheckKind::Http => question(stream, active, endpoint, 80).await.map(Some),
        CheckKind::Https => {
            let tls = active.tls.as_ref().ok_or(io::ErrorKind::Unsupported)?;
            let config = tls.config(active.verify).map_err(io::Error::other)?;
            let name = active.sni.as_deref().unwrap_or(&endpoint.name);
            let name = name.trim_start_matches('[').trim_end_matches(']');
            let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
            let stream = TlsConnector::from(Arc::clone(&config))
                .connect(name, stream)
                .await?;
            question(stream, active, endpoint, 443).await.map(Some)
        }
    }
}

async fn question(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    active: &Active,
    endpoint: &Endpoint,
    own_port: u16,
) -> io::Result<u16> {
    use std::fmt::Write as _;
    let mut text = format!("GET {} HTTP/1.1\r\n", active.path);
    let mut line = |name: &str, value: &str| {
        // Writing to a string can't fail.
        let _ = write!(text, "{name}: {value}\r\n");
    };
    let says = |name: &str| (active.headers.iter()).any(|(own, _)| own.eq_ignore_ascii_case(name));
    if !says("Host") {
        match endpoint.address.port() {
            port if port == own_port => line("Host", &endpoint.name),
            port => line("Host", &format!("{}:{port}", endpoint.name)),
        }
    }
    if !says("User-Agent") {
        line("User-Agent", "tollway-check");
    }
    line("Connection", "close");
    for (name, value) in &active.headers {
        line(name, value);
    }
    text.push_str("\r\n");
    stream.write_all(text.as_bytes()).await?;
    let mut bytes = Vec::new();
    loop {
        let length = head(&mut stream, &mut bytes).await?;
        let mut response = ResponseHead::default();
        response
            .parse(&bytes[..length], false)
            .map_err(|_| io::ErrorKind::InvalidData)?;
        if !response.is_interim() {
            return Ok(response.status);
        }
        bytes.drain(..length);
    }
}

/// Reads a whole head; its length.
async fn head(stream: &mut (impl AsyncRead + Unpin), bytes: &mut Vec<u8>) -> io::Result<usize> {
    let mut scan = Scan::default();
    loop {
        match scan.head_end(bytes, &LIMITS) {
            Ok(Some(length)) => return Ok(length),
            Ok(None) if stream.read_buf(bytes).await? == 0 => {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            Ok(None) => {}
            Err(_) => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}
