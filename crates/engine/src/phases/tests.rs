//! Requests through the whole pipeline: what goes upstream, what comes back, what is billed.

mod selling;
mod trusting;

use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::*;
use crate::config::fixtures::*;
use crate::config::{ConfigStore, Updater, Upstream};
use crate::limits::{CounterRoom, Counters};
use crate::usage_log::Completion;

/// 2026-11-22 13:14:15.250.
const NOON: Now = Now {
    mono: 5_000_000,
    wall: 1_795_353_255_250_000,
};

struct Gateway {
    pipeline: Pipeline,
    exchange: Exchange,
    shared: Arc<Shared>,
    updater: Updater,
    now: Now,
    _folder: TempDir,
}

/// A request's parts.
#[derive(Clone, Copy)]
struct Asked<'a> {
    method: &'a str,
    target: &'a str,
    host: &'a str,
    headers: &'a [(&'a str, &'a str)],
}

const ASKED: Asked<'_> = Asked {
    method: "GET",
    target: "/a/b?x=1",
    host: "api.example:8000",
    headers: &[],
};

impl Gateway {
    fn new(base: &Value, consumers: &[Value], keys: &[Value]) -> Self {
        Self::trusting(Trust::default(), base, consumers, keys)
    }

    fn trusting(trust: Trust, base: &Value, consumers: &[Value], keys: &[Value]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let counters = Counters::open(folder.path(), CounterRoom::default()).unwrap();
        let store = Arc::new(ConfigStore::default());
        let mut updater = Updater::new(Arc::clone(&store), None);
        for frame in [
            json!({"type": "full_begin", "version": 8, "base": base}),
            json!({"type": "rows", "table": "consumers", "rows": consumers}),
            json!({"type": "rows", "table": "key_auth", "rows": keys}),
            json!({"type": "full_end", "version": 8}),
        ] {
            updater.frame(&frame.to_string()).unwrap();
        }
        let shared = Shared::new(store, Arc::new(counters), [9; 32]).trusting(trust);
        let shared = Arc::new(shared);
        let pipeline = Pipeline::new(&shared).unwrap();
        Self {
            pipeline,
            exchange: Exchange::new(),
            shared,
            updater,
            now: NOON,
            _folder: folder,
        }
    }

    /// One route on `/a` to a service at `/up`, with these plugins.
    fn with(plugins: &[Value]) -> Self {
        let mut base = base();
        base["services"][0]["path"] = json!("/up");
        base["plugins"] = json!(plugins);
        let mut ann = consumer(1, "ann");
        ann["custom_id"] = json!("ann-7");
        ann["acls"] = json!(["gold", "beta"]);
        ann["groups"] = json!([id(3)]);
        ann["customer"] = json!(id(21));
        ann["phase"] = json!(id(22));
        ann["mode"] = json!("test");
        let consumers = [ann, consumer(2, "bob"), consumer(3, "guest")];
        Self::new(
            &base,
            &consumers,
            &[key_of("ann-key", 1), key_of("bob key", 2)],
        )
    }

    fn begin(&mut self, asked: Asked<'_>) -> Result<(Arc<Upstream>, String), Answered> {
        let headers: Vec<_> = asked
            .headers
            .iter()
            .map(|(n, v)| (n.as_bytes(), v.as_bytes()))
            .collect();
        let (path, query) = match asked.target.split_once('?') {
            Some((path, query)) => (path, Some(query.as_bytes())),
            None => (asked.target, None),
        };
        let head = RequestHead {
            method: asked.method.as_bytes(),
            path: path.as_bytes(),
            query,
            host: (!asked.host.is_empty()).then_some(asked.host.as_bytes()),
            headers: &*headers,
            version: Version::Http11,
            client: "192.0.2.7:4321".parse().unwrap(),
            tls: false,
            server_name: None,
            port: 8000,
        };
        match self.pipeline.begin(&mut self.exchange, &head, self.now) {
            Verdict::Respond(answer) => Err(self.answered(answer)),
            Verdict::Count(_) => panic!("nothing is set to be counted elsewhere"),
            Verdict::Forward(upstream) => {
                let mut out = b"target: ".to_vec();
                self.exchange.write_target(&head, &mut out);
                out.extend_from_slice(b"\r\nhost: ");
                self.exchange.write_host(&head, &mut out);
                out.extend_from_slice(b"\r\n");
                for (name, value) in asked.headers {
                    if self.exchange.forwards(name.as_bytes()) {
                        out.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
                    }
                }
                self.exchange.upstream_headers(&head, &mut out);
                Ok((upstream, String::from_utf8(out).unwrap()))
            }
        }
    }

    fn answered(&mut self, answer: Answer) -> Answered {
        let (mut headers, mut body) = (Vec::new(), Vec::new());
        self.exchange.answer_headers(answer, self.now, &mut headers);
        self.exchange.answer_body(answer, &mut body);
        self.exchange.answered(&self.pipeline, answer, self.now);
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["request_id"].as_str().unwrap().len(), 32);
        Answered {
            status: answer.status,
            message: body["message"].as_str().unwrap().to_owned(),
            headers: String::from_utf8(headers).unwrap(),
            body,
        }
    }

    /// The status, 200 for what is forwarded, and the message.
    fn status(&mut self, asked: Asked<'_>) -> (u16, String) {
        match self.begin(asked) {
            Ok(_) => (200, String::new()),
            Err(answered) => (answered.status, answered.message),
        }
    }

    fn response(&self) -> String {
        let mut out = Vec::new();
        let sent = Now {
            mono: NOON.mono + 2_500,
            wall: 0,
        };
        let head = Now {
            mono: NOON.mono + 45_900,
            wall: 0,
        };
        self.exchange
            .response_headers(&UpstreamTimes { sent, head }, Version::Http11, &mut out);
        String::from_utf8(out).unwrap()
    }
}

#[derive(Debug)]
struct Answered {
    status: u16,
    message: String,
    headers: String,
    body: Value,
}

fn key_of(text: &str, consumer: u8) -> Value {
    use hmac::{Hmac, KeyInit, Mac};
    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(&[9; 32]).unwrap();
    mac.update(text.as_bytes());
    let hash: Vec<String> = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    json!({"id": id(100 + consumer), "hash": hash.concat(), "consumer": id(consumer)})
}

fn with_config(mut plugin: Value, changes: &[(&str, Value)]) -> Value {
    for (field, value) in changes {
        plugin["config"][field] = value.clone();
    }
    plugin
}

fn keys(changes: &[(&str, Value)]) -> Value {
    let plain = with_config(
        plugin("key-auth", &key_auth()),
        &[("anonymous", Value::Null)],
    );
    with_config(plain, changes)
}

fn limited(minute: u32, changes: &[(&str, Value)]) -> Value {
    with_config(plugin("rate-limiting", &rate_limiting(minute)), changes)
}

fn acl(changes: &[(&str, Value)]) -> Value {
    let config = json!({
        "allow": null, "deny": null, "hide_groups_header": false, "include_consumer_groups": false,
        "always_use_authenticated_groups": false,
    });
    with_config(plugin("acl", &config), changes)
}

fn line<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

const ANN: &[(&str, &str)] = &[("ApiKey", "ann-key")];
const BOB: &[(&str, &str)] = &[("apikey", "bob key")];

#[test]
fn a_plain_request_is_forwarded_with_kongs_headers() {
    let mut gateway = Gateway::with(&[]);
    let headers = [
        ("Accept", "*/*"),
        ("X-Forwarded-For", "198.51.100.1"),
        ("Via", "1.1 other"),
    ];
    let (upstream, head) = gateway
        .begin(Asked {
            headers: &headers,
            ..ASKED
        })
        .unwrap();
    assert_eq!(
        (&*upstream.host, upstream.port, upstream.retries),
        ("up.example", 80, 5)
    );
    let request_id = line(&head, "X-Kong-Request-Id").unwrap();
    let wanted = [
        "target: /up/b?x=1",
        "host: up.example",
        "Accept: */*",
        "Via: 1.1 other",
        "X-Forwarded-For: 192.0.2.7",
        "X-Forwarded-Proto: http",
        "X-Forwarded-Host: api.example",
        "X-Forwarded-Port: 8000",
        "X-Forwarded-Path: /a/b",
        "X-Forwarded-Prefix: /a",
        "X-Real-IP: 192.0.2.7",
        "Via: 1.1 tollway",
    ];
    let got: Vec<&str> = head.lines().collect();
    assert_eq!(got[..wanted.len()], wanted);
    assert_eq!(got.len(), wanted.len() + 1);
    let response = gateway.response();
    let wanted = format!(
        "X-Kong-Proxy-Latency: 2\r\nX-Kong-Upstream-Latency: 43\r\nVia: 1.1 tollway\r\n\
         X-Kong-Request-Id: {request_id}\r\n"
    );
    assert_eq!(response, wanted);
}

#[test]
fn what_only_the_gateway_may_say_is_not_passed_on() {
    let mut gateway = Gateway::with(&[]);
    let headers = [
        ("X-Consumer-ID", "1"),
        ("x-consumer-groups", "admin"),
        ("X_Consumer_Username", "root"),
        ("X-Credential-Identifier", "1"),
        ("X-Anonymous-Consumer", "true"),
        ("X-Tollway-Customer", "1"),
        ("X-Real-IP", "1.1.1.1"),
        ("X-Forwarded-Proto", "https"),
        ("X-Kong-Request-Id", "1"),
        ("X-Consumers", "kept"),
    ];
    let (_, head) = gateway
        .begin(Asked {
            headers: &headers,
            ..ASKED
        })
        .unwrap();
    for (name, value) in &headers[..9] {
        assert!(!head.contains(&format!("{name}: {value}\r\n")), "{name}");
    }
    assert_eq!(line(&head, "X-Consumers"), Some("kept"));
    for name in ["X-Kong-Upstream-Latency", "x-kong-request-id"] {
        assert!(!gateway.exchange.returns(name.as_bytes()));
    }
    assert!(
        gateway.exchange.returns(b"X-RateLimit-Limit-Minute") && gateway.exchange.returns(b"Via")
    );
}

#[test]
fn no_route_no_service_and_tls() {
    let mut base = base();
    base["plugins"] = json!([]);
    let other = |number, path: &str, field: &str, value: Value| {
        let mut route = route(number, 1);
        route["paths"] = json!([path]);
        route[field] = value;
        route
    };
    let mut redirected = other(6, "/go", "protocols", json!(["https"]));
    redirected["https_redirect_status_code"] = json!(308);
    base["routes"] = json!([
        other(2, "/a", "preserve_host", json!(true)),
        other(4, "/none", "service", Value::Null),
        other(5, "/tls", "protocols", json!(["https"])),
        redirected,
    ]);
    let mut gateway = Gateway::new(&base, &[], &[]);
    let (_, head) = gateway.begin(ASKED).unwrap();
    assert_eq!(line(&head, "host"), Some("api.example:8000"));
    let mut ask = |target| gateway.begin(Asked { target, ..ASKED }).unwrap_err();
    let none = ask("/nothing");
    assert_eq!(
        (none.status, &*none.message),
        (404, "no Route matched with those values")
    );
    assert!(
        none.headers
            .starts_with("Content-Type: application/json; charset=utf-8\r\n")
    );
    assert_eq!(line(&none.headers, "X-Kong-Response-Latency"), Some("0"));
    assert_eq!(line(&none.headers, "Server"), Some("tollway"));
    assert_eq!(ask("/none").message, "no Service found with those values");
    let tls = ask("/tls");
    assert_eq!(
        (tls.status, &*tls.message),
        (426, "Please use HTTPS protocol")
    );
    let go = ask("/go/%20?q=1");
    assert_eq!(
        (go.status, line(&go.headers, "Location")),
        (308, Some("https://api.example/go/%20?q=1"))
    );
    let totals = gateway.shared.totals();
    assert_eq!(totals.answers[AnswerKind::NoRoute as usize], 1);
    assert_eq!(totals.answers.iter().sum::<u64>(), 4);
}

#[test]
fn without_a_configuration_nothing_is_served() {
    let folder = tempfile::tempdir().unwrap();
    let counters = Arc::new(Counters::open(folder.path(), CounterRoom::default()).unwrap());
    let shared = Arc::new(Shared::new(Arc::default(), counters, [9; 32]));
    let pipeline = Pipeline::new(&shared).unwrap();
    let exchange = Exchange::new();
    let mut gateway = Gateway {
        updater: Updater::new(Arc::default(), None),
        pipeline,
        exchange,
        shared,
        now: NOON,
        _folder: folder,
    };
    assert_eq!(
        gateway.status(ASKED),
        (503, "Service unavailable".to_owned())
    );
}

#[test]
fn keys_are_found_in_headers_and_queries() {
    let mut gateway = Gateway::with(&[keys(&[("key_names", json!(["apikey", "x_key"]))])]);
    let mut ask = |target, headers| {
        gateway.status(Asked {
            target,
            headers,
            ..ASKED
        })
    };
    let (no_key, wrong, twice) = (
        "No API key found in request",
        "Unauthorized",
        "Duplicate API key found",
    );
    assert_eq!(ask("/a", &[]), (401, no_key.into()));
    assert_eq!(ask("/a", &[("apikey", "")]), (401, no_key.into()));
    assert_eq!(ask("/a?apikey", &[]), (401, no_key.into()));
    assert_eq!(ask("/a?apikey=", &[]), (401, no_key.into()));
    assert_eq!(ask("/a", &[("apikey", "nobody")]), (401, wrong.into()));
    assert_eq!(
        ask("/a", &[("apikey", "ann-key"), ("APIKEY", "ann-key")]),
        (401, twice.into())
    );
    assert_eq!(ask("/a?apikey=ann-key&apikey=2", &[]), (401, twice.into()));
    assert_eq!(ask("/a", ANN).0, 200);
    assert_eq!(ask("/a", &[("X_Key", "ann-key")]).0, 200);
    assert_eq!(ask("/a", &[("X-Key", "ann-key")]).0, 200);
    assert_eq!(ask("/a?q=1&apikey=ann%2Dkey", &[]).0, 200);
    assert_eq!(ask("/a?%61pikey=bob+key", &[]).0, 200);
    // A header counts before the query; the first name before the second.
    assert_eq!(ask("/a?apikey=nobody", ANN).0, 200);
    assert_eq!(
        ask("/a", &[("x-key", "nobody"), ("apikey", "ann-key")]).0,
        200
    );
    assert_eq!(
        gateway.shared.totals().answers[AnswerKind::NoKey as usize],
        4
    );
}

#[test]
fn key_auth_says_who_calls() {
    let mut gateway = Gateway::with(&[keys(&[])]);
    let (_, head) = gateway
        .begin(Asked {
            headers: ANN,
            ..ASKED
        })
        .unwrap();
    assert_eq!(line(&head, "ApiKey"), Some("ann-key"));
    assert_eq!(line(&head, "X-Consumer-ID"), Some(&*id(1)));
    assert_eq!(line(&head, "X-Consumer-Custom-ID"), Some("ann-7"));
    assert_eq!(line(&head, "X-Consumer-Username"), Some("ann"));
    assert_eq!(line(&head, "X-Credential-Identifier"), Some(&*id(101)));
    assert_eq!(line(&head, "X-Anonymous-Consumer"), None);
    assert_eq!(line(&head, "X-Consumer-Groups"), None);
    let refused = gateway.begin(ASKED).unwrap_err();
    assert_eq!(line(&refused.headers, "WWW-Authenticate"), Some("Key"));
}

#[test]
fn key_auth_hides_keys_names_realms_and_lets_preflights_through() {
    let mut gateway = Gateway::with(&[keys(&[
        ("hide_credentials", json!(true)),
        ("realm", json!("atlas")),
        ("run_on_preflight", json!(false)),
    ])]);
    let (_, head) = gateway
        .begin(Asked {
            headers: ANN,
            ..ASKED
        })
        .unwrap();
    assert_eq!(
        (line(&head, "ApiKey"), line(&head, "target")),
        (None, Some("/up/b?x=1"))
    );
    let mut target = |target| {
        let (_, head) = gateway.begin(Asked { target, ..ASKED }).unwrap();
        line(&head, "target").unwrap().to_owned()
    };
    assert_eq!(target("/a?x=%20&apikey=ann-key&y"), "/up?x=%20&y");
    assert_eq!(target("/a?apikey=ann-key"), "/up");
    let refused = gateway.begin(ASKED).unwrap_err();
    assert_eq!(
        line(&refused.headers, "WWW-Authenticate"),
        Some("Key realm=\"atlas\"")
    );
    assert_eq!(
        gateway
            .status(Asked {
                method: "OPTIONS",
                ..ASKED
            })
            .0,
        200
    );
}

#[test]
fn who_has_no_key_may_be_somebody_anonymous() {
    for anonymous in ["guest".to_owned(), id(3)] {
        let mut gateway = Gateway::with(&[keys(&[("anonymous", json!(anonymous))])]);
        let (_, head) = gateway.begin(ASKED).unwrap();
        assert_eq!(line(&head, "X-Consumer-Username"), Some("guest"));
        assert_eq!(line(&head, "X-Anonymous-Consumer"), Some("true"));
        assert_eq!(line(&head, "X-Credential-Identifier"), None);
    }
    let mut gateway = Gateway::with(&[keys(&[("anonymous", json!("nobody"))])]);
    assert_eq!(
        gateway.status(ASKED),
        (500, "An unexpected error occurred".to_owned())
    );
}

#[test]
fn acl_lets_groups_pass_or_not() {
    let ask = |changes: &[(&str, Value)], headers| {
        let mut gateway = Gateway::with(&[keys(&[]), acl(changes)]);
        match gateway.begin(Asked { headers, ..ASKED }) {
            Ok((_, head)) => (200, line(&head, "X-Consumer-Groups").map(str::to_owned)),
            Err(answered) => (answered.status, Some(answered.message)),
        }
    };
    let forbidden = (403, Some("You cannot consume this service".to_owned()));
    let gold = json!(["silver", "gold"]);
    assert_eq!(
        ask(&[("allow", gold.clone())], ANN),
        (200, Some("gold, beta".to_owned()))
    );
    assert_eq!(ask(&[("allow", gold.clone())], BOB), forbidden);
    assert_eq!(ask(&[("deny", gold.clone())], ANN), forbidden);
    assert_eq!(ask(&[("deny", gold.clone())], BOB), (200, None));
    let hidden = ("hide_groups_header", json!(true));
    assert_eq!(ask(&[("allow", gold.clone()), hidden], ANN), (200, None));
    let groups = ("include_consumer_groups", json!(true));
    assert_eq!(ask(&[("deny", json!(["gold"])), groups], ANN), forbidden);
    let mut gateway = Gateway::with(&[acl(&[("allow", gold)])]);
    assert_eq!(gateway.status(ASKED), (401, "Unauthorized".to_owned()));
}

#[test]
fn limits_are_told_and_kept() {
    let mut gateway = Gateway::with(&[keys(&[]), limited(2, &[("hour", json!(100))])]);
    let ask = Asked {
        headers: ANN,
        ..ASKED
    };
    gateway.begin(ask).unwrap();
    let lines = "X-RateLimit-Limit-Minute: 2\r\nX-RateLimit-Remaining-Minute: 1\r\n\
                 X-RateLimit-Limit-Hour: 100\r\nX-RateLimit-Remaining-Hour: 99\r\n\
                 RateLimit-Limit: 2\r\nRateLimit-Remaining: 1\r\nRateLimit-Reset: 45\r\n\
                 RateLimit-Policy: \"minute\";q=2;w=60, \"hour\";q=100;w=3600\r\n\
                 RateLimit: \"minute\";r=1;t=45\r\n";
    let response = gateway.response();
    assert!(response.starts_with(lines), "{response}");
    assert!(
        !gateway.exchange.returns(b"RateLimit-Limit")
            && !gateway.exchange.returns(b"x-ratelimit-a")
    );
    gateway.begin(ask).unwrap();
    let refused = gateway.begin(ask).unwrap_err();
    assert_eq!(
        (refused.status, &*refused.message),
        (429, "API rate limit exceeded")
    );
    assert_eq!(line(&refused.headers, "Retry-After"), Some("45"));
    assert_eq!(
        line(&refused.headers, "X-RateLimit-Remaining-Minute"),
        Some("0")
    );
    assert_eq!(
        line(&refused.headers, "X-RateLimit-Remaining-Hour"),
        Some("98")
    );
    // Bob has his own count, and the next minute is another.
    assert_eq!(
        gateway
            .status(Asked {
                headers: &[("apikey", "bob key")],
                ..ASKED
            })
            .0,
        200
    );
    gateway.now.mono += 45_000_000;
    gateway.now.wall += 45_000_000;
    assert_eq!(gateway.status(ask).0, 200);
    assert!(!gateway.response().contains("Retry-After"));
}

#[test]
fn limits_can_be_silent_and_say_it_in_other_words() {
    let mut gateway = Gateway::with(&[limited(
        1,
        &[
            ("hide_client_headers", json!(true)),
            ("error_code", json!(503)),
            ("error_message", json!("say \"please\"\n")),
        ],
    )]);
    gateway.begin(ASKED).unwrap();
    assert!(!gateway.response().contains("Limit"));
    let refused = gateway.begin(ASKED).unwrap_err();
    assert_eq!(
        (refused.status, &*refused.message),
        (503, "say \"please\"\n")
    );
    assert!(!refused.headers.contains("imit") && !refused.headers.contains("Retry-After"));
}

#[test]
fn limits_are_by_what_they_say() {
    let count = |by: &str, asked: &[Asked<'_>]| {
        let changes = [
            ("limit_by", json!(by)),
            ("header_name", json!("X-Tenant")),
            ("path", json!("/a/x")),
        ];
        let mut gateway =
            Gateway::with(&[keys(&[("anonymous", json!("guest"))]), limited(1, &changes)]);
        asked
            .iter()
            .map(|asked| gateway.status(*asked).0)
            .collect::<Vec<_>>()
    };
    let ann = Asked {
        headers: ANN,
        ..ASKED
    };
    let bob = Asked {
        headers: &[("apikey", "bob key")],
        ..ASKED
    };
    let tenant = |headers| Asked { headers, ..ASKED };
    assert_eq!(
        count("consumer", &[ann, bob, ASKED, ann, ASKED]),
        [200, 200, 200, 429, 429]
    );
    assert_eq!(
        count("credential", &[ann, bob, ASKED, ASKED]),
        [200, 200, 200, 429]
    );
    assert_eq!(count("ip", &[ann, bob]), [200, 429]);
    assert_eq!(count("service", &[ann, bob]), [200, 429]);
    let (one, two) = ([("x-tenant", "1")], [("X-Tenant", "2")]);
    assert_eq!(
        count("header", &[tenant(&one), tenant(&two), tenant(&one), ASKED]),
        [200, 200, 429, 200]
    );
    let there = Asked {
        target: "/a/x",
        ..ASKED
    };
    assert_eq!(
        count("path", &[there, ASKED, there, ann]),
        [200, 200, 429, 429]
    );
}

#[test]
fn the_most_specific_limit_runs_and_counting_goes_on() {
    let mut base = base();
    let on = |minute, field: &str, number: u8| {
        let mut plugin = limited(minute, &[]);
        plugin[field] = json!({"id": id(number)});
        plugin
    };
    let own = |minute, route: Option<u8>| {
        let mut plugin = limited(minute, &[]);
        plugin["route"] = json!(route.map(|route| json!({"id": id(route)})));
        plugin
    };
    base["consumer_groups"] = json!([{"id": id(3), "name": "gold"}, {"id": id(4), "name": "iron"}]);
    base["plugins"] = json!([
        keys(&[]),
        limited(10, &[]),
        on(20, "service", 1),
        on(30, "route", 2),
        on(40, "consumer_group", 3),
        on(50, "consumer_group", 4),
    ]);
    let of = |number, groups: &[u8], plugins: &[Value]| {
        let mut consumer = consumer(number, &format!("c{number}"));
        consumer["groups"] = groups.iter().map(|group| json!(id(*group))).collect();
        consumer["plugins"] = json!(plugins);
        consumer
    };
    let consumers = [
        of(1, &[], &[]),
        of(2, &[3, 4], &[]),
        of(5, &[4], &[]),
        of(6, &[3], &[own(60, None)]),
        of(
            7,
            &[3],
            &[own(60, None), own(70, Some(2)), own(80, Some(9))],
        ),
    ];
    let all: Vec<_> = [1, 2, 5, 6, 7]
        .map(|number| key_of(&format!("k{number}"), number))
        .into();
    let mut gateway = Gateway::new(&base, &consumers, &all);
    for (key, limit) in [
        ("k1", "30"),
        ("k2", "40"),
        ("k5", "50"),
        ("k6", "60"),
        ("k7", "70"),
    ] {
        gateway
            .begin(Asked {
                headers: &[("apikey", key)],
                ..ASKED
            })
            .unwrap();
        let response = gateway.response();
        assert_eq!(
            line(&response, "X-RateLimit-Limit-Minute"),
            Some(limit),
            "{key}"
        );
    }
}

#[test]
fn the_event_says_who_used_what_under_which_version() {
    let mut gateway = Gateway::with(&[keys(&[])]);
    let target = format!("/a/%41/{}", "x".repeat(600));
    gateway
        .begin(Asked {
            headers: ANN,
            method: "POST",
            target: &target,
            ..ASKED
        })
        .unwrap();
    let at = |mono| Now {
        mono: NOON.mono + mono,
        wall: NOON.wall + mono,
    };
    let outcome = Outcome {
        status: 201,
        grpc_status: None,
        completion: Completion::ClientAbort,
        attempts: 2,
        bytes_in: 11,
        bytes_out: 22,
        upstream: UpstreamTimes {
            sent: at(100),
            head: at(900),
        },
        ended: at(5000),
    };
    let event = gateway.exchange.event(&outcome);
    assert_eq!((event.consumer, event.credential), ([1; 16], [101; 16]));
    assert_eq!((event.customer, event.phase), ([21; 16], [22; 16]));
    assert_eq!(
        (event.route, event.service, event.config_version),
        ([2; 16], [1; 16], 8)
    );
    assert_eq!(
        (event.duration, event.upstream, event.status),
        (5000, 800, 201)
    );
    assert_eq!((event.bytes_in, event.bytes_out, event.units), (11, 22, 1));
    assert_eq!(
        (event.attempts, event.method, event.mode),
        (2, 2, crate::usage_log::Mode::Test)
    );
    assert_eq!((event.path.len(), &event.path[..7]), (512, &b"/a/A/xx"[..]));
    gateway.exchange.finished(&gateway.pipeline, &outcome);
    assert_eq!(gateway.shared.totals().forwarded, [(201, 1)]);
}
