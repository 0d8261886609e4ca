//! HTTP/2 from clients that mean ill: floods, bombs, slow readers, and what HTTP/1.1 could be made to misread. Each
//! has its one answer, costs little, and leaves the gateway serving others.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use std::net::Shutdown;
use std::time::Duration;

use common::client::Client;
use common::http2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frames, GET, GOAWAY, HEADERS, Http2, PING, POST,
    RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, read, run,
};
use common::upstream::{Upstream, pause};
use common::{Gateway, eventually};
use h2::Reason;
use http::Request;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const PRIORITY: u8 = 2;
const CALM: u32 = 11;

/// What a flood comes to, sent on one connection behind `first`; others are served meanwhile and afterwards.
fn ends_calmly(what: &str, first: &[u8], flood: &[u8]) {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::start(upstream.address);
    let mut client = Frames::connect(gateway.address);
    client.send(first);
    let mut other = Client::connect(gateway.address);
    let mut batch = Vec::new();
    for _ in 0..200 {
        batch.extend_from_slice(flood);
    }
    let mut reading = Frames {
        stream: client.stream.try_clone().unwrap(),
    };
    let reader = std::thread::spawn(move || reading.farewell());
    client.flood(&batch, 200);
    assert_eq!(other.get("/").text(), "hello", "{what}");
    assert_eq!(reader.join().unwrap(), Some(CALM), "{what}");
    drop(client);
    eventually(what, || gateway.stats.open.get() == 1);
}

#[test]
fn floods_of_empty_frames_end_the_connection() {
    let opened = frame(HEADERS, END_HEADERS, 1, POST);
    let floods = [
        ("pings", &[][..], frame(PING, 0, 0, &[0; 8])),
        ("settings", &[], frame(SETTINGS, 0, 0, &[])),
        ("windows", &[], frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])),
        ("priorities", &[], frame(PRIORITY, 0, 1, &[0, 0, 0, 0, 0])),
        ("unknown frames", &[], frame(0x42, 0, 0, &[])),
        ("empty data", &opened, frame(DATA, 0, 1, &[])),
    ];
    std::thread::scope(|scope| {
        for (what, first, flood) in &floods {
            scope.spawn(|| ends_calmly(what, first, flood));
        }
    });
}

#[test]
fn continuations_without_end_end_the_connection() {
    let opened = frame(HEADERS, 0, 1, GET);
    ends_calmly("continuations", &opened, &frame(CONTINUATION, 0, 1, &[]));
}

#[test]
fn rapid_resets_end_the_connection_and_cost_the_upstream_little() {
    let upstream = Upstream::start(|connection| {
        while connection.request().is_some() {
            pause(2_000);
        }
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = Frames::connect(gateway.address);
    let mut reading = Frames {
        stream: client.stream.try_clone().unwrap(),
    };
    let reader = std::thread::spawn(move || reading.farewell());
    // One at a time: each request is begun before it is reset.
    for n in 0..2_000 {
        let id = 2 * n + 1;
        let mut pair = frame(HEADERS, END_HEADERS | END_STREAM, id, GET);
        pair.extend_from_slice(&frame(RST_STREAM, 0, id, &[0, 0, 0, 8]));
        if client.flood(&pair, 1) {
            break;
        }
    }
    assert_eq!(reader.join().unwrap(), Some(CALM));
    assert!(
        upstream.connection_count() <= 400,
        "{}",
        upstream.connection_count()
    );
    eventually("all are over", || gateway.stats.active.get() == 0);
    assert!(gateway.bill().is_empty());
}

#[test]
fn large_heads_are_answered_431() {
    let gateway = Gateway::start(Upstream::answering(OK).address);
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        let mut large = Request::get("http://api.example/");
        for n in 0..40 {
            large = large.header(format!("x-{n}"), "y".repeat(1000));
        }
        let (answer, _) = client.begin(large.body(()).unwrap(), true).await;
        assert_eq!(answer.await.unwrap().status(), 431);
        let mut many = Request::get("http://api.example/");
        for n in 0..120 {
            many = many.header(format!("x-{n}"), "y");
        }
        let (answer, _) = client.begin(many.body(()).unwrap(), true).await;
        assert_eq!(answer.await.unwrap().status(), 431);
        let long = format!("http://api.example/{}", "a".repeat(9_000));
        let (answer, _) = client
            .begin(Request::get(long).body(()).unwrap(), true)
            .await;
        assert_eq!(answer.await.unwrap().status(), 414);
        assert_eq!(client.get("/").await.text(), "hello");
    });
}

/// A few bytes that stand for a head of many megabytes.
#[test]
fn a_header_bomb_is_counted_as_what_it_unpacks_to() {
    let gateway = Gateway::start(Upstream::answering(OK).address);
    let mut client = Frames::connect(gateway.address);
    // A header of 4,000 bytes into the table, then named ten thousand times.
    let mut head = GET.to_vec();
    head.extend_from_slice(&[0x40, 0x01, b'x', 0x7f, 0xa1, 0x1e]);
    head.extend_from_slice(&[b'y'; 4_000]);
    head.extend_from_slice(&[0xbe; 10_000]);
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &head));
    assert_eq!(client.farewell(), Some(CALM));
    assert_eq!(Client::connect(gateway.address).get("/").text(), "hello");
}

#[test]
fn what_text_would_read_otherwise_never_reaches_an_upstream() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::start(upstream.address);
    let literal = |name: &str, value: &str| {
        let mut bytes = vec![0, u8::try_from(name.len()).unwrap()];
        bytes.extend_from_slice(name.as_bytes());
        bytes.push(u8::try_from(value.len()).unwrap());
        bytes.extend_from_slice(value.as_bytes());
        bytes
    };
    let head = |pseudo: [(&str, &str); 4], fields: &[(&str, &str)]| {
        let mut bytes = Vec::new();
        for (name, value) in pseudo.iter().chain(fields) {
            bytes.extend(literal(name, value));
        }
        bytes
    };
    let pseudo = |method, path| {
        [
            (":method", method),
            (":scheme", "http"),
            (":authority", "api.example"),
            (":path", path),
        ]
    };
    let get = pseudo("GET", "/");
    let heads = [
        head(get, &[("transfer-encoding", "chunked")]),
        head(get, &[("connection", "x-internal")]),
        head(get, &[("upgrade", "h2c")]),
        head(get, &[("te", "gzip")]),
        head(get, &[("host", "other.example")]),
        head(get, &[("content-length", "5")]),
        head(get, &[("content-length", "0"), ("content-length", "5")]),
        head(get, &[("x-a", "b\r\nx-internal: 1")]),
        head(get, &[("x-a", "b\0")]),
        head(get, &[("x-a", " b")]),
        head(get, &[("x-a\r\nx-internal", "1")]),
        head(get, &[("x a", "1")]),
        head(get, &[("X-Upper", "1")]),
        head(get, &[(":path", "/two")]),
        head(pseudo("GET", "http://other.example/"), &[]),
        head(pseudo("GET", "//other.example /"), &[]),
        head(
            pseudo("GET", "/ HTTP/1.1\r\nHost: other.example\r\n\r\n"),
            &[],
        ),
        head(pseudo("GET", "*"), &[]),
        head(pseudo("GET", ""), &[]),
        head(pseudo("GET /internal HTTP/1.1\r\nx: ", "/"), &[]),
        head(pseudo("CONNECT", "/"), &[]),
        head(pseudo("TRACE", "/"), &[]),
        head(
            [
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "user@api.example"),
                (":path", "/"),
            ],
            &[],
        ),
        head(
            [
                (":method", "GET"),
                (":scheme", "file"),
                (":authority", "api.example"),
                (":path", "/"),
            ],
            &[],
        ),
        head(
            [
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", "api.example"),
                (":status", "200"),
            ],
            &[],
        ),
    ];
    for (place, head) in heads.iter().enumerate() {
        let mut client = Frames::connect(gateway.address);
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, head));
        let came = std::iter::from_fn(|| client.next())
            .find(|frame| matches!(frame.kind, HEADERS | RST_STREAM | GOAWAY))
            .unwrap();
        // Not a 2xx: those are in HPACK's static table, at 0x88 and the two after it.
        assert!(
            came.kind != HEADERS || !matches!(came.payload[0], 0x88..=0x8a),
            "{place}: {came:?}"
        );
    }
    let requests = upstream.requests();
    assert!(requests.is_empty(), "{requests:?}");
}

#[test]
fn a_slow_reader_costs_its_stream_alone() {
    let upstream = Upstream::start(|connection| {
        while connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n");
            connection.send(vec![b'x'; 1_000_000]);
        }
    });
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.timeouts.client_send_ms = 200;
    });
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        let request = Request::get("http://api.example/").body(()).unwrap();
        let (answer, _) = client.begin(request, true).await;
        let mut body = answer.await.unwrap().into_body();
        // Never makes room for more than the first window.
        let mut got = 0;
        let broken = loop {
            match body.data().await.unwrap() {
                Ok(data) => got += data.len(),
                Err(broken) => break broken,
            }
        };
        assert_eq!(
            (got, broken.reason()),
            (65_535, Some(Reason::INTERNAL_ERROR))
        );
    });
    assert_eq!(gateway.bill()["GET 200 client_abort"].bytes_out, 65_535);
}

#[test]
fn a_client_that_takes_nothing_at_all_is_dropped() {
    let upstream = Upstream::start(|connection| {
        while connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 50000000\r\n\r\n");
            connection.send(vec![b'x'; 50_000_000]);
        }
    });
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.timeouts.client_send_ms = 200;
    });
    let mut client = Frames::connect(gateway.address);
    let most = 0x7fff_0000_u32.to_be_bytes();
    client.send(frame(SETTINGS, 0, 0, &[[0, 4].as_slice(), &most].concat()));
    client.send(frame(WINDOW_UPDATE, 0, 0, &most));
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, GET));
    eventually("it is dropped", || {
        gateway.stats.accepted.get() == 1 && gateway.stats.open.get() == 0
    });
    drop(client);
    assert_eq!(gateway.bill()["GET 200 client_abort"].events, 1);
}

#[test]
fn who_says_nothing_is_not_waited_for() {
    let gateway = Gateway::with(Upstream::answering(OK).address, |setup| {
        setup.timeouts.client_header_ms = 150;
        setup.timeouts.client_idle_ms = 150;
    });
    // Half a preface.
    let mut client = Client::connect(gateway.address);
    client.send("PRI * HTTP/2.0\r\n\r\nSM\r\n");
    client.stream.read_timeout().unwrap();
    eventually("no preface", || gateway.stats.open.get() == 0);
    // A request without an end: h2 tells nobody of it, so the connection is idle.
    let mut client = Frames::connect(gateway.address);
    client.send(frame(HEADERS, 0, 1, GET));
    assert_eq!(client.farewell(), Some(0));
    eventually("no end of a head", || gateway.stats.open.get() == 0);
    // A connection without requests is told before it ends.
    let mut client = Frames::connect(gateway.address);
    client.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, GET));
    assert_eq!(client.farewell(), Some(0));
    drop(client);
    // A body that doesn't come.
    let mut client = Frames::connect(gateway.address);
    client.send(frame(HEADERS, END_HEADERS, 1, POST));
    client
        .stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    client.stream.shutdown(Shutdown::Write).unwrap();
    assert!(std::iter::from_fn(|| client.next()).count() > 0);
    eventually("no body", || gateway.stats.open.get() == 0);
}

#[test]
fn streams_beyond_the_limit_are_refused() {
    let upstream = Upstream::start(|connection| {
        while connection.request().is_some() {
            pause(300);
            connection.send(OK);
        }
    });
    let gateway = Gateway::with(upstream.address, |setup| setup.limits.http2_streams = 2);
    let mut client = Frames::connect(gateway.address);
    // The limit holds once the settings were acknowledged.
    client.next_of(SETTINGS).unwrap();
    client.send(frame(SETTINGS, 1, 0, &[]));
    for id in [1, 3, 5] {
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, id, GET));
    }
    let refused = client.next_of(RST_STREAM).unwrap();
    assert_eq!((refused.stream, refused.payload), (5, vec![0, 0, 0, 7]));
    for _ in 0..2 {
        assert_eq!(client.next_of(DATA).unwrap().payload, b"hello");
    }
    assert_eq!(gateway.bill()["GET 200 complete"].events, 2);
}

#[test]
fn garbage_ends_its_connection_alone() {
    let gateway = Gateway::start(Upstream::answering(OK).address);
    for garbage in [
        frame(HEADERS, END_HEADERS, 0, GET),
        frame(HEADERS, END_HEADERS | END_STREAM, 2, GET),
        frame(HEADERS, END_HEADERS | END_STREAM, 1, &[0xff; 20]),
        frame(DATA, 0, 1, b"x"),
        frame(PING, 0, 0, &[0; 7]),
        frame(SETTINGS, 0, 0, &[0; 5]),
        frame(WINDOW_UPDATE, 0, 0, &[0; 4]),
        vec![0xff; 100],
    ] {
        let mut client = Frames::connect(gateway.address);
        client.send(&garbage);
        let reason = client.farewell();
        assert!(
            reason.is_some_and(|reason| reason != 0),
            "{garbage:?}: {reason:?}"
        );
    }
    let answer = run(async {
        let mut client = Http2::connect(gateway.address).await;
        let request = Request::get("http://api.example/").body(()).unwrap();
        let (answer, _) = client.begin(request, true).await;
        read(answer.await.unwrap()).await.unwrap()
    });
    assert_eq!(answer.text(), "hello");
}
