//! A client that sends exactly what it is told and reads answers strictly.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::upstream::values;

pub struct Client {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    pub trailers: String,
    /// The body ended as its framing says.
    pub whole: bool,
}

impl Response {
    pub fn all(&self, name: &str) -> Vec<&str> {
        values(&self.head, name)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} {} times", all.len());
        all.first().copied()
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        stream.set_nodelay(true).unwrap();
        Self {
            stream,
            buffer: Vec::new(),
        }
    }

    /// Sends on a new connection and reads one answer.
    pub fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> Response {
        let mut client = Self::connect(address);
        client.send(request);
        client.response("GET")
    }

    /// A GET of `path` on this connection.
    pub fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: api.example\r\n\r\n"));
        self.response("GET")
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).unwrap();
    }

    /// Sends as far as the other side takes it.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    pub fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// The next answer, interim ones included, to a request of `method`.
    pub fn response(&mut self, method: &str) -> Response {
        self.try_response(method).unwrap()
    }

    /// The same; None if the connection ended before a whole head.
    pub fn try_response(&mut self, method: &str) -> Option<Response> {
        let mut head = String::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                break;
            }
            head += &line;
            head += "\n";
        }
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        assert!(head.starts_with("HTTP/1.1 "), "{head}");
        let mut response = Response {
            status,
            head,
            body: Vec::new(),
            trailers: String::new(),
            whole: true,
        };
        if method == "HEAD" || matches!(status, 100..=199 | 204 | 304) {
            return Some(response);
        }
        if let Some(length) = response.header("content-length") {
            let length: usize = length.parse().unwrap();
            while self.buffer.len() < length && self.fill().is_some() {}
            response.whole = self.buffer.len() >= length;
            response.body = self.buffer.drain(..length.min(self.buffer.len())).collect();
        } else if response.header("transfer-encoding") == Some("chunked") {
            response.whole = self.chunks(&mut response).is_some();
        } else {
            while self.fill().is_some() {}
            response.body = std::mem::take(&mut self.buffer);
        }
        Some(response)
    }

    fn chunks(&mut self, response: &mut Response) -> Option<()> {
        loop {
            let size = usize::from_str_radix(&self.line()?, 16).unwrap();
            if size == 0 {
                break;
            }
            while self.buffer.len() < size {
                if self.fill().is_none() {
                    response.body.append(&mut self.buffer);
                    return None;
                }
            }
            response.body.extend(self.buffer.drain(..size));
            assert_eq!(self.line()?, "");
        }
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some(());
            }
            response.trailers += &line;
            response.trailers += "\n";
        }
    }

    /// Whether the gateway ended the connection, with nothing left on it.
    pub fn is_at_end(&mut self) -> bool {
        self.buffer.is_empty() && self.fill().is_none()
    }

    fn fill(&mut self) -> Option<()> {
        let mut bytes = [0; 16_384];
        match self.stream.read(&mut bytes) {
            Ok(length) if length > 0 => {
                self.buffer.extend_from_slice(&bytes[..length]);
                Some(())
            }
            _ => None,
        }
    }

    /// Reads so much of a body that is still coming.
    pub fn read_some(&mut self, length: usize) {
        while self.buffer.len() < length {
            self.fill().unwrap();
        }
        self.buffer.drain(..length);
    }

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.buffer.drain(..end + 2).take(end);
                return Some(line.map(char::from).collect());
            }
            self.fill()?;
        }
    }
}
