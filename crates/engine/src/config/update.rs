//! Applying what control sends: deltas in order, or everything anew beside the running configuration.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::value::RawValue;

use super::cache::Cache;
use super::cow_map::Builder;
use super::error::ConfigError;
use super::frame::{Delta, Frame, SetHealth};
use super::model::{Base, Config, Consumer, Credential, KeyHash};
use super::store::ConfigStore;
use super::{Table, compile};
use crate::balancer::{Balancer, health};
use crate::uuid::Uuid;

/// What a frame led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// This version is the current one now: to be answered with `applied`.
    Applied(u64),
    /// Part of a full resync; more follows.
    Receiving,
    /// Control's newest version, whatever the gateway's is.
    Newest(u64),
}

/// Why a frame changed nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameFault {
    /// A delta that doesn't follow the current version: a full resync is needed.
    Gap { have: Option<u64>, from: u64 },
    /// A configuration that doesn't compile: to be answered with `rejected`. The running one stays.
    Rejected { version: u64, error: ConfigError },
    /// Not a frame that could be understood.
    Unreadable(ConfigError),
}

/// The one writer of the configuration: owned by who talks to control.
#[derive(Debug)]
pub struct Updater {
    store: Arc<ConfigStore>,
    cache: Option<Cache>,
    config: Option<Arc<Config>>,
    resync: Resync,
    /// Replaced versions that requests may still use. Kept here so that the last reference, and with it perhaps a
    /// hundred thousand rows, is never dropped by a thread that serves requests.
    retired: Vec<Arc<Config>>,
}

/// What a frame was, once applied.
#[derive(Debug, Clone, Copy)]
enum Step {
    Delta(u64),
    FullBegun,
    FullContinued,
    FullEnded(u64),
    /// Part of a full resync that was refused.
    Skipped,
    Newest(u64),
    /// Something that is no part of the configuration.
    Done,
}

/// A full resync's state.
#[derive(Debug)]
enum Resync {
    None,
    Receiving(Box<Full>),
    /// It was refused; the rest of it is passed over.
    Skipping,
}

#[derive(Debug)]
struct Full {
    version: u64,
    base: Base,
    consumers: Builder<Uuid, Arc<Consumer>>,
    key_auth: Builder<KeyHash, Credential>,
}

impl Updater {
    /// An updater of `store`; with a cache, which is read now, the configuration found there is published.
    #[must_use]
    pub fn new(store: Arc<ConfigStore>, cache: Option<Cache>) -> Self {
        let mut updater = Self {
            store,
            cache: None,
            config: None,
            resync: Resync::None,
            retired: Vec::new(),
        };
        if let Some(mut cache) = cache {
            // What an older engine wrote and this one refuses is not used: control will send it anew.
            cache.replay(|frame| updater.apply(frame).is_ok());
            updater.resync = Resync::None;
            updater.cache = Some(cache);
            updater.publish();
        }
        updater
    }

    /// An updater of `store` that knows nothing yet: what is at the cache's place is another's, who may be writing to it,
    /// and is replaced once everything has come.
    #[must_use]
    pub fn anew(store: Arc<ConfigStore>, cache: Cache) -> Self {
        Self {
            cache: Some(cache),
            ..Self::new(store, None)
        }
    }

    /// Whether the copy on disk no longer follows, as another gateway has put its own there: true once each time. It can be
    /// had again by asking for everything.
    pub fn lost_copy(&mut self) -> bool {
        self.cache.as_mut().is_some_and(Cache::take_lost)
    }

    /// Where the configuration is published.
    #[must_use]
    pub fn store(&self) -> &Arc<ConfigStore> {
        &self.store
    }

    /// The version that is current now.
    #[must_use]
    pub fn version(&self) -> Option<u64> {
        self.config.as_ref().map(|config| config.version)
    }

    /// What went wrong with the cache, if anything did since the last call. The configuration itself is not affected.
    pub fn take_cache_fault(&mut self) -> Option<std::io::Error> {
        self.cache.as_mut()?.take_fault()
    }

    /// Applies one frame.
    ///
    /// # Errors
    /// [`FrameFault`]; the running configuration stays as it is.
    pub fn frame(&mut self, json: &str) -> Result<Progress, FrameFault> {
        self.retired.retain(|config| Arc::strong_count(config) > 1);
        let step = self.apply(json)?;
        if let Step::Delta(_) | Step::FullEnded(_) = step {
            self.publish();
        }
        // Serving comes first: the copy on disk may be a delta behind after a crash, control will know.
        if let Some(cache) = &mut self.cache {
            match step {
                Step::Delta(_) => cache.append(json),
                Step::FullBegun => cache.begin(json),
                Step::FullContinued => cache.stage(json),
                Step::FullEnded(_) => cache.commit(json),
                Step::Skipped | Step::Newest(_) | Step::Done => {}
            }
        }
        Ok(match step {
            Step::Delta(version) | Step::FullEnded(version) => Progress::Applied(version),
            Step::FullBegun | Step::FullContinued | Step::Skipped | Step::Done => {
                Progress::Receiving
            }
            Step::Newest(version) => Progress::Newest(version),
        })
    }

    fn apply(&mut self, json: &str) -> Result<Step, FrameFault> {
        match Frame::read(json).map_err(FrameFault::Unreadable)? {
            Frame::Delta(delta) => self.delta(&delta),
            Frame::FullBegin { version, base } => {
                self.resync = Resync::Skipping;
                let base = compile::base(base).map_err(rejected(version))?;
                self.resync = Resync::Receiving(Box::new(Full {
                    version,
                    base,
                    consumers: Builder::default(),
                    key_auth: Builder::default(),
                }));
                Ok(Step::FullBegun)
            }
            Frame::Rows { table, rows } => self.rows(table, &rows),
            Frame::FullEnd { version } => self.full_end(version),
            Frame::Ping { version } => Ok(Step::Newest(version)),
            Frame::SetHealth(word) => {
                self.set_health(&word);
                Ok(Step::Done)
            }
        }
    }

    /// What isn't there any more isn't set: control's word and the change that took it away crossed.
    fn set_health(&self, word: &SetHealth<'_>) {
        let balancers = self
            .config
            .iter()
            .flat_map(|config| config.balancers.iter());
        for balancer in balancers.filter(|balancer| balancer.policy.id == word.upstream) {
            let targets = balancer.policy.targets.iter();
            for (place, _) in targets
                .enumerate()
                .filter(|(_, target)| target.id == word.target)
            {
                (balancer.members()).set_target(place, word.address, word.healthy);
            }
        }
    }

    /// How the current configuration's upstreams are: the members of the frame `health`.
    #[must_use]
    pub fn health(&self) -> Vec<serde_json::Value> {
        let balancers = self
            .config
            .iter()
            .flat_map(|config| config.balancers.iter());
        balancers.map(|balancer| health(balancer)).collect()
    }

    fn delta(&mut self, delta: &Delta<'_>) -> Result<Step, FrameFault> {
        let gap = FrameFault::Gap {
            have: self.version(),
            from: delta.from,
        };
        let current = match &self.config {
            Some(config) if config.version == delta.from => config,
            _ => return Err(gap),
        };
        let mut next = Config::clone(current);
        change(&mut next, delta).map_err(rejected(delta.version))?;
        next.version = delta.version;
        next.find_named();
        self.replace(next);
        Ok(Step::Delta(delta.version))
    }

    fn rows(&mut self, table: Table, rows: &[&RawValue]) -> Result<Step, FrameFault> {
        let full = match &mut self.resync {
            Resync::Receiving(full) => full,
            Resync::Skipping => return Ok(Step::Skipped),
            Resync::None => return Err(outside("rows")),
        };
        let version = full.version;
        let added = rows.iter().enumerate().try_for_each(|(place, row)| {
            full.add(table, row.get())
                .map_err(|error| at(table, place, error))
        });
        if let Err(error) = added {
            self.resync = Resync::Skipping;
            return Err(FrameFault::Rejected { version, error });
        }
        Ok(Step::FullContinued)
    }

    fn full_end(&mut self, version: u64) -> Result<Step, FrameFault> {
        match std::mem::replace(&mut self.resync, Resync::None) {
            Resync::None => Err(outside("full_end")),
            Resync::Skipping => Ok(Step::Skipped),
            Resync::Receiving(full) if full.version != version => Err(outside("full_end")),
            Resync::Receiving(full) => {
                let mut config = Config {
                    version,
                    base: Arc::new(full.base),
                    consumers: full.consumers.build(),
                    key_auth: full.key_auth.build(),
                    balancers: Arc::default(),
                    named: Arc::default(),
                };
                config.find_named();
                self.replace(config);
                Ok(Step::FullEnded(version))
            }
        }
    }

    fn replace(&mut self, mut config: Config) {
        let old = self.config.as_deref();
        if old.is_none_or(|old| !Arc::ptr_eq(&old.base, &config.base)) {
            config.balancers = balancers(&config.base, old.map_or(&[], |old| &old.balancers));
        }
        self.config = Some(Arc::new(config));
    }

    fn publish(&mut self) {
        if let Some(config) = &self.config {
            let old = self.store.publish(Arc::clone(config));
            self.retired.extend(old);
        }
    }
}

impl Full {
    fn add(&mut self, table: Table, row: &str) -> Result<(), ConfigError> {
        match table {
            Table::Consumers => {
                let consumer = compile::consumer(row)?;
                self.consumers.push(consumer.id, Arc::new(consumer));
            }
            Table::KeyAuth => {
                let (hash, credential) = compile::key_auth(row)?;
                self.key_auth.push(hash, credential);
            }
        }
        Ok(())
    }
}

impl Config {
    /// Finds the consumers that the base's plugins name by username.
    fn find_named(&mut self) {
        let names = &self.base.names;
        if names.is_empty() && self.named.is_empty() {
            return;
        }
        let found = self.consumers.iter().filter_map(|(id, consumer)| {
            let name = consumer.username.as_ref()?;
            names
                .binary_search(name)
                .is_ok()
                .then(|| (name.clone(), *id))
        });
        self.named = Arc::new(found.collect::<HashMap<_, _>>());
    }
}

/// The base's balancers; what is known of an upstream that was there before goes on.
fn balancers(base: &Base, old: &[Arc<Balancer>]) -> Arc<[Arc<Balancer>]> {
    let policies = base.policies.iter();
    let balancers = policies.map(|policy| {
        let before = old.iter().find(|old| old.policy.id == policy.id);
        Arc::new(Balancer::new(Arc::clone(policy), before.map(Arc::as_ref)))
    });
    balancers.collect()
}

fn change(config: &mut Config, delta: &Delta<'_>) -> Result<(), ConfigError> {
    if let Some(base) = delta.base {
        config.base = Arc::new(compile::base(base)?);
    }
    for (table, rows) in &delta.put {
        for (place, row) in rows.iter().enumerate() {
            put(config, *table, row.get()).map_err(|error| at(*table, place, error))?;
        }
    }
    for (table, keys) in &delta.delete {
        for (place, key) in keys.iter().enumerate() {
            delete(config, *table, key).map_err(|error| at(*table, place, error))?;
        }
    }
    Ok(())
}

fn put(config: &mut Config, table: Table, row: &str) -> Result<(), ConfigError> {
    match table {
        Table::Consumers => {
            let consumer = compile::consumer(row)?;
            config.consumers.insert(consumer.id, Arc::new(consumer));
        }
        Table::KeyAuth => {
            let (hash, credential) = compile::key_auth(row)?;
            config.key_auth.insert(hash, credential);
        }
    }
    Ok(())
}

fn delete(config: &mut Config, table: Table, key: &str) -> Result<(), ConfigError> {
    let wrong = |problem: &str| ConfigError::new("", problem, "give the row's key");
    match table {
        Table::Consumers => {
            let id = key.parse().map_err(wrong)?;
            config.consumers.remove(&id);
        }
        Table::KeyAuth => {
            let hash = crate::uuid::hex_bytes(key.as_bytes());
            let hash = KeyHash(hash.ok_or_else(|| wrong("not 64 hex digits"))?);
            config.key_auth.remove(&hash);
        }
    }
    Ok(())
}

fn at(table: Table, place: usize, error: ConfigError) -> ConfigError {
    error.within_row(&format!("{}[{place}]", table.name()))
}

fn rejected(version: u64) -> impl Fn(ConfigError) -> FrameFault {
    move |error| FrameFault::Rejected { version, error }
}

fn outside(frame: &str) -> FrameFault {
    FrameFault::Unreadable(ConfigError::new(
        frame,
        "the frame stands outside of a full resync",
        "send full_begin, rows and full_end of one version in this order",
    ))
}
