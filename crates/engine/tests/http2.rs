//! HTTP/2 towards clients: what passes, and what is billed.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use bytes::Bytes;
use common::client::Client;
use common::http2::{Http2, read, run};
use common::upstream::{Upstream, pause};
use common::{Gateway, eventually, one};
use h2::Reason;
use http::{HeaderMap, Request};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

fn post() -> http::request::Builder {
    Request::post("http://api.example/x")
}

#[test]
fn streams_of_one_connection_are_served_side_by_side() {
    let upstream = Upstream::start(|connection| {
        while let Some(request) = connection.request() {
            let path = request.line().split(' ').nth(1).unwrap().to_owned();
            pause(if path == "/0" { 200 } else { 0 });
            let length = path.len();
            connection.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nX-Up: 1\r\nConnection: keep-alive\r\n\r\n{path}"
            ));
        }
    });
    let gateway = Gateway::start(upstream.address);
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        let slow = Request::get("http://api.example/0").body(()).unwrap();
        let (slow, _) = client.begin(slow, true).await;
        for n in 1..50 {
            let answer = client.get(&format!("/{n}")).await;
            assert_eq!((answer.status(), answer.text()), (200, &*format!("/{n}")));
            assert_eq!(answer.header("via"), Some("1.1 tollway"));
            assert_eq!(answer.header("x-up"), Some("1"));
            assert_eq!(answer.header("connection"), None);
        }
        assert_eq!(read(slow.await.unwrap()).await.unwrap().text(), "/0");
    });
    let first = &upstream.requests()[1];
    assert_eq!(first.all("via"), ["2 tollway"]);
    assert_eq!(first.all("host"), ["api.example"]);
    let usage = gateway.bill()["GET 200 complete"];
    assert_eq!((usage.events, usage.requests), (50, 50));
}

#[test]
fn http1_is_served_at_the_same_port() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::start(upstream.address);
    assert_eq!(Client::connect(gateway.address).get("/").text(), "hello");
    assert_eq!(
        run(async { Http2::connect(gateway.address).await.get("/").await }).text(),
        "hello"
    );
}

#[test]
fn bodies_and_trailers_pass_both_ways() {
    let upstream = Upstream::start(|connection| {
        while let Some(request) = connection.request() {
            connection
                .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n");
            for piece in request.body.chunks(70_000) {
                connection.send(format!("{:x}\r\n", piece.len()));
                connection.send(piece);
                connection.send("\r\n");
            }
            connection.send("0\r\nX-Sum: 42\r\nHost: evil\r\n\r\n");
        }
    });
    let gateway = Gateway::start(upstream.address);
    let body: Vec<u8> = (0..1_000_000_u32).map(|n| (n % 251) as u8).collect();
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        let request = post().header("te", "trailers").body(()).unwrap();
        let (answer, mut stream) = client.begin(request, false).await;
        let sent = Bytes::from(body.clone());
        stream.send_data(sent, false).unwrap();
        let mut trailers = HeaderMap::new();
        trailers.insert("x-check", "7".parse().unwrap());
        stream.send_trailers(trailers).unwrap();
        let answer = read(answer.await.unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.body == body);
        assert_eq!(answer.trailer("x-sum"), Some("42"));
        assert_eq!(answer.trailers.unwrap().len(), 1);
    });
    let request = &upstream.requests()[0];
    assert_eq!(request.trailers, "x-check: 7\n");
    assert_eq!(request.all("transfer-encoding"), ["chunked"]);
    assert_eq!(
        gateway.bill()["POST 200 complete"],
        one(1_000_000, 1_000_000)
    );
}

#[test]
fn a_stated_length_stays_one_and_heads_have_no_body() {
    let upstream = Upstream::start(|connection| {
        while let Some(request) = connection.request() {
            connection.send(match request.line() {
                "HEAD /x HTTP/1.1" => "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n",
                "GET /204 HTTP/1.1" => "HTTP/1.1 204 No Content\r\n\r\n",
                "GET /hint HTTP/1.1" => {
                    "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
                }
                _ => OK,
            });
        }
    });
    let gateway = Gateway::start(upstream.address);
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        let head = Request::head("http://api.example/x").body(()).unwrap();
        let (answer, _) = client.begin(head, true).await;
        let answer = read(answer.await.unwrap()).await.unwrap();
        assert_eq!(answer.header("content-length"), Some("9"));
        assert_eq!(answer.text(), "");
        assert_eq!(client.get("/204").await.status(), 204);
        let request = post().header("content-length", "3").body(()).unwrap();
        assert_eq!(client.post(request, "abc").await.text(), "hello");
        let hint = Request::get("http://api.example/hint").body(()).unwrap();
        let (mut answer, _) = client.begin(hint, true).await;
        let interim = std::future::poll_fn(|context| answer.poll_informational(context)).await;
        assert_eq!(interim.unwrap().unwrap().headers()["link"], "</a>");
        assert_eq!(answer.await.unwrap().headers()["content-length"], "0");
    });
    assert_eq!(upstream.requests()[2].all("content-length"), ["3"]);
    let bill = gateway.bill();
    assert_eq!(bill["POST 200 complete"], one(3, 5));
    assert_eq!(bill["HEAD 200 complete"], one(0, 0));
}

#[test]
fn a_client_that_resets_is_billed_what_it_got() {
    let upstream = Upstream::start(|connection| {
        while connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
            connection.send([b'x'; 100]);
            connection.head();
        }
    });
    let gateway = Gateway::start(upstream.address);
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        let request = Request::get("http://api.example/").body(()).unwrap();
        let (answer, mut stream) = client.begin(request, true).await;
        let mut body = answer.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap().len(), 100);
        stream.send_reset(Reason::CANCEL);
        // A second one ends with its connection.
        let request = Request::get("http://api.example/").body(()).unwrap();
        let (answer, _stream) = client.begin(request, true).await;
        let mut body = answer.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap().len(), 100);
    });
    eventually("both are over", || gateway.stats.active.get() == 0);
    let usage = gateway.bill()["GET 200 client_abort"];
    assert_eq!((usage.events, usage.bytes_out), (2, 200));
}

#[test]
fn an_upstream_that_breaks_off_resets_the_stream_alone() {
    let upstream = Upstream::start(|connection| {
        if let Some(request) = connection.request() {
            if request.line() == "GET /good HTTP/1.1" {
                return connection.send(OK);
            }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
            connection.send([b'x'; 100]);
        }
    });
    let gateway = Gateway::start(upstream.address);
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        let request = Request::get("http://api.example/").body(()).unwrap();
        let (answer, _) = client.begin(request, true).await;
        let mut body = answer.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap().len(), 100);
        let broken = body.data().await.unwrap().unwrap_err();
        assert_eq!(broken.reason(), Some(Reason::INTERNAL_ERROR));
        assert_eq!(client.get("/good").await.text(), "hello");
    });
    assert_eq!(gateway.bill()["GET 200 upstream_abort"], one(0, 100));
}

#[test]
fn an_answer_before_the_bodys_end_ends_the_stream() {
    let upstream = Upstream::start(|connection| {
        connection.head();
        connection.send("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    });
    let gateway = Gateway::start(upstream.address);
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        let (answer, mut stream) = client.begin(post().body(()).unwrap(), false).await;
        stream.send_data(Bytes::from_static(b"abc"), false).unwrap();
        let answer = read(answer.await.unwrap()).await.unwrap();
        assert_eq!((answer.status(), answer.text()), (403, "no"));
        let reason = std::future::poll_fn(|context| stream.poll_reset(context)).await;
        assert_eq!(reason.unwrap(), Reason::NO_ERROR);
    });
}

#[test]
fn a_drain_lets_streams_finish() {
    let upstream = Upstream::start(|connection| {
        while connection.request().is_some() {
            pause(300);
            connection.send(OK);
        }
    });
    let mut gateway = Gateway::start(upstream.address);
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        let request = Request::get("http://api.example/").body(()).unwrap();
        let (answer, _) = client.begin(request, true).await;
        tokio::task::yield_now().await;
        while gateway.stats.active.get() == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        gateway.drain();
        assert_eq!(read(answer.await.unwrap()).await.unwrap().text(), "hello");
        drop(client.sender);
        client.driver.await.unwrap().unwrap();
    });
    assert_eq!(gateway.bill()["GET 200 complete"], one(0, 5));
}
