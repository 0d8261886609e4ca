//! TLS towards clients, the PROXY protocol before it, and what comes that is neither.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use std::io::Read;
use std::net::SocketAddr;

use common::client::Client;
use common::tls::{Authority, Identity, Port, client};
use common::upstream::Upstream;
use common::{Gateway, Setup, eventually, one};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, ProtocolVersion};
use serde_json::{Value, json};
use tollway_engine::proxy::worker::Protocols;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const GET: &str = "GET / HTTP/1.1\r\nHost: api.example\r\n\r\n";
const SECURE: Protocols = Protocols {
    tls: true,
    http2: true,
    proxy_protocol: false,
};

fn certificate(number: u8, identity: &Identity, names: &[&str]) -> Value {
    json!({
        "id": format!("00000000-0000-4000-8000-0000000000c{number}"), "cert": identity.cert,
        "key": identity.key, "cert_alt": null, "key_alt": null, "snis": names, "tags": null,
    })
}

/// A gateway over TLS; everybody else is shown a certificate for `default.example`.
fn secure(upstream: SocketAddr, authority: &Authority, change: impl FnOnce(&mut Setup)) -> Gateway {
    Gateway::with(upstream, |setup| {
        setup.protocols = SECURE;
        setup.default_certificate = Some(authority.sign(&["default.example"]));
        setup.base = json!({
            "certificates": [
                certificate(1, &authority.sign(&["api.example"]), &["api.example"]),
                certificate(2, &authority.sign(&["*.wild.example"]), &["*.wild.example"]),
            ],
        });
        change(setup);
    })
}

fn speaking(authority: &Authority, protocols: &[&str]) -> ClientConfig {
    let mut config = client(authority, &[&TLS13, &TLS12]);
    config.alpn_protocols = protocols
        .iter()
        .map(|name| name.as_bytes().to_vec())
        .collect();
    config
}

#[test]
fn both_versions_are_spoken_and_each_name_has_its_certificate() {
    let upstream = Upstream::answering(OK);
    let authority = Authority::new("Tests");
    let gateway = secure(upstream.address, &authority, |_| {});
    for (version, spoken) in [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ] {
        for name in ["api.example", "a.wild.example", "default.example"] {
            let port = Port::originating(client(&authority, &[version]), name, gateway.address);
            let mut client = Client::connect(port.address);
            assert_eq!(client.get("/").text(), "hello");
            assert_eq!(client.get("/").text(), "hello");
            assert_eq!(port.handshakes()[0].version, Some(spoken));
        }
    }
    // The default's name is right for nobody else.
    let port = Port::originating(speaking(&authority, &[]), "other.example", gateway.address);
    Client::connect(port.address).try_send(GET);
    eventually("the client refused", || port.fault().is_some());
    assert!(port.fault().unwrap().contains("not valid for name"));

    let request = upstream.requests().pop().unwrap();
    assert_eq!(request.header("x-forwarded-proto"), Some("https"));
    assert_eq!(gateway.stats.opening.tls_handshakes.get(), 6);
    assert_eq!(gateway.bill()["GET 200 complete"].events, 12);
}

#[test]
fn a_large_answer_arrives_whole_and_its_end_is_said() {
    let body = vec![b'x'; 3 << 20];
    let mut answer = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    answer.extend_from_slice(&body);
    let upstream = Upstream::start(move |connection| {
        connection.request();
        connection.send(&answer);
    });
    let authority = Authority::new("Tests");
    let gateway = secure(upstream.address, &authority, |_| {});
    let port = Port::originating(speaking(&authority, &[]), "api.example", gateway.address);
    // HTTP/1.0: the body ends with the connection, and with TLS's farewell.
    let response = Client::ask(port.address, "GET / HTTP/1.0\r\nHost: a\r\n\r\n");
    assert_eq!((response.body.len(), response.whole), (body.len(), true));
    assert_eq!(gateway.bill()["GET 200 complete"], one(0, 3 << 20));
}

#[test]
fn the_protocol_is_agreed_on_in_the_handshake() {
    let upstream = Upstream::answering(OK);
    let authority = Authority::new("Tests");
    let gateway = secure(upstream.address, &authority, |_| {});
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some(&b"h2"[..])),
        (&["http/1.1"], Some(b"http/1.1")),
        (&["http/1.0"], Some(b"http/1.0")),
        (&[], None),
    ] {
        let port = Port::originating(
            speaking(&authority, offered),
            "api.example",
            gateway.address,
        );
        let _connected = Client::connect(port.address);
        eventually("a handshake", || !port.handshakes().is_empty());
        assert_eq!(port.handshakes()[0].protocol.as_deref(), agreed);
    }
    let port = Port::originating(
        speaking(&authority, &["spdy/3"]),
        "api.example",
        gateway.address,
    );
    let _connected = Client::connect(port.address);
    eventually("a refusal", || port.fault().is_some());
    assert!(
        port.fault().unwrap().contains("NoApplicationProtocol"),
        "{:?}",
        port.fault()
    );
}

#[test]
fn sessions_are_resumed_here_and_by_another_gateway_with_the_same_key() {
    let upstream = Upstream::answering(OK);
    let authority = Authority::new("Tests");
    let gateways = [
        secure(upstream.address, &authority, |_| {}),
        secure(upstream.address, &authority, |_| {}),
    ];
    for version in [&TLS12, &TLS13] {
        let config = client(&authority, &[version]);
        let mut resumed = Vec::new();
        for gateway in [&gateways[0], &gateways[0], &gateways[1]] {
            let port = Port::originating(config.clone(), "api.example", gateway.address);
            assert_eq!(Client::connect(port.address).get("/").status, 200);
            resumed.push(port.handshakes()[0].resumed);
        }
        assert_eq!(resumed, [false, true, true], "{version:?}");
    }
    assert_eq!(gateways[1].stats.opening.tls_resumed.get(), 2);
}

#[test]
fn a_handshake_uses_the_newest_configuration() {
    let upstream = Upstream::answering(OK);
    let authority = Authority::new("Tests");
    let mut gateway = secure(upstream.address, &authority, |_| {});
    let config = speaking(&authority, &[]);
    let open = Port::originating(config.clone(), "api.example", gateway.address);
    let mut early = Client::connect(open.address);
    assert_eq!(early.get("/").status, 200);
    gateway.change(|base| {
        let renamed = certificate(3, &authority.sign(&["new.example"]), &["new.example"]);
        base["certificates"] = json!([renamed]);
    });
    let port = Port::originating(config.clone(), "new.example", gateway.address);
    assert_eq!(Client::connect(port.address).get("/").status, 200);
    let gone = Port::originating(speaking(&authority, &[]), "a.wild.example", gateway.address);
    Client::connect(gone.address).try_send(GET);
    eventually("it has no certificate any more", || gone.fault().is_some());
    assert_eq!(early.get("/").status, 200, "connections go on");
}

#[test]
fn routes_match_by_the_name_of_the_handshake_and_plain_requests_are_sent_away() {
    let upstream = Upstream::answering(OK);
    let authority = Authority::new("Tests");
    let route = json!({"protocols": ["https"], "snis": ["api.example"], "paths": null});
    let gateway = secure(upstream.address, &authority, |setup| {
        setup.route = route.clone();
    });
    for (name, status) in [("api.example", 200), ("a.wild.example", 404)] {
        let port = Port::originating(speaking(&authority, &[]), name, gateway.address);
        // Host says something else: the route asks for the handshake's name alone, as Kong's does.
        let response = Client::ask(port.address, "GET / HTTP/1.1\r\nHost: other\r\n\r\n");
        assert_eq!(response.status, status, "{name}");
    }
    let plain = Gateway::with(upstream.address, |setup| setup.route = route);
    let response = Client::ask(plain.address, GET);
    assert_eq!(response.status, 426);
}

#[test]
fn what_is_no_tls_gets_its_answer_and_holds_up_nobody() {
    let upstream = Upstream::answering(OK);
    let authority = Authority::new("Tests");
    let gateway = secure(upstream.address, &authority, |setup| {
        setup.timeouts.tls_handshake_ms = 300;
    });
    let stats = &gateway.stats.opening;

    let response = Client::ask(gateway.address, GET);
    assert_eq!(response.status, 400);
    assert!(
        response
            .text()
            .contains("The plain HTTP request was sent to HTTPS port")
    );
    assert_eq!(stats.tls_plain.get(), 1);

    // Alerts are fatal (2): a hello of SSL 3.0, one that is no hello, and garbage.
    let mut ssl3 = vec![0x16, 3, 0, 0, 45, 1, 0, 0, 41, 3, 0];
    ssl3.extend([0; 32]);
    ssl3.extend([0, 0, 2, 0, 10, 1, 0]);
    for bytes in [
        &ssl3[..],
        b"\x16\x03\x01\x00\x05\x09\x00\x00\x01x",
        &[0xff; 64],
    ] {
        let mut client = Client::connect(gateway.address);
        client.send(bytes);
        let mut said = Vec::new();
        client.stream.read_to_end(&mut said).unwrap();
        assert_eq!(
            (said.first(), said.get(5)),
            (Some(&0x15), Some(&2)),
            "{bytes:?}: {said:?}"
        );
    }
    assert_eq!(stats.tls_bad.get(), 3);

    // A hello cut short, by the client's leaving or by its silence.
    let mut client = Client::connect(gateway.address);
    client.send(&ssl3[..20]);
    drop(client);
    eventually("its end was seen", || stats.tls_closed.get() == 1);
    let mut client = Client::connect(gateway.address);
    client.send(&ssl3[..20]);
    assert_eq!(client.stream.read(&mut [0; 8]).unwrap(), 0, "given up");
    eventually("counted", || stats.tls_timeouts.get() == 1);

    let port = Port::originating(speaking(&authority, &[]), "api.example", gateway.address);
    assert_eq!(Client::connect(port.address).get("/").status, 200);
}

#[test]
fn of_too_many_handshakes_the_oldest_goes() {
    let upstream = Upstream::answering(OK);
    let authority = Authority::new("Tests");
    let gateway = secure(upstream.address, &authority, |setup| {
        setup.limits.openings_per_worker = 4;
    });
    let mut silent: Vec<_> = (0..6).map(|_| Client::connect(gateway.address)).collect();
    for client in &mut silent[..2] {
        assert_eq!(client.stream.read(&mut [0; 8]).unwrap(), 0);
    }
    assert_eq!(gateway.stats.opening.displaced.get(), 2);
    let port = Port::originating(speaking(&authority, &[]), "api.example", gateway.address);
    assert_eq!(Client::connect(port.address).get("/").status, 200);
    drop(silent);
    eventually("all is let go", || gateway.stats.open.get() == 0);
}

#[test]
fn a_proxy_header_counts_for_nothing_from_who_is_not_believed() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.protocols = Protocols {
            proxy_protocol: true,
            ..Protocols::default()
        };
        // Whom it names is believed, it itself is not.
        setup.trust = serde_json::from_value(json!({"ips": ["192.0.2.7"]})).unwrap();
    });
    let mut connection = Client::connect(gateway.address);
    connection.send("PROXY TCP4 192.0.2.7 198.51.100.2 56324 443\r\n");
    connection.send("GET / HTTP/1.1\r\nHost: a\r\nX-Real-IP: 203.0.113.1\r\n\r\n");
    assert_eq!(connection.response("GET").status, 200);
    let request = upstream.requests().pop().unwrap();
    assert_eq!(request.header("x-real-ip"), Some("127.0.0.1"));
    assert_eq!(gateway.stats.opening.proxy_untrusted.get(), 1);
}

#[test]
fn the_proxy_header_says_who_calls_and_must_be_there() {
    let upstream = Upstream::answering(OK);
    let gateway = Gateway::with(upstream.address, |setup| {
        setup.protocols = Protocols {
            proxy_protocol: true,
            ..Protocols::default()
        };
        setup.timeouts.proxy_header_ms = 300;
        setup.trust = serde_json::from_value(json!({"ips": ["127.0.0.0/8"]})).unwrap();
    });
    let mut binary = b"\r\n\r\n\0\r\nQUIT\n\x21\x21\x00\x27".to_vec();
    binary.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]);
    binary.extend([0; 15]);
    binary.extend([1, 0, 80, 0x1f, 0x90, 3, 0, 0]);
    for (header, client, port) in [
        (
            &b"PROXY TCP4 192.0.2.7 198.51.100.2 56324 443\r\n"[..],
            "192.0.2.7",
            "443",
        ),
        (&binary, "2001:db8::9", "8080"),
    ] {
        let mut connection = Client::connect(gateway.address);
        // In two parts, and the request right behind it.
        let (one, other) = header.split_at(20);
        connection.send(one);
        common::upstream::pause(20);
        connection.send([other, GET.as_bytes()].concat());
        assert_eq!(connection.response("GET").status, 200);
        let request = upstream.requests().pop().unwrap();
        assert_eq!(request.header("x-real-ip"), Some(client));
        assert_eq!(request.header("x-forwarded-port"), Some(port));
        assert_eq!(connection.get("/").status, 200, "once a connection");
    }
    for local in [&b"PROXY UNKNOWN\r\n"[..], b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"] {
        let mut connection = Client::connect(gateway.address);
        connection.send([local, GET.as_bytes()].concat());
        assert_eq!(connection.response("GET").status, 200);
        let request = upstream.requests().pop().unwrap();
        assert_eq!(request.header("x-real-ip"), Some("127.0.0.1"));
    }
    let endless = [b"PROXY ".to_vec(), vec![b'x'; 200]].concat();
    for bad in [
        GET.as_bytes(),
        b"PROXY TCP4 x y 1 2\r\n",
        b"\r\n\r\n\0\r\nQUIX\n\x20\0\0\0",
        &endless,
    ] {
        let mut connection = Client::connect(gateway.address);
        connection.send(bad);
        let mut said = Vec::new();
        let _ = connection.stream.read_to_end(&mut said);
        assert!(said.is_empty(), "nothing is said to who can't be known");
    }
    assert_eq!(gateway.stats.opening.proxy_malformed.get(), 4);
    let mut silent = Client::connect(gateway.address);
    assert_eq!(silent.stream.read(&mut [0; 8]).unwrap(), 0);
    let stats = &gateway.stats.opening;
    eventually("counted", || stats.proxy_timeouts.get() == 1);
}
