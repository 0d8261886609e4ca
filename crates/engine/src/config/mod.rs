//! The configuration: strict JSON compiled into an immutable tree, changed by ordered deltas, kept encrypted on disk.

mod cache;
mod compact;
mod compile;
mod cow_map;
pub(crate) mod error;
mod frame;
mod model;
mod store;
mod update;
pub(crate) mod wire;

#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
mod tests;

pub use cache::Cache;
pub use error::ConfigError;
pub use model::{Base, Config, Consumer, Credential, KeyHash, Route, RoutePlugins, Shop, Upstream};
pub use store::{ConfigReader, ConfigStore, Pinned};
pub use update::{FrameFault, Progress, Updater};

/// Judges a base as a gateway would.
///
/// # Errors
/// [`ConfigError`]: where it is wrong, and what would be right.
pub fn check_base(json: &str) -> Result<(), ConfigError> {
    compile::base(json).map(drop)
}

/// Judges rows of a keyed table, a JSON array of them, as a gateway would.
///
/// # Errors
/// [`ConfigError`]: which row is wrong where, and what would be right.
pub fn check_rows(table: &str, json: &str) -> Result<(), ConfigError> {
    let table = Table::named(table)?;
    let rows: Vec<&serde_json::value::RawValue> = error::parse(json)?;
    for (place, row) in rows.into_iter().enumerate() {
        table
            .check(row.get())
            .map_err(|error| error.within_row(&format!("{}[{place}]", table.name())))?;
    }
    Ok(())
}

/// A keyed table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Table {
    Consumers,
    KeyAuth,
}

impl Table {
    pub(crate) const ALL: [Self; 2] = [Self::Consumers, Self::KeyAuth];

    pub(crate) fn named(name: &str) -> Result<Self, ConfigError> {
        match name {
            "consumers" => Ok(Self::Consumers),
            "key_auth" => Ok(Self::KeyAuth),
            other => Err(ConfigError::new(
                other,
                "there is no table of this name",
                "use consumers or key_auth",
            )),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Consumers => "consumers",
            Self::KeyAuth => "key_auth",
        }
    }

    fn check(self, json: &str) -> Result<(), ConfigError> {
        match self {
            Self::Consumers => compile::consumer(json).map(drop),
            Self::KeyAuth => compile::key_auth(json).map(drop),
        }
    }
}
