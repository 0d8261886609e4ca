//! Requests and responses that two readers could understand differently: refused, and the connection with them.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use std::time::Duration;

use common::Gateway;
use common::client::Client;
use common::upstream::Upstream;
use proptest::prelude::*;
use tollway_engine::proxy::head::{HeadLimits, Scan};
use tollway_engine::proxy::request_head::RequestHead;
use tollway_engine::proxy::response_head::ResponseHead;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What each of these says twice, hides or leaves open must never reach an upstream.
const AMBIGUOUS: &[(&str, &str)] = &[
    (
        "both framings",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "both framings, other order",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    ),
    (
        "two lengths",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    ),
    (
        "the same length twice",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
    ),
    (
        "lengths in a list",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello",
    ),
    (
        "signed length",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
    ),
    (
        "negative length",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\nhello",
    ),
    (
        "blank in the length",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1 0\r\n\r\nhello",
    ),
    (
        "hexadecimal length",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\nhello",
    ),
    (
        "empty length",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
    ),
    (
        "length beyond 64 bits",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551616\r\n\r\n",
    ),
    (
        "identity coding",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
    ),
    (
        "list of codings",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "coding in quotes",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n",
    ),
    (
        "coding with a parameter",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n",
    ),
    (
        "coding twice",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "vertical tab before the coding",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "empty coding",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n0\r\n\r\n",
    ),
    (
        "coding in HTTP/1.0",
        "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "folded line",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
    ),
    (
        "folded coding",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    ),
    ("folded first line", "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
    ("line ended by LF", "GET / HTTP/1.1\nHost: a\r\n\r\n"),
    ("head ended by LF", "GET / HTTP/1.1\r\nHost: a\r\n\n"),
    (
        "header ended by LF",
        "GET / HTTP/1.1\r\nHost: a\nX: 1\r\n\r\n",
    ),
    (
        "bare CR in a value",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\rY: 2\r\n\r\n",
    ),
    (
        "NUL in a value",
        "GET / HTTP/1.1\r\nHost: a\r\nX: 1\0\r\n\r\n",
    ),
    (
        "NUL in a name",
        "GET / HTTP/1.1\r\nHost: a\r\nX\0: 1\r\n\r\n",
    ),
    ("NUL in the target", "GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n"),
    (
        "blank before the colon",
        "GET / HTTP/1.1\r\nHost: a\r\nX : 1\r\n\r\n",
    ),
    (
        "blank before the length's colon",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello",
    ),
    (
        "tab before the colon",
        "GET / HTTP/1.1\r\nHost: a\r\nX\t: 1\r\n\r\n",
    ),
    ("no colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n"),
    ("no name", "GET / HTTP/1.1\r\nHost: a\r\n: 1\r\n\r\n"),
    ("no Host", "GET / HTTP/1.1\r\nX: 1\r\n\r\n"),
    ("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
    (
        "the same Host twice",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
    ),
    ("empty Host", "GET / HTTP/1.1\r\nHost:\r\n\r\n"),
    ("path in Host", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"),
    ("list in Host", "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n"),
    ("user in Host", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n"),
    (
        "user in the target",
        "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "absolute target, bad Host",
        "GET http://a/ HTTP/1.1\r\nHost: a b\r\n\r\n",
    ),
    ("other scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n"),
    (
        "target without a slash",
        "GET x HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "two blanks in the first line",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    (
        "blank in the target",
        "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
    ),
    ("no version", "GET /\r\nHost: a\r\n\r\n"),
    ("other version", "GET / HTTP/2.0\r\nHost: a\r\n\r\n"),
    ("lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n"),
    ("bad method", "G@T / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("TRACE", "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n"),
    ("another protocol", "\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n"),
    ("HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
];

#[test]
fn ambiguous_requests_are_400_and_end_the_connection() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::start(upstream.address);
    for (name, request) in AMBIGUOUS {
        let mut client = Client::connect(gateway.address);
        // What follows is what a smuggler would want to be read as the next request.
        client.send(format!(
            "{request}GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"
        ));
        let response = client.response("GET");
        assert_eq!(response.status, 400, "{name}: {}", response.head);
        assert_eq!(response.header("connection"), Some("close"), "{name}");
        assert!(
            response.text().starts_with("{\"message\":\"Bad request\""),
            "{name}: {}",
            response.text()
        );
        assert!(client.is_at_end(), "{name}: something was read after it");
    }
    assert!(
        upstream.requests().is_empty(),
        "nothing reached the upstream"
    );
    assert!(gateway.bill().is_empty(), "nothing is billed");
}

const BAD_CHUNKS: &[(&str, &str)] = &[
    ("no size", "\r\nabc\r\n0\r\n\r\n"),
    ("size with a sign", "+3\r\nabc\r\n0\r\n\r\n"),
    ("size with a prefix", "0x3\r\nabc\r\n0\r\n\r\n"),
    ("size with a blank", "3 \r\nabc\r\n0\r\n\r\n"),
    (
        "size beyond 64 bits",
        "10000000000000003\r\nabc\r\n0\r\n\r\n",
    ),
    ("size line ended by LF", "3\nabc\r\n0\r\n\r\n"),
    ("LF in an extension", "3;a\nb\r\nabc\r\n0\r\n\r\n"),
    ("data longer than its size", "3\r\nabcd\r\n0\r\n\r\n"),
    ("data ended by LF", "3\r\nabc\n0\r\n\r\n"),
    ("trailer without a colon", "0\r\nabc\r\n\r\n"),
    ("folded trailer", "0\r\na: 1\r\n b\r\n\r\n"),
    ("end ended by LF", "0\r\n\n"),
];

#[test]
fn malformed_chunks_are_400_and_never_a_whole_request_upstream() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::start(upstream.address);
    for (name, body) in BAD_CHUNKS {
        for split in [false, true] {
            let mut client = Client::connect(gateway.address);
            client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            if split {
                std::thread::sleep(Duration::from_millis(20));
            }
            client.try_send(body);
            let response = client.response("POST");
            assert_eq!(response.status, 400, "{name}");
            assert_eq!(response.header("connection"), Some("close"), "{name}");
        }
    }
    assert!(upstream.requests().is_empty(), "{:?}", upstream.requests());
    assert!(gateway.bill().is_empty());
}

proptest! {
    /// Bytes that look like heads and bytes that don't: parsing ends, and what is accepted lies within the head.
    #[test]
    fn no_head_makes_the_parsers_panic(bytes in prop_oneof![
        prop::collection::vec(any::<u8>(), 0..200),
        "(GET|POST|HTTP/1\\.[01]) [ -~]{0,20}( HTTP/1\\.[01]| 200)?\r\n([!-~]{1,8}:[ -~]{0,12}\r\n){0,6}\r\n"
            .prop_map(String::into_bytes),
    ]) {
        let limits = HeadLimits { first_line: 100, bytes: 1000, count: 10 };
        if let Ok(Some(length)) = Scan::default().head_end(&bytes, &limits) {
            let head = &bytes[..length];
            prop_assert!(head.ends_with(b"\r\n\r\n"));
            let mut request = RequestHead::default();
            if request.parse(head).is_ok() {
                prop_assert!(request.path.of_head(head).starts_with(b"/") || request.path.of_head(head) == b"*");
                prop_assert!(!request.method.of_head(head).is_empty());
                prop_assert!(request.minor_version == 0 || request.host.is_some());
            }
            let _ = ResponseHead::default().parse(head, false);
        }
    }

    /// However a head arrives, it ends at the same place.
    #[test]
    fn a_head_ends_at_the_same_place_in_pieces(cut in 0_usize..60, rest in prop::collection::vec(any::<u8>(), 0..9)) {
        let mut bytes = b"GET /a HTTP/1.1\r\nHost: example.org\r\nX: y\r\n\r\n".to_vec();
        let length = bytes.len();
        bytes.extend(rest);
        let limits = HeadLimits { first_line: 100, bytes: 1000, count: 10 };
        let mut scan = Scan::default();
        let first = scan.head_end(&bytes[..cut.min(bytes.len())], &limits);
        let end = match first {
            Ok(None) => scan.head_end(&bytes, &limits),
            found => found,
        };
        prop_assert_eq!(end, Ok(Some(length)));
    }
}

#[test]
fn heads_beyond_the_limits_are_told_so() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.limits.request_line_bytes = 1000;
        setup.limits.head_bytes = 20_000;
        setup.limits.header_count = 20;
    });
    let get = |target: &str, headers: &str| {
        let mut client = Client::connect(gateway.address);
        client.try_send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{headers}\r\n"));
        let response = client.response("GET");
        assert!(response.status == 200 || client.is_at_end());
        response.status
    };
    let line = |length: usize| format!("X: {}\r\n", "y".repeat(length - 5));
    assert_eq!(get(&format!("/{}", "x".repeat(986)), ""), 200);
    assert_eq!(get(&format!("/{}", "x".repeat(987)), ""), 414);
    assert_eq!(get(&format!("/{}", "x".repeat(500_000)), ""), 414);
    assert_eq!(get("/", &line(19_900)), 200);
    assert_eq!(get("/", &line(20_000)), 431);
    assert_eq!(get("/", &line(500_000)), 431);
    assert_eq!(get("/", &"X: y\r\n".repeat(19)), 200);
    assert_eq!(get("/", &"X: y\r\n".repeat(20)), 431);
}

/// Responses whose end two readers could see at different places, or that are no HTTP.
const AMBIGUOUS_RESPONSES: &[(&str, &str)] = &[
    (
        "both framings",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "two lengths",
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok",
    ),
    (
        "signed length",
        "HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok",
    ),
    (
        "list of lengths",
        "HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok",
    ),
    (
        "list of codings",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "coding in HTTP/1.0",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ),
    (
        "folded line",
        "HTTP/1.1 200 OK\r\nX: 1\r\n 2\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "line ended by LF",
        "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "blank before the colon",
        "HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok",
    ),
    (
        "NUL in a value",
        "HTTP/1.1 200 OK\r\nX: \0\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "status below 100",
        "HTTP/1.1 099 What\r\nContent-Length: 2\r\n\r\nok",
    ),
    (
        "status of two digits",
        "HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok",
    ),
    ("other version", "HTTP/2 200\r\nContent-Length: 2\r\n\r\nok"),
    (
        "unasked upgrade",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    ),
    ("no HTTP", "SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    ("half a head", "HTTP/1.1 200 OK\r\nContent-Le"),
    ("nothing", ""),
];

#[test]
fn ambiguous_responses_are_502() {
    for (name, response) in AMBIGUOUS_RESPONSES {
        let upstream = Upstream::start(move |connection| {
            connection.request();
            connection.send(response);
            connection.close();
        });
        let gateway = Gateway::start(upstream.address);
        let mut client = Client::connect(gateway.address);
        for _ in 0..2 {
            let answer = client.get("/");
            assert_eq!(answer.status, 502, "{name}: {}", answer.head);
        }
        drop(client);
        assert!(gateway.bill().is_empty(), "{name}: nothing is billed");
    }
}

#[test]
fn an_endless_head_from_an_upstream_is_502() {
    let upstream = Upstream::start(|connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\n");
        for _ in 0..10_000 {
            connection.send("X: 0123456789012345678901234567890123456789\r\n");
        }
    });
    let gateway = Gateway::start(upstream.address);
    assert_eq!(
        Client::ask(gateway.address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").status,
        502
    );
}

#[test]
fn bytes_that_nobody_asked_for_are_not_the_next_answer() {
    let upstream = Upstream::start(|connection| {
        while connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
        }
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    for _ in 0..5 {
        assert_eq!(client.get("/").text(), "ok");
    }
    assert_eq!(upstream.connection_count(), 5);
}
