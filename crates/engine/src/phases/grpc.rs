//! What gRPC says in its own words: which requests are its calls, and how a call ended.

use super::{Answer, AnswerKind, Headers, RequestHead, Version};

/// Statuses of gRPC that the gateway gives or assumes.
mod status {
    pub const CANCELLED: u8 = 1;
    pub const UNKNOWN: u8 = 2;
    pub const INVALID_ARGUMENT: u8 = 3;
    pub const DEADLINE_EXCEEDED: u8 = 4;
    pub const NOT_FOUND: u8 = 5;
    pub const PERMISSION_DENIED: u8 = 7;
    pub const RESOURCE_EXHAUSTED: u8 = 8;
    pub const FAILED_PRECONDITION: u8 = 9;
    pub const UNIMPLEMENTED: u8 = 12;
    pub const INTERNAL: u8 = 13;
    pub const UNAVAILABLE: u8 = 14;
    pub const UNAUTHENTICATED: u8 = 16;
}

/// Whether a request is a call: by its content, and in HTTP/2, without which there are no trailers to rely on.
#[must_use]
pub fn is_call<H: Headers>(head: &RequestHead<'_, H>) -> bool {
    head.version == Version::Http2 && is_grpc_content(head)
}

/// Whether a request's content is gRPC's.
#[must_use]
pub fn is_grpc_content<H: Headers>(head: &RequestHead<'_, H>) -> bool {
    (head.headers.lines())
        .any(|(name, value)| name.eq_ignore_ascii_case(b"content-type") && is_grpc_type(value))
}

/// Whether a `Content-Type` is gRPC's own, and not that of gRPC-Web, whose trailers are in the body.
#[must_use]
pub fn is_grpc_type(value: &[u8]) -> bool {
    const TYPE: &[u8] = b"application/grpc";
    let named = |value: &[u8]| value.eq_ignore_ascii_case(TYPE);
    value
        .split_at_checked(TYPE.len())
        .is_some_and(|(start, rest)| {
            named(start) && matches!(rest.first(), None | Some(b'+' | b';' | b' '))
        })
}

/// The status that a call ended with, by the value of its `grpc-status`: UNKNOWN where there is none, or no number,
/// as clients have it.
#[must_use]
pub fn status(value: Option<&[u8]>) -> u8 {
    value
        .and_then(|value| std::str::from_utf8(value).ok())
        .and_then(|value| value.parse().ok())
        .unwrap_or(status::UNKNOWN)
}

/// The value of `grpc-status` among trailer lines, each with its CRLF.
#[must_use]
pub fn status_in_trailers(trailers: &[u8]) -> Option<&[u8]> {
    trailers.split(|byte| *byte == b'\n').find_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        let named = line[..colon].eq_ignore_ascii_case(b"grpc-status");
        named.then(|| line[colon + 1..].trim_ascii())
    })
}

impl Answer {
    /// The status that says the same to a client of gRPC: Kong's choice, where it made one.
    #[must_use]
    pub fn grpc_status(self) -> u8 {
        if matches!(
            self.kind,
            AnswerKind::RateLimited | AnswerKind::QuotaExceeded
        ) {
            // Their HTTP status may have been configured.
            return status::RESOURCE_EXHAUSTED;
        }
        match self.status {
            400 | 414 | 415 | 417 => status::INVALID_ARGUMENT,
            401 => status::UNAUTHENTICATED,
            402 | 403 => status::PERMISSION_DENIED,
            404 => status::NOT_FOUND,
            408 | 504 => status::DEADLINE_EXCEEDED,
            413 | 429 | 431 => status::RESOURCE_EXHAUSTED,
            301..=308 | 426 => status::FAILED_PRECONDITION,
            499 => status::CANCELLED,
            500 => status::INTERNAL,
            501 => status::UNIMPLEMENTED,
            502 | 503 => status::UNAVAILABLE,
            _ => status::UNKNOWN,
        }
    }
}

/// Writes a `grpc-message`: percent-encoded, but for printable ASCII.
pub fn push_message(message: &str, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in message.bytes() {
        if matches!(byte, b' '..=b'~') && byte != b'%' {
            out.push(byte);
        } else {
            let digit = |nibble: u8| DIGITS[usize::from(nibble)];
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_are_told_apart() {
        let all = [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("Application/gRPC; charset=x", true),
            ("application/grpc-web", false),
            ("application/grp", false),
            ("application/json", false),
        ];
        for (value, expected) in all {
            assert_eq!(is_grpc_type(value.as_bytes()), expected, "{value}");
        }
    }

    #[test]
    fn a_call_without_a_status_is_not_taken_for_a_good_one() {
        assert_eq!(status(Some(b"0")), 0);
        assert_eq!(status(Some(b"14")), 14);
        for bad in [None, Some(&b""[..]), Some(b"ok"), Some(b"256"), Some(b"-1")] {
            assert_eq!(status(bad), 2, "{bad:?}");
        }
        let trailers = b"x-a: 1\r\nGrpc-Status: 7\r\ngrpc-message: no\r\n";
        assert_eq!(status_in_trailers(trailers), Some(&b"7"[..]));
        assert_eq!(status_in_trailers(b""), None);
    }

    #[test]
    fn every_answer_of_the_gateways_own_has_a_status() {
        for kind in AnswerKind::ALL {
            let status = Answer::from(kind).grpc_status();
            assert!((1..=16).contains(&status) && status != 2, "{kind:?}");
        }
    }

    #[test]
    fn messages_are_encoded() {
        let mut out = Vec::new();
        push_message("50 % für alle\n", &mut out);
        assert_eq!(out, b"50 %25 f%C3%BCr alle%0A");
    }
}
