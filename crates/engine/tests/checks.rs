//! Active checks: a target is asked how it is, and goes out or comes in by what it says.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use common::balanced::{gateway, named};
use common::client::Client;
use common::eventually;
use common::upstream::{Upstream, pause};
use serde_json::{Value, json};

/// Asks every 50 ms; one answer is enough either way.
fn asking(row: &mut Value, kind: &str) {
    let active = &mut row["healthchecks"]["active"];
    active["type"] = json!(kind);
    active["timeout"] = json!(0.3);
    active["healthy"]["interval"] = json!(0.05);
    active["healthy"]["successes"] = json!(1);
    active["unhealthy"]["interval"] = json!(0.05);
    for kind in ["http_failures", "tcp_failures", "timeouts"] {
        active["unhealthy"][kind] = json!(1);
    }
}

#[test]
fn what_a_target_answers_takes_it_out_and_in() {
    let status = Arc::new(AtomicU16::new(200));
    let said = Arc::clone(&status);
    let moody = Upstream::start(move |connection| {
        while connection.request().is_some() {
            let status = said.load(Ordering::Relaxed);
            connection.send(format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n"));
        }
    });
    let healthy = named(&["a"]);
    let gateway = gateway(&[moody.address, healthy[0].address], |_, row| {
        asking(row, "http");
        row["healthchecks"]["active"]["http_path"] = json!("/health?deep=1");
        row["healthchecks"]["active"]["headers"] = json!({"X-Check": ["one", "two"]});
    });
    let is_up = || gateway.members().members[0].endpoint.health.is_up();
    eventually("a question", || !moody.requests().is_empty());
    let question = &moody.requests()[0];
    assert_eq!(question.line(), "GET /health?deep=1 HTTP/1.1");
    assert_eq!(question.all("x-check"), ["one", "two"]);
    assert_eq!(question.header("host"), Some(&*moody.address.to_string()));
    assert!(is_up());
    status.store(500, Ordering::Relaxed);
    eventually("out", || !is_up());
    let mut client = Client::connect(gateway.address);
    for _ in 0..4 {
        assert_eq!(client.get("/").text(), "a");
    }
    // What is on neither list says nothing.
    status.store(418, Ordering::Relaxed);
    pause(200);
    assert!(!is_up());
    status.store(200, Ordering::Relaxed);
    eventually("in", is_up);
}

#[test]
fn silence_and_refusal_take_a_target_out() {
    let silent = Upstream::start(|connection| {
        connection.request();
        pause(2000);
    });
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let gateway = gateway(&[silent.address, closed], |_, row| asking(row, "http"));
    let is_up = |number: usize| gateway.members().members[number].endpoint.health.is_up();
    eventually("out", || !is_up(0) && !is_up(1));
    let response = Client::connect(gateway.address).get("/");
    assert_eq!(response.status, 503);
}

#[test]
fn for_tcp_and_grpc_a_connection_is_enough() {
    for kind in ["tcp", "grpc", "grpcs"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let gateway = gateway(&[address], |_, row| asking(row, kind));
        let is_up = || gateway.members().members[0].endpoint.health.is_up();
        listener.accept().unwrap();
        assert!(is_up());
        drop(listener);
        eventually("out", || !is_up());
        let _again = TcpListener::bind(address).unwrap();
        eventually("in", is_up);
    }
}

#[test]
fn an_operators_word_holds_until_checks_say_otherwise() {
    let upstreams = named(&["a", "b"]);
    let addresses: Vec<_> = upstreams.iter().map(|upstream| upstream.address).collect();
    let mut gateway = gateway(&addresses, |_, row| {
        row["healthchecks"]["passive"]["unhealthy"]["tcp_failures"] = json!(1);
    });
    let target = "00000000-0000-4000-8000-000000000101";
    gateway.set_health(target, None, false);
    let told = gateway.health();
    let words: Vec<_> = told[0]["targets"]
        .as_array()
        .unwrap()
        .iter()
        .map(|target| target["health"].as_str().unwrap())
        .collect();
    assert_eq!(
        (words, told[0]["health"].as_str().unwrap()),
        (vec!["UNHEALTHY", "HEALTHY"], "HEALTHY")
    );
    let mut client = Client::connect(gateway.address);
    for _ in 0..4 {
        assert_eq!(client.get("/").text(), "b");
    }
    gateway.set_health(target, Some(&addresses[0].to_string()), true);
    let said: Vec<_> = (0..4).map(|_| client.get("/").text().to_owned()).collect();
    assert!(said.contains(&"a".to_owned()), "{said:?}");
}
