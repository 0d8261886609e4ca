//! An upstream's head: what the client gets of it reads the same.

use tollway_engine::phases::{Exchange, Now, UpstreamTimes};
use tollway_engine::proxy::framing::BodyLength;
use tollway_engine::proxy::head::Scan;
use tollway_engine::proxy::heads_out::{delivery, end_head, view, write_interim, write_response};
use tollway_engine::proxy::request_head::RequestHead;
use tollway_engine::proxy::response_head::ResponseHead;

use crate::gateway::{LIMITS, head, peer, with};

/// # Panics
/// The engine does, or passes on what it would refuse or understand otherwise.
pub fn run(data: &[u8]) {
    let Some(bytes) = head(data) else { return };
    for method in ["GET", "HEAD"] {
        answer(method, bytes);
    }
}

fn answer(method: &str, bytes: &[u8]) {
    let mut response = ResponseHead::default();
    if response.parse(bytes, method == "HEAD").is_err() {
        return;
    }
    let asked = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut request = RequestHead::default();
    request.parse(asked.as_bytes()).expect("good");
    let (now, peer) = (Now { mono: 1, wall: 1 }, peer());
    let mut out = Vec::new();
    let sent = delivery(&request, response.body, false);
    with(|pipeline| {
        let mut exchange = Exchange::new();
        pipeline.begin(&mut exchange, &view(&request, asked.as_bytes(), &peer), now);
        let times = UpstreamTimes {
            sent: now,
            head: now,
        };
        if response.is_interim() {
            write_interim(&response, bytes, &mut out);
        } else {
            write_response(&response, bytes, sent, &exchange, &times, &mut out);
            end_head(&mut out, &request, sent.keep);
        }
    });
    let limits = tollway_engine::proxy::head::HeadLimits {
        first_line: 2 * LIMITS.bytes,
        bytes: 4 * LIMITS.bytes,
        count: 2 * LIMITS.count,
    };
    let end = Scan::default().head_end(&out, &limits);
    assert_eq!(end, Ok(Some(out.len())), "one head, nothing behind it");
    let mut passed = ResponseHead::default();
    let parsed = passed.parse(&out, method == "HEAD");
    assert_eq!(parsed, Ok(()), "{}", String::from_utf8_lossy(&out));
    assert_eq!(passed.status, response.status);
    let wanted = match response.body {
        BodyLength::UntilClose => BodyLength::Chunked,
        other => other,
    };
    assert_eq!(passed.body, wanted, "{}", String::from_utf8_lossy(&out));
}
