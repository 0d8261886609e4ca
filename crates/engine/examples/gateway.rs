//! The gateway's process without Python around it, for profilers: key-auth and rate-limiting among the keys of a file,
//! one worker, upstream 127.0.0.1:19000.
//!
//! `cargo run --release --example gateway ADDRESS KEYS`: the first word of each line of KEYS is a key. See
//! docs/maintainer/performance.md.

mod common;

use std::io::Write;
use std::net::TcpListener;
use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixListener;

use common::{Fault, PEPPER, frames};
use tollway_engine::server::{self, options::Options};

fn main() -> Result<(), Fault> {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let [address, keys] = &given[..] else {
        return Err("usage: gateway ADDRESS KEYS".into());
    };
    let keys = std::fs::read_to_string(keys)?;
    let keys = keys.lines().filter_map(|line| line.split(' ').next());
    let keys: Vec<String> = keys.map(str::to_owned).collect();
    let folder = tempfile::tempdir()?;
    let log = folder.path().join("usage-log");
    std::fs::create_dir(&log)?;
    let socket = folder.path().join("control.sock");
    let control = UnixListener::bind(&socket)?;
    std::thread::spawn(move || configure(&control, &keys).map_err(|fault| fault.to_string()));
    let options = serde_json::json!({
        "listeners": [{"fd": TcpListener::bind(address)?.into_raw_fd(), "tls": false, "http2": false,
            "proxy_protocol": false}],
        "workers": 1, "data_dir": folder.path(), "usage_log_dir": log, "usage_log_level": "group",
        "usage_log_budget_bytes": 1_u64 << 30, "node": "07".repeat(16), "control_socket": socket,
        "pepper": "09".repeat(PEPPER.len()), "cache_key": "01".repeat(32), "ready_needs_control": false, "drain_seconds": 1,
    });
    server::run(&Options::from_json(options.to_string().as_bytes())?)?;
    Ok(())
}

/// Control's part: one gateway, one configuration, and then nothing more.
fn configure(control: &UnixListener, keys: &[String]) -> Result<(), Fault> {
    let (mut stream, _) = control.accept()?;
    frames(keys, |frame| {
        stream.write_all(&u32::try_from(frame.len())?.to_be_bytes())?;
        Ok(stream.write_all(frame.as_bytes())?)
    })?;
    // Until the gateway goes.
    std::io::copy(&mut stream, &mut std::io::sink())?;
    Ok(())
}
