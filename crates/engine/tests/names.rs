//! Names of upstreams: asked for at a server of the test's own, believed as long as it says, and no longer.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use common::balanced::gateway;
use common::client::Client;
use common::dns::Server;
use common::upstream::{Upstream, pause};
use common::{Gateway, Setup, eventually};
use serde_json::json;
use tollway_engine::names::NameOptions;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

fn asking(server: &Server) -> NameOptions {
    NameOptions {
        servers: vec![server.address],
        timeout_ms: 400,
        min_ttl_ms: 100,
        negative_ttl_ms: 100,
        ..NameOptions::default()
    }
}

/// A gateway whose service has a host of its own, `api.test`.
fn plain(server: &Server, upstream: &Upstream, change: impl FnOnce(&mut Setup)) -> Gateway {
    Gateway::with(upstream.address, |setup| {
        setup.names = asking(server);
        setup.service = json!({"host": "api.test"});
        change(setup);
    })
}

fn status(gateway: &Gateway) -> u16 {
    Client::connect(gateway.address).get("/").status
}

#[test]
fn a_name_is_asked_for_once_while_its_lifetime_lasts() {
    let (server, upstream) = (Server::start(60), Upstream::answering(OK));
    server.set("api.test", &["127.0.0.1"]);
    let gateway = plain(&server, &upstream, |_| {});
    for _ in 0..5 {
        assert_eq!(status(&gateway), 200);
    }
    assert_eq!(server.count("api.test"), 1);
    let host = upstream.requests()[0].header("host").map(str::to_owned);
    assert_eq!(host.as_deref(), Some("api.example"));
}

#[test]
fn a_change_is_noticed_when_the_lifetime_ends() {
    let server = Server::start(0);
    let upstream = Upstream::answering(OK);
    server.set("api.test", &["127.0.0.99"]);
    let gateway = plain(&server, &upstream, |setup| {
        setup.service["retries"] = json!(0);
    });
    assert_eq!(status(&gateway), 502, "nobody is there");
    server.set("api.test", &["127.0.0.1"]);
    eventually("the new address", || status(&gateway) == 200);
}

#[test]
fn what_was_true_last_goes_on_while_nobody_answers() {
    let (server, upstream) = (Server::start(0), Upstream::answering(OK));
    server.set("api.test", &["127.0.0.1"]);
    let gateway = plain(&server, &upstream, |_| {});
    assert_eq!(status(&gateway), 200);
    server.set_dead(true);
    for _ in 0..8 {
        pause(100);
        assert_eq!(status(&gateway), 200);
    }
}

#[test]
fn that_there_is_nothing_is_believed_for_a_while() {
    let (server, upstream) = (Server::start(60), Upstream::answering(OK));
    let gateway = plain(&server, &upstream, |setup| {
        setup.names.negative_ttl_ms = 60_000;
    });
    for _ in 0..4 {
        assert_eq!(status(&gateway), 503);
    }
    // A and AAAA, and no more.
    assert!(server.count("api.test") <= 2, "{:?}", server.asked);
}

#[test]
fn a_server_that_says_nothing_costs_no_more_than_its_time() {
    let (server, upstream) = (Server::start(60), Upstream::answering(OK));
    server.set_dead(true);
    let gateway = plain(&server, &upstream, |_| {});
    assert_eq!(status(&gateway), 503);
    server.set("api.test", &["127.0.0.1"]);
    server.set_dead(false);
    eventually("an answer", || status(&gateway) == 200);
}

#[test]
fn requests_go_round_all_addresses_and_pass_over_who_is_not_there() {
    let (server, upstream) = (Server::start(60), Upstream::answering(OK));
    server.set("api.test", &["127.0.0.1", "127.0.0.98", "127.0.0.99"]);
    let gateway = plain(&server, &upstream, |_| {});
    for _ in 0..30 {
        assert_eq!(status(&gateway), 200);
    }
    let failures = gateway.stats.connect_failures.get();
    assert!((2..8).contains(&failures), "{failures}");
}

#[test]
fn the_hosts_file_and_literal_addresses_ask_nobody() {
    let (server, upstream) = (Server::start(60), Upstream::answering(OK));
    let hosts = plain(&server, &upstream, |setup| {
        setup.service = json!({"host": "localhost"});
    });
    assert_eq!(status(&hosts), 200);
    let literal = plain(&server, &upstream, |setup| setup.service = json!({}));
    assert_eq!(status(&literal), 200);
    assert!(server.asked.lock().unwrap().is_empty());
}

#[test]
fn targets_have_names_that_move() {
    let (server, upstream) = (Server::start(0), Upstream::answering(OK));
    let port = upstream.address.port();
    server.set("a.test", &["127.0.0.1"]);
    let gateway = gateway(&[], |setup, row| {
        setup.names = asking(&server);
        let id = "00000000-0000-4000-8000-000000000101";
        let target = format!("A.test:{port}");
        row["targets"] = json!([{"id": id, "target": target, "weight": 10, "tags": null}]);
    });
    assert_eq!(
        status(&gateway),
        200,
        "the first request waits for the first answer"
    );
    let host = upstream.requests()[0].header("host").map(str::to_owned);
    assert_eq!(host, Some(format!("a.test:{port}")));
    let known = || {
        let members = gateway.members();
        let ips = members
            .members
            .iter()
            .map(|member| member.endpoint.address.ip().to_string());
        ips.collect::<Vec<_>>()
    };
    server.set("a.test", &["127.0.0.3", "127.0.0.2"]);
    eventually("both", || known() == ["127.0.0.2", "127.0.0.3"]);
    server.set_dead(true);
    pause(600);
    assert_eq!(known().len(), 2, "nobody answers, nothing changes");
    server.set_dead(false);
    server.set("a.test", &[]);
    eventually("none", || known().is_empty());
    assert_eq!(status(&gateway), 503);
}

#[test]
fn services_say_ports_and_weights() {
    let server = Server::start(60);
    let upstreams = common::balanced::named(&["a", "b"]);
    let port = |number: usize| upstreams[number].address.port();
    server.set("one.test", &["127.0.0.1"]);
    server.set_services(
        "_api._tcp.test",
        &[
            (1, 20, port(0), "one.test"),
            (1, 10, port(1), "one.test"),
            (2, 10, 1, "one.test"),
        ],
    );
    let gateway = gateway(&[], |setup, row| {
        setup.names = asking(&server);
        row["use_srv_name"] = json!(true);
        let id = "00000000-0000-4000-8000-000000000101";
        row["targets"] =
            json!([{"id": id, "target": "_api._tcp.test:8000", "weight": 100, "tags": null}]);
    });
    let mut client = Client::connect(gateway.address);
    let said: Vec<String> = (0..9).map(|_| client.get("/").text().to_owned()).collect();
    assert_eq!(
        said.iter().filter(|name| *name == "a").count(),
        6,
        "{said:?}"
    );
    let host = upstreams[0].requests()[0].header("host").map(str::to_owned);
    assert_eq!(host, Some(format!("one.test:{}", port(0))));
}
