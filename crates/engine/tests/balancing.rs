//! A service over several targets: who gets what, what happens when one fails, and targets that come and go.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};

use common::balanced::{gateway, named};
use common::client::Client;
use common::upstream::{Upstream, pause};
use common::{Gateway, eventually};
use serde_json::json;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn addresses(upstreams: &[Upstream]) -> Vec<SocketAddr> {
    upstreams.iter().map(|upstream| upstream.address).collect()
}

/// Where nobody listens.
fn closed() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

/// How often each said its name, of so many requests on one connection.
fn tally(gateway: &Gateway, requests: usize) -> BTreeMap<String, usize> {
    let mut client = Client::connect(gateway.address);
    let mut tally = BTreeMap::new();
    for _ in 0..requests {
        let response = client.get("/");
        let said = match response.status {
            200 => response.text().to_owned(),
            status => status.to_string(),
        };
        *tally.entry(said).or_default() += 1;
    }
    tally
}

fn told<'a>(counts: impl IntoIterator<Item = (&'a str, usize)>) -> BTreeMap<String, usize> {
    let owned = |(name, count): (&str, usize)| (name.to_owned(), count);
    counts.into_iter().map(owned).collect()
}

#[test]
fn weights_decide() {
    let upstreams = named(&["a", "b", "c"]);
    let gateway = gateway(&addresses(&upstreams), |_, row| {
        row["targets"][1]["weight"] = json!(50);
        row["targets"][2]["weight"] = json!(0);
    });
    assert_eq!(tally(&gateway, 30), told([("a", 20), ("b", 10)]));
}

#[test]
fn a_target_that_refuses_is_passed_over() {
    let upstreams = named(&["a"]);
    let mut targets = addresses(&upstreams);
    targets.push(closed());
    let gateway = gateway(&targets, |_, _| {});
    assert_eq!(tally(&gateway, 20), told([("a", 20)]));
    // Once a second somebody has to find out.
    let failures = gateway.stats.connect_failures.get();
    assert!((1..5).contains(&failures), "{failures}");
    assert_eq!(gateway.stats.connect_retries.get(), failures);
}

#[test]
fn without_a_budget_nothing_is_tried_again() {
    let gateway = gateway(&[closed(), closed()], |setup, _| {
        (setup.limits.retry_percent, setup.limits.retries_per_second) = (0, 0);
    });
    assert_eq!(tally(&gateway, 4), told([("502", 4)]));
    assert_eq!(gateway.stats.connect_failures.get(), 4);
    assert_eq!(gateway.stats.retries_refused.get(), 4);
}

#[test]
fn the_host_told_is_the_targets_own_also_of_the_next_one() {
    let upstreams = named(&["a"]);
    let target = upstreams[0].address;
    let gateway = gateway(&[closed(), target], |_, _| {});
    tally(&gateway, 4);
    for request in upstreams[0].requests() {
        assert_eq!(request.header("host"), Some(&*target.to_string()));
    }
}

#[test]
fn a_host_header_of_the_upstreams_own_is_told() {
    let upstreams = named(&["a"]);
    let gateway = gateway(&addresses(&upstreams), |_, row| {
        row["host_header"] = json!("api.internal");
    });
    tally(&gateway, 1);
    assert_eq!(
        upstreams[0].requests()[0].header("host"),
        Some("api.internal")
    );
}

#[test]
fn a_stale_connection_to_a_target_that_is_gone_leads_to_another_with_its_own_host() {
    // Answers once and then takes the next request without a word, and nobody listens there any more.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let first = listener.local_addr().unwrap();
    let thread = std::thread::spawn(move || {
        use std::io::{Read, Write};
        let (mut stream, _) = listener.accept().unwrap();
        drop(listener);
        let mut bytes = [0; 4096];
        assert!(stream.read(&mut bytes).unwrap() > 0);
        stream.write_all(OK.as_bytes()).unwrap();
        assert!(stream.read(&mut bytes).unwrap() > 0);
    });
    let upstreams = named(&["b"]);
    let second = upstreams[0].address;
    let gateway = gateway(&[first, second], |_, row| {
        row["targets"][1]["weight"] = json!(1);
    });
    let mut client = Client::connect(gateway.address);
    assert_eq!(client.get("/").text(), "ok");
    client.send("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(client.response("PUT").text(), "b");
    thread.join().unwrap();
    let request = &upstreams[0].requests()[0];
    assert_eq!(request.header("host"), Some(&*second.to_string()));
    assert_eq!(request.body, b"abc");
}

#[test]
fn failures_in_a_row_take_a_target_out_and_a_trial_brings_it_back() {
    let sick = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(true));
    let state = std::sync::Arc::clone(&sick);
    let moody = Upstream::start(move |connection| {
        while connection.request().is_some() {
            let sick = state.load(std::sync::atomic::Ordering::Relaxed);
            connection.send(if sick {
                "HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n"
            } else {
                "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nm"
            });
        }
    });
    let upstreams = named(&["a"]);
    let gateway = gateway(&[moody.address, upstreams[0].address], |setup, row| {
        (
            setup.timeouts.trial_pause_ms,
            setup.timeouts.trial_pause_most_ms,
        ) = (300, 300);
        row["healthchecks"]["passive"]["unhealthy"]["http_failures"] = json!(3);
    });
    assert_eq!(tally(&gateway, 10), told([("a", 7), ("503", 3)]));
    assert!(!gateway.members().members[0].endpoint.health.is_up());
    pause(350);
    assert_eq!(
        tally(&gateway, 10),
        told([("a", 9), ("503", 1)]),
        "one trial"
    );
    sick.store(false, std::sync::atomic::Ordering::Relaxed);
    pause(350);
    assert_eq!(tally(&gateway, 11), told([("a", 5), ("m", 6)]));
}

#[test]
fn all_out_is_kongs_503() {
    let gateway = gateway(&[closed()], |_, row| {
        row["healthchecks"]["passive"]["unhealthy"]["tcp_failures"] = json!(1);
    });
    let mut client = Client::connect(gateway.address);
    assert_eq!(
        client.get("/").status,
        503,
        "out at the first try, nobody for the second"
    );
    let response = client.get("/");
    assert_eq!(response.status, 503);
    let message = "failure to get a peer from the ring-balancer";
    assert!(response.text().contains(message), "{}", response.text());
    drop(client);
    assert!(gateway.bill().is_empty());
}

#[test]
fn a_cookie_is_set_once_and_keeps_its_target() {
    let upstreams = named(&["a", "b", "c", "d"]);
    let gateway = gateway(&addresses(&upstreams), |_, row| {
        row["algorithm"] = json!("consistent-hashing");
        row["hash_on"] = json!("cookie");
        row["hash_on_cookie"] = json!("session");
        row["hash_on_cookie_path"] = json!("/v1");
    });
    let mut client = Client::connect(gateway.address);
    for _ in 0..5 {
        let response = client.get("/");
        let cookie = response.header("set-cookie").unwrap().to_owned();
        let (pair, rest) = cookie.split_once("; ").unwrap();
        assert_eq!(rest, "Path=/v1; HttpOnly");
        let name = response.text().to_owned();
        for _ in 0..3 {
            client.send(format!(
                "GET / HTTP/1.1\r\nHost: x\r\nCookie: a=b; {pair}\r\n\r\n"
            ));
            let again = client.response("GET");
            assert_eq!((again.text(), again.header("set-cookie")), (&*name, None));
        }
    }
}

type Request = fn(usize) -> String;

#[test]
fn what_is_hashed_on_decides() {
    let upstreams = named(&["a", "b", "c", "d"]);
    let cases: [(&str, &str, &str, Request); 4] = [
        ("header", "hash_on_header", "X-Tenant", |n| {
            format!("/ HTTP/1.1\r\nX-Tenant: t{n}")
        }),
        ("query_arg", "hash_on_query_arg", "user", |n| {
            format!("/?x=1&user=u%2{n} HTTP/1.1")
        }),
        ("path", "name", "pool", |n| format!("/p{n} HTTP/1.1")),
        ("uri_capture", "hash_on_uri_capture", "tenant", |n| {
            format!("/t/{n}/x HTTP/1.1")
        }),
    ];
    for (on, field, value, request) in cases {
        let gateway = gateway(&addresses(&upstreams), |setup, row| {
            setup.route["paths"] = json!(["/", "~/t/(?P<tenant>[^/]+)"]);
            row["algorithm"] = json!("consistent-hashing");
            row["hash_on"] = json!(on);
            row[field] = json!(value);
        });
        let mut client = Client::connect(gateway.address);
        let mut ask = |n: usize| {
            client.send(format!("GET {}\r\nHost: x\r\n\r\n", request(n)));
            client.response("GET").text().to_owned()
        };
        let first: Vec<String> = (0..9).map(&mut ask).collect();
        let second: Vec<String> = (0..9).map(&mut ask).collect();
        assert_eq!(first, second, "{on}");
        assert!(
            first.iter().any(|name| *name != first[0]),
            "{on}: {first:?}"
        );
    }
}

#[test]
fn targets_come_and_go_without_a_failed_request() {
    let upstreams = named(&["a", "b", "c"]);
    let all = addresses(&upstreams);
    let mut gateway = gateway(&all[..2], |_, _| {});
    let target = |number: usize| {
        let id = format!("00000000-0000-4000-8000-0000000001{number:02}");
        json!({"id": id, "target": all[number].to_string(), "weight": 100, "tags": null})
    };
    let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (address, stopped) = (gateway.address, std::sync::Arc::clone(&stop));
    let load = std::thread::spawn(move || {
        let mut client = Client::connect(address);
        let mut tally = BTreeMap::<String, usize>::new();
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            let response = client.get("/");
            assert_eq!(response.status, 200);
            *tally.entry(response.text().to_owned()).or_default() += 1;
        }
        tally
    });
    for round in 0..30 {
        let number = round % 3;
        gateway.change(|base| {
            base["upstreams"][0]["targets"] = json!([target(number), target((number + 1) % 3)]);
        });
        pause(10);
    }
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    let tally = load.join().unwrap();
    assert_eq!(tally.len(), 3, "{tally:?}");
    let left = [all[2].to_string(), all[0].to_string()];
    let told: Vec<_> = (gateway.members().members.iter())
        .map(|member| member.endpoint.address.to_string())
        .collect();
    assert_eq!(told, left);
}

#[test]
fn requests_in_flight_are_counted_over_their_whole_length() {
    let slow = Upstream::start(|connection| {
        while connection.request().is_some() {
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
            pause(300);
            connection.send("ok");
        }
    });
    let gateway = gateway(&[slow.address], |_, row| {
        row["algorithm"] = json!("least-connections");
    });
    let mut client = Client::connect(gateway.address);
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    let in_flight = || gateway.members().members[0].endpoint.in_flight();
    eventually("a request in flight", || in_flight() == 1);
    assert_eq!(client.response("GET").text(), "ok");
    eventually("none", || in_flight() == 0);
    assert!(gateway.members().members[0].endpoint.latency_us() < 1_000_000);
}
