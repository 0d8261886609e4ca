//! The hostile corpus in front of servers that nobody here wrote, each lenient in its own way: what they take for requests
//! is what the gateway thinks it forwarded, and nobody gets another's answer.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that meets the unexpected stops right there"
)]

mod common;

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use common::corpus::{Arrival, Case, Gateways, expect, folder, play, requests};
use common::eventually;
use serde::Deserialize;

/// A request as the server took it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Seen {
    method: String,
    target: String,
    body: String,
    /// What it answered, where its log says so.
    #[serde(default)]
    status: Option<u16>,
}

/// A running server; ended with the test.
struct Server {
    address: SocketAddr,
    process: Child,
    seen: Arc<Mutex<Vec<Seen>>>,
    _folder: tempfile::TempDir,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Server {
    /// Starts `kind` with what stands for it in the corpus, on a port below those of outgoing connections.
    fn start(kind: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let source = self::folder().join("upstreams");
        let mut command = match kind {
            "python" => {
                let mut command = Command::new("python3");
                command.arg(source.join("lenient.py")).arg(port.to_string());
                command
            }
            "node" => {
                let mut command = Command::new("node");
                command.arg(source.join("lenient.js")).arg(port.to_string());
                command
            }
            _ => {
                let text = std::fs::read_to_string(source.join("nginx.conf")).unwrap();
                let text = text
                    .replace("@PORT@", &port.to_string())
                    .replace("@FOLDER@", folder.path().to_str().unwrap());
                std::fs::write(folder.path().join("nginx.conf"), text).unwrap();
                let mut command = Command::new("/usr/sbin/nginx");
                command
                    .arg("-p")
                    .arg(folder.path())
                    .args(["-e", "stderr", "-c", "nginx.conf"]);
                command
            }
        };
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{kind}: {error}; `make services` installs it"));
        let output = BufReader::new(process.stdout.take().unwrap());
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let log = Arc::clone(&seen);
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                log.lock()
                    .unwrap()
                    .push(serde_json::from_str(&line).unwrap());
            }
        });
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        eventually(kind, || TcpStream::connect(address).is_ok());
        Self {
            address,
            process,
            seen,
            _folder: folder,
        }
    }

    /// Waits until it has seen the honest request `last`, and returns what it saw since the last time.
    fn until(&self, last: &str) -> Vec<Seen> {
        eventually(last, || {
            let seen = self.seen.lock().unwrap();
            seen.iter().any(|request| request.target == last)
        });
        std::mem::take(&mut *self.seen.lock().unwrap())
    }
}

/// A port below those that outgoing connections take.
fn free_port() -> u16 {
    loop {
        let mut bytes = [0; 2];
        getrandom::fill(&mut bytes).unwrap();
        let port = 10_000 + u16::from_ne_bytes(bytes) % 20_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn run(case: &Case, gateways: &Gateways, server: &Server, number: usize) -> Result<usize, String> {
    let honest = format!("/honest/{number}");
    let gateway = gateways.of(case).address;
    let answers = play(case, gateway, Arrival::AtOnce, &honest)?;
    // What the server refuses by itself it may or may not write down; what it passed it must have understood.
    let mut wanted: Vec<_> = std::iter::zip(&case.forwarded, &answers)
        .filter(|(_, answer)| answer.status == 200)
        .map(|(forwarded, _)| {
            let (method, target) = forwarded.line();
            (method, target.to_owned(), forwarded.body.as_str())
        })
        .collect();
    let passed = wanted.len();
    if case.refused.is_none() && !case.closed {
        wanted.push(("GET", format!("{honest}/same"), ""));
    }
    wanted.push(("GET", format!("{honest}/new"), ""));
    let seen = server.until(&format!("{honest}/new"));
    let seen: Vec<_> = seen
        .iter()
        .filter(|request| request.status.is_none_or(|status| status == 200))
        .map(|request| {
            (
                request.method.as_str(),
                request.target.clone(),
                request.body.as_str(),
            )
        })
        .collect();
    expect("seen by the upstream", &seen, &wanted)?;
    Ok(passed)
}

fn check(kind: &str) {
    let server = Server::start(kind);
    let gateways = Gateways::start(server.address);
    let (mut passed, mut forwarded, mut faults) = (0, 0, Vec::new());
    for (number, case) in requests().iter().enumerate() {
        match run(case, &gateways, &server, number) {
            Ok(count) => passed += count,
            Err(fault) => faults.push(format!("{}: {fault}", case.name)),
        }
        forwarded += case.forwarded.len();
    }
    assert!(faults.is_empty(), "{kind}:\n{}", faults.join("\n"));
    assert!(
        passed * 10 > forwarded * 9,
        "{kind} passed {passed} of {forwarded}"
    );
}

#[test]
fn python_sees_what_was_forwarded() {
    check("python");
}

#[test]
fn node_sees_what_was_forwarded() {
    check("node");
}

#[test]
fn nginx_sees_what_was_forwarded() {
    check("nginx");
}
