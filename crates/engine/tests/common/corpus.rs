//! The hostile corpus (`tests/data/hostile`): its cases, and how they are run. Its README says what the fields mean.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde_json::json;
use tollway_engine::proxy::worker::Protocols;

use super::client::{Client, Response};
use super::upstream::pause;
use super::{Gateway, ID};

/// Bytes as the corpus writes them.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Bytes {
    Text(String),
    Pieces(Vec<Piece>),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub enum Piece {
    Once(String),
    Repeated(String, usize),
}

/// A request, or several, and what becomes of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    pub why: String,
    pub send: Bytes,
    #[serde(default)]
    pub forwarded: Vec<Forwarded>,
    pub refused: Option<u16>,
    pub answered: Option<u16>,
    #[serde(default)]
    pub closed: bool,
    #[serde(default)]
    pub keyed: bool,
    #[serde(default)]
    pub own: BTreeMap<String, String>,
}

/// A request as the upstream gets it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Forwarded {
    pub head: String,
    #[serde(default)]
    pub body: String,
    #[serde(default)]
    pub trailers: String,
}

/// What an upstream sends, and what the client gets of it.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerCase {
    pub name: String,
    pub why: String,
    pub send: Bytes,
    pub status: u16,
    #[serde(default)]
    pub body: String,
    #[serde(default)]
    pub broken: bool,
    pub method: Option<String>,
}

impl Bytes {
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Text(text) => latin(text),
            Self::Pieces(pieces) => pieces
                .iter()
                .flat_map(|piece| match piece {
                    Piece::Once(text) => latin(text),
                    Piece::Repeated(text, times) => latin(text).repeat(*times),
                })
                .collect(),
        }
    }
}

impl Forwarded {
    /// Method and target.
    pub fn line(&self) -> (&str, &str) {
        let mut words = self.head.split(' ');
        (words.next().unwrap(), words.next().unwrap())
    }
}

/// Each character's byte.
fn latin(text: &str) -> Vec<u8> {
    text.chars()
        .map(|letter| u8::try_from(letter).unwrap())
        .collect()
}

pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/hostile")
}

/// The requests of all files.
pub fn requests() -> Vec<Case> {
    let mut files: Vec<_> = std::fs::read_dir(folder().join("requests"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .iter()
        .flat_map(|file| {
            let text = std::fs::read(file).unwrap();
            serde_json::from_slice::<Vec<Case>>(&text).unwrap()
        })
        .collect()
}

/// The upstreams' answers.
pub fn answers() -> Vec<AnswerCase> {
    let text = std::fs::read(folder().join("answers.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// The two gateways that the cases are sent to: without plugins, and with key-auth.
pub struct Gateways {
    pub plain: Gateway,
    pub keyed: Gateway,
}

/// Ann and her credential, which opens the keyed gateway by `secret`.
pub const CONSUMER: &str = "00000000-0000-4000-8000-000000000005";
pub const CREDENTIAL: &str = "00000000-0000-4000-8000-000000000006";

impl Gateways {
    pub fn start(upstream: SocketAddr) -> Self {
        let hash = Hmac::<sha2::Sha256>::new_from_slice(&[0; 32])
            .unwrap()
            .chain_update("secret")
            .finalize()
            .into_bytes();
        let hash = hash
            .iter()
            .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
        let keyed = Gateway::with(upstream, |setup| {
            setup.plugins = json!([{"id": format!("{ID}3"), "name": "key-auth", "enabled": true,
                "route": null, "service": null, "consumer_group": null,
                "config": {"key_names": ["apikey"], "hide_credentials": true, "anonymous": null, "key_in_header": true,
                    "key_in_query": true, "key_in_body": false, "run_on_preflight": true, "realm": null}}]);
            setup.protocols = Protocols::default();
            setup.rows = vec![
                (
                    "consumers",
                    json!([{"id": CONSUMER, "username": "ann", "custom_id": null, "groups": [], "acls": [],
                        "plugins": [], "customer": null, "phase": null, "mode": "live"}]),
                ),
                (
                    "key_auth",
                    json!([{"id": CREDENTIAL, "hash": hash, "consumer": CONSUMER}]),
                ),
            ];
        });
        Self {
            plain: Gateway::with(upstream, |setup| setup.protocols = Protocols::default()),
            keyed,
        }
    }

    pub fn of(&self, case: &Case) -> &Gateway {
        if case.keyed { &self.keyed } else { &self.plain }
    }
}

/// An honest request for `target`.
pub fn honest(case: &Case, target: &str) -> String {
    let key = if case.keyed { "apikey: secret\r\n" } else { "" };
    format!("GET {target} HTTP/1.1\r\nHost: honest\r\n{key}\r\n")
}

/// How a case's bytes arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arrival {
    AtOnce,
    InTwo,
}

/// Sends a case, reads its answers, and then asks honestly for `honest_target`, twice: on the same connection, if it
/// goes on, and on a new one. Returns the answers to what should have been forwarded.
///
/// # Errors
/// What was otherwise than the case says.
pub fn play(
    case: &Case,
    gateway: SocketAddr,
    arrival: Arrival,
    honest_target: &str,
) -> Result<Vec<Response>, String> {
    let mut client = Client::connect(gateway);
    let mut bytes = case.send.bytes();
    if case.refused.is_some() {
        bytes.extend_from_slice(b"GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    let cut = match arrival {
        Arrival::AtOnce => bytes.len(),
        Arrival::InTwo => bytes.len() / 2,
    };
    client.try_send(&bytes[..cut]);
    if cut < bytes.len() {
        pause(5);
        client.try_send(&bytes[cut..]);
    }
    let mut answers = Vec::new();
    let read = |client: &mut Client, method: &str, what: &str| {
        (client.try_response(method)).ok_or_else(|| format!("no answer {what}"))
    };
    for (number, forwarded) in case.forwarded.iter().enumerate() {
        let method = forwarded.line().0;
        let mut answer = read(&mut client, method, &format!("to request {number}"))?;
        while answer.status < 200 {
            answer = read(&mut client, method, "behind the interim one")?;
        }
        answers.push(answer);
    }
    if let Some(status) = case.refused.or(case.answered) {
        let answer = read(&mut client, "GET", "of the gateway's own")?;
        expect("the gateway's status", &answer.status, &status)?;
        let closes = case.refused.is_some() || case.closed;
        let said = answer.header("connection") == Some("close");
        expect("says that it closes", &said, &closes)?;
    }
    if case.refused.is_some() || case.closed {
        expect("the connection has ended", &client.is_at_end(), &true)?;
    } else {
        let target = format!("{honest_target}/same");
        client.send(honest(case, &target));
        let answer = read(&mut client, "GET", "on the same connection")?;
        expect("on the same connection", &answer.text(), &target.as_str())?;
    }
    let target = format!("{honest_target}/new");
    let answer = Client::ask(gateway, honest(case, &target));
    expect("on a new connection", &answer.text(), &target.as_str())?;
    Ok(answers)
}

/// # Errors
/// `found` isn't what was `wanted`.
pub fn expect<T: PartialEq + std::fmt::Debug>(
    what: &str,
    found: &T,
    wanted: &T,
) -> Result<(), String> {
    if found == wanted {
        return Ok(());
    }
    Err(format!("{what}: {found:?} instead of {wanted:?}"))
}
