//! A configuration of one route with key-auth and rate-limiting, and as many keys as are given.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

pub const PEPPER: [u8; 32] = [9; 32];
pub type Fault = Box<dyn std::error::Error>;

/// One route with key-auth and rate-limiting, to 127.0.0.1:19000.
const BASE: &str = include_str!("../../tests/data/base.json");

fn uuid(kind: u32, number: usize) -> String {
    format!("{kind:08x}-0000-4000-8000-{number:012x}")
}

/// The frames of a full configuration, as control sends them.
pub fn frames(
    keys: &[String],
    mut send: impl FnMut(String) -> Result<(), Fault>,
) -> Result<(), Fault> {
    send(format!(
        r#"{{"type":"full_begin","version":1,"base":{BASE}}}"#
    ))?;
    let pepper = Hmac::<Sha256>::new_from_slice(&PEPPER)?;
    for (first, keys) in (0..).step_by(1000).zip(keys.chunks(1000)) {
        let (mut consumers, mut credentials) = (Vec::new(), Vec::new());
        for (number, key) in (first..).zip(keys) {
            let id = uuid(5, number);
            consumers.push(format!(
                r#"{{"id":"{id}","username":"c{number:06}","custom_id":null,"groups":[],"acls":[],"plugins":[],
                "customer":null,"phase":null,"mode":"live"}}"#
            ));
            let hash = pepper.clone().chain_update(key).finalize().into_bytes();
            let hash = hash
                .iter()
                .fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
            credentials.push(format!(
                r#"{{"id":"{}","hash":"{hash}","consumer":"{id}"}}"#,
                uuid(6, number)
            ));
        }
        for (table, rows) in [("consumers", consumers), ("key_auth", credentials)] {
            let rows = rows.join(",");
            send(format!(
                r#"{{"type":"rows","table":"{table}","rows":[{rows}]}}"#
            ))?;
        }
    }
    send(r#"{"type":"full_end","version":1}"#.to_owned())
}
