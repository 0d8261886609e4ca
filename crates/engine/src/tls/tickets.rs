//! Session tickets: what a client brings to resume a session without a full handshake.
//!
//! All workers, an upgraded process and every machine with the same secret must read each other's tickets, so their key
//! isn't made up by a process: each span of six hours has its own, derived from one that is derived from the
//! installation's secret. Nothing of it is stored. A ticket opens within its own span and the next. Who steals the
//! secret can open recorded sessions of TLS 1.2 that were resumed; those of TLS 1.3 have a fresh key exchange each.

use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Key, Nonce};
use hmac::{Hmac, Mac};
use rustls::server::ProducesTickets;
use sha2::Sha256;

use crate::server::options::SecretKey;

/// How long a span is, in seconds; a ticket lives at least as long.
const SPAN: u32 = 6 * 3600;
const SPAN_BYTES: usize = 8;
const NONCE_BYTES: usize = 12;

/// Makes and opens tickets.
pub struct Tickets {
    key: SecretKey,
}

impl fmt::Debug for Tickets {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Tickets(..)")
    }
}

impl Tickets {
    /// `key` is the same wherever tickets are to be understood.
    #[must_use]
    pub fn new(key: SecretKey) -> Self {
        Self { key }
    }

    fn cipher(&self, span: u64) -> Option<Aes256Gcm> {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key.0).ok()?;
        mac.update(b"span of tickets");
        mac.update(&span.to_be_bytes());
        let key: Key<Aes256Gcm> = mac.finalize().into_bytes();
        Some(Aes256Gcm::new(&key))
    }

    fn seal(&self, plain: &[u8], span: u64) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).ok()?;
        let span_bytes = span.to_be_bytes();
        let payload = Payload {
            msg: plain,
            aad: &span_bytes,
        };
        let sealed = self
            .cipher(span)?
            .encrypt(&Nonce::from(nonce), payload)
            .ok()?;
        Some([&span_bytes[..], &nonce, &sealed].concat())
    }

    fn open(&self, ticket: &[u8], now: u64) -> Option<Vec<u8>> {
        let (span_bytes, rest) = ticket.split_first_chunk::<SPAN_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>()?;
        let span = u64::from_be_bytes(*span_bytes);
        // Clocks of two machines may differ by a little: the next span may have begun elsewhere.
        if !(now.saturating_sub(1)..=now.saturating_add(1)).contains(&span) {
            return None;
        }
        let payload = Payload {
            msg: sealed,
            aad: span_bytes,
        };
        self.cipher(span)?
            .decrypt(&Nonce::from(*nonce), payload)
            .ok()
    }
}

/// The span that it is now.
fn present() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs()) / u64::from(SPAN)
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        SPAN
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.seal(plain, present())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        self.open(ticket, present())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_opens_where_the_key_is_the_same_for_its_span_and_the_next() {
        let here = Tickets::new(SecretKey([1; 32]));
        let there = Tickets::new(SecretKey([1; 32]));
        let ticket = here.seal(b"session", 100).unwrap();
        for now in [100, 101] {
            assert_eq!(there.open(&ticket, now).as_deref(), Some(&b"session"[..]));
        }
        assert_eq!(there.open(&ticket, 102), None);
        assert_eq!(Tickets::new(SecretKey([2; 32])).open(&ticket, 100), None);
    }

    #[test]
    fn a_ticket_that_was_changed_or_cut_opens_nothing() {
        let tickets = Tickets::new(SecretKey([1; 32]));
        let ticket = tickets.seal(b"session", 100).unwrap();
        for place in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[place] ^= 1;
            assert_eq!(tickets.open(&changed, 100), None);
            assert_eq!(tickets.open(&ticket[..place], 100), None);
        }
        assert_eq!(format!("{tickets:?}"), "Tickets(..)");
    }
}
