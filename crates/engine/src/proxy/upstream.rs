//! Getting a connection to an upstream: one kept from before, or a new one, tried as often as its service says.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

use super::answers::Failure;
use super::stream::Stream;
use super::worker::Worker;
use crate::config::Upstream;
use crate::phases::AnswerKind;

/// A connection ready for a request.
pub(super) struct Connected {
    pub stream: Stream,
    pub address: SocketAddr,
    /// It served requests before, so it may turn out to be closed already.
    pub reused: bool,
}

/// The tries that one exchange makes.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    made: u16,
    failed: u16,
}

impl Attempts {
    /// How many there were, for the usage event.
    pub fn count(&self) -> u8 {
        u8::try_from(self.made).unwrap_or(u8::MAX)
    }

    /// Connects to `upstream`; a kept connection only if `may_reuse`.
    ///
    /// Trying again is always safe here: nothing was sent yet.
    pub async fn connect(
        &mut self,
        worker: &Worker,
        upstream: &Upstream,
        may_reuse: bool,
    ) -> Result<Connected, Failure> {
        loop {
            self.made = self.made.saturating_add(1);
            let address = worker
                .resolver
                .resolve(
                    &upstream.host,
                    upstream.port,
                    self.failed.into(),
                    worker.timers.now(),
                )
                .await
                .map_err(|_| AnswerKind::UpstreamUnresolved)?;
            let key = (address, upstream.service);
            let kept = || {
                if upstream.http2 {
                    worker.links.take(&key)
                } else {
                    worker.pool.take(address)
                }
            };
            if may_reuse && let Some(stream) = kept() {
                worker.stats.reused.increment();
                return Ok(Connected {
                    stream,
                    address,
                    reused: true,
                });
            }
            let timeout = Duration::from_millis(upstream.connect_timeout.into());
            let kind = match tokio::time::timeout(timeout, TcpStream::connect(address)).await {
                Ok(Ok(stream)) if stream.set_nodelay(true).is_ok() => {
                    worker.stats.connects.increment();
                    let stream = Stream::Tcp(stream);
                    let begun = if upstream.http2 {
                        worker.begin_http2(key, stream).await
                    } else {
                        Ok(stream)
                    };
                    if let Ok(stream) = begun {
                        return Ok(Connected {
                            stream,
                            address,
                            reused: false,
                        });
                    }
                    AnswerKind::UpstreamInvalid
                }
                Ok(_) => AnswerKind::UpstreamInvalid,
                Err(_) => AnswerKind::UpstreamTimeout,
            };
            worker.stats.connect_failures.increment();
            self.failed = self.failed.saturating_add(1);
            if self.failed > upstream.retries {
                return Err(kind.into());
            }
        }
    }
}
