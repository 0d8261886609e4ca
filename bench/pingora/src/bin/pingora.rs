//! The same phases behind Pingora: one thread, its per-thread runtime (no work stealing), no TLS.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use pingora_core::server::Server;
use pingora_core::server::configuration::ServerConf;
use pingora_core::upstreams::peer::HttpPeer;
use pingora_core::{Error, ErrorType, Result};
use pingora_http::{RequestHeader, ResponseHeader};
use pingora_proxy::{ProxyHttp, Session, http_proxy_service};
use tollway_engine::phases::{
    Exchange, HeaderSink, Headers, Now, Outcome, Pipeline, RequestHead, Shared, UpstreamTimes,
    Verdict, Version,
};
use tollway_engine::usage_log::{Completion, Permit, Shard};
use tollway_on_pingora::{Setup, setup};

struct App {
    shared: Arc<Shared>,
    shard: Arc<Shard>,
}

/// An exchange belongs to one thread; Pingora wants what it keeps to be able to move between them.
struct OneThread<T>(T);

// SAFETY: the server runs one thread with a runtime of its own (`work_stealing: false`): nothing ever moves.
unsafe impl<T> Send for OneThread<T> {}
// SAFETY: as above: nobody else is there to share with.
unsafe impl<T> Sync for OneThread<T> {}

struct Open {
    exchange: Exchange,
    upstream: Option<(String, u16)>,
    permit: Option<Permit>,
    began: Now,
    sent: Now,
    head: Now,
    status: u16,
    bytes_in: u64,
    bytes_out: u64,
}

thread_local! {
    static PIPELINE: RefCell<Option<Pipeline>> = const { RefCell::new(None) };
}

#[derive(Clone, Copy)]
struct Lines<'a>(&'a http::HeaderMap);

impl Headers for Lines<'_> {
    fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()))
    }
}

enum Out<'a> {
    Request(&'a mut RequestHeader),
    Response(&'a mut ResponseHeader),
}

impl Out<'_> {
    fn put(&mut self, name: &'static str, value: HeaderValue) {
        let _ = match self {
            Self::Request(head) => head.insert_header(name, value),
            Self::Response(head) => head.insert_header(name, value),
        };
    }
}

impl HeaderSink for Out<'_> {
    fn header(&mut self, name: &'static str, value: &[u8]) {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            self.put(name, value);
        }
    }

    fn header_list<'a>(&mut self, name: &'static str, values: impl Iterator<Item = &'a [u8]>) {
        self.header(name, &values.collect::<Vec<_>>().join(&b", "[..]));
    }
}

fn head<'a>(
    session: &'a RequestHeader,
    client: SocketAddr,
    port: u16,
) -> RequestHead<'a, Lines<'a>> {
    let host = session.headers.get("host").map(HeaderValue::as_bytes);
    RequestHead {
        method: session.method.as_str().as_bytes(),
        path: session.uri.path().as_bytes(),
        query: session.uri.query().map(str::as_bytes),
        host: host.or(session.uri.authority().map(|name| name.as_str().as_bytes())),
        headers: Lines(&session.headers),
        version: Version::Http11,
        client,
        tls: false,
        server_name: None,
        port,
    }
}

fn ends(session: &Session) -> (SocketAddr, u16) {
    let address = |end: Option<&pingora_core::protocols::l4::socket::SocketAddr>| {
        end.and_then(|end| end.as_inet().copied())
    };
    let client = address(session.client_addr()).unwrap_or_else(|| ([0, 0, 0, 0], 0).into());
    let port = address(session.server_addr()).map_or(0, |server| server.port());
    (client, port)
}

const HOP_BY_HOP: [&str; 6] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "te",
    "upgrade",
    "expect",
];

impl Open {
    fn finish(&mut self, completion: Completion) {
        let Some(permit) = self.permit.take() else {
            return;
        };
        let outcome = Outcome {
            status: self.status,
            grpc_status: None,
            completion,
            attempts: 1,
            bytes_in: self.bytes_in,
            bytes_out: self.bytes_out,
            upstream: UpstreamTimes {
                sent: self.sent,
                head: self.head,
            },
            ended: Now::read(),
        };
        let event = self.exchange.event(&outcome);
        self.exchange.charge(&event);
        permit.append(&event);
        self.exchange.charged(&event);
        PIPELINE.with_borrow(|pipeline| {
            if let Some(pipeline) = pipeline {
                self.exchange.finished(pipeline, &outcome);
            }
        });
    }
}

#[async_trait]
impl ProxyHttp for App {
    type CTX = OneThread<Open>;

    fn new_ctx(&self) -> Self::CTX {
        let now = Now::read();
        OneThread(Open {
            exchange: Exchange::new(),
            upstream: None,
            permit: None,
            began: now,
            sent: now,
            head: now,
            status: 0,
            bytes_in: 0,
            bytes_out: 0,
        })
    }

    async fn request_filter(&self, session: &mut Session, ctx: &mut Self::CTX) -> Result<bool> {
        let open = &mut ctx.0;
        open.began = Now::read();
        let (client, port) = ends(session);
        let answer = {
            let head = head(session.req_header(), client, port);
            PIPELINE.with_borrow_mut(|pipeline| {
                let pipeline = pipeline
                    .get_or_insert_with(|| Pipeline::new(&self.shared).expect("the system's seed"));
                match pipeline.begin(&mut open.exchange, &head, open.began) {
                    Verdict::Forward(upstream) => {
                        open.upstream = Some((upstream.host.to_string(), upstream.port));
                        open.permit = self.shard.admit().ok();
                        None
                    }
                    Verdict::Respond(answer) => {
                        let mut body = Vec::new();
                        open.exchange.answer_body(answer, &mut body);
                        let built = ResponseHeader::build(answer.status, Some(16));
                        Some(built.map(|mut head| {
                            let mut out = Out::Response(&mut head);
                            open.exchange.answer_headers(answer, open.began, &mut out);
                            let _ = head.insert_header("content-length", body.len());
                            open.exchange.answered(pipeline, answer, Now::read());
                            (head, body)
                        }))
                    }
                    Verdict::Count(_) => None,
                }
            })
        };
        let Some(answer) = answer else {
            return Ok(false);
        };
        let (head, body) = answer?;
        session.write_response_header(Box::new(head), false).await?;
        session
            .write_response_body(Some(Bytes::from(body)), true)
            .await?;
        Ok(true)
    }

    async fn upstream_peer(
        &self,
        _session: &mut Session,
        ctx: &mut Self::CTX,
    ) -> Result<Box<HttpPeer>> {
        let open = &mut ctx.0;
        open.sent = Now::read();
        let Some((host, port)) = &open.upstream else {
            return Error::e_explain(ErrorType::InternalError, "no upstream");
        };
        let mut peer = HttpPeer::new((host.as_str(), *port), false, String::new());
        peer.options.connection_timeout = Some(Duration::from_secs(60));
        peer.options.read_timeout = Some(Duration::from_secs(60));
        peer.options.write_timeout = Some(Duration::from_secs(60));
        Ok(Box::new(peer))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        let open = &mut ctx.0;
        let (client, port) = ends(session);
        let asked = session.req_header();
        let seen = head(asked, client, port);
        let mut text = Vec::new();
        open.exchange.write_target(&seen, &mut text);
        request.set_raw_path(&text)?;
        let dropped: Vec<HeaderName> = asked
            .headers
            .keys()
            .filter(|name| {
                HOP_BY_HOP.contains(&name.as_str())
                    || !open.exchange.forwards(name.as_str().as_bytes())
            })
            .cloned()
            .collect();
        for name in &dropped {
            request.remove_header(name);
        }
        text.clear();
        open.exchange.write_host(&seen, &mut text);
        if let Ok(host) = HeaderValue::from_bytes(&text) {
            request.insert_header("host", host)?;
        }
        open.exchange
            .upstream_headers(&seen, &mut Out::Request(request));
        Ok(())
    }

    async fn request_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        _end_of_stream: bool,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        ctx.0.bytes_in += body.as_ref().map_or(0, |body| body.len() as u64);
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        ctx: &mut Self::CTX,
    ) -> Result<()> {
        let open = &mut ctx.0;
        open.head = Now::read();
        open.status = response.status.as_u16();
        let dropped: Vec<HeaderName> = response
            .headers
            .keys()
            .filter(|name| {
                HOP_BY_HOP.contains(&name.as_str())
                    || !open.exchange.returns(name.as_str().as_bytes())
            })
            .cloned()
            .collect();
        for name in &dropped {
            response.remove_header(name);
        }
        let times = UpstreamTimes {
            sent: open.sent,
            head: open.head,
        };
        open.exchange
            .response_headers(&times, Version::Http11, &mut Out::Response(response));
        // No body follows, so no body filter either: this is the last byte.
        if session.req_header().method == http::Method::HEAD || matches!(open.status, 204 | 304) {
            open.finish(Completion::Complete);
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        _session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        ctx: &mut Self::CTX,
    ) -> Result<Option<Duration>> {
        ctx.0.bytes_out += body.as_ref().map_or(0, |body| body.len() as u64);
        if end_of_stream {
            ctx.0.finish(Completion::Complete);
        }
        Ok(None)
    }

    async fn logging(&self, _session: &mut Session, _error: Option<&Error>, ctx: &mut Self::CTX) {
        if ctx.0.status > 0 {
            ctx.0.finish(Completion::UpstreamAbort);
        }
    }
}

fn main() {
    let Setup { port, shared, log } = setup();
    let shard = Arc::clone(log.shard(0).unwrap());
    let conf = ServerConf {
        threads: 1,
        work_stealing: false,
        upstream_keepalive_pool_size: 256,
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, App { shared, shard });
    service.add_tcp(&format!("127.0.0.1:{port}"));
    server.add_service(service);
    server.run_forever();
}
