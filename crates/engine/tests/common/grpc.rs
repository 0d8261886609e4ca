//! Upstreams of HTTP/2, each stream in the hands of the test.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Request, Response};

/// A listening upstream.
pub struct Upstream2 {
    pub address: SocketAddr,
    pub connections: Arc<AtomicUsize>,
    pub streams: Arc<AtomicUsize>,
}

/// A request and the way to answer it.
pub type Call = (Request<RecvStream>, SendResponse<Bytes>);

impl Upstream2 {
    /// Runs `handler` for every stream, with the stream's number on its connection, from 0, and the connection's.
    pub fn start<F, H>(most_streams: u32, handler: F) -> Self
    where
        F: Fn(Call, usize, usize) -> H + Send + Sync + 'static,
        H: Future<Output = ()> + 'static,
    {
        Self::with(most_streams, usize::MAX, handler)
    }

    fn with<F, H>(most_streams: u32, farewell: usize, handler: F) -> Self
    where
        F: Fn(Call, usize, usize) -> H + Send + Sync + 'static,
        H: Future<Output = ()> + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, streams) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let counts = (Arc::clone(&connections), Arc::clone(&streams));
        let handler = Arc::new(handler);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build_local(tokio::runtime::LocalOptions::default())
                .unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let connection = counts.0.fetch_add(1, Ordering::SeqCst);
                    let (handler, streams) = (Arc::clone(&handler), Arc::clone(&counts.1));
                    tokio::task::spawn_local(async move {
                        let mut shaken = h2::server::Builder::new()
                            .max_concurrent_streams(most_streams)
                            .handshake::<_, Bytes>(stream)
                            .await
                            .unwrap();
                        let mut number = 0;
                        while let Some(Ok(call)) = shaken.accept().await {
                            streams.fetch_add(1, Ordering::SeqCst);
                            tokio::task::spawn_local(handler(call, number, connection));
                            number += 1;
                            if number == farewell {
                                shaken.graceful_shutdown();
                            }
                        }
                    });
                }
            });
        });
        Self {
            address,
            connections,
            streams,
        }
    }

    /// The same, but each connection says farewell once `most` streams were begun on it.
    pub fn leaving<F, H>(most: usize, handler: F) -> Self
    where
        F: Fn(Call, usize, usize) -> H + Send + Sync + 'static,
        H: Future<Output = ()> + 'static,
    {
        Self::with(100, most, handler)
    }

    /// What every service of gRPC does with a call: its messages come back, and `status` ends it.
    pub fn echoing(status: &'static str) -> Self {
        Self::start(100, move |call, _, _| echo(call, status))
    }

    pub fn connection_count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub fn stream_count(&self) -> usize {
        self.streams.load(Ordering::SeqCst)
    }
}

/// Sends back what comes, as it comes.
pub async fn echo((request, mut respond): Call, status: &'static str) {
    let head = Response::builder()
        .header("content-type", "application/grpc")
        .header("x-path", request.uri().path())
        .header("x-authority", request.uri().authority().unwrap().as_str())
        .header(
            "x-te",
            request
                .headers()
                .get("te")
                .map_or("", |te| te.to_str().unwrap()),
        );
    let mut stream = respond
        .send_response(head.body(()).unwrap(), false)
        .unwrap();
    let mut body = request.into_body();
    while let Some(Ok(data)) = body.data().await {
        let _ = body.flow_control().release_capacity(data.len());
        if stream.send_data(data, false).is_err() {
            return;
        }
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", status.parse().unwrap());
    trailers.insert("x-last-bin", "AAEC".parse().unwrap());
    let _ = stream.send_trailers(trailers);
}
