//! The floor of bench-gateway: a TCP relay that looks at nothing. One thread, two sockets a connection, bytes from
//! either to the other, in two system calls each way. What any proxy on this machine pays to the kernel, it pays.
//!
//! `relay LISTEN UPSTREAM`, both as `address:port`.

use std::collections::VecDeque;
use std::env::args;
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::{read, write};

/// What is read at once.
const CHUNK: usize = 64 * 1024;
/// Stands for the listener among the events.
const LISTENER: u64 = u64::MAX;

/// One end of a connection, and what it was too slow to take.
struct End {
    stream: TcpStream,
    rest: VecDeque<u8>,
}

/// A client's connection and the one made for it: the ends 0 and 1.
type Pair = [End; 2];

struct Relay {
    epoll: OwnedFd,
    listener: TcpListener,
    upstream: SocketAddr,
    pairs: Vec<Option<Pair>>,
    chunk: Vec<u8>,
}

fn main() -> io::Result<()> {
    let mut addresses = args().skip(1).map(|address| address.parse::<SocketAddr>());
    let (Some(Ok(listen)), Some(Ok(upstream))) = (addresses.next(), addresses.next()) else {
        return Err(io::Error::new(
            ErrorKind::InvalidInput,
            "usage: relay LISTEN UPSTREAM",
        ));
    };
    let listener = TcpListener::bind(listen)?;
    listener.set_nonblocking(true)?;
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &epoll,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    let relay = Relay {
        epoll,
        listener,
        upstream,
        pairs: Vec::new(),
        chunk: vec![0; CHUNK],
    };
    relay.run()
}

impl Relay {
    fn run(mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(1024);
        loop {
            events.clear();
            epoll::wait(&self.epoll, spare_capacity(&mut events), None)?;
            for event in events.drain(..) {
                let token = event.data.u64();
                if token == LISTENER {
                    self.accept()?;
                    continue;
                }
                let (number, end) = ((token / 2) as usize, (token % 2) as usize);
                // What can't be relayed any further ends both connections.
                if self.relay(number, end, event.flags).is_err()
                    && let Some(pair) = self.pairs.get_mut(number)
                {
                    *pair = None;
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        let Ok((client, _)) = self.listener.accept() else {
            return Ok(());
        };
        let upstream = TcpStream::connect(self.upstream)?;
        let free = self.pairs.iter().position(Option::is_none);
        let number = free.unwrap_or(self.pairs.len());
        if free.is_none() {
            self.pairs.push(None);
        }
        let pair = [client, upstream].map(|stream| End {
            stream,
            rest: VecDeque::new(),
        });
        for (end, token) in pair.iter().zip(number as u64 * 2..) {
            end.stream.set_nodelay(true)?;
            end.stream.set_nonblocking(true)?;
            epoll::add(
                &self.epoll,
                &end.stream,
                EventData::new_u64(token),
                EventFlags::IN,
            )?;
        }
        self.pairs[number] = Some(pair);
        Ok(())
    }

    fn relay(&mut self, number: usize, end: usize, flags: EventFlags) -> io::Result<()> {
        let Some(Some(pair)) = self.pairs.get_mut(number) else {
            return Ok(());
        };
        let data = |end: usize| EventData::new_u64(number as u64 * 2 + end as u64);
        if flags.contains(EventFlags::OUT) {
            let own = &mut pair[end];
            let taken = write(&own.stream, own.rest.make_contiguous())?;
            own.rest.drain(..taken);
            if own.rest.is_empty() {
                epoll::modify(&self.epoll, &own.stream, data(end), EventFlags::IN)?;
                let other = &pair[1 - end];
                epoll::modify(&self.epoll, &other.stream, data(1 - end), EventFlags::IN)?;
            }
        }
        if flags.intersects(EventFlags::IN | EventFlags::HUP | EventFlags::ERR) {
            let length = read(&pair[end].stream, &mut self.chunk[..])?;
            if length == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let bytes = &self.chunk[..length];
            let other = &mut pair[1 - end];
            let taken = match write(&other.stream, bytes) {
                Err(rustix::io::Errno::AGAIN) => 0,
                taken => taken?,
            };
            if taken < length {
                // Nothing more is read for an end that doesn't take what there is.
                other.rest.extend(&bytes[taken..]);
                let both = EventFlags::IN | EventFlags::OUT;
                epoll::modify(&self.epoll, &other.stream, data(1 - end), both)?;
                let own = &pair[end].stream;
                epoll::modify(&self.epoll, own, data(end), EventFlags::empty())?;
            }
        }
        Ok(())
    }
}
