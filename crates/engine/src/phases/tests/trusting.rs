//! Proxies in front of the gateway: who is believed, what goes on, and whose address counts.

use super::*;

fn trust(ips: &[&str]) -> Trust {
    let document = json!({
        "ips": ips, "real_ip_header": "X-Forwarded-For", "real_ip_recursive": true,
    });
    serde_json::from_value(document).unwrap()
}

/// A gateway to which all of these requests come from 192.0.2.7.
fn gateway(ips: &[&str], base: &Value) -> Gateway {
    Gateway::trusting(trust(ips), base, &[], &[])
}

/// Without plugins.
fn open() -> Value {
    let mut base = base();
    base["plugins"] = json!([]);
    base
}

const SAID: &[(&str, &str)] = &[
    ("X-Forwarded-For", "203.0.113.9"),
    ("x-forwarded-for", "198.51.100.1, 192.0.2.9"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "shop.example"),
    ("X-Forwarded-Port", "443"),
    ("X-Forwarded-Path", "/outer/a/b"),
    ("X-Forwarded-Prefix", "/outer"),
    ("X-Real-IP", "203.0.113.9"),
    ("X-Consumer-ID", "forged"),
];

#[test]
fn a_trusted_proxy_is_believed_and_its_words_go_on() {
    let mut gateway = gateway(&["192.0.2.0/24"], &open());
    let asked = Asked {
        headers: SAID,
        ..ASKED
    };
    let (_, head) = gateway.begin(asked).unwrap();
    let wanted = [
        "X-Forwarded-For: 203.0.113.9, 198.51.100.1, 192.0.2.9, 192.0.2.7",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: shop.example",
        "X-Forwarded-Port: 443",
        "X-Forwarded-Path: /outer/a/b",
        "X-Forwarded-Prefix: /outer",
        "X-Real-IP: 198.51.100.1",
        "Via: 1.1 tollway",
    ];
    let got: Vec<&str> = head.lines().skip(2).collect();
    assert_eq!(got[..wanted.len()], wanted);
    assert_eq!(got.len(), wanted.len() + 1, "each of them once: {head}");
    let client = gateway.exchange.client().unwrap();
    assert_eq!(client.to_string(), "198.51.100.1");
}

#[test]
fn a_trusted_proxy_that_says_nothing_is_the_client() {
    let mut gateway = gateway(&["192.0.2.7"], &open());
    let (_, head) = gateway.begin(ASKED).unwrap();
    assert_eq!(line(&head, "X-Forwarded-For"), Some("192.0.2.7"));
    assert_eq!(line(&head, "X-Forwarded-Proto"), Some("http"));
    assert_eq!(line(&head, "X-Real-IP"), Some("192.0.2.7"));
}

#[test]
fn nobody_else_is_believed() {
    let mut gateway = gateway(&["192.0.2.8/31", "::/0"], &open());
    let asked = Asked {
        headers: SAID,
        ..ASKED
    };
    let (_, head) = gateway.begin(asked).unwrap();
    for (name, value) in [
        ("X-Forwarded-For", "192.0.2.7"),
        ("X-Forwarded-Proto", "http"),
        ("X-Forwarded-Host", "api.example"),
        ("X-Forwarded-Port", "8000"),
        ("X-Forwarded-Path", "/a/b"),
        ("X-Real-IP", "192.0.2.7"),
    ] {
        assert_eq!(line(&head, name), Some(value), "{name}");
    }
    assert!(
        !head.contains("203.0.113.9") && !head.contains("198.51.100.1"),
        "{head}"
    );
}

#[test]
fn a_route_for_tls_alone_serves_whom_a_trusted_proxy_vouches_for() {
    let mut base = open();
    base["routes"][0]["protocols"] = json!(["https"]);
    base["routes"][0]["https_redirect_status_code"] = json!(308);
    let proto = |value| {
        [
            ("X-Forwarded-Proto", value),
            ("X-Forwarded-Host", "shop.example"),
        ]
    };
    let ask = |ips: &[&str], headers: &[(&str, &str)]| {
        let asked = Asked { headers, ..ASKED };
        match gateway(ips, &base).begin(asked) {
            Ok(_) => "served".to_owned(),
            Err(answered) => line(&answered.headers, "Location").unwrap().to_owned(),
        }
    };
    assert_eq!(ask(&["192.0.2.7"], &proto("HTTPS")), "served");
    assert_eq!(
        ask(&["192.0.2.7"], &proto("http")),
        "https://shop.example/a/b?x=1"
    );
    assert_eq!(ask(&[], &proto("https")), "https://api.example/a/b?x=1");
}

#[test]
fn a_limit_by_address_counts_the_client_behind_the_proxy() {
    let mut base = open();
    base["plugins"] = json!([limited(1, &[("limit_by", json!("ip"))])]);
    for (ips, other) in [(&["192.0.2.7"][..], 200), (&[], 429)] {
        let mut gateway = gateway(ips, &base);
        let mut ask = |client| {
            let headers = [("X-Forwarded-For", client)];
            gateway
                .status(Asked {
                    headers: &headers,
                    ..ASKED
                })
                .0
        };
        assert_eq!(ask("198.51.100.1"), 200);
        assert_eq!(ask("198.51.100.1"), 429);
        assert_eq!(ask("198.51.100.2"), other);
    }
}
