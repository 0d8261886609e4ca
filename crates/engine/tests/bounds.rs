//! What a request may take: bytes, time and memory, each with a defined answer beyond it.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use common::client::Client;
use common::upstream::{Upstream, pause};
use common::{Gateway, eventually, one};
use serde_json::json;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const CHUNKED: &str = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";

#[test]
fn a_body_beyond_the_limit_is_413_in_either_framing() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.limits.body_bytes = NonZeroU64::new(10_000);
    });
    let exact = |length: usize| {
        format!(
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{}",
            "x".repeat(length)
        )
    };
    let chunks = |length: usize| {
        let chunks = format!("64\r\n{}\r\n", "x".repeat(100)).repeat(length / 100);
        let rest = length % 100;
        let rest = if rest > 0 {
            format!("{rest:x}\r\n{}\r\n", "x".repeat(rest))
        } else {
            String::new()
        };
        format!("{CHUNKED}{chunks}{rest}0\r\n\r\n")
    };
    for request in [exact(10_000), chunks(10_000)] {
        assert_eq!(Client::ask(gateway.address, request).status, 200);
    }
    for request in [
        exact(10_001),
        chunks(10_001),
        exact(3_000_000),
        chunks(3_000_000),
    ] {
        let mut client = Client::connect(gateway.address);
        client.try_send(request);
        let response = client.response("POST");
        assert_eq!(
            (response.status, response.header("connection")),
            (413, Some("close"))
        );
        assert!(response.text().contains("Payload too large"));
        assert!(client.is_at_end());
    }
    // Whoever asks before sending is told before sending.
    let mut client = Client::connect(gateway.address);
    client
        .send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 10001\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.response("PUT").status, 413);
    assert_eq!(upstream.requests().len(), 2, "no other was whole");
    assert_eq!(gateway.bill()["POST 200 complete"].events, 2);
}

#[test]
fn a_body_that_grows_too_long_behind_an_answer_that_began_breaks_it_off() {
    let upstream = Upstream::start(|connection| {
        connection.head();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhello");
        pause(2000);
    });
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.limits.body_bytes = NonZeroU64::new(10);
    });
    let mut client = Client::connect(gateway.address);
    client.send(CHUNKED);
    client.send("5\r\nhello\r\n");
    client.read_some(b"HTTP/1.1 200 OK".len());
    client.send("6\r\nworld!\r\n");
    eventually("it ends", || gateway.stats.events_client_abort.get() == 1);
    assert_eq!(gateway.bill()["POST 200 client_abort"].bytes_out, 5);
}

#[test]
fn an_expectation_that_is_not_known_is_417() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::start(upstream.address);
    let ask = |version: &str, expect: &str| {
        let head = format!("GET / {version}\r\nHost: a\r\nExpect: {expect}\r\n\r\n");
        Client::ask(gateway.address, head).status
    };
    assert_eq!(ask("HTTP/1.1", "a-miracle"), 417);
    assert_eq!(ask("HTTP/1.1", "100-continue, a-miracle"), 417);
    assert_eq!(
        ask("HTTP/1.1", "100-CONTINUE"),
        200,
        "without a body there is nothing to wait for"
    );
    assert_eq!(ask("HTTP/1.0", "a-miracle"), 200);
    assert!(
        upstream
            .requests()
            .iter()
            .all(|request| request.header("expect").is_none())
    );
}

#[test]
fn a_connection_serves_as_many_requests_as_it_may() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.limits.requests_per_connection = 3;
    });
    let mut client = Client::connect(gateway.address);
    client.send(GET.repeat(5));
    for n in 0..3 {
        let last = n == 2;
        assert_eq!(
            client.response("GET").header("connection"),
            last.then_some("close")
        );
    }
    assert!(
        client.is_at_end(),
        "what was sent behind the last is not served"
    );
    assert_eq!(upstream.requests().len(), 3);
}

#[test]
fn the_whole_exchange_has_its_time() {
    let upstream = Upstream::start(|connection| {
        let request = connection.request().unwrap();
        if request.line().contains("/slow") {
            pause(3000);
        }
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        for _ in 0..100 {
            connection.send("hello");
            pause(30);
        }
    });
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.timeouts.request_ms = NonZeroU64::new(300);
    });
    let begun = Instant::now();
    let slow = Client::ask(gateway.address, "GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(slow.status, 504);
    let cut = Client::ask(gateway.address, GET);
    assert!(!cut.whole && !cut.body.is_empty(), "{cut:?}");
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "neither waited for its own end"
    );
    let mut client = Client::connect(gateway.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc");
    assert_eq!(
        client.response("POST").status,
        408,
        "it was the client who took so long"
    );
    let bill = gateway.bill();
    assert_eq!(bill.len(), 1, "{bill:?}");
    assert_eq!(bill["GET 200 upstream_abort"].requests, 1);
}

#[test]
fn an_upstream_that_takes_nothing_is_504_after_its_write_timeout() {
    let upstream = Upstream::start(|_| pause(3000));
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.service = json!({"write_timeout": 200, "read_timeout": 60_000});
    });
    let mut client = Client::connect(gateway.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    let mut sender = client.stream.try_clone().unwrap();
    let sending = std::thread::spawn(move || {
        let piece = vec![b'x'; 1 << 20];
        while std::io::Write::write_all(&mut sender, &piece).is_ok() {}
    });
    assert_eq!(client.response("POST").status, 504);
    drop(client);
    sending.join().unwrap();
}

/// How much got through before `sent` stood still.
fn standing(sent: &AtomicUsize) -> usize {
    let mut before = 0;
    loop {
        pause(300);
        let now = sent.load(Ordering::Relaxed);
        if now > 0 && now == before {
            return now;
        }
        before = now;
    }
}

/// What two pairs of sockets hold on this system at the most, and the gateway's buffers with it.
const HELD: usize = 40_000_000;
const MUCH: usize = 120_000_000;

#[test]
fn a_fast_upstream_waits_for_a_slow_client() {
    let sent = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&sent);
    let upstream = Upstream::start(move |connection| {
        connection.request();
        connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {MUCH}\r\n\r\n"));
        let piece = vec![b'x'; 100_000];
        for _ in 0..MUCH / piece.len() {
            if std::io::Write::write_all(&mut connection.stream, &piece).is_err() {
                return;
            }
            counted.fetch_add(piece.len(), Ordering::Relaxed);
        }
    });
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.timeouts.client_send_ms = 2500;
    });
    let mut client = Client::connect(gateway.address);
    client.send(GET);
    let held = standing(&sent);
    assert!(held < HELD, "{held} bytes went somewhere");
    client.read_some(held / 2);
    eventually("it goes on when the client does", || {
        sent.load(Ordering::Relaxed) > held
    });
    // From here on it reads nothing more, and is given up.
    eventually("the event", || gateway.stats.events_client_abort.get() == 1);
    let usage = gateway.bill()["GET 200 client_abort"];
    assert!(
        usage.bytes_out > 0 && usage.bytes_out < MUCH as u64,
        "{usage:?}"
    );
}

#[test]
fn a_fast_client_waits_for_a_slow_upstream() {
    let (resume, resumed) = std::sync::mpsc::channel::<()>();
    let resumed = std::sync::Mutex::new(resumed);
    let upstream = Upstream::start(move |connection| {
        connection.head();
        let _ = resumed.lock().unwrap().recv();
        assert!(connection.exactly(MUCH).is_some());
        connection.send(OK);
    });
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.service = json!({"write_timeout": 20_000, "read_timeout": 20_000});
    });
    let sent = Arc::<AtomicUsize>::default();
    let mut client = Client::connect(gateway.address);
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {MUCH}\r\n\r\n"
    ));
    let (mut sender, counted) = (client.stream.try_clone().unwrap(), Arc::clone(&sent));
    let sending = std::thread::spawn(move || {
        let piece = vec![b'x'; 100_000];
        for _ in 0..MUCH / piece.len() {
            std::io::Write::write_all(&mut sender, &piece).unwrap();
            counted.fetch_add(piece.len(), Ordering::Relaxed);
        }
    });
    let held = standing(&sent);
    assert!(held < HELD, "{held} bytes went somewhere");
    resume.send(()).unwrap();
    assert_eq!(client.response("POST").status, 200);
    sending.join().unwrap();
    drop(client);
    assert_eq!(gateway.bill()["POST 200 complete"], one(MUCH as u64, 2));
}
