//! What the phases cost per request: key-auth and rate-limiting among 100,000 keys, each used in turn.
//!
//! `cargo run --release --example phases [requests]`: some seconds, one thread, loopback not even touched.

mod common;

use std::hint::black_box;
use std::io::{Write, stdout};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use common::{Fault, PEPPER, frames};
use tollway_engine::config::{ConfigStore, Updater};
use tollway_engine::limits::{CounterRoom, Counters};
use tollway_engine::phases::{
    Exchange, Now, Outcome, Pipeline, RequestHead, Shared, UpstreamTimes, Verdict, Version,
};
use tollway_engine::usage_log::Completion;

const KEYS: usize = 100_000;

fn key(number: usize) -> String {
    format!(
        "ak_{:029x}",
        (number as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060)
    )
}

fn configured(keys: &[String]) -> Result<Arc<ConfigStore>, Fault> {
    let store = Arc::new(ConfigStore::default());
    let mut updater = Updater::new(Arc::clone(&store), None);
    frames(keys, |frame| {
        updater
            .frame(&frame)
            .map_err(|fault| format!("{fault:?}"))?;
        Ok(())
    })?;
    Ok(store)
}

fn main() -> Result<(), Fault> {
    let requests: usize = std::env::args()
        .nth(1)
        .map_or(Ok(1_000_000), |text| text.parse())?;
    let folder = tempfile::tempdir()?;
    let keys: Vec<String> = (0..KEYS).map(key).collect();
    let before = resident()?;
    let started = Instant::now();
    let counters = Arc::new(Counters::open(folder.path(), CounterRoom::default())?);
    let shared = Arc::new(Shared::new(configured(&keys)?, counters, PEPPER));
    let mut pipeline = Pipeline::new(&shared)?;
    let loaded = started.elapsed();

    let wall = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?;
    let now = |mono: u64| Now {
        mono,
        wall: wall + mono,
    };
    let mut exchange = Exchange::new();
    let mut out = Vec::with_capacity(4096);
    let mut forwarded = 0_usize;
    let started = processor_time()?;
    for number in 0..requests {
        let time = now(number as u64);
        // A stride that meets every key, in no order that a cache could guess.
        let shown = keys[number * 7919 % KEYS].as_bytes();
        let headers: [(&[u8], &[u8]); 4] = [
            (b"Host", b"127.0.0.1:8000"),
            (b"User-Agent", b"wrk"),
            (b"X-Api-Key", shown),
            (b"Accept", b"*/*"),
        ];
        let head = RequestHead {
            method: b"GET",
            path: b"/api/items/42",
            query: None,
            host: Some(b"127.0.0.1:8000"),
            headers: &headers[..],
            version: Version::Http11,
            client: ([127, 0, 0, 1], 40_000).into(),
            tls: false,
            server_name: None,
            port: 8000,
        };
        out.clear();
        if let Verdict::Forward(_) = pipeline.begin(&mut exchange, &head, time) {
            exchange.write_target(&head, &mut out);
            exchange.write_host(&head, &mut out);
            for (name, value) in headers.iter().skip(1) {
                if exchange.forwards(name) {
                    out.extend_from_slice(value);
                }
            }
            exchange.upstream_headers(&head, &mut out);
            let upstream = UpstreamTimes {
                sent: time,
                head: time,
            };
            exchange.response_headers(&upstream, Version::Http11, &mut out);
            let outcome = Outcome {
                status: 200,
                grpc_status: None,
                completion: Completion::Complete,
                attempts: 1,
                bytes_in: 0,
                bytes_out: 1100,
                upstream,
                ended: time,
            };
            black_box(exchange.event(&outcome));
            exchange.finished(&pipeline, &outcome);
            forwarded += 1;
        }
        black_box(&out);
    }
    let spent = processor_time()? - started;
    writeln!(
        stdout(),
        "loaded {KEYS} keys in {loaded:.1?}, {} MiB; {forwarded} of {requests} forwarded; {} ns of processor a request",
        (resident()? - before) / 1024,
        spent / requests as u64,
    )?;
    Ok(())
}

/// Nanoseconds that this process has run: unlike the clock's, they don't count the machine's other work.
fn processor_time() -> Result<u64, Fault> {
    let schedstat = std::fs::read_to_string("/proc/self/schedstat")?;
    Ok(schedstat.split(' ').next().ok_or("no schedstat")?.parse()?)
}

/// KiB of memory in use, shared file pages included.
fn resident() -> Result<u64, Fault> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line
        .and_then(|line| line.trim().split(' ').next())
        .ok_or("no VmRSS")?;
    Ok(number.parse()?)
}
