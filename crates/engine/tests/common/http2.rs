//! Clients of HTTP/2: one by the h2 crate, and one that sends whatever frames a test wants.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};

/// Runs a test's future, for a minute at most.
pub fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(60), test)
            .await
            .unwrap()
    })
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub head: Response<()>,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
}

impl Answer {
    pub fn status(&self) -> u16 {
        self.head.status().as_u16()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let value = self.head.headers().get(name)?;
        Some(value.to_str().unwrap())
    }

    pub fn trailer(&self, name: &str) -> Option<&str> {
        let value = self.trailers.as_ref()?.get(name)?;
        Some(value.to_str().unwrap())
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

/// A connection.
pub struct Http2 {
    pub sender: SendRequest<Bytes>,
    pub driver: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

impl Http2 {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let (sender, connection) = h2::client::handshake(stream).await.unwrap();
        Self {
            sender,
            driver: tokio::spawn(connection),
        }
    }

    /// Sends a head, `ended` where nothing follows.
    pub async fn begin(
        &mut self,
        request: Request<()>,
        ended: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        self.sender = self.sender.clone().ready().await.unwrap();
        self.sender.send_request(request, ended).unwrap()
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        let request = Request::get(format!("http://api.example{path}"));
        let (answer, _) = self.begin(request.body(()).unwrap(), true).await;
        read(answer.await.unwrap()).await.unwrap()
    }

    pub async fn post(&mut self, request: Request<()>, body: impl Into<Bytes>) -> Answer {
        let (answer, mut stream) = self.begin(request, false).await;
        stream.send_data(body.into(), true).unwrap();
        read(answer.await.unwrap()).await.unwrap()
    }
}

/// Reads an answer to its end.
pub async fn read(answer: Response<RecvStream>) -> Result<Answer, h2::Error> {
    let (parts, mut stream) = answer.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data?;
        stream.flow_control().release_capacity(data.len())?;
        body.extend_from_slice(&data);
    }
    let trailers = stream.trailers().await?;
    Ok(Answer {
        head: Response::from_parts(parts, ()),
        body,
        trailers,
    })
}

/// A connection on which a test sends frames of its own making.
pub struct Frames {
    pub stream: TcpStream,
}

/// A frame that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A GET of `/` from `a`, as HPACK writes it without any table.
pub const GET: &[u8] = &[0x82, 0x86, 0x84, 0x41, 0x01, b'a'];

/// The same as a POST.
pub const POST: &[u8] = &[0x83, 0x86, 0x84, 0x41, 0x01, b'a'];

/// A frame's bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut bytes = u32::try_from(payload.len()).unwrap().to_be_bytes()[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

impl Frames {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream
            .set_write_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let mut frames = Self { stream };
        frames.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        frames.send(frame(SETTINGS, 0, 0, &[]));
        frames
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends `bytes` again and again until the gateway takes no more of it; false where it took all.
    pub fn flood(&mut self, bytes: &[u8], times: usize) -> bool {
        (0..times).any(|_| self.stream.write_all(bytes).is_err())
    }

    /// The next frame; None at the end of the connection.
    pub fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            stream: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    /// The next frame of this kind.
    pub fn next_of(&mut self, kind: u8) -> Option<Frame> {
        std::iter::from_fn(|| self.next()).find(|frame| frame.kind == kind)
    }

    /// The reason of the farewell that ends the connection.
    pub fn farewell(&mut self) -> Option<u32> {
        let last = std::iter::from_fn(|| self.next())
            .filter(|frame| frame.kind == GOAWAY)
            .last()?;
        let reason = last.payload.get(4..8)?;
        Some(u32::from_be_bytes(reason.try_into().unwrap()))
    }
}
