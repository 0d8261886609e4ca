//! What clients and upstreams of HTTP/2 can make a worker hold: no more than it has room for, and what is beyond that is
//! refused, while who takes and gives is served.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use std::time::Duration;

use bytes::Bytes;
use common::grpc::Upstream2;
use common::http2::{Http2, read, run};
use common::upstream::{Upstream, pause};
use common::{Gateway, eventually};
use http::Request;
use rustix::net::sockopt::set_socket_recv_buffer_size;
use serde_json::json;

const ROOM: u64 = 1 << 20;

fn post(path: &str) -> Request<()> {
    let uri = format!("http://api.example{path}");
    Request::post(uri).body(()).unwrap()
}

#[test]
fn bodies_that_nobody_reads_stay_within_the_room_and_do_not_keep_others_out() {
    let upstream = Upstream::start(|connection| {
        set_socket_recv_buffer_size(&connection.stream, 4096).unwrap();
        let Some(request) = connection.head() else {
            return;
        };
        if request.line().contains("/stuck") {
            pause(30_000);
        } else {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
            pause(2000);
        }
    });
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.limits.http2_bytes_per_worker = usize::try_from(ROOM).unwrap();
        setup.service = json!({"write_timeout": 6000, "read_timeout": 60_000});
    });
    let within = || {
        let taken = gateway.stats.http2_bytes.get();
        assert!(taken <= ROOM, "{taken}");
        taken
    };
    run(async {
        let body = Bytes::from(vec![0; 8 << 20]);
        let mut flood = Vec::new();
        for _ in 0..16 {
            let mut client = Http2::connect(gateway.address).await;
            for _ in 0..3 {
                let (answer, mut stream) = client.begin(post("/stuck"), false).await;
                let _ = stream.send_data(body.clone(), true);
                flood.push((answer, stream));
            }
            within();
        }
        while gateway.stats.http2_refused.get() == 0 || within() < ROOM / 4 * 3 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut honest = Http2::connect(gateway.address).await;
        let mut tries = 0;
        loop {
            within();
            let (answer, mut stream) = honest.begin(post("/"), false).await;
            let _ = stream.send_data(Bytes::from_static(b"hello"), true);
            match answer.await {
                Ok(answer) => {
                    assert_eq!(read(answer).await.unwrap().text(), "ok");
                    break;
                }
                Err(error) => assert_eq!(error.reason(), Some(h2::Reason::REFUSED_STREAM)),
            }
            tries += 1;
            assert!(tries < 200);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        drop(flood);
    });
    assert!(gateway.stats.http2_displaced.get() > 0);
    eventually("all room is given back", || within() == 0);
}

#[test]
fn calls_beyond_the_room_are_told_to_come_again() {
    let upstream = Upstream2::start(100, |(mut request, mut respond), _, _| async move {
        while request.body_mut().data().await.is_some() {}
        let head = http::Response::builder().header("grpc-status", "0");
        respond.send_response(head.body(()).unwrap(), true).unwrap();
    });
    let gateway = Gateway::with(upstream.address, |setup| {
        // Four calls, and a client's stream beside them, but no stream to the upstream.
        setup.limits.http2_bytes_per_worker = (1 << 20) + (128 << 10);
        setup.service = json!({"protocol": "grpc"});
        setup.route = json!({"protocols": ["grpc"]});
    });
    let call = || {
        let call =
            Request::post("http://api.example/a.B/C").header("content-type", "application/grpc");
        call.body(()).unwrap()
    };
    run(async {
        let mut open = Vec::new();
        let mut refused = None;
        for _ in 0..5 {
            let mut client = Http2::connect(gateway.address).await;
            let (answer, stream) = client.begin(call(), false).await;
            let patience = Duration::from_millis(300);
            match tokio::time::timeout(patience, answer).await {
                Ok(answer) => refused = refused.or(Some(read(answer.unwrap()).await.unwrap())),
                Err(_) => open.push((client, stream)),
            }
        }
        let refused = refused.unwrap();
        assert_eq!(refused.header("grpc-status"), Some("14"));
        assert_eq!(open.len(), 4);
    });
    eventually("all room is given back", || {
        gateway.stats.http2_bytes.get() == 0
    });
}

#[test]
fn who_sends_much_gets_a_larger_window_and_keeps_it_within_half_the_room() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    let gateway = Gateway::start(upstream.address);
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        let answer = client.post(post("/"), vec![7; 4 << 20]).await;
        assert_eq!(answer.text(), "ok");
        eventually("it grew", || gateway.stats.http2_bytes.get() > 100_000);
        assert!(gateway.stats.http2_bytes.get() <= (1 << 20) + (32 << 10));
    });
    assert_eq!(upstream.requests()[0].body.len(), 4 << 20);
    eventually("all room is given back", || {
        gateway.stats.http2_bytes.get() == 0
    });
}
