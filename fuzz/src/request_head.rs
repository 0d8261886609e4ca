//! A request's head: what is forwarded of it reads the same to the next reader, by the same strict rules.

use tollway_engine::phases::{Exchange, Now, Verdict};
use tollway_engine::proxy::head::{Field, Scan};
use tollway_engine::proxy::heads_out::{view, write_request};
use tollway_engine::proxy::request_head::RequestHead;

use crate::gateway::{LIMITS, head, peer, with};

/// # Panics
/// The engine does, or forwards what it would refuse or understand otherwise.
pub fn run(data: &[u8]) {
    let Some(bytes) = head(data) else { return };
    let mut request = RequestHead::default();
    if request.parse(bytes).is_err() {
        return;
    }
    let now = Now {
        mono: 1,
        wall: 1_700_000_000_000_000,
    };
    let peer = peer();
    let seen = view(&request, bytes, &peer);
    assert!(seen.path.starts_with(b"/") || seen.path == b"*");
    assert!(seen.host.is_some() || request.minor_version == 0);
    let mut out = Vec::new();
    with(|pipeline| {
        let mut exchange = Exchange::new();
        match pipeline.begin(&mut exchange, &seen, now) {
            Verdict::Forward(_) => write_request(&request, bytes, &peer, &exchange, &mut out),
            Verdict::Respond(answer) => {
                exchange.answer_headers(answer, now, &mut out);
                exchange.answer_body(answer, &mut out);
                out.clear();
            }
            Verdict::Count(_) => unreachable!("nothing is counted in Redis"),
        }
    });
    if out.is_empty() {
        return;
    }
    // Written anew it may be longer than a client's may be: the lines of our own, escapes.
    let limits = tollway_engine::proxy::head::HeadLimits {
        first_line: 4 * LIMITS.first_line,
        bytes: 4 * LIMITS.bytes,
        count: 2 * LIMITS.count,
    };
    let end = Scan::default().head_end(&out, &limits);
    assert_eq!(end, Ok(Some(out.len())), "one head, nothing behind it");
    let mut forwarded = RequestHead::default();
    let parsed = forwarded.parse(&out);
    assert_eq!(parsed, Ok(()), "{}", String::from_utf8_lossy(&out));
    assert_eq!(forwarded.body, request.body);
    let again = view(&forwarded, &out, &peer);
    assert_eq!(again.method, seen.method);
    assert_eq!(again.query, seen.query);
    if seen.host.is_some() {
        assert_eq!(again.host, seen.host);
    }
    let names = forwarded.lines.iter().map(|line| line.name.of_head(&out));
    let count = |wanted: &str| {
        names
            .clone()
            .filter(|name| name.eq_ignore_ascii_case(wanted.as_bytes()))
            .count()
    };
    for own in [
        "host",
        "via",
        "x-forwarded-for",
        "x-real-ip",
        "x-kong-request-id",
    ] {
        assert_eq!(count(own), 1, "{own}");
    }
    assert_eq!(count("x-consumer-id"), 0);
    for line in &forwarded.lines {
        let value = line.value.of_head(&out);
        let ours = [&b"TE"[..], b"Upgrade", b"TE, Upgrade"].contains(&value);
        assert!(line.field != Field::Connection || ours, "of this hop alone: {value:?}");
    }
    assert!(forwarded.upgrade.is_none() || request.upgrade.is_some());
}
