//! Each case of the hostile corpus has its defined answer, and the upstream gets these bytes or none.
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use common::Gateway;
use common::client::Client;
use common::corpus::{
    AnswerCase, Arrival, CONSUMER, CREDENTIAL, Case, Gateways, answers, expect, play, requests,
};
use common::upstream::{Request, Upstream};

/// Lines that the gateway adds to a request: each stands in it once, or it isn't the gateway's.
const OWN: [&str; 11] = [
    "via",
    "x-consumer-id",
    "x-consumer-username",
    "x-credential-identifier",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-path",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-kong-request-id",
    "x-real-ip",
];

/// Answers every request with its target.
fn echo() -> Upstream {
    Upstream::start(|connection| {
        while let Some(request) = connection.request() {
            let target = request.line().split(' ').nth(1).unwrap_or_default();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n",
                target.len()
            );
            connection.send(head);
            if !request.line().starts_with("HEAD ") {
                connection.send(target);
            }
        }
    })
}

/// The head without the lines that the gateway adds, which are held to what they should say.
fn without_own(request: &Request, case: &Case, upstream: &Upstream) -> Result<String, String> {
    let mut own = BTreeMap::new();
    let mut head = String::new();
    for (number, line) in request.head.lines().enumerate() {
        let (name, value) = line.split_once(": ").unwrap_or((line, ""));
        let name = name.to_ascii_lowercase();
        if number > 0 && OWN.contains(&name.as_str()) {
            if own.insert(name.clone(), value.to_owned()).is_some() {
                return Err(format!("{name} twice"));
            }
        } else {
            head += line;
            head += "\r\n";
        }
    }
    let usual = [
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-real-ip", "127.0.0.1"),
        ("via", "1.1 tollway"),
    ];
    let mut wanted: BTreeMap<&str, &str> = usual.into();
    wanted.extend(case.own.iter().map(|(name, value)| {
        let value = match value.as_str() {
            "{consumer}" => CONSUMER,
            "{credential}" => CREDENTIAL,
            value => value,
        };
        (name.as_str(), value)
    }));
    for (name, value) in wanted {
        expect(name, &own.get(name).map(String::as_str), &Some(value))?;
    }
    let id = own.get("x-kong-request-id").map_or(0, String::len);
    expect("length of the request's id", &id, &32)?;
    let identified = own.contains_key("x-consumer-id");
    expect("tells a consumer", &identified, &case.keyed)?;
    Ok(head.replace(&upstream.address.to_string(), "{upstream}") + "\r\n")
}

fn run(
    case: &Case,
    gateways: &Gateways,
    upstream: &Upstream,
    arrival: Arrival,
) -> Result<(), String> {
    let before = upstream.requests().len();
    let answers = play(case, gateways.of(case).address, arrival, "/honest")?;
    for answer in &answers {
        expect("status", &answer.status, &200)?;
    }
    let seen: Vec<_> = upstream.requests().split_off(before);
    let (honest, seen): (Vec<_>, Vec<_>) = seen
        .into_iter()
        .partition(|request| request.line().starts_with("GET /honest/"));
    let goes_on = !case.closed && case.refused.is_none();
    expect(
        "honest requests",
        &honest.len(),
        &(1 + usize::from(goes_on)),
    )?;
    for (request, wanted) in std::iter::zip(&seen, &case.forwarded) {
        expect("head", &without_own(request, case, upstream)?, &wanted.head)?;
        let body: String = request.body.iter().copied().map(char::from).collect();
        expect("body", &body, &wanted.body)?;
        let trailers = request.trailers.replace('\n', "\r\n");
        expect("trailers", &trailers, &wanted.trailers)?;
    }
    expect("requests", &seen.len(), &case.forwarded.len())
}

#[test]
fn every_request_is_forwarded_as_the_corpus_says_or_refused() {
    let upstream = echo();
    let gateways = Gateways::start(upstream.address);
    let cases = requests();
    assert!(cases.len() > 250, "the corpus was found");
    let mut faults = Vec::new();
    let mut forwarded = 0;
    for case in &cases {
        for arrival in [Arrival::AtOnce, Arrival::InTwo] {
            if let Err(fault) = run(case, &gateways, &upstream, arrival) {
                faults.push(format!("{} ({arrival:?}): {fault}", case.name));
            }
            let goes_on = !case.closed && case.refused.is_none();
            forwarded += case.forwarded.len() + 1 + usize::from(goes_on);
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let billed = |gateway: Gateway| {
        gateway
            .bill()
            .values()
            .map(|usage| usage.requests)
            .sum::<u64>()
    };
    let billed = billed(gateways.plain) + billed(gateways.keyed);
    assert_eq!(billed, forwarded as u64, "billed is what was forwarded");
}

/// Asks for what the upstream answers so, and honestly before and behind it.
fn run_answer(case: &AnswerCase, gateway: &Gateway) -> Result<(), String> {
    let method = case.method.as_deref().unwrap_or("GET");
    let mut client = Client::connect(gateway.address);
    client.send(format!("{method} /hostile HTTP/1.1\r\nHost: a\r\n\r\n"));
    let mut answer = client.response(method);
    while answer.status < 200 {
        answer = client.response(method);
    }
    expect("status", &answer.status, &case.status)?;
    if case.broken {
        expect("body so far", &case.body.starts_with(answer.text()), &true)?;
    } else if answer.status != 502 {
        expect("body", &answer.text(), &case.body.as_str())?;
    }
    expect("whole", &answer.whole, &!case.broken)?;
    let said = (answer.head + &answer.trailers).to_ascii_lowercase();
    expect("evil got through", &said.contains("evil"), &false)?;
    if case.broken {
        expect("the connection has ended", &client.is_at_end(), &true)?;
    } else {
        let again = client.get("/x");
        expect("on the same connection", &again.text(), &"honest")?;
    }
    let mut other = Client::connect(gateway.address);
    for _ in 0..2 {
        expect("on a new connection", &other.get("/x").text(), &"honest")?;
    }
    Ok(())
}

#[test]
fn every_answer_is_passed_on_as_the_corpus_says_or_a_502() {
    let hostile = Arc::<Mutex<Vec<u8>>>::default();
    let bytes = Arc::clone(&hostile);
    let upstream = Upstream::start(move |connection| {
        while let Some(request) = connection.request() {
            if request.line().contains(" /hostile ") {
                connection.send(bytes.lock().unwrap().as_slice());
                connection.close();
                return;
            }
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhonest");
        }
    });
    let gateway = Gateway::start(upstream.address);
    let cases = answers();
    assert!(cases.len() > 50, "the corpus was found");
    let (mut faults, mut billed, mut broken) = (Vec::new(), 0, 0);
    for case in &cases {
        *hostile.lock().unwrap() = case.send.bytes();
        if let Err(fault) = run_answer(case, &gateway) {
            faults.push(format!("{}: {fault}", case.name));
        }
        billed += 2 + u64::from(!case.broken) + u64::from(case.status != 502);
        broken += u64::from(case.broken);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    let bill = gateway.bill();
    let sum = |end: &str| {
        let matching = bill.iter().filter(|(name, _)| name.ends_with(end));
        matching.map(|(_, usage)| usage.requests).sum::<u64>()
    };
    assert_eq!(sum(""), billed, "billed is what was passed on");
    assert_eq!(sum(" upstream_abort"), broken, "and as broken off what was");
}
