//! Upgrades: what becomes a tunnel and what doesn't, how it ends, and how it is billed.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use std::io::{Read, Write};
use std::num::NonZeroU64;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::client::Client;
use common::upstream::{Connection, Upstream, pause};
use common::{Gateway, Usage, eventually, one};
use serde_json::json;
use tollway_engine::usage_log::Level;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const ASK: &str = "GET /socket HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

/// Switches and sends everything back.
fn echo(connection: &mut Connection) {
    connection.request();
    connection.send(SWITCH);
    let mut bytes = vec![0; 65_536];
    while let Ok(length) = connection.stream.read(&mut bytes) {
        if length == 0 || connection.stream.write_all(&bytes[..length]).is_err() {
            break;
        }
    }
    connection.close();
}

/// One request in so many events.
fn parts(events: u64, bytes_in: u64, bytes_out: u64) -> Usage {
    Usage {
        events,
        ..one(bytes_in, bytes_out)
    }
}

fn upgraded(gateway: &Gateway) -> Client {
    let mut client = Client::connect(gateway.address);
    client.send(ASK);
    let response = client.response("GET");
    assert_eq!(response.status, 101, "{}", response.head);
    client
}

#[test]
fn bytes_go_both_ways_and_are_billed_in_parts_of_one_request() {
    for level in [Level::Group, Level::Strict] {
        let upstream = Upstream::start(echo);
        let gateway = Gateway::with(upstream.address, |setup| {
            setup.level = level;
            // A tunnel is no exchange that could be expected to end.
            setup.timeouts.request_ms = NonZeroU64::new(100);
        });
        let mut client = Client::connect(gateway.address);
        client.send(ASK);
        let response = client.response("GET");
        assert_eq!(response.status, 101);
        assert_eq!(response.header("upgrade"), Some("websocket"));
        assert_eq!(response.header("connection"), Some("Upgrade"));
        assert_eq!(
            response.header("sec-websocket-accept"),
            Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        );
        assert!(response.header("x-kong-request-id").is_some());
        let request = &upstream.requests()[0];
        assert_eq!(request.header("connection"), Some("Upgrade"));
        assert_eq!(request.header("upgrade"), Some("websocket"));
        assert_eq!(request.header("sec-websocket-version"), Some("13"));
        eventually("the request is on record before a byte", || {
            gateway.stats.events.get() == 1
        });
        pause(200);
        for _ in 0..3 {
            client.send("hello");
            client.read_some(5);
        }
        client.half_close();
        assert!(client.is_at_end(), "the upstream's close comes back");
        assert_eq!(gateway.bill()["GET 101 complete"], parts(2, 15, 15));
    }
}

#[test]
fn what_the_upstream_says_at_once_is_not_lost() {
    let upstream = Upstream::start(|connection| {
        connection.request();
        connection.send(format!("{SWITCH}welcome"));
        assert_eq!(connection.exactly(3).unwrap(), b"bye");
        connection.close();
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = upgraded(&gateway);
    client.read_some(7);
    client.send("bye");
    assert!(client.is_at_end());
    drop(client);
    assert_eq!(gateway.bill()["GET 101 complete"], parts(2, 3, 7));
}

#[test]
fn a_side_that_is_done_still_hears_the_other() {
    let upstream = Upstream::start(|connection| {
        connection.request();
        connection.send(SWITCH);
        let mut all = Vec::new();
        connection.stream.read_to_end(&mut all).unwrap();
        connection.send(format!("{} bytes", all.len()));
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = upgraded(&gateway);
    client.send("hello");
    client.half_close();
    client.read_some(b"5 bytes".len());
    assert!(client.is_at_end());
    assert_eq!(gateway.bill()["GET 101 complete"], parts(2, 5, 7));
}

#[test]
fn a_tunnel_at_rest_writes_no_events() {
    let upstream = Upstream::start(echo);
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.service = json!({"read_timeout": 60_000});
    });
    let mut client = upgraded(&gateway);
    pause(10_500);
    assert_eq!(gateway.stats.events.get(), 1, "the request alone");
    client.send("hello");
    client.read_some(5);
    eventually("what moved after a long rest is told at once", || {
        gateway.stats.events.get() == 2
    });
    client.half_close();
    assert!(client.is_at_end());
    assert_eq!(gateway.bill()["GET 101 complete"], parts(3, 5, 5));
}

#[test]
fn every_mebibyte_is_a_part() {
    const MIB: usize = 1 << 20;
    let upstream = Upstream::start(echo);
    let gateway = Gateway::start(upstream.address);
    let mut client = upgraded(&gateway);
    for _ in 0..5 {
        client.send(vec![b'x'; MIB]);
        client.read_some(MIB);
    }
    eventually("parts are appended while it goes on", || {
        gateway.stats.events.get() >= 5
    });
    client.half_close();
    assert!(client.is_at_end());
    let usage = gateway.bill()["GET 101 complete"];
    let bytes = 5 * MIB as u64;
    assert!(
        (6..=12).contains(&usage.events),
        "in either direction: {usage:?}"
    );
    assert_eq!(usage, parts(usage.events, bytes, bytes));
}

#[test]
fn without_room_for_further_parts_a_tunnel_goes_on_and_holds_up_nobody() {
    const MIB: usize = 1 << 20;
    let upstream = Upstream::start(echo);
    let gateway = Gateway::start(upstream.address);
    let mut client = upgraded(&gateway);
    let taken = gateway.fill_log();
    for _ in 0..3 {
        client.send(vec![b'x'; MIB]);
        client.read_some(MIB);
        assert_eq!(Client::connect(gateway.address).get("/").status, 503);
    }
    assert_eq!(gateway.stats.events.get(), 1);
    drop(taken);
    client.half_close();
    assert!(client.is_at_end());
    let bytes = 3 * MIB as u64;
    assert_eq!(gateway.bill()["GET 101 complete"], parts(2, bytes, bytes));
}

#[test]
fn a_switch_without_room_for_what_follows_is_not_begun() {
    let upstream = Upstream::start(echo);
    let gateway = Gateway::start(upstream.address);
    let mut taken = gateway.fill_log();
    taken.pop();
    let mut client = Client::connect(gateway.address);
    client.send(ASK);
    assert_eq!(client.response("GET").status, 503);
    drop((client, taken));
    assert!(gateway.bill().is_empty());
}

#[test]
fn a_refused_upgrade_is_an_answer_like_any_other() {
    let upstream = Upstream::start(|connection| {
        while let Some(request) = connection.request() {
            connection.send(if request.header("upgrade").is_some() {
                "HTTP/1.1 426 Upgrade Required\r\nUpgrade: chat\r\nConnection: upgrade\r\nContent-Length: 2\r\n\r\nno"
            } else {
                OK
            });
        }
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    // What follows is the next request, and not the beginning of a tunnel.
    client.send(format!("{ASK}GET /next HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(client.response("GET").text(), "no");
    assert_eq!(client.response("GET").text(), "ok");
    assert_eq!(upstream.connection_count(), 1);
    drop(client);
    let bill = gateway.bill();
    assert_eq!(
        (bill["GET 426 complete"], bill["GET 200 complete"]),
        (one(0, 2), one(0, 2))
    );
}

#[test]
fn only_what_was_asked_for_is_switched_to() {
    for answer in [
        "HTTP/1.1 101 X\r\nUpgrade: chat\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 X\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 3\r\n\r\nabc",
        "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.0 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    ] {
        let upstream = Upstream::start(move |connection| {
            connection.request();
            connection.send(answer);
            assert!(connection.request().is_none(), "it is not used any more");
        });
        let gateway = Gateway::start(upstream.address);
        assert_eq!(Client::ask(gateway.address, ASK).status, 502, "{answer}");
        assert!(gateway.bill().is_empty());
    }
}

#[test]
fn what_is_no_plain_upgrade_is_no_upgrade_at_all() {
    let upstream = Upstream::start(|connection| {
        while connection.request().is_some() {
            // A backend that can be talked into anything.
            connection.send(SWITCH);
            pause(20);
        }
    });
    let gateway = Gateway::start(upstream.address);
    for (name, request) in [
        ("cleartext HTTP/2", ASK.replace("websocket", "h2c")),
        (
            "HTTP/2 by another name",
            ASK.replace("websocket", "HTTP/2.0"),
        ),
        ("TLS", ASK.replace("websocket", "TLS/1.3")),
        ("several", ASK.replace("websocket", "websocket, h2c")),
        (
            "twice",
            ASK.replace("Upgrade: websocket", "Upgrade: websocket\r\nUpgrade: h2c"),
        ),
        ("no protocol", ASK.replace("Upgrade: websocket", "Upgrade:")),
        (
            "not named by Connection",
            ASK.replace("keep-alive, Upgrade", "keep-alive"),
        ),
        ("HTTP/1.0", ASK.replace("HTTP/1.1", "HTTP/1.0")),
        (
            "a body",
            ASK.replace("\r\n\r\n", "\r\nContent-Length: 5\r\n\r\nhello"),
        ),
        (
            "chunks",
            ASK.replace(
                "\r\n\r\n",
                "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            ),
        ),
    ] {
        let response = Client::ask(gateway.address, request);
        assert_eq!(response.status, 502, "{name}");
        let seen = upstream.requests().pop().unwrap();
        assert_eq!(
            (seen.header("upgrade"), seen.header("connection")),
            (None, None),
            "{name}"
        );
    }
    assert!(gateway.bill().is_empty());
}

#[test]
fn who_sends_on_before_the_switch_is_refused() {
    let (told, ended) = channel();
    let told = Mutex::new(told);
    let upstream = Upstream::start(move |connection| {
        connection.request();
        pause(100);
        connection.send(SWITCH);
        told.lock().unwrap().send(connection.exactly(1)).unwrap();
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    client.send(format!("{ASK}GET /admin HTTP/1.1\r\nHost: a\r\n\r\n"));
    let response = client.response("GET");
    assert_eq!(
        (response.status, response.header("connection")),
        (400, Some("close"))
    );
    assert!(client.is_at_end());
    assert_eq!(
        ended.recv().unwrap(),
        None,
        "nothing of it reached the upstream"
    );
    assert!(gateway.bill().is_empty());
}

#[test]
fn a_tunnel_at_rest_ends_after_the_read_timeout() {
    let upstream = Upstream::start(echo);
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.service = json!({"read_timeout": 600});
    });
    let mut client = upgraded(&gateway);
    for _ in 0..4 {
        pause(250);
        client.send("x");
        client.read_some(1);
    }
    assert!(client.is_at_end());
    assert_eq!(gateway.bill()["GET 101 complete"], parts(2, 4, 4));
}

#[test]
fn a_side_that_breaks_off_is_named() {
    // The client first.
    let (told, ended): (_, Receiver<bool>) = channel();
    let told = Arc::new(Mutex::new(told));
    let upstream = Upstream::start(move |connection| {
        connection.request();
        connection.send(SWITCH);
        told.lock()
            .unwrap()
            .send(connection.exactly(100).is_none())
            .unwrap();
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = upgraded(&gateway);
    client.send("hello");
    pause(100);
    let socket = socket2::SockRef::from(&client.stream);
    socket.set_linger(Some(Duration::ZERO)).unwrap();
    drop(client);
    assert!(ended.recv().unwrap());
    eventually("the event", || gateway.stats.events_client_abort.get() == 1);
    let bill = gateway.bill();
    // The first part stands as it was written.
    assert_eq!(bill["GET 101 complete"].requests, 1);
    assert_eq!(bill["GET 101 client_abort"].bytes_in, 5);

    let upstream = Upstream::start(|connection| {
        connection.request();
        connection.send(SWITCH);
        connection.send("hello");
        pause(200);
        connection.reset_on_close();
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = upgraded(&gateway);
    client.read_some(5);
    assert!(client.is_at_end());
    assert_eq!(gateway.bill()["GET 101 upstream_abort"].bytes_out, 5);
}

#[test]
fn a_tunnel_holds_little_while_one_side_takes_nothing() {
    let upstream = Upstream::start(|connection| {
        connection.request();
        connection.send(SWITCH);
        while connection.stream.write_all(&[b'x'; 16_384]).is_ok() {}
    });
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.service = json!({"read_timeout": 500});
    });
    let client = upgraded(&gateway);
    eventually("it is given up", || {
        gateway.stats.events_client_abort.get() == 1
    });
    drop(client);
    let bill = gateway.bill();
    let bytes: u64 = bill.values().map(|usage| usage.bytes_out).sum();
    assert!(bytes > 0 && bytes < 40_000_000, "{bill:?}");
}
