//! A load of a constant rate, for latencies: requests are due at fixed times, whatever became of those before them.
//!
//! A latency runs from the time at which its request was due, also where no connection was free then: a gateway that
//! stands still for 50 ms has delayed every request that was due meanwhile, not the few that were under way
//! (coordinated omission).
//!
//! `load ADDRESS KEYS CONNECTIONS RATE SECONDS FIRST`: the first word of each line of the file KEYS is an API key; they
//! are used in the same order as wrk.lua does, beginning with FIRST. Prints one JSON object; latencies in µs.

use std::collections::VecDeque;
use std::env::args;
use std::error::Error;
use std::io::{self, ErrorKind, Write as _, stdout};
use std::net::{SocketAddr, TcpStream};
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::{read, write};
use rustix::time::Timespec;

/// From one request's key to the next one's: neighbours in time never share a key, nor one of its neighbours.
const STRIDE: usize = 7919;
/// How long answers may still come after the last request was due.
const PATIENCE: Duration = Duration::from_secs(10);

struct Connection {
    stream: TcpStream,
    /// When the request on it was due.
    due: Instant,
    answer: Vec<u8>,
}

struct Load {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    idle: VecDeque<usize>,
    requests: Vec<Vec<u8>>,
    next_key: usize,
    latencies: Vec<u64>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let given: Vec<String> = args().skip(1).collect();
    let [address, keys, connections, rate, seconds, first] = &given[..] else {
        return Err("usage: load ADDRESS KEYS CONNECTIONS RATE SECONDS FIRST".into());
    };
    // By default the kernel lets a sleep last 50 µs longer than asked for.
    rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?;
    let mut load = Load::connect(address.parse()?, connections.parse()?, keys, first.parse()?)?;
    let (rate, seconds): (u32, u32) = (rate.parse()?, seconds.parse()?);
    let count = rate * seconds;
    let began = Instant::now();
    load.run(began, Duration::from_secs(1) / rate, count)?;
    let took = began.elapsed();
    load.latencies.sort_unstable();
    let quantile = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a place among the latencies"
        )]
        let place = (load.latencies.len() as f64 * share) as usize;
        load.latencies.get(place.min(load.latencies.len() - 1))
    };
    let result = serde_json::json!({
        "requests": count, "seconds": took.as_secs_f64(), "p50_us": quantile(0.5), "p90_us": quantile(0.9),
        "p99_us": quantile(0.99), "p999_us": quantile(0.999), "max_us": load.latencies.last(),
    });
    writeln!(stdout(), "{result}")?;
    Ok(())
}

impl Load {
    fn connect(
        address: SocketAddr,
        connections: usize,
        keys: &str,
        first: usize,
    ) -> Result<Self, Box<dyn Error>> {
        let keys = std::fs::read_to_string(keys)?;
        // The first key is limited to five requests.
        let keys = keys
            .lines()
            .skip(1)
            .filter_map(|line| line.split(' ').next());
        let requests: Vec<_> = keys
            .map(|key| {
                format!(
                    "GET /api/items HTTP/1.1\r\nX-Api-Key: {key}\r\nHost: 127.0.0.1\r\nAccept: application/json\r\n\
                     User-Agent: load\r\n\r\n"
                )
                .into_bytes()
            })
            .collect();
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut made = Vec::new();
        for number in 0..connections {
            let stream = TcpStream::connect(address)?;
            stream.set_nodelay(true)?;
            stream.set_nonblocking(true)?;
            let data = EventData::new_u64(number as u64);
            epoll::add(&epoll, &stream, data, EventFlags::IN)?;
            made.push(Connection {
                stream,
                due: Instant::now(),
                answer: Vec::with_capacity(8192),
            });
        }
        Ok(Self {
            epoll,
            idle: (0..connections).collect(),
            connections: made,
            next_key: first % requests.len(),
            requests,
            latencies: Vec::new(),
        })
    }

    /// Sends `count` requests, one every `interval`, and waits for their answers.
    fn run(
        &mut self,
        began: Instant,
        interval: Duration,
        count: u32,
    ) -> Result<(), Box<dyn Error>> {
        let mut events = Vec::with_capacity(1024);
        let mut sent = 0;
        while self.latencies.len() < count as usize {
            let now = Instant::now();
            let mut wait = (began + interval * count + PATIENCE).saturating_duration_since(now);
            if wait.is_zero() {
                return Err("answers are missing".into());
            }
            while sent < count && !self.idle.is_empty() {
                let due = began + interval * sent;
                if due > now {
                    wait = wait.min(due - now);
                    break;
                }
                self.send(due)?;
                sent += 1;
            }
            events.clear();
            let wait = Timespec::try_from(wait)?;
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&wait))?;
            for event in events.drain(..) {
                self.receive(usize::try_from(event.data.u64())?)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, due: Instant) -> Result<(), Box<dyn Error>> {
        let Some(number) = self.idle.pop_front() else {
            return Ok(());
        };
        self.next_key = (self.next_key + STRIDE) % self.requests.len();
        let request = &self.requests[self.next_key];
        let connection = &mut self.connections[number];
        connection.due = due;
        if write(&connection.stream, request)? != request.len() {
            return Err("a request was taken in part".into());
        }
        Ok(())
    }

    fn receive(&mut self, number: usize) -> Result<(), Box<dyn Error>> {
        let connection = &mut self.connections[number];
        match read(&connection.stream, spare_capacity(&mut connection.answer)) {
            Ok(0) => return Err("a connection was closed".into()),
            Err(error) => return Err(io::Error::from(error).into()),
            Ok(_) => {}
        }
        if let Some(whole) = length(&connection.answer)?
            && connection.answer.len() >= whole
        {
            let latency = connection.due.elapsed().as_micros();
            self.latencies.push(u64::try_from(latency)?);
            connection.answer.clear();
            self.idle.push_back(number);
        }
        Ok(())
    }
}

/// The length of an answer, head and body; none while its head isn't whole. Any status but 200 is an error.
fn length(answer: &[u8]) -> io::Result<Option<usize>> {
    let Some(end) = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
        return Ok(None);
    };
    let head = String::from_utf8_lossy(&answer[..end]);
    let bad = || io::Error::new(ErrorKind::InvalidData, head.clone().into_owned());
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(bad());
    }
    let stated = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.eq_ignore_ascii_case("content-length")).then(|| value.trim().parse().ok())?
    });
    let body: usize = stated.ok_or_else(bad)?;
    Ok(Some(end + 4 + body))
}
