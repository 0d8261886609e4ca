//! What passes through the gateway, in every framing that HTTP/1 has, and what doesn't.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use common::client::Client;
use common::upstream::{Upstream, pause};
use common::{Gateway, one};
use serde_json::json;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const GET: &str = "GET /x HTTP/1.1\r\nHost: api.example\r\n\r\n";

#[test]
fn one_connection_on_each_side_serves_many_requests() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    for _ in 0..50 {
        let response = client.get("/x?a=b%20c");
        assert_eq!((response.status, response.text()), (200, "hello"));
    }
    assert_eq!(upstream.connection_count(), 1);
    assert_eq!(upstream.requests()[0].line(), "GET /x?a=b%20c HTTP/1.1");
    drop(client);
    let bill = gateway.bill();
    let usage = bill["GET 200 complete"];
    assert_eq!(
        (usage.events, usage.requests, usage.bytes_out),
        (50, 50, 250)
    );
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::start(|connection| {
        while let Some(request) = connection.request() {
            let path = request.line().split(' ').nth(1).unwrap().to_owned();
            pause(if path == "/0" { 100 } else { 0 });
            let length = path.len();
            connection.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{path}"
            ));
        }
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    for n in 0..8 {
        client.send(format!(
            "POST /{n} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
        ));
    }
    for n in 0..8 {
        assert_eq!(client.response("POST").text(), format!("/{n}"));
    }
    assert!(
        upstream
            .requests()
            .iter()
            .all(|request| request.body == b"abc")
    );
}

#[test]
fn a_request_may_arrive_byte_by_byte_and_after_an_empty_line() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    for byte in b"\r\nPOST /x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;e=1\r\nabc\r\n0\r\n\r\n" {
        client.send([*byte]);
    }
    assert_eq!(client.response("POST").status, 200);
    assert_eq!(upstream.requests()[0].body, b"abc");
}

#[test]
fn chunks_go_both_ways_with_their_trailers() {
    let upstream = Upstream::start(|connection| {
        while connection.request().is_some() {
            connection
                .send("HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n");
            pause(30);
            connection.send("3\r\nabc\r\n");
            pause(30);
            connection.send("2\r\nde\r\n0\r\nX-Sum: 5\r\nContent-Length: 9\r\n\r\n");
        }
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    for _ in 0..2 {
        client.send("POST /x HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nTransfer-Encoding: chunked\r\n\r\n");
        client.send("4\r\nwxyz\r\n0\r\nX-In: 4\r\nX-Consumer-ID: forged\r\n\r\n");
        let response = client.response("POST");
        assert_eq!(
            (response.text(), response.trailers.as_str()),
            ("abcde", "X-Sum: 5\n")
        );
        assert_eq!(response.header("trailer"), Some("X-Sum"));
    }
    let request = &upstream.requests()[1];
    assert_eq!(
        (request.body.as_slice(), request.trailers.as_str()),
        (&b"wxyz"[..], "X-In: 4\n")
    );
    assert_eq!(request.header("te"), Some("trailers"));
    drop(client);
    assert_eq!(gateway.bill()["POST 200 complete"].bytes_in, 8);
}

#[test]
fn a_body_until_close_becomes_chunks_and_the_client_is_kept() {
    let upstream = Upstream::start(|connection| {
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\n\r\nuntil ");
        pause(30);
        connection.send("the end");
        connection.close();
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    for _ in 0..3 {
        let response = client.get("/");
        assert_eq!(response.text(), "until the end");
        assert_eq!(response.header("transfer-encoding"), Some("chunked"));
    }
    assert_eq!(upstream.connection_count(), 3);
    drop(client);
    assert_eq!(gateway.bill()["GET 200 complete"].bytes_out, 39);
}

#[test]
fn http_1_0_clients_get_what_they_understand() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    );
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
    let response = client.response("GET");
    assert_eq!(
        (response.text(), response.header("transfer-encoding")),
        ("abc", None)
    );
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(upstream.requests()[0].line(), "GET / HTTP/1.1");

    let upstream = Upstream::answering(OK);
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
        let response = client.response("GET");
        assert_eq!(response.header("connection"), Some("keep-alive"));
    }
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.response("GET").header("connection"), Some("close"));
    assert!(client.is_at_end());
}

#[test]
fn answers_without_a_body_have_none() {
    let upstream = Upstream::start(|connection| {
        while let Some(request) = connection.request() {
            connection.send(match request.line().split(' ').nth(1).unwrap() {
                "/204" => "HTTP/1.1 204 No Content\r\n\r\n",
                "/304" => "HTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\nETag: x\r\n\r\n",
                "/0" => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n",
            });
        }
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    for (method, path, status, length) in [
        ("HEAD", "/head", 200, Some("10")),
        ("GET", "/204", 204, None),
        ("GET", "/304", 304, Some("10")),
        ("GET", "/0", 200, Some("0")),
        ("HEAD", "/0", 200, Some("0")),
    ] {
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let response = client.response(method);
        assert_eq!(
            (response.status, response.header("content-length")),
            (status, length)
        );
        assert!(response.body.is_empty());
    }
    assert_eq!(
        upstream.connection_count(),
        1,
        "all of them leave the connection usable"
    );
    drop(client);
    let bill = gateway.bill();
    assert_eq!(bill["GET 204 complete"], one(0, 0));
    assert_eq!(bill["HEAD 200 complete"].events, 2);
}

#[test]
fn a_204_that_announces_a_body_costs_its_connection() {
    let upstream = Upstream::answering("HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello");
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    for _ in 0..2 {
        let response = client.get("/");
        assert_eq!(
            (response.status, response.header("content-length")),
            (204, None)
        );
    }
    assert_eq!(upstream.connection_count(), 2);
}

#[test]
fn an_interim_answer_is_not_heard_twice() {
    let upstream = Upstream::start(|connection| {
        connection.request();
        connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
        pause(50);
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response("GET").status, 103);
    assert_eq!(client.response("GET").status, 502);
    assert_eq!(upstream.connection_count(), 1);
}

#[test]
fn interim_answers_pass_and_100_is_said_once() {
    let upstream = Upstream::start(|connection| {
        while connection.request().is_some() {
            connection.send(
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
            );
            pause(20);
            connection.send(OK);
        }
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(client.response("POST").status, 100);
    client.send("abc");
    let hints = client.response("POST");
    assert_eq!((hints.status, hints.header("link")), (103, Some("</a>")));
    assert_eq!(client.response("POST").text(), "hello");
    assert_eq!(upstream.requests()[0].header("expect"), None);
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(
        client.response("GET").status,
        200,
        "HTTP/1.0 knows no interim answers"
    );
}

#[test]
fn headers_of_this_hop_end_here() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nConnection: X-Secret, keep-alive\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\n\
         Upgrade: h2c\r\nX-Kept: 2\r\nContent-Length: 0\r\n\r\n",
    );
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    client.send(
        "GET / HTTP/1.1\r\nHost: api.example\r\nConnection: X-Drop , content-length, host\r\nX-Drop: 1\r\n\
         Upgrade: websocket\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: gzip\r\nProxy-Authorization: x\r\n\
         Cookie: a\r\nCookie: b\r\nX-Keep: 2\r\n\r\n",
    );
    let response = client.response("GET");
    assert_eq!(
        (response.header("x-secret"), response.header("keep-alive")),
        (None, None)
    );
    assert_eq!(
        (response.header("upgrade"), response.header("x-kept")),
        (None, Some("2"))
    );
    let request = &upstream.requests()[0];
    for gone in [
        "x-drop",
        "connection",
        "upgrade",
        "keep-alive",
        "proxy-connection",
        "te",
        "proxy-authorization",
    ] {
        assert_eq!(request.header(gone), None, "{gone}");
    }
    assert_eq!(
        request.header("host"),
        Some("api.example"),
        "Connection can't name Host away"
    );
    assert_eq!(
        (request.all("cookie"), request.header("x-keep")),
        (vec!["a", "b"], Some("2"))
    );
}

#[test]
fn an_answer_without_a_date_gets_one() {
    let dated =
        "HTTP/1.1 200 OK\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n";
    for (response, own) in [(OK, false), (dated, true)] {
        let upstream = Upstream::answering(response);
        let gateway = Gateway::start(upstream.address);
        let answer = Client::ask(gateway.address, GET);
        let date = answer.header("date").unwrap();
        assert!(date.ends_with(" GMT"));
        assert_eq!(date == "Sun, 06 Nov 1994 08:49:37 GMT", own);
    }
}

#[test]
fn an_absolute_target_overrules_host() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::start(upstream.address);
    let response = Client::ask(
        gateway.address,
        "GET http://real.example:8000/p?q HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n",
    );
    assert_eq!(response.status, 200);
    let request = &upstream.requests()[0];
    assert_eq!(
        (request.line(), request.header("host")),
        ("GET /p?q HTTP/1.1", Some("real.example:8000"))
    );
}

#[test]
fn an_absolute_target_may_be_of_either_scheme_and_without_a_path() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    for (target, line) in [
        ("https://real.example/p", "GET /p HTTP/1.1"),
        ("HTTP://real.example", "GET / HTTP/1.1"),
        ("http://real.example?q=/x", "GET /?q=/x HTTP/1.1"),
    ] {
        client.send(format!("GET {target} HTTP/1.1\r\nHost: other\r\n\r\n"));
        assert_eq!(client.response("GET").status, 200, "{target}");
        let request = upstream.requests().pop().unwrap();
        assert_eq!(request.line(), line);
        assert_eq!(request.header("host"), Some("real.example"));
    }
}

#[test]
fn a_question_about_the_server_itself_goes_where_its_host_leads() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.route = json!({"paths": null, "hosts": ["api.example"]});
    });
    let ask = |host| {
        let head = format!("OPTIONS * HTTP/1.1\r\nHost: {host}\r\n\r\n");
        Client::ask(gateway.address, head).status
    };
    assert_eq!((ask("api.example"), ask("other.example")), (200, 404));
    assert_eq!(upstream.requests()[0].line(), "OPTIONS * HTTP/1.1");
}

#[test]
fn via_tells_the_version_that_came_in() {
    let upstream = Upstream::answering(
        "HTTP/1.0 200 OK\r\nVia: 1.1 cache\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nok",
    );
    let gateway = Gateway::start(upstream.address);
    for (version, via) in [("HTTP/1.0", "1.0 tollway"), ("HTTP/1.1", "1.1 tollway")] {
        let head = format!("GET / {version}\r\nHost: a\r\nVia: 1.0 fred\r\n\r\n");
        let response = Client::ask(gateway.address, head);
        assert_eq!(response.all("via"), ["1.1 cache", "1.0 tollway"]);
        let request = upstream.requests().pop().unwrap();
        assert_eq!(request.all("via"), ["1.0 fred", via]);
    }
}

#[test]
fn large_bodies_stream_through_bounded_buffers_both_ways() {
    const SIZE: usize = 20_000_000;
    let upstream = Upstream::start(|connection| {
        while let Some(request) = connection.request() {
            assert_eq!(request.body.len(), SIZE);
            connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"));
            connection.send(&request.body);
        }
    });
    let gateway = Gateway::start(upstream.address);
    let body: Vec<u8> = (0..SIZE)
        .map(|at| u8::try_from(at % 251).unwrap())
        .collect();
    let mut client = Client::connect(gateway.address);
    client.send(format!(
        "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {SIZE}\r\n\r\n"
    ));
    client.send(&body);
    assert!(client.response("PUT").body == body);
    client.send("PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for piece in body.chunks(700_000) {
        client.send(format!("{:X}\r\n", piece.len()));
        client.send(piece);
        client.send("\r\n");
    }
    client.send("0\r\n\r\n");
    assert!(client.response("PUT").body == body);
    drop(client);
    let usage = gateway.bill()["PUT 200 complete"];
    assert_eq!(
        (usage.bytes_in, usage.bytes_out),
        (2 * SIZE as u64, 2 * SIZE as u64)
    );
}

#[test]
fn both_directions_flow_at_once() {
    // An echo that answers while the request is still coming: a gateway that waits for either end would hang.
    let upstream = Upstream::start(|connection| {
        connection.head();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n");
        for _ in 0..4 {
            let piece = connection.exactly(100_000).unwrap();
            connection.send(piece);
        }
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 400000\r\n\r\n");
    client.send(vec![b'x'; 100_000]);
    let head = b"HTTP/1.1 200 OK".len();
    client.read_some(head + 50_000);
    client.send(vec![b'x'; 300_000]);
    client.read_some(300_000);
}

#[test]
fn an_answer_before_the_body_ends_the_connection_in_order() {
    let upstream = Upstream::start(|connection| {
        connection.head();
        connection
            .send("HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
        connection.close();
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\nabc");
    let response = client.response("POST");
    assert_eq!((response.status, response.text()), (413, "no"));
    assert!(client.try_send([0; 1000]));
    assert!(client.is_at_end());
    assert_eq!(gateway.bill()["POST 413 complete"].requests, 1);
}

#[test]
fn a_slow_reader_is_waited_for() {
    const SIZE: usize = 8_000_000;
    let upstream = Upstream::start(|connection| {
        while connection.request().is_some() {
            connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"));
            connection.send(vec![b'x'; SIZE]);
        }
    });
    let gateway = Gateway::start(upstream.address);
    let mut client = Client::connect(gateway.address);
    client.send(GET);
    std::thread::sleep(std::time::Duration::from_millis(300));
    assert_eq!(client.response("GET").body.len(), SIZE);
    drop(client);
    assert_eq!(gateway.bill()["GET 200 complete"], one(0, SIZE as u64));
}

#[test]
fn a_client_slow_to_take_the_last_bytes_is_billed_once() {
    // Its buffers are full when the last bytes are handed over, so that they wait behind the event.
    const SIZE: usize = 8_000_000;
    let upstream = Upstream::start(|connection| {
        while connection.request().is_some() {
            connection.send(format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n"));
            connection.send(vec![b'x'; SIZE]);
        }
    });
    let gateway = Gateway::start(upstream.address);
    for _ in 0..10 {
        let mut client = Client::connect(gateway.address);
        client.send(GET);
        std::thread::sleep(std::time::Duration::from_millis(20));
        assert_eq!(client.response("GET").body.len(), SIZE);
    }
    let usage = gateway.bill();
    assert_eq!(usage.len(), 1, "{usage:?}");
    let usage = usage["GET 200 complete"];
    let (events, bytes) = (usage.events, usage.bytes_out);
    assert_eq!((events, usage.units, bytes), (10, 10, 10 * SIZE as u64));
}

#[test]
fn a_reason_may_be_missing_or_not_ascii() {
    for reason in [&b""[..], b" ", b" \xe9t\xe9"] {
        let head = [b"HTTP/1.1 200", reason, b"\r\nContent-Length: 2\r\n\r\nok"].concat();
        let upstream = Upstream::answering(head);
        let gateway = Gateway::start(upstream.address);
        let response = Client::ask(gateway.address, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!((response.status, response.text()), (200, "ok"));
    }
}
