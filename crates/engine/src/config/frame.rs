//! The frames that control sends: `docs/maintainer/formats.md`, section 1.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::Table;
use super::error::{ConfigError, parse};
use crate::uuid::Uuid;

/// A frame, its contents still text.
#[derive(Debug)]
pub(super) enum Frame<'a> {
    Delta(Delta<'a>),
    FullBegin {
        version: u64,
        base: &'a str,
    },
    Rows {
        table: Table,
        rows: Vec<&'a RawValue>,
    },
    FullEnd {
        version: u64,
    },
    Ping {
        version: u64,
    },
    SetHealth(SetHealth<'a>),
}

/// An operator's word on a target.
#[derive(Debug)]
pub(super) struct SetHealth<'a> {
    pub(super) upstream: Uuid,
    pub(super) target: Uuid,
    /// None for all of its addresses.
    pub(super) address: Option<&'a str>,
    pub(super) healthy: bool,
}

#[derive(Debug)]
pub(super) struct Delta<'a> {
    pub(super) from: u64,
    pub(super) version: u64,
    pub(super) base: Option<&'a str>,
    pub(super) put: Vec<(Table, Vec<&'a RawValue>)>,
    pub(super) delete: Vec<(Table, Vec<String>)>,
}

/// All fields that any frame has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    from: Option<u64>,
    version: Option<u64>,
    #[serde(borrow)]
    base: Option<&'a RawValue>,
    #[serde(borrow, default)]
    put: BTreeMap<&'a str, Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    delete: BTreeMap<&'a str, Vec<String>>,
    table: Option<&'a str>,
    #[serde(borrow)]
    rows: Option<Vec<&'a RawValue>>,
    upstream: Option<Uuid>,
    target: Option<Uuid>,
    address: Option<&'a str>,
    healthy: Option<bool>,
}

impl<'a> Frame<'a> {
    /// Reads a frame.
    pub(super) fn read(json: &'a str) -> Result<Self, ConfigError> {
        let fields: Fields<'a> = parse(json)?;
        let version = || fields.version.ok_or_else(|| lacking("version"));
        Ok(match fields.kind {
            "delta" => Self::Delta(Delta {
                from: fields.from.ok_or_else(|| lacking("from"))?,
                version: version()?,
                base: fields.base.map(RawValue::get),
                put: tables(fields.put)?,
                delete: tables(fields.delete)?,
            }),
            "full_begin" => Self::FullBegin {
                version: version()?,
                base: fields.base.ok_or_else(|| lacking("base"))?.get(),
            },
            "rows" => Self::Rows {
                table: Table::named(fields.table.ok_or_else(|| lacking("table"))?)?,
                rows: fields.rows.ok_or_else(|| lacking("rows"))?,
            },
            "full_end" => Self::FullEnd {
                version: version()?,
            },
            "ping" => Self::Ping {
                version: version()?,
            },
            "set_health" => Self::SetHealth(SetHealth {
                upstream: fields.upstream.ok_or_else(|| lacking("upstream"))?,
                target: fields.target.ok_or_else(|| lacking("target"))?,
                address: fields.address,
                healthy: fields.healthy.ok_or_else(|| lacking("healthy"))?,
            }),
            other => {
                return Err(ConfigError::new(
                    "type",
                    format!("there is no frame of type {other}"),
                    "let control and gateway be of versions that know each other",
                ));
            }
        })
    }
}

/// Whether a frame ends a full resync.
pub(super) fn is_full_end(json: &str) -> bool {
    matches!(Frame::read(json), Ok(Frame::FullEnd { .. }))
}

fn tables<T>(named: BTreeMap<&str, T>) -> Result<Vec<(Table, T)>, ConfigError> {
    let table = |(name, rows)| Ok((Table::named(name)?, rows));
    named.into_iter().map(table).collect()
}

fn lacking(field: &str) -> ConfigError {
    ConfigError::new(field, "the frame lacks it", "send it")
}
