//! Floods of frames that cost their sender nothing: resets, settings, pings, window games.
//!
//! h2 bounds what such frames make it remember; this bounds the work. Each connection has an allowance of frames
//! that carry nothing, which grows with time and with what it is sent: who takes answers may ask for windows.

use crate::proxy::timers::Millis;

/// The greatest allowance, and the first.
const MOST: u64 = 2_000;

/// How it grows by itself.
const PER_SECOND: u64 = 200;

/// Frames' kinds, by RFC 9113, section 6.
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
}

/// A frame's length, kind and flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    pub length: usize,
    pub kind: u8,
    pub flags: u8,
}

/// Finds the frames in a stream of bytes, whatever pieces it comes in.
#[derive(Debug, Default)]
pub struct Frames {
    head: [u8; 9],
    got: usize,
    skip: usize,
}

impl Frames {
    /// The frames after the first `skip` bytes.
    #[must_use]
    pub fn after(skip: usize) -> Self {
        Self {
            skip,
            ..Self::default()
        }
    }

    /// Tells `each` of the frames that begin in `bytes`.
    pub fn feed(&mut self, mut bytes: &[u8], mut each: impl FnMut(Frame)) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = bytes.len().min(9 - self.got);
            self.head[self.got..self.got + taken].copy_from_slice(&bytes[..taken]);
            self.got += taken;
            bytes = &bytes[taken..];
            if self.got == 9 {
                let [a, b, c, kind, flags, ..] = self.head;
                let length = u32::from_be_bytes([0, a, b, c]) as usize;
                (self.got, self.skip) = (0, length);
                each(Frame {
                    length,
                    kind,
                    flags,
                });
            }
        }
    }
}

/// A connection's allowance.
#[derive(Debug)]
pub struct Manners {
    left: u64,
    since: Millis,
    spent: bool,
}

impl Manners {
    /// The allowance of a connection that begins at `now`.
    #[must_use]
    pub fn new(now: Millis) -> Self {
        Self {
            left: MOST,
            since: now,
            spent: false,
        }
    }

    /// It was used up once: the connection is to end.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.spent
    }

    /// Lets time pass.
    pub fn at(&mut self, now: Millis) {
        let grown = now.saturating_sub(self.since) * PER_SECOND / 1000;
        if grown > 0 {
            self.since = now;
            self.left = MOST.min(self.left + grown);
        }
    }

    /// A frame came.
    pub fn received(&mut self, frame: Frame) {
        let price = match frame.kind {
            // Paid for by the windows, and by how many streams there may be.
            kind::DATA if frame.length > 0 => 0,
            kind::HEADERS => 0,
            // A request made and unmade costs us more than its sender.
            kind::RST_STREAM | kind::SETTINGS => 10,
            kind::PING => 2,
            // What is skipped shares its memory with the pieces of bodies around it, as long as these wait.
            _ => 1 + frame.length as u64 / 1024,
        };
        self.pay(price);
    }

    /// A stream was refused for want of room.
    pub fn refused(&mut self) {
        self.pay(10);
    }

    fn pay(&mut self, price: u64) {
        match self.left.checked_sub(price) {
            Some(left) => self.left = left,
            None => self.spent = true,
        }
    }

    /// A frame was sent: it may be answered by some.
    pub fn sent(&mut self, frame: Frame) {
        let earned = match frame.kind {
            kind::HEADERS => 10,
            kind::DATA => 4,
            _ => 0,
        };
        self.left = MOST.min(self.left + earned);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, length: usize) -> Frame {
        Frame {
            length,
            kind,
            flags: 0,
        }
    }

    #[test]
    fn frames_are_found_in_any_pieces() {
        let mut bytes = b"PREFACE".to_vec();
        for (kind, length) in [(4_u8, 0_u16), (1, 5), (0, 300), (6, 8)] {
            bytes.extend_from_slice(&u32::from(length).to_be_bytes()[1..]);
            bytes.extend_from_slice(&[kind, 1, 0, 0, 0, 1]);
            bytes.resize(bytes.len() + usize::from(length), 0xff);
        }
        for size in [1, 2, 7, 9, 100, 1000] {
            let mut found = Vec::new();
            let mut frames = Frames::after(7);
            for piece in bytes.chunks(size) {
                frames.feed(piece, |frame| found.push((frame.kind, frame.length)));
            }
            assert_eq!(
                found,
                [(4, 0), (1, 5), (0, 300), (6, 8)],
                "pieces of {size}"
            );
        }
    }

    #[test]
    fn a_flood_spends_the_allowance_and_time_restores_it() {
        let mut manners = Manners::new(0);
        for _ in 0..MOST / 2 {
            manners.received(frame(kind::PING, 8));
        }
        assert!(!manners.is_spent());
        manners.at(1_000);
        for _ in 0..PER_SECOND / 2 {
            manners.received(frame(kind::PING, 8));
        }
        assert!(!manners.is_spent());
        manners.received(frame(kind::PING, 8));
        assert!(manners.is_spent());
    }

    #[test]
    fn who_takes_answers_may_open_windows() {
        let mut manners = Manners::new(0);
        for _ in 0..100_000 {
            manners.sent(frame(kind::DATA, 16_384));
            manners.received(frame(8, 4));
            manners.received(frame(8, 4));
            manners.received(frame(kind::PING, 8));
        }
        assert!(!manners.is_spent());
        for _ in 0..=MOST / 10 {
            manners.received(frame(kind::HEADERS, 20));
            manners.received(frame(kind::RST_STREAM, 4));
        }
        assert!(manners.is_spent(), "rapid reset");
    }
}
