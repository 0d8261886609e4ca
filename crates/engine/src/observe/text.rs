//! What is told in the making: bounded parts, escaped so that no client can end one, or make a second one.

use std::fmt::{self, Write as _};
use std::net::IpAddr;

use crate::limits::Date;

/// No line of the access log is longer: so much a pipe takes at once or not at all, whoever else writes to it.
pub(super) const MOST: usize = 4096;

/// What stands for the rest of a text that is too long.
const ELLIPSIS: &[u8] = "…".as_bytes();

/// Appends a text, at most so many bytes of it.
#[derive(Debug)]
pub(super) struct Bounded<'a> {
    pub out: &'a mut Vec<u8>,
    room: usize,
    cut: bool,
}

impl<'a> Bounded<'a> {
    pub fn new(out: &'a mut Vec<u8>, most: usize) -> Self {
        let room = most.saturating_sub(ELLIPSIS.len());
        Self {
            out,
            room,
            cut: false,
        }
    }

    /// Appends what must stay together; false once there is no room for it.
    pub fn push(&mut self, unit: &[u8]) -> bool {
        if self.cut || self.room < unit.len() {
            if !self.cut {
                self.cut = true;
                self.out.extend_from_slice(ELLIPSIS);
            }
            return false;
        }
        self.room -= unit.len();
        self.out.extend_from_slice(unit);
        true
    }
}

/// Two hex digits.
pub(super) fn hex(byte: u8) -> [u8; 2] {
    let digit = |value: u8| b"0123456789abcdef"[usize::from(value & 15)];
    [digit(byte >> 4), digit(byte)]
}

/// Writing by format, into memory: it can't fail.
pub(super) struct Plain<'a>(pub &'a mut Vec<u8>);

impl fmt::Write for Plain<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

pub(super) fn push_number(out: &mut Vec<u8>, number: u64) {
    let _ = write!(Plain(out), "{number}");
}

/// µs as milliseconds, with three decimals.
pub(super) fn push_millis(out: &mut Vec<u8>, micros: u64) {
    let _ = write!(Plain(out), "{}.{:03}", micros / 1000, micros % 1000);
}

pub(super) fn push_address(out: &mut Vec<u8>, address: IpAddr) {
    let _ = write!(Plain(out), "{address}");
}

/// A string of JSON: what isn't UTF-8 becomes U+FFFD, and nothing in it moves a terminal's cursor.
pub(super) fn quoted(out: &mut Vec<u8>, value: &[u8], most: usize) {
    out.push(b'"');
    let mut bounded = Bounded::new(out, most);
    for chunk in value.utf8_chunks() {
        let mut room = [0; 4];
        let fits = (chunk.valid().chars()).all(|character| match character {
            '"' => bounded.push(b"\\\""),
            '\\' => bounded.push(b"\\\\"),
            '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' => {
                let [high, low] = hex(character as u8);
                bounded.push(&[b'\\', b'u', b'0', b'0', high, low])
            }
            _ => bounded.push(character.encode_utf8(&mut room).as_bytes()),
        });
        if !fits || !(chunk.invalid().is_empty() || bounded.push("\u{fffd}".as_bytes())) {
            break;
        }
    }
    out.push(b'"');
}

/// An instant's parts.
pub(super) struct Time {
    pub date: Date,
    pub hour: u64,
    pub minute: u64,
    pub second: u64,
    pub micros: u64,
}

impl Time {
    /// Of µs since 1970.
    pub fn of(wall: u64) -> Self {
        let seconds = wall / 1_000_000;
        Self {
            date: Date::of(seconds),
            hour: seconds / 3600 % 24,
            minute: seconds / 60 % 60,
            second: seconds % 60,
            micros: wall % 1_000_000,
        }
    }
}
