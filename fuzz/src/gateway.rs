//! A pipeline without plugins on one route, for what is written from a parsed head.

use std::cell::RefCell;
use std::sync::Arc;

use tollway_engine::config::{ConfigStore, Updater};
use tollway_engine::limits::{CounterRoom, Counters};
use tollway_engine::phases::{Pipeline, Shared};
use tollway_engine::proxy::head::{HeadLimits, Scan};
use tollway_engine::proxy::heads_out::Peer;

/// A gateway's own limits.
pub const LIMITS: HeadLimits = HeadLimits {
    first_line: 8 * 1024,
    bytes: 32 * 1024,
    count: 100,
};

/// The engine's test configuration, without its plugins.
fn base() -> String {
    let text = include_str!("../../crates/engine/tests/data/base.json");
    let mut base: serde_json::Value = serde_json::from_str(text).expect("JSON");
    base["plugins"] = serde_json::json!([]);
    base["routes"][0]["paths"] = serde_json::json!(["/"]);
    base["routes"][0]["preserve_host"] = true.into();
    base.to_string()
}

fn pipeline() -> Pipeline {
    let mut updater = Updater::new(Arc::<ConfigStore>::default(), None);
    let begin = format!(r#"{{"type":"full_begin","version":1,"base":{}}}"#, base());
    updater.frame(&begin).expect("accepted");
    updater
        .frame(r#"{"type":"full_end","version":1}"#)
        .expect("accepted");
    let folder = tempfile::tempdir().expect("a folder");
    let counters = Counters::open(folder.path(), CounterRoom::default()).expect("counters");
    let store = Arc::clone(updater.store());
    Pipeline::new(&Arc::new(Shared::new(store, Arc::new(counters), [0; 32]))).expect("a seed")
}

thread_local! {
    static PIPELINE: RefCell<Pipeline> = RefCell::new(pipeline());
}

/// Runs with the pipeline.
pub fn with<T>(run: impl FnOnce(&mut Pipeline) -> T) -> T {
    PIPELINE.with_borrow_mut(run)
}

/// Where the requests come from.
#[must_use]
pub fn peer() -> Peer {
    Peer {
        client: ([127, 0, 0, 1], 40_000).into(),
        port: 8000,
        tls: false,
        server_name: None,
        http2: false,
    }
}

/// The whole head that the bytes begin with, if they do: the same whether they come at once or in two pieces.
#[must_use]
pub fn head(bytes: &[u8]) -> Option<&[u8]> {
    let at_once = Scan::default().head_end(bytes, &LIMITS);
    let mut scan = Scan::default();
    let in_two = match scan.head_end(&bytes[..bytes.len() / 2], &LIMITS) {
        Ok(None) => scan.head_end(bytes, &LIMITS),
        found => found,
    };
    assert_eq!(at_once.is_ok(), in_two.is_ok());
    let length = at_once.ok()??;
    assert_eq!(in_two, Ok(Some(length)));
    let head = &bytes[..length];
    assert!(head.ends_with(b"\r\n\r\n"));
    Some(head)
}
