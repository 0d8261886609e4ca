//! `traceparent`, read as strictly as the W3C's Trace Context says, and written.

use crate::phases::Headers;
use crate::usage_log::Id;
use crate::uuid::{hex_bytes, hex_text};

/// The length of `00-` trace `-` parent `-` flags.
pub const TRACEPARENT: usize = 55;

/// A span's number.
pub type SpanId = [u8; 8];

/// Whoever called, as part of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// The trace.
    pub trace: Id,
    /// The caller's own span.
    pub span: SpanId,
    /// It is being recorded.
    pub sampled: bool,
}

impl Parent {
    /// What a request says; none where it says nothing, or says it wrongly or twice.
    pub fn of(headers: impl Headers) -> Option<Self> {
        let mut found = None;
        for (name, value) in headers.lines() {
            if name.len() == 11
                && name.eq_ignore_ascii_case(b"traceparent")
                && found.replace(value).is_some()
            {
                return None;
            }
        }
        Self::parse(found?)
    }

    /// Reads a value of `traceparent`.
    #[must_use]
    pub fn parse(value: &[u8]) -> Option<Self> {
        let (known, behind) = value.split_at_checked(TRACEPARENT)?;
        let [v1, v2, b'-', rest @ ..] = known else {
            return None;
        };
        let (trace, rest) = rest.split_at_checked(32)?;
        let (dash, rest) = rest.split_at_checked(1)?;
        let (span, flags) = rest.split_at_checked(16)?;
        let [b'-', f1, f2] = flags else {
            return None;
        };
        let [version] = number([*v1, *v2].as_slice())?;
        // Versions to come may say more behind another dash. 255 is none.
        let is_whole = match version {
            0 => behind.is_empty(),
            255 => false,
            _ => behind.is_empty() || behind.starts_with(b"-"),
        };
        let [flags] = number([*f1, *f2].as_slice())?;
        let (trace, span) = (number(trace)?, number(span)?);
        (is_whole && dash == b"-" && trace != [0; 16] && span != [0; 8]).then_some(Self {
            trace,
            span,
            sampled: flags & 1 == 1,
        })
    }
}

/// The value that says that `span` asks, as part of `trace`.
pub(super) fn write(trace: Id, span: SpanId, sampled: bool) -> [u8; TRACEPARENT] {
    let mut value = *b"00-00000000000000000000000000000000-0000000000000000-00";
    value[3..35].copy_from_slice(&hex_text(&trace));
    value[36..52].copy_from_slice(&digits(span));
    value[54] = b'0' + u8::from(sampled);
    value
}

/// A span's number as it is written.
pub(super) fn digits(span: SpanId) -> [u8; 16] {
    let mut whole = [0; 16];
    whole[8..].copy_from_slice(&span);
    let mut digits = [0; 16];
    digits.copy_from_slice(&hex_text(&whole)[16..]);
    digits
}

/// Hex digits, in lower case alone.
fn number<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let is_lower = |digit: &u8| matches!(digit, b'0'..=b'9' | b'a'..=b'f');
    digits.iter().all(is_lower).then(|| hex_bytes(digits))?
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn reads_what_the_specification_shows() {
        let parent = Parent::parse(GOOD.as_bytes()).unwrap();
        assert_eq!(parent.trace[..3], [0x4b, 0xf9, 0x2f]);
        assert_eq!(parent.span, [0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]);
        assert!(parent.sampled);
        assert_eq!(write(parent.trace, parent.span, true), GOOD.as_bytes());
        let unsampled = Parent::parse(GOOD.replace("-01", "-02").as_bytes());
        assert!(!unsampled.unwrap().sampled);
    }

    #[test]
    fn later_versions_may_say_more() {
        for value in [
            GOOD.replace("00-4", "01-4"),
            GOOD.replace("00-4", "cc-4") + "-what.comes",
        ] {
            assert!(Parent::parse(value.as_bytes()).is_some(), "{value}");
        }
    }

    #[test]
    fn refuses_what_is_wrong() {
        let zeros = |digits: usize| "0".repeat(digits);
        for value in [
            String::new(),
            GOOD.to_uppercase(),
            GOOD.replace("00-4", "ff-4"),
            GOOD.replace("00-4", "0-4"),
            GOOD.replace("00-4", "0x-4"),
            GOOD.replace("00-4", "cc-4") + ".01",
            GOOD.to_owned() + "-",
            GOOD.to_owned() + " ",
            GOOD[..54].to_owned(),
            GOOD.replace("-01", "-0g"),
            GOOD.replace("-01", "_01"),
            GOOD.replace("6-0", "6_0"),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &zeros(32)),
            GOOD.replace("00f067aa0ba902b7", &zeros(16)),
        ] {
            assert_eq!(Parent::parse(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn said_twice_it_says_nothing() {
        let line = (&b"TraceParent"[..], GOOD.as_bytes());
        assert!(Parent::of(&[line][..]).is_some());
        assert_eq!(Parent::of(&[line, line][..]), None);
        assert_eq!(Parent::of(&[(&b"tracestate"[..], &b"a=1"[..])][..]), None);
    }
}
