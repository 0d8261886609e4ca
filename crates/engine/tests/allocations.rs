//! What serves requests doesn't allocate: counted by an allocator that counts.

#![allow(
    unsafe_code,
    reason = "an allocator can't be written without; it only counts and passes on"
)]
#![allow(
    clippy::unwrap_used,
    reason = "helpers of a test: clippy sees only the test itself as one"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use tollway_engine::config::{ConfigStore, Updater};
use tollway_engine::limits::{CounterRoom, Counters};
use tollway_engine::observe::Background;
use tollway_engine::observe::access_log::{AccessLog, AccessLogOptions, Format};
use tollway_engine::observe::trace::{Continues, TraceOptions, Tracing};
use tollway_engine::phases::{
    Exchange, Now, Outcome, Pipeline, RequestHead, Shared, UpstreamTimes, Verdict, Version,
};
use tollway_engine::usage_log::Completion;

struct Counting;

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: everything is the system allocator's; counting touches a plain thread-local that needs no allocation.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.set(COUNT.get() + 1);
        // SAFETY: as the caller promised.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promised.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const PEPPER: [u8; 32] = [9; 32];
const CONSUMER: &str = "00000005-0000-4000-8000-000000000000";

/// A quota of this meter that lasts for some centuries.
fn quota(meter: &str, limit: u32) -> String {
    format!(
        r#"{{"meter":"{meter}","counted":"requests","filter":{{"status":["2xx"],"method":["GET"],"route":[]}},
        "any_completion":false,"limit":{limit},"boundaries":[0,32503680000000000]}}"#
    )
}

fn configured(quotas: &str) -> Arc<ConfigStore> {
    let mac = Hmac::<sha2::Sha256>::new_from_slice(&PEPPER).unwrap();
    let hash = mac.chain_update("secret").finalize().into_bytes();
    let hash = hash
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let base = include_str!("data/base.json");
    let mut updater = Updater::new(Arc::default(), None);
    for frame in [
        format!(r#"{{"type":"full_begin","version":1,"base":{base}}}"#),
        format!(
            r#"{{"type":"rows","table":"consumers","rows":[{{"id":"{CONSUMER}","username":"ann",
            "custom_id":"7","groups":[],"acls":["a","b"],"plugins":[],"customer":null,"phase":null,"mode":"live",
            "entitlement":{{"subscription":"{CONSUMER}","plan":"pro","addons":[],"features":["data"],"quotas":[
            {quotas}]}}}}]}}"#
        ),
        format!(
            r#"{{"type":"rows","table":"key_auth","rows":[{{"id":"{CONSUMER}","hash":"{hash}",
            "consumer":"{CONSUMER}"}}]}}"#
        ),
        r#"{"type":"full_end","version":1}"#.to_owned(),
    ] {
        updater.frame(&frame).unwrap();
    }
    Arc::clone(updater.store())
}

/// One request from its head to its event, or to the gateway's own answer.
fn serve(pipeline: &mut Pipeline, exchange: &mut Exchange, out: &mut Vec<u8>, query: &[u8]) -> u16 {
    let now = Now::read();
    let headers: [(&[u8], &[u8]); 3] = [
        (b"Host", b"API.example"),
        (b"X-Forwarded-For", b"::1"),
        (b"Accept", b"*/*"),
    ];
    let head = RequestHead {
        method: b"GET",
        path: b"/api/./items/%7e42",
        query: Some(query),
        host: Some(b"API.example:8000"),
        headers: &headers[..],
        version: Version::Http11,
        client: ([192, 0, 2, 7], 4000).into(),
        tls: false,
        server_name: None,
        port: 8000,
    };
    out.clear();
    match pipeline.begin(exchange, &head, now) {
        Verdict::Respond(answer) => {
            exchange.answer_headers(answer, now, out);
            exchange.answer_body(answer, out);
            exchange.answered(pipeline, answer, now);
            answer.status
        }
        Verdict::Count(_) => 0,
        Verdict::Forward(_) => {
            exchange.write_target(&head, out);
            exchange.write_host(&head, out);
            assert!(
                headers
                    .iter()
                    .filter(|(name, _)| exchange.forwards(name))
                    .count()
                    == 2
            );
            exchange.upstream_headers(&head, out);
            let upstream = UpstreamTimes {
                sent: now,
                head: now,
            };
            exchange.response_headers(&upstream, Version::Http11, out);
            let outcome = Outcome {
                status: 200,
                grpc_status: None,
                completion: Completion::Complete,
                attempts: 1,
                bytes_in: 0,
                bytes_out: 0,
                upstream,
                ended: now,
            };
            let event = exchange.event(&outcome);
            assert_eq!(event.path, b"/api/items/~42");
            exchange.charge(&event);
            exchange.charged(&event);
            exchange.finished(pipeline, &outcome);
            200
        }
    }
}

/// With an access log in a file of that folder and every request traced, or without.
fn sharing(
    folder: &std::path::Path,
    quotas: &str,
    logged: Option<Format>,
) -> (Arc<Shared>, Vec<Background>) {
    let counters = Counters::open(folder, CounterRoom::default()).unwrap();
    let shared = Shared::new(configured(quotas), Arc::new(counters), PEPPER);
    let Some(format) = logged else {
        return (Arc::new(shared), Vec::new());
    };
    let (log, writer) = AccessLog::open(&AccessLogOptions {
        path: Some(folder.join("access.log")),
        format,
        secret_parameters: vec!["hidden".to_owned()],
    })
    .unwrap();
    let (tracing, exporter) = Tracing::start(&TraceOptions {
        // Nobody listens there: what it costs to tell nobody is counted on another thread.
        endpoint: "http://127.0.0.1:9".to_owned(),
        headers: Vec::new(),
        service_name: "gateway".to_owned(),
        version: String::new(),
        sample_per_million: 1_000_000,
        continues: Continues::Never,
        secret_parameters: Vec::new(),
    })
    .unwrap();
    let shared = shared.logging(log).tracing(tracing);
    (Arc::new(shared), vec![writer, exporter])
}

#[test]
fn requests_allocate_nothing_once_warm() {
    for logged in [None, Some(Format::Json), Some(Format::Combined)] {
        allocate_nothing(logged);
    }
}

fn allocate_nothing(logged: Option<Format>) {
    let many = [quota("calls", 1_000_000), quota("other calls", 1_000_000)].join(",");
    let none_left = quota("calls", 0);
    for (quotas, query, status) in [
        ("", "x-api-key=secr%65t", 200),
        ("", "x-api-key=wrong", 401),
        ("", "", 401),
        (&many, "x-api-key=secr%65t", 200),
        (&none_left, "x-api-key=secr%65t", 429),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (shared, _tellers) = sharing(folder.path(), quotas, logged);
        let mut pipeline = Pipeline::new(&shared).unwrap();
        let (mut exchange, mut out) = (Exchange::new(), Vec::new());
        let mut run = || serve(&mut pipeline, &mut exchange, &mut out, query.as_bytes());
        assert_eq!(run(), status);
        let before = COUNT.get();
        // Enough to hand a buffer of lines to who writes them.
        for _ in 0..300 {
            assert_eq!(run(), status);
        }
        assert_eq!(COUNT.get() - before, 0, "{query} {logged:?}");
    }
}
