//! Upstream names to addresses: literal ones at once, others asked for once and kept for a while.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;

use super::timers::Millis;

/// How long an answer is used. The system's resolver tells no lifetime; this is how late a change is noticed.
const KEPT_MS: Millis = 10_000;

/// Names remembered by one worker; beyond that it starts over.
const MOST_NAMES: usize = 1024;

/// A worker's memory of names.
#[derive(Debug, Default)]
pub struct Resolver {
    known: RefCell<HashMap<String, Known>>,
}

#[derive(Debug, Clone)]
struct Known {
    addresses: Rc<[IpAddr]>,
    until: Millis,
}

impl Resolver {
    /// The address for the `attempt`-th try (from 0): tries go round the name's addresses.
    ///
    /// # Errors
    /// The resolver's, or `NotFound` for a name without addresses. An answer that ran out is still better than
    /// none, so it goes on being used while the resolver fails.
    pub async fn resolve(
        &self,
        host: &str,
        port: u16,
        attempt: usize,
        now: Millis,
    ) -> io::Result<SocketAddr> {
        if let Ok(literal) = host.parse::<IpAddr>() {
            return Ok(SocketAddr::new(literal, port));
        }
        let known = self.known.borrow().get(host).cloned();
        let addresses = match known {
            Some(known) if known.until > now => known.addresses,
            stale => match self.look_up(host, now).await {
                Ok(addresses) => addresses,
                Err(error) => stale.ok_or(error)?.addresses,
            },
        };
        let address = addresses.get(attempt % addresses.len().max(1)).copied();
        address
            .map(|address| SocketAddr::new(address, port))
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    async fn look_up(&self, host: &str, now: Millis) -> io::Result<Rc<[IpAddr]>> {
        let found = tokio::net::lookup_host((host, 0)).await?;
        let addresses: Rc<[IpAddr]> = found.map(|address| address.ip()).collect();
        if addresses.is_empty() {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut known = self.known.borrow_mut();
        if known.len() >= MOST_NAMES {
            known.clear();
        }
        let until = now.saturating_add(KEPT_MS);
        known.insert(
            host.to_owned(),
            Known {
                addresses: Rc::clone(&addresses),
                until,
            },
        );
        Ok(addresses)
    }
}
