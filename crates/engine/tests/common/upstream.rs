//! Upstreams: a thread for each connection, running what the test says.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Takes its time.
pub fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

/// A listening upstream, and the requests it saw.
pub struct Upstream {
    pub address: SocketAddr,
    pub seen: Arc<Mutex<Vec<Request>>>,
    pub connections: Arc<Mutex<usize>>,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Request {
    pub head: String,
    pub body: Vec<u8>,
    /// Trailer lines of a chunked body.
    pub trailers: String,
}

/// One connection, in the hands of the test.
pub struct Connection {
    pub stream: TcpStream,
    /// Which connection this is, from 0.
    pub number: usize,
    buffer: Vec<u8>,
    seen: Arc<Mutex<Vec<Request>>>,
}

impl Upstream {
    /// Runs `handler` for every connection.
    pub fn start(handler: impl Fn(&mut Connection) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, connections) = (
            Arc::<Mutex<Vec<_>>>::default(),
            Arc::<Mutex<usize>>::default(),
        );
        let (log, count, handler) = (
            Arc::clone(&seen),
            Arc::clone(&connections),
            Arc::new(handler),
        );
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                stream
                    .set_read_timeout(Some(Duration::from_secs(20)))
                    .unwrap();
                stream.set_nodelay(true).unwrap();
                let number = {
                    let mut count = count.lock().unwrap();
                    *count += 1;
                    *count - 1
                };
                let (handler, seen) = (Arc::clone(&handler), Arc::clone(&log));
                std::thread::spawn(move || {
                    handler(&mut Connection {
                        stream,
                        number,
                        buffer: Vec::new(),
                        seen,
                    });
                });
            }
        });
        Self {
            address,
            seen,
            connections,
        }
    }

    /// Answers every request on every connection with `response`.
    pub fn answering(response: impl Into<Vec<u8>>) -> Self {
        let response = response.into();
        Self::start(move |connection| {
            while connection.request().is_some() {
                connection.send(&response);
            }
        })
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    pub fn connection_count(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

impl Request {
    /// The first line.
    pub fn line(&self) -> &str {
        self.head.lines().next().unwrap()
    }

    /// All values of a header, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        values(&self.head, name)
    }

    /// The only value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() < 2, "{name} {} times", all.len());
        all.first().copied()
    }
}

/// All values of a header in a head.
pub fn values<'a>(head: &'a str, name: &str) -> Vec<&'a str> {
    head.lines()
        .skip(1)
        .filter_map(|line| line.split_once(':'))
        .filter(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
        .collect()
}

impl Connection {
    /// The next request, whole; None at the end of the connection.
    pub fn request(&mut self) -> Option<Request> {
        let mut request = self.head()?;
        if let Some(length) = request.header("content-length") {
            let length = length.parse().unwrap();
            request.body = self.exactly(length)?;
        } else if request.header("transfer-encoding") == Some("chunked") {
            loop {
                let size = usize::from_str_radix(&self.line()?, 16).unwrap();
                if size == 0 {
                    break;
                }
                request.body.extend(self.exactly(size)?);
                assert_eq!(self.line()?, "");
            }
            loop {
                let line = self.line()?;
                if line.is_empty() {
                    break;
                }
                request.trailers += &line;
                request.trailers += "\n";
            }
        }
        self.seen.lock().unwrap().push(request.clone());
        Some(request)
    }

    /// The next request's head alone.
    pub fn head(&mut self) -> Option<Request> {
        let mut head = String::new();
        loop {
            let line = self.line()?;
            if line.is_empty() {
                return Some(Request {
                    head,
                    body: Vec::new(),
                    trailers: String::new(),
                });
            }
            head += &line;
            head += "\n";
        }
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

    fn line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|pair| pair == b"\r\n") {
                let line = self.buffer.drain(..end + 2).take(end);
                return Some(line.map(char::from).collect());
            }
            self.fill()?;
        }
    }

    /// So many bytes.
    pub fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill()?;
        }
        Some(self.buffer.drain(..length).collect())
    }

    /// Sends; a gateway that went away is the test's business.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref());
    }

    /// Ends the connection as an orderly server does.
    pub fn close(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    /// From now on the connection ends with a reset.
    pub fn reset_on_close(&self) {
        let socket = socket2::SockRef::from(&self.stream);
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }
}
