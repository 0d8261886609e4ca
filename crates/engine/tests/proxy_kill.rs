//! A gateway that dies at the two places between which an event comes to be: before it, and after it.
//!
//! The child is this test program again: a gateway that answers three requests and dies within the third.
#![cfg(feature = "failpoints")]
#![allow(
    clippy::unwrap_used,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

use common::client::Client;
use common::upstream::Upstream;
use common::{Gateway, read_bill};

const FOLDER: &str = "TOLLWAY_TEST_PROXY_KILL";

/// What the child runs. Called as a test it does nothing.
#[test]
fn child() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
    let gateway = Gateway::with(upstream.address, |setup| setup.folder = Some(folder.into()));
    let mut client = Client::connect(gateway.address);
    for count in 0..3_u8 {
        assert!(client.get("/").whole);
        // What a client has read to its end.
        std::fs::write(
            Path::new(&std::env::var_os(FOLDER).unwrap()).join("answered"),
            [count + 1],
        )
        .unwrap();
    }
}

fn die_at(failpoint: &str) -> (u8, u64) {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env(FOLDER, folder.path())
        .env("TOLLWAY_FAILPOINT", failpoint)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.signal(), Some(9), "{failpoint}");
    let answered = std::fs::read(folder.path().join("answered")).unwrap()[0];
    let usage = read_bill(folder.path())["GET 200 complete"];
    assert_eq!((usage.requests, usage.units), (usage.events, usage.events));
    (answered, usage.events)
}

#[test]
fn nothing_answered_is_unbilled_wherever_the_process_dies() {
    assert_eq!(die_at("proxy.before_append:3"), (2, 2));
    assert_eq!(
        die_at("proxy.before_last_byte:3"),
        (2, 3),
        "in the log, and the client has not got it whole"
    );
    assert_eq!(die_at("usage_log.after_append:3"), (2, 3));
}
