//! One request to the collector: HTTP/1.1, a connection for each, plain or over TLS.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::proxy::head::{HeadLimits, Scan};
use crate::proxy::response_head::ResponseHead;
use crate::tls::client::system_config;

/// How long the collector may take altogether.
const LONGEST: Duration = Duration::from_secs(10);

/// What its answer's head may take.
const LIMITS: HeadLimits = HeadLimits {
    first_line: 2048,
    bytes: 16 * 1024,
    count: 100,
};

/// Who takes spans. Its header lines may be secret: it has no `Debug`.
pub(super) struct Collector {
    host: String,
    port: u16,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    /// The request's head but for the length of its body.
    head: String,
}

/// What it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Answer {
    pub status: u16,
    /// Seconds.
    pub retry_after: Option<u64>,
}

impl Collector {
    /// # Errors
    /// What is wrong, without any value of a header.
    pub fn new(endpoint: &str, headers: &[(String, String)]) -> Result<Self, String> {
        // It isn't told what was said: a password, or a token of the query, may be part of that.
        let wanted = || "use http://host:4318/v1/traces, or https".to_owned();
        let (is_tls, rest) = match endpoint.split_once("://") {
            Some(("http", rest)) => (false, rest),
            Some(("https", rest)) => (true, rest),
            _ => return Err(wanted()),
        };
        let end = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let is_plain = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic());
        // A password there would be told in every message about the endpoint.
        if authority.contains('@') || !is_plain(rest) {
            return Err("user names, blanks and control characters can't be in it".to_owned());
        }
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| wanted())?)
            }
            _ => (authority, if is_tls { 443 } else { 80 }),
        };
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        if host.is_empty() {
            return Err(wanted());
        }
        let tls = is_tls
            .then(|| {
                let name = ServerName::try_from(host.clone()).map_err(|_| wanted())?;
                let config = system_config().map_err(|error| error.to_string())?;
                Ok::<_, String>((config, name))
            })
            .transpose()?;
        let path = if path.is_empty() { "/" } else { path };
        let mut head = format!(
            "POST {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: tollway\r\nContent-Type: application/json\r\nConnection: close\r\n"
        );
        for (name, value) in headers {
            let is_token = !name.is_empty()
                && (name.bytes())
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
            if !is_token || !value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
                return Err(format!(
                    "the header {name:?} is none, or its value has characters that it can't have"
                ));
            }
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        }
        Ok(Self {
            host,
            port,
            tls,
            head,
        })
    }

    /// What messages call it.
    pub fn name(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// # Errors
    /// It can't be reached, or doesn't answer in time, or not in HTTP.
    pub async fn post(&self, body: &[u8]) -> io::Result<Answer> {
        let asking = async {
            let stream = TcpStream::connect((&*self.host, self.port)).await?;
            match &self.tls {
                None => self.ask(stream, body).await,
                Some((config, name)) => {
                    let connector = TlsConnector::from(Arc::clone(config));
                    self.ask(connector.connect(name.clone(), stream).await?, body)
                        .await
                }
            }
        };
        (tokio::time::timeout(LONGEST, asking).await).map_err(|_| io::ErrorKind::TimedOut)?
    }

    async fn ask(
        &self,
        mut stream: impl AsyncRead + AsyncWrite + Unpin,
        body: &[u8],
    ) -> io::Result<Answer> {
        let head = format!("{}Content-Length: {}\r\n\r\n", self.head, body.len());
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(body).await?;
        stream.flush().await?;
        let (mut bytes, mut scan) = (Vec::new(), Scan::default());
        let length = loop {
            match scan.head_end(&bytes, &LIMITS) {
                Ok(Some(length)) => break length,
                Ok(None) if stream.read_buf(&mut bytes).await? == 0 => {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                Ok(None) => {}
                Err(_) => return Err(io::ErrorKind::InvalidData.into()),
            }
        };
        let mut response = ResponseHead::default();
        (response.parse(&bytes[..length], false)).map_err(|_| io::ErrorKind::InvalidData)?;
        let retry_after = response.value(b"retry-after", &bytes[..length]);
        Ok(Answer {
            status: response.status,
            retry_after: retry_after.and_then(|value| str::from_utf8(value).ok()?.parse().ok()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(endpoint: &str, headers: &[(&str, &str)]) -> Option<String> {
        let headers: Vec<_> = (headers.iter())
            .map(|&(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Collector::new(endpoint, &headers).err()
    }

    #[test]
    fn an_endpoint_is_a_url() {
        for endpoint in [
            "http://localhost",
            "http://127.0.0.1:4318/v1/traces",
            "http://[::1]:4318/v1/traces",
            "https://collector.example/x",
        ] {
            assert_eq!(refused(endpoint, &[("x-key", "s e c")]), None, "{endpoint}");
        }
        for endpoint in [
            "",
            "localhost:4318",
            "grpc://a",
            "http://",
            "http://a:b",
            "http://u:p@a/",
            "http://a/ b",
        ] {
            assert!(refused(endpoint, &[]).is_some(), "{endpoint}");
        }
        for endpoint in [
            "grpc://u:S3@a",
            "u:S3@a:4318",
            "http://u:S3@a",
            "http://a:b/?token=S3",
            "https://a b/?token=S3",
        ] {
            let said = refused(endpoint, &[]).unwrap();
            assert!(!said.contains("S3"), "{said}");
        }
    }

    #[test]
    fn a_bad_header_is_named_and_its_value_is_not() {
        let said = refused("http://a", &[("x-key", "S3CRET\r\nHost: b")]).unwrap();
        assert!(said.contains("x-key") && !said.contains("S3CRET"), "{said}");
        assert!(refused("http://a", &[("x key", "a")]).is_some());
    }
}
