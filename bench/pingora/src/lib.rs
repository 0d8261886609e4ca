//! What both programs serve by: the benchmark's 100,000 keys, a limit that nobody reaches, the usage log at `group`.
//! `PROGRAM PORT FOLDER UPSTREAM_PORT [KEYS]`: KEYS as `bench/peers/gen_keys.py` writes them; without it, a route without plugins.

use std::path::PathBuf;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use tollway_engine::config::{ConfigStore, Updater};
use tollway_engine::limits::{CounterRoom, Counters};
use tollway_engine::phases::Shared;
use tollway_engine::usage_log::{Level, LogConfig, UsageLog};

const PEPPER: [u8; 32] = [9; 32];

pub struct Setup {
    pub port: u16,
    pub shared: Arc<Shared>,
    pub log: UsageLog,
}

/// # Panics
/// The arguments are wrong, or the engine refuses what they name.
#[must_use]
pub fn setup() -> Setup {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [port, folder, upstream, keys @ ..] = &arguments[..] else {
        panic!("PORT FOLDER UPSTREAM_PORT [KEYS]");
    };
    let folder = PathBuf::from(folder);
    let mut base: Value =
        serde_json::from_str(include_str!("../../../crates/engine/tests/data/base.json")).unwrap();
    base["services"][0]["port"] = json!(upstream.parse::<u16>().unwrap());
    if keys.is_empty() {
        base["plugins"] = json!([]);
        base["routes"][0]["paths"] = json!(["/"]);
        base["routes"][0]["preserve_host"] = json!(true);
    }
    let mut updater = Updater::new(Arc::<ConfigStore>::default(), None);
    let mut send = |frame: Value| updater.frame(&frame.to_string()).unwrap();
    send(json!({"type": "full_begin", "version": 1, "base": base}));
    let pepper = Hmac::<Sha256>::new_from_slice(&PEPPER).unwrap();
    for file in keys {
        let text = std::fs::read_to_string(file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let key = line.split(' ').next().unwrap();
            let id = |kind: u32| format!("{kind:08x}-0000-4000-8000-{number:012x}");
            let hash = pepper.clone().chain_update(key).finalize().into_bytes();
            let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
            send(json!({"type": "rows", "table": "consumers", "rows": [{"id": id(5), "username": format!("c{number:06}"),
                "custom_id": null, "groups": [], "acls": [], "plugins": [], "customer": null, "phase": null, "mode": "live"}]}));
            send(json!({"type": "rows", "table": "key_auth", "rows": [{"id": id(6), "hash": hash, "consumer": id(5)}]}));
        }
    }
    send(json!({"type": "full_end", "version": 1}));
    let counters = Counters::open(&folder.join("counters"), CounterRoom::default()).unwrap();
    let store = Arc::clone(updater.store());
    let log = LogConfig::new(folder.join("usage-log"), [7; 16], 1, Level::Group);
    Setup {
        port: port.parse().unwrap(),
        shared: Arc::new(Shared::new(store, Arc::new(counters), PEPPER)),
        log: UsageLog::open(log).unwrap(),
    }
}
