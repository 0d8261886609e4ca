//! Identifiers: UUIDs in configuration, 16 raw bytes wherever they are worked with.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, de};

use crate::usage_log::Id;

/// An identifier, written as canonical UUID text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Uuid(pub Id);

/// The length of a UUID's text.
pub const UUID_TEXT: usize = 36;

impl Uuid {
    /// The canonical text, without allocating.
    #[must_use]
    pub fn text(&self) -> [u8; UUID_TEXT] {
        let digits = hex_text(&self.0);
        let mut text = [b'-'; UUID_TEXT];
        text[..8].copy_from_slice(&digits[..8]);
        text[9..13].copy_from_slice(&digits[8..12]);
        text[14..18].copy_from_slice(&digits[12..16]);
        text[19..23].copy_from_slice(&digits[16..20]);
        text[24..].copy_from_slice(&digits[20..]);
        text
    }
}

impl FromStr for Uuid {
    type Err = &'static str;

    /// Reads canonical text: 36 characters, hex digits of either case.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const WRONG: &str = "not a UUID such as 2f1f5a4c-9d37-4f0e-8f5b-3c3b0f0a9a11";
        let bytes: &[u8; UUID_TEXT] = text.as_bytes().try_into().map_err(|_| WRONG)?;
        let mut id = [0; 16];
        let mut place = 0;
        for (index, byte) in id.iter_mut().enumerate() {
            if matches!(index, 4 | 6 | 8 | 10) {
                if bytes[place] != b'-' {
                    return Err(WRONG);
                }
                place += 1;
            }
            *byte = hex_pair([bytes[place], bytes[place + 1]]).ok_or(WRONG)?;
            place += 2;
        }
        Ok(Self(id))
    }
}

impl fmt::Display for Uuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(str::from_utf8(&self.text()).unwrap_or_default())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl<'de> Deserialize<'de> for Uuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// The byte that two hex digits say.
#[must_use]
pub fn hex_pair(digits: [u8; 2]) -> Option<u8> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    };
    Some(digit(digits[0])? << 4 | digit(digits[1])?)
}

/// The bytes that exactly twice as many hex digits say.
#[must_use]
pub fn hex_bytes<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != N || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(pairs) {
        *byte = hex_pair(*pair)?;
    }
    Some(bytes)
}

/// 16 bytes as 32 hex digits: a request id on the wire.
#[must_use]
pub fn hex_text(id: &Id) -> [u8; 32] {
    let mut text = [0; 32];
    let words = text.as_chunks_mut::<8>().0.iter_mut();
    for (digits, bytes) in words.zip(id.as_chunks::<4>().0) {
        *digits = hex_digits(u32::from_be_bytes(*bytes)).to_be_bytes();
    }
    text
}

/// The eight digits of a word, the first in the highest byte: all at once, four a request are written.
fn hex_digits(word: u32) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut nibbles = u64::from(word);
    nibbles = (nibbles | nibbles << 16) & 0x0000_ffff_0000_ffff;
    nibbles = (nibbles | nibbles << 8) & 0x00ff_00ff_00ff_00ff;
    nibbles = (nibbles | nibbles << 4) & (ONES * 0x0f);
    // 1 where it is 10 or more.
    let letters = ((nibbles + ONES * 6) >> 4) & ONES;
    nibbles + ONES * u64::from(b'0') + letters * u64::from(b'a' - b'0' - 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_both_ways() {
        let text = "2f1f5a4c-9d37-4f0e-8f5b-3c3b0f0a9a11";
        let id: Uuid = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(text.to_uppercase().parse::<Uuid>(), Ok(id));
        assert_eq!(&hex_text(&id.0), b"2f1f5a4c9d374f0e8f5b3c3b0f0a9a11");
        let id = [
            0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0xfe, 0xdc, 0xba, 0x98, 0x76, 0x54,
            0x32, 0x10,
        ];
        assert_eq!(&hex_text(&id), b"0123456789abcdeffedcba9876543210");
    }

    #[test]
    fn other_text_is_refused() {
        for text in [
            "",
            "x",
            "2f1f5a4c9d374f0e8f5b3c3b0f0a9a11",
            "2f1f5a4c-9d37-4f0e-8f5b-3c3b0f0a9a1g",
            "2f1f5a4c+9d37-4f0e-8f5b-3c3b0f0a9a11",
            "2f1f5a4c-9d37-4f0e-8f5b-3c3b0f0a9a111",
        ] {
            assert!(text.parse::<Uuid>().is_err(), "{text}");
        }
    }
}
