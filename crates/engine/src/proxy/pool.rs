//! A worker's unused upstream connections, kept by address: what else tells destinations apart, the name that is asked
//! for over TLS, may be any caller's choice (`preserve_host`), and callers must not decide how many there are.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, Hasher};

use super::dial::{Address, Destination, Tls};
use super::stream::Stream;
use super::timers::Millis;

/// Connections to upstreams that wait for their next request. The last one used is taken first, so that a
/// quiet hour lets the others run out.
#[derive(Debug)]
pub struct Pool {
    idle: RefCell<HashMap<Address, VecDeque<Idle>, BuildHasherDefault<Quick>>>,
    /// How many there are in all.
    count: Cell<usize>,
    most: usize,
    most_per_address: usize,
    idle_ms: Millis,
    age_ms: Millis,
}

/// Hashes addresses, twice a request. They are the seller's choice, no caller's: nobody can make them collide.
#[derive(Debug, Default)]
struct Quick(u64);

impl Hasher for Quick {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        for byte in rest {
            self.write_u64((*byte).into());
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_u16(&mut self, number: u16) {
        self.write_u64(number.into());
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = (self.0.rotate_left(5) ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        // The map looks at the highest bits and the lowest: of a product the lowest depend on too little.
        self.0 ^ self.0.rotate_left(32)
    }
}

#[derive(Debug)]
struct Idle {
    tls: Option<Tls>,
    stream: Stream,
    since: Millis,
    born: Millis,
    until: Millis,
}

impl Pool {
    /// Keeps at most `most` connections, `most_per_address` to an address, the newest, each for `idle_ms` unused, and none that
    /// is older than `age_ms`.
    #[must_use]
    pub fn new(most: usize, most_per_address: usize, idle_ms: Millis, age_ms: Millis) -> Self {
        Self {
            idle: RefCell::default(),
            count: Cell::new(0),
            most,
            most_per_address,
            idle_ms,
            age_ms,
        }
    }

    /// A connection to `destination` that, as far as is known here, is still open, and when it was made.
    #[must_use]
    pub fn take(&self, destination: &Destination) -> Option<(Stream, Millis)> {
        let mut idle = self.idle.borrow_mut();
        let connections = idle.get_mut(&destination.address)?;
        let fits = |idle: &Idle| idle.tls == destination.tls;
        while let Some(place) = connections.iter().rposition(fits) {
            let Idle {
                mut stream, born, ..
            } = connections.remove(place)?;
            self.count.set(self.count.get() - 1);
            if stream.is_quiet() {
                return Some((stream, born));
            }
        }
        None
    }

    /// Keeps a connection, made at `born`, whose last answer was read to its end.
    pub fn keep(&self, destination: Destination, stream: Stream, born: Millis, now: Millis) {
        let too_old = born.saturating_add(self.age_ms);
        if now >= too_old || self.most_per_address == 0 || self.most == 0 {
            return;
        }
        let mut idle = self.idle.borrow_mut();
        if self.count.get() >= self.most {
            // The places at hand are few, and it is only looked for where there are too many connections.
            let oldest = idle.values_mut().filter(|at| !at.is_empty());
            if let Some(at) = oldest.min_by_key(|at| at.front().map(|idle| idle.since)) {
                at.pop_front();
                self.count.set(self.count.get() - 1);
            }
        }
        let connections = idle.entry(destination.address).or_default();
        if connections.len() >= self.most_per_address {
            connections.pop_front();
            self.count.set(self.count.get() - 1);
        }
        self.count.set(self.count.get() + 1);
        connections.push_back(Idle {
            since: now,
            tls: destination.tls,
            stream,
            born,
            until: now.saturating_add(self.idle_ms).min(too_old),
        });
    }

    /// Closes what waited too long or was closed by the other side.
    pub fn sweep(&self, now: Millis) {
        self.idle.borrow_mut().retain(|_, connections| {
            connections.retain_mut(|idle| idle.until > now && idle.stream.is_quiet());
            !connections.is_empty()
        });
        let left = self.idle.borrow().values().map(VecDeque::len).sum();
        self.count.set(left);
    }

    /// How many connections wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.count.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::client::ClientTls;
    use std::net::SocketAddr;
    use std::sync::Arc;
    use tokio::net::{TcpListener, TcpStream};

    fn plain(address: SocketAddr) -> Destination {
        Destination {
            address: Address::Tcp(address),
            tls: None,
        }
    }

    async fn connect(address: SocketAddr) -> std::io::Result<Stream> {
        TcpStream::connect(address).await.map(Stream::plain)
    }

    fn run(test: impl Future<Output = std::io::Result<()>>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(test).unwrap();
    }

    #[test]
    fn a_connection_closed_meanwhile_is_not_given_out() {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            let pool = Pool::new(99, 8, 1000, 60_000);
            let mut others = Vec::new();
            for _ in 0..2 {
                pool.keep(plain(address), connect(address).await?, 0, 0);
                others.push(listener.accept().await?.0);
            }
            drop(others.pop());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            let taken = pool.take(&plain(address)).map(|(stream, _)| match stream {
                Stream::Tcp(stream) => stream.tcp().local_addr().unwrap(),
                other => panic!("{other:?}"),
            });
            assert_eq!(taken, Some(others[0].peer_addr()?), "the open one");
            assert!(pool.take(&plain(address)).is_none());
            Ok(())
        });
    }

    #[test]
    fn names_that_callers_choose_share_the_room_of_their_address_and_nothing_else() {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            let service = |verify| ClientTls::unshown(verify).kind();
            let named = |kind, name: String| Destination {
                tls: Some((kind, Arc::new(name.try_into().unwrap()))),
                ..plain(address)
            };
            let (checked, unchecked) = (service(true), service(false));
            let pool = Pool::new(99, 4, 1000, 60_000);
            for number in 0..20 {
                let destination = named(checked, format!("{number}.example"));
                pool.keep(destination, connect(address).await?, 0, 0);
            }
            assert_eq!(pool.len(), 4);
            let last = || "19.example".to_owned();
            assert!(pool.take(&plain(address)).is_none(), "plain text");
            assert!(
                pool.take(&named(unchecked, last())).is_none(),
                "another kind"
            );
            assert!(
                pool.take(&named(checked, "0.example".to_owned())).is_none(),
                "the first had to go"
            );
            assert!(pool.take(&named(checked, last())).is_some());
            assert!(pool.take(&named(checked, last())).is_none(), "given out");
            assert_eq!(pool.len(), 3);
            Ok(())
        });
    }

    #[test]
    fn all_addresses_share_one_bound_and_the_oldest_goes_first() {
        run(async {
            let mut listeners = Vec::new();
            let pool = Pool::new(3, 2, 1000, 60_000);
            for now in 0..5 {
                let listener = TcpListener::bind("127.0.0.1:0").await?;
                let address = listener.local_addr()?;
                pool.keep(plain(address), connect(address).await?, 0, now);
                let accepted = listener.accept().await?;
                listeners.push((address, listener, accepted));
            }
            assert_eq!(pool.len(), 3);
            let there = |place: usize| pool.take(&plain(listeners[place].0)).is_some();
            assert_eq!([0, 1, 2, 3, 4].map(there), [false, false, true, true, true]);
            assert_eq!(pool.len(), 0);
            Ok(())
        });
    }

    #[test]
    fn a_connection_is_kept_for_its_time_and_no_more_than_allowed() {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await?;
            let address = listener.local_addr()?;
            let pool = Pool::new(99, 1, 1000, 60_000);
            pool.keep(plain(address), connect(address).await?, 0, 0);
            pool.keep(plain(address), connect(address).await?, 0, 0);
            assert_eq!(pool.len(), 1);
            pool.sweep(999);
            assert_eq!(pool.len(), 1);
            pool.sweep(1000);
            assert_eq!(pool.len(), 0);
            // However busy it is, one day it is too old.
            pool.keep(plain(address), connect(address).await?, 0, 59_500);
            pool.sweep(59_999);
            assert_eq!(pool.len(), 1);
            pool.sweep(60_000);
            assert_eq!(pool.len(), 0);
            pool.keep(plain(address), connect(address).await?, 0, 60_000);
            assert_eq!(pool.len(), 0);
            Ok(())
        });
    }
}
