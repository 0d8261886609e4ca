//! Merging a full resync and the deltas after it into one full resync, as text: rows needn't be understood for that.

use std::collections::HashMap;
use std::io;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Table;
use super::error::ConfigError;
use super::frame::Frame;

/// Rows in one frame, at most.
const ROWS: usize = 1000;

/// Everything that the frames so far said.
#[derive(Default)]
pub(super) struct Merged {
    version: u64,
    base: String,
    /// By [`Table`], then by key.
    rows: [HashMap<String, Box<RawValue>>; 2],
}

/// A row's key, whichever table it is of.
#[derive(Deserialize)]
struct Keyed<'a> {
    #[serde(borrow)]
    id: &'a str,
    hash: Option<&'a str>,
}

impl Merged {
    /// Adds a frame that was applied before, in order.
    pub(super) fn add(&mut self, json: &str) -> Result<(), ConfigError> {
        match Frame::read(json)? {
            Frame::FullBegin { version, base } => {
                *self = Self::default();
                self.version = version;
                base.clone_into(&mut self.base);
            }
            Frame::Rows { table, rows } => self.put(table, &rows)?,
            Frame::Delta(delta) => {
                self.version = delta.version;
                if let Some(base) = delta.base {
                    base.clone_into(&mut self.base);
                }
                for (table, rows) in &delta.put {
                    self.put(*table, rows)?;
                }
                for (table, keys) in &delta.delete {
                    for key in keys {
                        self.rows[*table as usize].remove(&key.to_ascii_lowercase());
                    }
                }
            }
            Frame::FullEnd { .. } | Frame::Ping { .. } | Frame::SetHealth(_) => {}
        }
        Ok(())
    }

    fn put(&mut self, table: Table, rows: &[&RawValue]) -> Result<(), ConfigError> {
        for row in rows {
            let keyed: Keyed<'_> = super::error::parse(row.get())?;
            let key = keyed.hash.unwrap_or(keyed.id).to_ascii_lowercase();
            self.rows[table as usize].insert(key, (*row).to_owned());
        }
        Ok(())
    }

    /// Writes the frames of one full resync.
    pub(super) fn frames(&self, mut write: impl FnMut(&str) -> io::Result<()>) -> io::Result<()> {
        let Self { version, base, .. } = self;
        write(&format!(
            r#"{{"type":"full_begin","version":{version},"base":{base}}}"#
        ))?;
        for table in Table::ALL {
            let rows: Vec<&RawValue> = self.rows[table as usize]
                .values()
                .map(|row| &**row)
                .collect();
            for rows in rows.chunks(ROWS) {
                let rows: Vec<&str> = rows.iter().map(|row| row.get()).collect();
                write(&format!(
                    r#"{{"type":"rows","table":"{}","rows":[{}]}}"#,
                    table.name(),
                    rows.join(",")
                ))?;
            }
        }
        write(&format!(r#"{{"type":"full_end","version":{version}}}"#))
    }
}
