//! A fault of our own ends one request: others on the same thread go on, and what was served is billed.
//!
//! The child is this test program again: a gateway of one worker that panics within its second request.
#![cfg(feature = "failpoints")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use std::path::Path;
use std::process::{Command, Stdio};

use common::client::Client;
use common::upstream::Upstream;
use common::{Gateway, eventually, read_bill};

const FOLDER: &str = "TOLLWAY_TEST_PANICS";
const ASK: &str = "GET / HTTP/1.1\r\nHost: api.example\r\n\r\n";

/// What the child runs. Called as a test it does nothing.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    let gateway = Gateway::with(upstream.address, |setup| setup.folder = Some(folder.into()));
    let mut beside = Client::connect(gateway.address);
    assert!(beside.get("/").whole);
    let mut unlucky = Client::connect(gateway.address);
    unlucky.send(ASK);
    let answer = unlucky.try_response("GET");
    assert!(answer.is_none_or(|answer| !answer.whole));
    // The connection beside it is served on, and so are new ones.
    assert!(beside.get("/").whole);
    assert!(Client::connect(gateway.address).get("/").whole);
    assert_eq!(gateway.stats.panics.get(), 1);
    drop(beside);
    eventually("nothing is held for the one that ended", || {
        gateway.stats.open.get() == 0 && gateway.stats.active.get() == 0
    });
    gateway.bill();
}

fn panic_at(failpoint: &str, folder: &Path) {
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(FOLDER, folder)
        .env("TOLLWAY_FAILPOINT", failpoint)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert!(status.success(), "{failpoint}");
}

#[test]
fn a_panic_while_judging_ends_one_request_and_bills_nothing_for_it() {
    let folder = tempfile::tempdir().unwrap();
    panic_at("phases.begin:2:panic", folder.path());
    let bill = read_bill(folder.path());
    assert_eq!(bill["GET 200 complete"].requests, 3);
    assert_eq!(bill.len(), 1);
}

#[test]
fn a_panic_within_an_answer_ends_it_on_record() {
    let folder = tempfile::tempdir().unwrap();
    panic_at("proxy.bill_open:2:panic", folder.path());
    let bill = read_bill(folder.path());
    assert_eq!(bill["GET 200 complete"].requests, 3);
    assert_eq!(bill["GET 200 upstream_abort"].requests, 1);
    assert_eq!(bill.len(), 2);
}
