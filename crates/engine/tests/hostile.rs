//! Hostile bytes beyond the corpus (`hostile_corpus.rs`): whatever the generator thinks of, limits, endless heads.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use common::Gateway;
use common::client::Client;
use common::upstream::Upstream;
use proptest::prelude::*;
use tollway_engine::proxy::head::{HeadLimits, Scan};
use tollway_engine::proxy::request_head::RequestHead;
use tollway_engine::proxy::response_head::ResponseHead;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

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
