//! When something goes wrong: who is told what, what is tried again, and what is billed.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use common::client::Client;
use common::upstream::{Upstream, pause};
use common::{Gateway, eventually, one};
use serde_json::json;
use tollway_engine::usage_log::Level;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const GET: &str = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

#[test]
fn an_upstream_that_refuses_is_tried_as_often_as_the_service_says() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let gateway = Gateway::with(closed, |setup| setup.service = json!({"retries": 3}));
    let mut client = Client::connect(gateway.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    let response = client.response("POST");
    assert_eq!(response.status, 502);
    assert!(
        response
            .text()
            .contains("An invalid response was received from the upstream server")
    );
    assert_eq!(gateway.stats.connect_failures.get(), 4);
    assert_eq!(
        client.get("/").status,
        502,
        "the body was skipped, the connection goes on"
    );
    drop(client);
    assert!(gateway.bill().is_empty());
}

#[test]
fn an_upstream_that_says_nothing_is_504() {
    let upstream = Upstream::start(|connection| {
        connection.request();
        pause(1500);
    });
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.service = json!({"read_timeout": 200});
    });
    let begun = Instant::now();
    let response = Client::ask(gateway.address, GET);
    assert_eq!(response.status, 504);
    assert!(
        response
            .text()
            .contains("The upstream server is timing out")
    );
    let waited = begun.elapsed();
    assert!(
        waited >= Duration::from_millis(200) && waited < Duration::from_millis(600),
        "{waited:?}"
    );
    assert_eq!(
        upstream.connection_count(),
        1,
        "what was sent is not sent again"
    );
}

#[test]
fn an_unknown_name_is_503() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.service = json!({"host": "no-such-host.invalid"});
    });
    let response = Client::ask(gateway.address, GET);
    assert_eq!(response.status, 503);
    assert!(response.text().contains("name resolution failed"));
}

#[test]
fn a_kept_connection_that_closed_meanwhile_is_replaced() {
    // Answers once, and closes only when the next request has come: the gateway can't know before.
    let upstream = Upstream::start(|connection| {
        connection.request();
        connection.send(OK);
        if connection.number == 0 {
            connection.head();
        } else {
            while connection.request().is_some() {
                connection.send(OK);
            }
        }
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    assert_eq!(client.get("/").status, 200);
    assert_eq!(client.get("/").status, 200);
    assert_eq!(gateway.stats.retries.get(), 1);
    drop(client);
    assert_eq!(
        gateway.bill()["GET 200 complete"].events,
        2,
        "one event for the repeated one"
    );
}

#[test]
fn a_request_that_may_have_been_carried_out_is_not_repeated() {
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
        "PATCH / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        // Only the head was sent: that may be all that is looked at.
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
    ] {
        let upstream = Upstream::start(|connection| {
            connection.request();
            connection.send(OK);
            connection.head();
        });
        let gateway = Gateway::start(upstream.address);
        let mut client = Client::connect(gateway.address);
        assert_eq!(client.get("/").status, 200);
        client.send(request);
        assert_eq!(client.response("POST").status, 502, "{request}");
        assert_eq!(upstream.connection_count(), 1);
    }
}

#[test]
fn a_new_connection_that_closes_is_tried_again_as_often_as_the_service_says() {
    // The service has 2 retries.
    for (answers_from, status, tried) in [(9, 502, 3), (2, 200, 3), (1, 200, 2)] {
        let upstream = Upstream::start(move |connection| {
            connection.request();
            if connection.number >= answers_from {
                connection.send(OK);
            }
        });
        let gateway = Gateway::start(upstream.address);
        let request = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(Client::ask(gateway.address, request).status, status);
        let bodies = upstream.requests();
        assert!(bodies.iter().all(|request| request.body == b"abc"));
        assert_eq!((bodies.len(), upstream.connection_count()), (tried, tried));
        assert_eq!(
            gateway.bill().len(),
            usize::from(status == 200),
            "one event at the most"
        );
    }
}

#[test]
fn what_a_new_connection_may_have_carried_out_is_not_tried_again() {
    let upstream = Upstream::start(|connection| {
        connection.request();
    });
    let gateway = Gateway::start(upstream.address);
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n".to_owned(),
        "PATCH / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc".to_owned(),
        // More than is still at hand when the end comes.
        format!(
            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\n{}",
            "x".repeat(90_000)
        ),
    ] {
        let before = upstream.connection_count();
        assert_eq!(Client::ask(gateway.address, &request).status, 502);
        assert_eq!(upstream.connection_count(), before + 1);
    }
}

#[test]
fn an_upstream_that_breaks_off_leaves_a_cut_answer_and_an_event() {
    for (head, kept) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", 5),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n100\r\n",
            5,
        ),
    ] {
        let upstream = Upstream::start(move |connection| {
            connection.request();
            connection.send(head);
            connection.send("hello");
            pause(50);
            connection.close();
        });
        let gateway = Gateway::start(upstream.address);
        let mut client = Client::connect(gateway.address);
        let response = client.get("/");
        assert!(!response.whole, "{response:?}");
        assert_eq!(response.body.len(), kept);
        assert!(client.is_at_end());
        assert_eq!(gateway.bill()["GET 200 upstream_abort"], one(0, 5));
    }
}

#[test]
fn malformed_chunks_from_an_upstream_break_the_answer_off() {
    let upstream = Upstream::start(|connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n");
        pause(50);
        connection.send("zz\r\n");
        pause(200);
    });
    let gateway = Gateway::start(upstream.address);
    let response = Client::ask(gateway.address, GET);
    assert!(!response.whole);
    assert_eq!(gateway.bill()["GET 200 upstream_abort"], one(0, 5));
}

#[test]
fn a_limit_that_answers_with_204_keeps_the_connection_in_step() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.plugins = json!([{
            "id": "00000000-0000-4000-8000-000000000003", "name": "rate-limiting", "enabled": true,
            "route": null, "service": null, "consumer_group": null, "tags": null,
            "config": {
                "second": null, "minute": null, "hour": null, "day": null, "month": null, "year": 1,
                "limit_by": "ip", "header_name": null, "path": null, "policy": "local",
                "fault_tolerant": true, "hide_client_headers": false, "error_code": 204,
                "error_message": "not now", "sync_rate": -1, "redis": null,
            },
        }]);
    });
    let mut client = Client::connect(gateway.address);
    assert_eq!(client.get("/").status, 200);
    for _ in 0..2 {
        let limited = client.get("/");
        assert_eq!(limited.status, 204);
        assert_eq!(limited.header("content-length"), None);
    }
}

#[test]
fn a_stalled_upstream_is_cut_off_by_its_read_timeout() {
    let upstream = Upstream::start(|connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello");
        pause(2000);
    });
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.service = json!({"read_timeout": 200});
    });
    let begun = Instant::now();
    assert!(!Client::ask(gateway.address, GET).whole);
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(gateway.bill()["GET 200 upstream_abort"], one(0, 5));
}

#[test]
fn a_reset_of_a_body_until_close_is_not_its_end() {
    let upstream = Upstream::start(|connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\n\r\nhello");
        pause(50);
        connection.reset_on_close();
    });
    let gateway = Gateway::start(upstream.address);
    assert!(!Client::ask(gateway.address, GET).whole);
    let mut client = Client::connect(gateway.address);
    client.send("GET / HTTP/1.0\r\n\r\n");
    let response = client.response("GET");
    assert_eq!(response.text(), "hello");
    assert_eq!(gateway.bill()["GET 200 upstream_abort"].events, 2);
}

#[test]
fn a_client_that_leaves_ends_the_exchange_upstream() {
    let (left, noticed) = std::sync::mpsc::channel();
    let left = std::sync::Mutex::new(left);
    let upstream = Upstream::start(move |connection| {
        connection.request();
        let begun = Instant::now();
        assert!(connection.request().is_none());
        left.lock().unwrap().send(begun.elapsed()).unwrap();
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    client.send(GET);
    eventually("the upstream is asked", || !upstream.requests().is_empty());
    drop(client);
    assert!(noticed.recv_timeout(Duration::from_secs(1)).unwrap() < Duration::from_secs(1));
    eventually("it is counted", || gateway.shared.totals().abandoned == 1);
    assert!(gateway.bill().is_empty(), "nothing was answered");
}

#[test]
fn a_client_that_leaves_within_the_answer_is_billed_what_it_got() {
    let upstream = Upstream::start(|connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
        for _ in 0..1000 {
            connection.send([b'x'; 1000]);
            pause(5);
        }
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    client.send(GET);
    client.read_some(5000);
    drop(client);
    eventually("the event", || gateway.stats.events_client_abort.get() == 1);
    let usage = gateway.bill()["GET 200 client_abort"];
    assert_eq!((usage.events, usage.units), (1, 1));
    assert!(
        usage.bytes_out > 4000 && usage.bytes_out < 1_000_000,
        "{usage:?}"
    );
}

#[test]
fn slow_heads_and_bodies_are_408() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.timeouts.client_header_ms = 200;
        setup.timeouts.client_body_ms = 200;
        setup.timeouts.client_idle_ms = 200;
    });
    for slow in [
        "GET / HTTP/1.1\r\nHos",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc",
    ] {
        let mut client = Client::connect(gateway.address);
        client.send(slow);
        let response = client.response("POST");
        assert_eq!(
            (response.status, response.header("connection")),
            (408, Some("close")),
            "{slow}"
        );
    }
    let mut idle = Client::connect(gateway.address);
    assert_eq!(idle.get("/").status, 200);
    let begun = Instant::now();
    assert!(
        idle.is_at_end(),
        "an idle connection is closed without a word"
    );
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(
        Client::connect(gateway.address).is_at_end(),
        "so is one that never speaks"
    );
}

#[test]
fn who_leaves_as_the_answer_comes_makes_an_event_and_who_left_before_makes_none() {
    let (answer, wait) = std::sync::mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Upstream::start(move |connection| {
        while connection.request().is_some() {
            let _ = wait.lock().unwrap().recv();
            connection.send(OK);
        }
    });
    let gateway = Gateway::start(upstream.address);
    let begin = |so_far: usize| {
        let mut client = Client::connect(gateway.address);
        client.send(GET);
        eventually("it is asked", || upstream.requests().len() == so_far + 1);
        client
    };
    for half in [false, true] {
        let mut client = begin(usize::from(half));
        gateway.freeze(400);
        pause(100);
        answer.send(()).unwrap();
        pause(100);
        if half {
            client.half_close();
        } else {
            drop(client);
        }
        pause(400);
    }
    drop(begin(2));
    eventually("it is given up", || gateway.stats.active.get() == 0);
    answer.send(()).unwrap();
    assert_eq!(gateway.bill()["GET 200 client_abort"].events, 2);
}

#[test]
fn a_long_stream_is_billed_in_parts_that_sum_up() {
    let upstream = Upstream::start(|connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
        for _ in 0..22 {
            connection.send("5\r\nhello\r\n");
            pause(500);
        }
        connection.send("0\r\n\r\n");
    });
    let gateway = Gateway::start(upstream.address);
    let response = Client::ask(gateway.address, GET);
    assert_eq!((response.whole, response.body.len()), (true, 110));
    let usage = gateway.bill()["GET 200 complete"];
    assert_eq!(
        (usage.events, usage.requests, usage.units, usage.bytes_out),
        (2, 1, 1, 110)
    );
}

#[test]
fn strict_answers_only_what_is_on_disk() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::with(upstream.address, |setup| setup.level = Level::Strict);
    let mut client = Client::connect(gateway.address);
    for _ in 0..5 {
        assert_eq!(client.get("/").text(), "ok");
    }
    drop(client);
    assert_eq!(gateway.bill()["GET 200 complete"].events, 5);
}

#[test]
fn draining_finishes_what_is_in_flight_and_closes_what_is_idle() {
    let upstream = Upstream::start(|connection| {
        while connection.request().is_some() {
            pause(300);
            connection.send(OK);
        }
    });
    let mut gateway = Gateway::start(upstream.address);
    let mut idle = Client::connect(gateway.address);
    assert_eq!(idle.get("/").status, 200);
    let mut late = Client::connect(gateway.address);
    assert_eq!(late.get("/").status, 200);
    let mut busy = Client::connect(gateway.address);
    busy.send(GET);
    eventually("the request is upstream", || upstream.requests().len() == 3);
    gateway.drain();
    pause(100);
    // It can't know yet, and is answered: connections close after a while of quiet, or with an answer that says so.
    let response = late.get("/");
    assert_eq!(
        (response.text(), response.header("connection")),
        ("ok", Some("close"))
    );
    assert!(idle.is_at_end());
    let response = busy.response("GET");
    assert_eq!(
        (response.text(), response.header("connection")),
        ("ok", Some("close"))
    );
    assert!(busy.is_at_end());
    assert_eq!(gateway.bill()["GET 200 complete"].events, 4);
}
