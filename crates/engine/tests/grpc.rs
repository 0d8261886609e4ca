//! gRPC through the gateway, and HTTP/2 towards upstreams: sharing of connections, refusals, what is billed.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use common::client::Client;
use common::grpc::{Upstream2, echo};
use common::http2::{Answer, Http2, read, run};
use common::tls::{Authority, Port};
use common::upstream::Upstream;
use common::{Gateway, one};
use h2::Reason;
use http::{Request, Response};
use serde_json::json;

/// A gateway whose service and route are gRPC's.
fn gateway(address: std::net::SocketAddr) -> Gateway {
    Gateway::with(address, |setup| {
        setup.service = json!({"protocol": "grpc"});
        setup.route = json!({"protocols": ["grpc"]});
    })
}

fn call() -> Request<()> {
    Request::post("http://api.example/echo.Echo/Unary")
        .header("content-type", "application/grpc+proto")
        .header("te", "trailers")
        .body(())
        .unwrap()
}

fn status(answer: &Answer) -> (u16, Option<&str>, Option<&str>) {
    (
        answer.status(),
        answer.header("grpc-status"),
        answer.trailer("grpc-status"),
    )
}

#[test]
fn a_call_passes_with_its_trailers_and_is_billed_when_it_went_well() {
    let upstream = Upstream2::echoing("0");
    let gateway = gateway(upstream.address);
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        for _ in 0..20 {
            let answer = client.post(call(), "message").await;
            assert_eq!(status(&answer), (200, None, Some("0")));
            assert_eq!(answer.text(), "message");
            assert_eq!(answer.trailer("x-last-bin"), Some("AAEC"));
            assert_eq!(answer.header("x-path"), Some("/echo.Echo/Unary"));
            assert_eq!(answer.header("x-authority"), Some("api.example"));
            assert_eq!(answer.header("x-te"), Some("trailers"));
        }
    });
    assert_eq!(upstream.connection_count(), 1);
    let usage = gateway.bill()["POST 200 grpc 0 complete"];
    assert_eq!(
        (usage.events, usage.bytes_in, usage.bytes_out),
        (20, 140, 140)
    );
}

#[test]
fn messages_flow_both_ways_at_once() {
    let upstream = Upstream2::echoing("0");
    let gateway = gateway(upstream.address);
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        let (answer, mut stream) = client.begin(call(), false).await;
        // The answer begins before a message was sent.
        let mut body = answer.await.unwrap().into_body();
        for n in 0..50_u32 {
            let message = format!("message {n}");
            stream
                .send_data(Bytes::from(message.clone()), false)
                .unwrap();
            assert_eq!(body.data().await.unwrap().unwrap(), message);
        }
        stream.send_data(Bytes::new(), true).unwrap();
        assert!(body.data().await.is_none());
        assert_eq!(body.trailers().await.unwrap().unwrap()["grpc-status"], "0");
    });
    assert_eq!(gateway.bill()["POST 200 grpc 0 complete"].events, 1);
}

#[test]
fn failed_calls_are_told_apart() {
    let upstream = Upstream2::start(100, |(request, mut respond), _, _| async move {
        let head = Response::builder().header("content-type", "application/grpc");
        match request.uri().path() {
            "/only" => {
                let head = head
                    .header("grpc-status", "5")
                    .header("grpc-message", "none");
                respond.send_response(head.body(()).unwrap(), true).unwrap();
            }
            "/silent" => {
                respond.send_response(head.body(()).unwrap(), true).unwrap();
            }
            _ => echo((request, respond), "13").await,
        }
    });
    let gateway = gateway(upstream.address);
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        let mut call_at = async |path: &str| {
            let mut request = call();
            *request.uri_mut() = format!("http://api.example{path}").parse().unwrap();
            client.post(request, "m").await
        };
        let only = call_at("/only").await;
        assert_eq!(status(&only), (200, Some("5"), None));
        assert_eq!(only.header("grpc-message"), Some("none"));
        assert_eq!(only.header("content-length"), None);
        assert_eq!(status(&call_at("/trailers").await).2, Some("13"));
        assert_eq!(status(&call_at("/silent").await), (200, None, None));
    });
    let bill = gateway.bill();
    for of in ["5", "13", "2"] {
        assert_eq!(
            bill[&format!("POST 200 grpc {of} complete")].events,
            1,
            "{of}"
        );
    }
}

#[test]
fn the_gateways_own_answers_are_grpcs() {
    let upstream = Upstream2::echoing("0");
    let plugin = json!([{
        "id": "00000000-0000-4000-8000-000000000009", "name": "key-auth", "enabled": true,
        "config": {
            "key_names": ["apikey"], "hide_credentials": false, "anonymous": null, "key_in_header": true,
            "key_in_query": true, "key_in_body": false, "run_on_preflight": true, "realm": null,
        },
        "route": null, "service": null, "consumer_group": null, "tags": null,
    }]);
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.service = json!({"protocol": "grpc"});
        setup.route = json!({"protocols": ["grpc"]});
        setup.plugins = plugin;
    });
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        let answer = client.post(call(), "m").await;
        assert_eq!(status(&answer), (200, Some("16"), None));
        assert_eq!(
            answer.header("grpc-message"),
            Some("No API key found in request")
        );
        assert_eq!(answer.header("content-type"), Some("application/grpc"));
        assert_eq!((answer.text(), answer.trailers.is_none()), ("", true));
    });
    assert_eq!((upstream.stream_count(), gateway.bill().len()), (0, 0));
}

#[test]
fn what_is_no_call_is_told_so_on_a_route_for_calls() {
    let upstream = Upstream2::echoing("0");
    let gateway = gateway(upstream.address);
    run(async {
        let answer = Http2::connect(gateway.address).await.get("/").await;
        assert_eq!(answer.status(), 415);
    });
    let answer = Client::ask(
        gateway.address,
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: application/grpc\r\nContent-Length: 0\r\n\r\n",
    );
    assert_eq!(answer.status, 426);
    assert!(answer.text().contains("Please use HTTP2 protocol"));
    assert_eq!(upstream.stream_count(), 0);
}

#[test]
fn http1_reaches_an_upstream_of_http2() {
    let upstream = Upstream2::echoing("0");
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.service = json!({"protocol": "grpc"});
    });
    let mut client = Client::connect(gateway.address);
    for _ in 0..3 {
        client.send("POST /x HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: TE\r\nContent-Length: 3\r\n\r\nabc");
        let answer = client.response("POST");
        assert_eq!((answer.status, answer.text()), (200, "abc"));
        assert_eq!(answer.trailers, "grpc-status: 0\nx-last-bin: AAEC\n");
    }
    assert_eq!(upstream.connection_count(), 1);
    assert_eq!(gateway.bill()["POST 200 grpc 0 complete"].events, 3);
}

#[test]
fn what_http2_cannot_carry_is_answered_at_once() {
    let upstream = Upstream2::echoing("0");
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.service = json!({"protocol": "grpc", "read_timeout": 60_000});
    });
    // An authority to HTTP/1's characters, but not to HTTP/2's grammar; the client waits for 20 s.
    let answer = Client::ask(gateway.address, "GET / HTTP/1.1\r\nHost: a]\r\n\r\n");
    assert_eq!(answer.status, 400, "{}", answer.head);
    assert_eq!(upstream.stream_count(), 0);
    assert_eq!(gateway.stats.retries.get(), 0, "it is as wrong elsewhere");
}

#[test]
fn a_call_passes_to_an_upstream_of_http1() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\nContent-Type: application/grpc\r\nTransfer-Encoding: chunked\r\n\r\n\
         1\r\nm\r\n0\r\nGrpc-Status: 7\r\n\r\n",
    );
    let gateway = Gateway::start(upstream.address);
    let answer = run(async {
        Http2::connect(gateway.address)
            .await
            .post(call(), "m")
            .await
    });
    assert_eq!(
        (status(&answer), answer.text()),
        ((200, None, Some("7")), "m")
    );
    assert_eq!(gateway.bill()["POST 200 grpc 7 complete"], one(1, 1));
}

#[test]
fn connections_are_shared_as_far_as_the_upstream_lets_them() {
    let upstream = Upstream2::start(2, |call, _, _| async move {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        echo(call, "0").await;
    });
    let gateway = gateway(upstream.address);
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        // The first learns how many streams there may be.
        client.post(call(), "m").await;
        let mut answers = Vec::new();
        for _ in 0..6 {
            let (answer, mut stream) = client.begin(call(), false).await;
            stream.send_data(Bytes::from_static(b"m"), true).unwrap();
            answers.push(answer);
        }
        for answer in answers {
            let answer = read(answer.await.unwrap()).await.unwrap();
            assert_eq!(answer.trailer("grpc-status"), Some("0"));
        }
    });
    let connections = upstream.connection_count();
    assert!((2..=5).contains(&connections), "{connections}");
}

#[test]
fn a_refused_stream_is_asked_again_and_no_other() {
    let refusals = AtomicUsize::new(0);
    let upstream = Upstream2::start(100, move |(request, mut respond), _, _| {
        let refusal = refusals.fetch_add(1, Ordering::SeqCst);
        async move {
            match request.uri().path() {
                "/echo.Echo/Unary" if refusal == 0 => respond.send_reset(Reason::REFUSED_STREAM),
                "/cancelled" => respond.send_reset(Reason::CANCEL),
                _ => echo((request, respond), "0").await,
            }
        }
    });
    let gateway = gateway(upstream.address);
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        let answer = client.post(call(), "message").await;
        assert_eq!(
            (answer.text(), answer.trailer("grpc-status")),
            ("message", Some("0"))
        );
        assert_eq!(upstream.stream_count(), 2);
        let mut request = call();
        *request.uri_mut() = "http://api.example/cancelled".parse().unwrap();
        let answer = client.post(request, "m").await;
        assert_eq!(status(&answer), (200, Some("14"), None));
        assert_eq!(upstream.stream_count(), 3);
    });
    let bill = gateway.bill();
    assert_eq!(bill["POST 200 grpc 0 complete"], one(7, 7));
    assert_eq!(bill.len(), 1);
}

#[test]
fn a_client_that_cancels_cancels_the_call() {
    let upstream = Upstream2::start(100, |(request, mut respond), _, _| async move {
        let head = Response::builder().header("content-type", "application/grpc");
        let mut stream = respond
            .send_response(head.body(()).unwrap(), false)
            .unwrap();
        stream.send_data(Bytes::from_static(b"abc"), false).unwrap();
        let reason = std::future::poll_fn(|context| stream.poll_reset(context)).await;
        assert_eq!(reason.unwrap(), Reason::CANCEL);
        drop(request);
    });
    let gateway = gateway(upstream.address);
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        let (answer, mut stream) = client.begin(call(), false).await;
        let mut body = answer.await.unwrap().into_body();
        assert_eq!(body.data().await.unwrap().unwrap(), "abc");
        stream.send_reset(Reason::CANCEL);
        while gateway.stats.active.get() > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    });
    assert_eq!(gateway.bill()["POST 200 client_abort"], one(0, 3));
}

#[test]
fn an_upstream_that_says_farewell_is_connected_to_anew() {
    let upstream = Upstream2::leaving(3, |call, _, _| echo(call, "0"));
    let gateway = gateway(upstream.address);
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        for _ in 0..12 {
            let answer = client.post(call(), "m").await;
            assert_eq!(answer.trailer("grpc-status"), Some("0"));
        }
    });
    assert!((4..=6).contains(&upstream.connection_count()));
    assert_eq!(gateway.bill()["POST 200 grpc 0 complete"].events, 12);
}

#[test]
fn a_connection_grows_old() {
    let upstream = Upstream2::echoing("0");
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.service = json!({"protocol": "grpc"});
        setup.timeouts.upstream_age_ms = 1;
    });
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        for _ in 0..3 {
            client.post(call(), "m").await;
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
    });
    assert_eq!(upstream.connection_count(), 3);
}

#[test]
fn calls_pass_over_tls_to_an_upstream_that_chooses_http2() {
    const CA: &str = "00000000-0000-4000-8000-0000000000ca";
    let upstream = Upstream2::echoing("0");
    let authority = Authority::new("Tests");
    for (protocols, expected) in [
        (vec![b"h2".to_vec()], Some("0")),
        (vec![b"http/1.1".to_vec(), b"h2".to_vec()], Some("0")),
        (vec![], None),
    ] {
        let mut config = authority.sign(&["localhost"]).server(None);
        config.alpn_protocols = protocols;
        let port = Port::terminating(config, upstream.address);
        let gateway = Gateway::with(port.address, |setup| {
            setup.service = json!({
                "protocol": "grpcs", "host": "localhost", "ca_certificates": [CA], "retries": 0,
            });
            setup.route = json!({"protocols": ["grpc"], "preserve_host": false});
            setup.base =
                json!({"ca_certificates": [{"id": CA, "cert": authority.pem, "tags": null}]});
        });
        run(async {
            let mut client = Http2::connect(gateway.address).await;
            for _ in 0..2 {
                let answer = client.post(call(), "m").await;
                assert_eq!(answer.trailer("grpc-status"), expected);
                assert_eq!(
                    answer.header("grpc-status"),
                    expected.is_none().then_some("14")
                );
            }
        });
    }
}

#[test]
fn a_connection_that_fell_silent_gets_no_further_call() {
    let upstream = Upstream2::start(100, |call, number, connection| async move {
        if connection == 0 && number > 0 {
            std::future::pending::<()>().await;
        }
        echo(call, "0").await;
    });
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.service = json!({"protocol": "grpc", "read_timeout": 1500});
    });
    run(async {
        let mut client = Http2::connect(gateway.address).await;
        client.post(call(), "m").await;
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let lost = client.post(call(), "m").await;
        assert_eq!(status(&lost), (200, Some("4"), None));
        assert_eq!(client.post(call(), "m").await.text(), "m");
    });
    assert_eq!(upstream.connection_count(), 2);
}
