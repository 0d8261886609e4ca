//! TLS towards upstreams: who is believed, who is shown what, and which connections stand for one another.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use common::balanced;
use common::client::Client;
use common::tls::{Authority, Identity, Port};
use common::upstream::Upstream;
use common::{Gateway, eventually};
use serde_json::{Value, json};
use tollway_engine::proxy::dial::TlsFault;

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const CA: &str = "00000000-0000-4000-8000-0000000000ca";
const OWN: &str = "00000000-0000-4000-8000-0000000000ce";

/// An upstream with TLS, the authority behind it, and what the plain one saw.
struct Secure {
    plain: Upstream,
    port: Port,
    authority: Authority,
}

impl Secure {
    fn new(names: &[&str]) -> Self {
        Self::with(|authority| authority.sign(names))
    }

    fn with(identity: impl FnOnce(&Authority) -> Identity) -> Self {
        let plain = Upstream::answering(OK);
        let authority = Authority::new("Tests");
        let config = identity(&authority).server(None);
        let port = Port::terminating(config, plain.address);
        Self {
            plain,
            port,
            authority,
        }
    }

    /// A gateway that calls it by `localhost`; `service` is laid over.
    fn gateway(&self, service: &Value) -> Gateway {
        self.gateway_with(service, &json!([]))
    }

    fn gateway_with(&self, service: &Value, certificates: &Value) -> Gateway {
        Gateway::with(self.port.address, |setup| {
            setup.service =
                json!({"protocol": "https", "host": "localhost", "ca_certificates": [CA]});
            for (name, value) in service.as_object().unwrap() {
                setup.service[name] = value.clone();
            }
            setup.route = json!({"preserve_host": false});
            setup.base = json!({
                "ca_certificates": [{"id": CA, "cert": self.authority.pem, "tags": null}],
                "certificates": certificates,
            });
        })
    }

    /// The gateway refuses this upstream, for this reason; the client isn't told which.
    fn is_refused(&self, service: &Value, fault: TlsFault) {
        let gateway = self.gateway(service);
        let response = Client::connect(gateway.address).get("/");
        assert_eq!(response.status, 502);
        assert!(response.text().contains("An invalid response was received"));
        // The first try, and two more that the service allows.
        assert_eq!(fault.counter(&gateway.stats).get(), 3, "{fault:?}");
        assert!(self.plain.requests().is_empty(), "nothing was sent");
        assert!(gateway.bill().is_empty());
    }
}

#[test]
fn an_upstream_that_proves_its_name_is_called_and_its_connection_kept() {
    let secure = Secure::new(&["localhost"]);
    let gateway = secure.gateway(&json!({"tls_verify": true}));
    let mut client = Client::connect(gateway.address);
    for _ in 0..5 {
        assert_eq!(client.get("/x").text(), "hello");
    }
    let handshakes = secure.port.handshakes();
    assert_eq!(
        handshakes.len(),
        1,
        "kept, though session tickets came on it unasked"
    );
    assert_eq!(handshakes[0].server_name.as_deref(), Some("localhost"));
    assert_eq!(handshakes[0].protocol, None);
    let port = secure.port.address.port();
    let host = format!("localhost:{port}");
    assert_eq!(secure.plain.requests()[0].header("host"), Some(&*host));
    assert_eq!(gateway.bill()["GET 200 complete"].events, 5);
}

#[test]
fn upstreams_that_prove_nothing_are_refused_unless_that_is_wanted() {
    let secure = Secure::new(&["other.example"]);
    secure.is_refused(&json!({}), TlsFault::WrongName);

    let expired = Secure::with(|authority| {
        authority.sign_with(&["localhost"], |params| {
            params.not_before = rcgen::date_time_ymd(2000, 1, 1);
            params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        })
    });
    expired.is_refused(&json!({}), TlsFault::Expired);

    let stranger = Secure::with(|_| Authority::new("Somebody").sign(&["localhost"]));
    stranger.is_refused(&json!({}), TlsFault::UnknownIssuer);
    // The system's authorities don't know it either.
    stranger.is_refused(
        &json!({"ca_certificates": null, "tls_verify": true}),
        TlsFault::UnknownIssuer,
    );

    let gateway = secure.gateway(&json!({"tls_verify": false, "ca_certificates": null}));
    assert_eq!(Client::connect(gateway.address).get("/").status, 200);
}

#[test]
fn a_chain_may_be_as_long_as_the_service_says() {
    let secure = Secure::with(|authority| {
        let middle = authority.intermediate("Middle");
        let Identity { cert, key } = middle.sign(&["localhost"]);
        Identity {
            cert: cert + &middle.pem,
            key,
        }
    });
    secure.is_refused(&json!({"tls_verify_depth": 0}), TlsFault::BadCertificate);
    let gateway = secure.gateway(&json!({"tls_verify_depth": 1}));
    assert_eq!(Client::connect(gateway.address).get("/").status, 200);
}

#[test]
fn the_name_is_what_host_says_and_each_has_connections_of_its_own() {
    let secure = Secure::new(&["localhost", "a.example", "b.example"]);
    let gateway = Gateway::with(secure.port.address, |setup| {
        setup.service = json!({"protocol": "https", "ca_certificates": [CA]});
        setup.base =
            json!({"ca_certificates": [{"id": CA, "cert": secure.authority.pem, "tags": null}]});
    });
    let mut client = Client::connect(gateway.address);
    for host in ["a.example", "b.example:99", "A.example", "b.example"] {
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(client.response("GET").status, 200, "{host}");
    }
    let names: Vec<_> = (secure.port.handshakes().into_iter())
        .map(|shaken| shaken.server_name.unwrap())
        .collect();
    assert_eq!(names, ["a.example", "b.example"]);
    client.send("GET / HTTP/1.1\r\nHost: c.example\r\n\r\n");
    assert_eq!(client.response("GET").status, 502);
    assert_eq!(TlsFault::WrongName.counter(&gateway.stats).get(), 3);
}

#[test]
fn an_upstream_sees_the_service_s_own_certificate_and_resumes_sessions() {
    let plain = Upstream::start(|connection| {
        // One request a connection, so that there is something to resume.
        connection.request();
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
    });
    let authority = Authority::new("Tests");
    let clients = Authority::new("Clients");
    let config = authority.sign(&["localhost"]).server(Some(&clients));
    let secure = Secure {
        port: Port::terminating(config, plain.address),
        plain,
        authority,
    };
    let shown = clients.sign(&["gateway"]);
    let certificates = json!([{
        "id": OWN, "cert": shown.cert, "key": shown.key, "cert_alt": null, "key_alt": null, "snis": [],
        "tags": null,
    }]);
    let gateway = secure.gateway_with(&json!({"client_certificate": {"id": OWN}}), &certificates);
    let mut client = Client::connect(gateway.address);
    for _ in 0..3 {
        assert_eq!(client.get("/").status, 200);
    }
    let handshakes = secure.port.handshakes();
    assert!(
        handshakes
            .iter()
            .all(|shaken| shaken.certificates.len() == 1)
    );
    let resumed: Vec<_> = handshakes.iter().map(|shaken| shaken.resumed).collect();
    assert_eq!(resumed, [false, true, true]);

    // The upstream's own is shown where the service has none.
    let target = secure.port.address.to_string();
    let mut pool = balanced::upstream(&[(&target, 100)]);
    pool["client_certificate"] = json!({"id": OWN});
    pool["host_header"] = json!("localhost");
    let balanced = Gateway::with(secure.port.address, |setup| {
        setup.service = json!({"protocol": "https", "host": "pool", "ca_certificates": [CA]});
        setup.route = json!({"preserve_host": false});
        setup.upstreams = json!([pool]);
        setup.base = json!({
            "ca_certificates": [{"id": CA, "cert": secure.authority.pem, "tags": null}],
            "certificates": certificates,
        });
    });
    assert_eq!(Client::connect(balanced.address).get("/").status, 200);

    // Without one it isn't let in: TLS 1.3 says so only after the handshake, as the answer that doesn't come.
    let without = secure.gateway(&json!({}));
    assert_eq!(Client::connect(without.address).get("/").status, 502);
    eventually("the upstream refused", || {
        secure
            .port
            .fault()
            .is_some_and(|fault| fault.contains("no certificates"))
    });
}

#[test]
fn an_answer_that_is_cut_off_is_no_whole_answer() {
    let authority = Authority::new("Tests");
    let identity = authority.sign(&["localhost"]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let config = std::sync::Arc::new(identity.server(None));
        for farewell in [true, false] {
            let (mut stream, _) = listener.accept().unwrap();
            let mut connection = rustls::ServerConnection::new(config.clone()).unwrap();
            let mut tls = rustls::Stream::new(&mut connection, &mut stream);
            let mut request = [0; 1024];
            assert!(std::io::Read::read(&mut tls, &mut request).unwrap() > 0);
            std::io::Write::write_all(&mut tls, b"HTTP/1.1 200 OK\r\n\r\nhello").unwrap();
            if farewell {
                connection.send_close_notify();
                connection.complete_io(&mut stream).unwrap();
            }
        }
    });
    let gateway = Gateway::with(address, |setup| {
        setup.service = json!({"protocol": "https", "host": "localhost", "ca_certificates": [CA]});
        setup.route = json!({"preserve_host": false});
        setup.base = json!({"ca_certificates": [{"id": CA, "cert": authority.pem, "tags": null}]});
    });
    for whole in [true, false] {
        let response = Client::connect(gateway.address).get("/");
        assert_eq!((response.text(), response.whole), ("hello", whole));
    }
    server.join().unwrap();
    let bill = gateway.bill();
    assert_eq!(bill["GET 200 complete"].events, 1);
    assert_eq!(bill["GET 200 upstream_abort"].events, 1);
}

#[test]
fn a_name_that_a_caller_made_up_puts_no_target_out() {
    let secure = Secure::new(&["localhost"]);
    let gateway = balanced::gateway(&[secure.port.address], |setup, row| {
        setup.service = json!({"protocol": "https", "host": "pool", "ca_certificates": [CA]});
        setup.route = json!({"preserve_host": true});
        setup.base =
            json!({"ca_certificates": [{"id": CA, "cert": secure.authority.pem, "tags": null}]});
        row["healthchecks"]["passive"]["unhealthy"]["tcp_failures"] = json!(1);
    });
    let ask = |host: &str| {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        Client::ask(gateway.address, request).status
    };
    assert_eq!(ask("made-up.example"), 502);
    assert!(TlsFault::WrongName.counter(&gateway.stats).get() > 0);
    assert_eq!(ask("localhost"), 200, "the target is as good as before");
}

#[test]
fn what_speaks_no_tls_or_never_ends_its_handshake_is_an_answer_too() {
    let plain = Upstream::start(|connection| {
        let mut hello = [0; 512];
        let _ = std::io::Read::read(&mut connection.stream, &mut hello);
        connection.send(OK);
    });
    let gateway = Gateway::with(plain.address, |setup| {
        setup.service = json!({"protocol": "https", "retries": 0});
    });
    assert_eq!(Client::connect(gateway.address).get("/").status, 502);
    assert_eq!(TlsFault::Other.counter(&gateway.stats).get(), 1);

    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let gateway = Gateway::with(silent.local_addr().unwrap(), |setup| {
        setup.service = json!({"protocol": "https", "retries": 0, "connect_timeout": 100});
    });
    assert_eq!(Client::connect(gateway.address).get("/").status, 504);
}

#[test]
fn an_upstream_may_listen_on_a_unix_socket() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("api.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        use std::io::{BufRead, BufReader, Write};
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while let Some(Ok(line)) = lines.next() {
                if line.is_empty() {
                    (&stream).write_all(OK.as_bytes()).unwrap();
                }
            }
        }
    });
    let nowhere = "127.0.0.1:1".parse().unwrap();
    let gateway = Gateway::with(nowhere, |setup| {
        setup.service = json!({"host": format!("unix:{}", path.display())});
    });
    let mut client = Client::connect(gateway.address);
    for _ in 0..3 {
        assert_eq!(client.get("/").text(), "hello");
    }
    assert_eq!(gateway.stats.connects.get(), 1);
    assert_eq!(gateway.stats.reused.get(), 2);
    assert_eq!(gateway.bill()["GET 200 complete"].events, 3);
}
