//! Lines as others read them, and the way that they take.

use std::fs;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::Value;

use super::journal::Journal;
use super::*;
use crate::observe::entry::{End, Entry, Noted};
use crate::observe::text::MOST;
use crate::phases::{AnswerKind, Now, RequestHead, Version};

fn noted(target: (&[u8], Option<&[u8]>), method: &[u8], agent: &[u8]) -> Noted {
    let headers = [(&b"User-Agent"[..], agent), (b"Referer", agent)];
    let mut noted = Noted::default();
    noted.take(&head(target, method, &headers[..]));
    noted
}

fn head<'a>(
    target: (&'a [u8], Option<&'a [u8]>),
    method: &'a [u8],
    headers: Lines<'a>,
) -> RequestHead<'a, Lines<'a>> {
    RequestHead {
        method,
        path: target.0,
        query: target.1,
        host: None,
        headers,
        version: Version::Http11,
        client: ([192, 0, 2, 7], 4000).into(),
        tls: false,
        server_name: None,
        port: 8000,
    }
}

type Lines<'a> = &'a [(&'a [u8], &'a [u8])];

fn entry(noted: &Noted) -> Entry<'_> {
    Entry {
        began: Now {
            mono: 7,
            wall: 1_709_210_096_000_123,
        },
        request_id: &[0xab; 16],
        trace: None,
        request: noted,
        client: Some(IpAddr::from([192, 0, 2, 7])),
        consumer: None,
        config: None,
        route: None,
        path: (b"/", None),
        status: 404,
        grpc_status: None,
        bytes_in: 0,
        bytes_out: 48,
        whole_us: 1234,
        upstream_us: None,
        own_us: 1234,
        upstream: None,
        attempts: 0,
        end: End::Answered(AnswerKind::NoRoute),
    }
}

fn write(format: Format, noted: &Noted) -> Vec<u8> {
    let mut line = Vec::new();
    let entry = entry(noted);
    match format {
        Format::Json => json::write(&entry, noted.path(), noted.query(), &mut line),
        Format::Combined => {
            let target = (noted.path(), noted.query());
            combined::write(&entry, target, noted.referer(), &mut line);
        }
    }
    line
}

#[test]
fn a_line_of_each_form() {
    let noted = noted((b"/a b", Some(b"x=\"")), b"GET", b"curl/8 \"q\"\n");
    assert_eq!(
        String::from_utf8(write(Format::Json, &noted)).unwrap(),
        concat!(
            r#"{"time":"2024-02-29T12:34:56.000123Z","request_id":"abababababababababababababababab","#,
            r#""remote_addr":"192.0.2.7","request_method":"GET","path":"/a b","query":"x=\"","#,
            r#""protocol":"HTTP/1.1","status":404,"bytes_in":0,"bytes_out":48,"duration_ms":1.234,"gateway_ms":1.234,"#,
            r#""user_agent":"curl/8 \"q\"\u000a","ended":"gateway","reason":"no_route"}"#,
            "\n",
        )
    );
    assert_eq!(
        String::from_utf8(write(Format::Combined, &noted)).unwrap(),
        concat!(
            r#"192.0.2.7 - - [29/Feb/2024:12:34:56 +0000] "GET /a\x20b?x=\x22 HTTP/1.1" 404 48 "#,
            r#""curl/8 \x22q\x22\x0a" "curl/8 \x22q\x22\x0a""#,
            "\n",
        )
    );
}

proptest! {
    #[test]
    fn nothing_that_a_client_sends_breaks_a_line(
        method in prop::collection::vec(any::<u8>(), 0..60),
        path in prop::collection::vec(any::<u8>(), 0..3000),
        query in prop::option::of(prop::collection::vec(any::<u8>(), 0..3000)),
        agent in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let noted = noted((&path, query.as_deref()), &method, &agent);
        let line = write(Format::Json, &noted);
        prop_assert!(line.len() <= MOST);
        prop_assert_eq!(line.iter().position(|byte| *byte == b'\n'), Some(line.len() - 1));
        let read: Value = serde_json::from_slice(&line).unwrap();
        let short = String::from_utf8_lossy(&agent);
        let told = read["user_agent"].as_str().unwrap();
        match told.strip_suffix('…') {
            Some(front) if *short != *told => prop_assert!(short.starts_with(front)),
            _ => prop_assert_eq!(told, &*short),
        }

        let line = String::from_utf8(write(Format::Combined, &noted)).unwrap();
        prop_assert!(line.len() <= MOST);
        let line = line.strip_suffix('\n').unwrap();
        prop_assert!(!line.contains(|c: char| c.is_control()));
        // Between the quotes no quote, and between blanks nothing but the fields.
        let quoted: Vec<&str> = line.split('"').collect();
        prop_assert_eq!(quoted.len(), 7);
        prop_assert_eq!(quoted[1].split(' ').count(), 3);
        prop_assert_eq!(quoted[2], " 404 48 ");
    }
}

fn opened(path: Option<&std::path::Path>) -> (Arc<AccessLog>, Background) {
    let options = AccessLogOptions {
        path: path.map(std::path::Path::to_owned),
        format: Format::Combined,
        secret_parameters: Vec::new(),
    };
    let (log, writer) = AccessLog::open(&options).unwrap();
    (Arc::new(log), writer)
}

#[test]
fn a_referer_tells_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    let (log, writer) = opened(Some(&path));
    let mut journal = Journal::new(&log);
    for referer in [
        "https://me:S3@site.example/a?x=S3",
        "//me:S3@x@site.example/a#S3",
        "https://site.example/a;token=S3/b",
    ] {
        let headers = [(&b"Referer"[..], referer.as_bytes())];
        let mut noted = Noted::default();
        noted.take(&head((b"/", None), b"GET", &headers[..]));
        journal.add(&entry(&noted));
    }
    drop((journal, log));
    writer.finish();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text.matches("site.example/a").count(), 3, "{text}");
    assert!(!text.contains("S3"), "{text}");
}

fn lines(path: &std::path::Path) -> usize {
    fs::read_to_string(path).map_or(0, |text| text.lines().count())
}

fn eventually(done: impl Fn() -> bool) {
    let began = Instant::now();
    while !done() {
        assert!(began.elapsed() < Duration::from_secs(20), "did not happen");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_file_that_was_renamed_away_is_opened_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (path, old) = (folder.path().join("log"), folder.path().join("log.1"));
    let (log, writer) = opened(Some(&path));
    let mut journal = Journal::new(&log);
    let noted = noted((b"/", None), b"GET", b"-");
    journal.add(&entry(&noted));
    journal.hand_over();
    eventually(|| lines(&path) == 1);
    fs::rename(&path, &old).unwrap();
    eventually(|| path.exists());
    journal.add(&entry(&noted));
    // What a thread still has is written at the end.
    drop((journal, log));
    writer.finish();
    assert_eq!((lines(&old), lines(&path)), (1, 1));
}

#[test]
fn a_full_disk_costs_lines_and_nothing_else() {
    let (log, writer) = opened(Some(std::path::Path::new("/dev/full")));
    let mut journal = Journal::new(&log);
    let noted = noted((b"/", None), b"GET", b"-");
    for _ in 0..3 {
        journal.add(&entry(&noted));
        journal.hand_over();
    }
    eventually(|| log.figures().dropped() == 3);
    assert_eq!(log.figures().delivered(), 0);
    drop((journal, log));
    writer.finish();
}

#[test]
fn what_nobody_takes_is_dropped_and_counted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &path,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    // Somebody must have it open, and never reads.
    let idle = fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let (log, writer) = opened(Some(&path));
    let mut journal = Journal::new(&log);
    let noted = noted((b"/", None), b"GET", &[b'a'; 300]);
    let mut added = 0;
    for _ in 0..1000 {
        journal.add(&entry(&noted));
        added += 1;
    }
    journal.hand_over();
    drop(journal);
    let figures = || log.figures().delivered() + log.figures().dropped();
    eventually(|| figures() == added);
    assert!(log.figures().dropped() > 0);
    drop((idle, log));
    writer.finish();
}

#[test]
fn what_cannot_be_opened_is_told_at_once() {
    let options = AccessLogOptions {
        path: Some("/nowhere/at/all".into()),
        format: Format::Json,
        secret_parameters: Vec::new(),
    };
    assert!(AccessLog::open(&options).is_err());
}
