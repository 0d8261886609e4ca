//! Where a thread counts, and where others look.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::series::{GroupSeries, Series, Status};
use crate::config::{Base, Config};
use crate::uuid::Uuid;

/// How many routes, and how many groups, a thread has figures of. Further ones are added up as one.
const MOST: usize = 2_000;

/// How an exchange ended.
#[derive(Debug, Clone, Copy)]
pub struct Ending<'a> {
    /// What it was judged by.
    pub config: Option<&'a Config>,
    /// The route's place there.
    pub route: Option<usize>,
    /// The caller's consumer groups.
    pub groups: &'a [Uuid],
    /// What the client was told, and by whom.
    pub status: Status,
    /// Microseconds from the request's whole head to the end of its answer.
    pub whole_us: u64,
    /// Of them, those that an upstream took until its answer's head.
    pub upstream_us: Option<u64>,
    /// Of them, the gateway's own, before it asked an upstream or answered itself.
    pub own_us: u64,
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes to the client.
    pub bytes_out: u64,
}

/// What one thread has counted, for whoever asks.
#[derive(Debug, Default)]
pub struct Ledger {
    routes: Mutex<HashMap<Uuid, Arc<Series>>>,
    groups: Mutex<HashMap<Uuid, Arc<GroupSeries>>>,
    /// Requests that no route matched.
    pub unrouted: Arc<Series>,
    /// Those of routes beyond [`MOST`].
    pub other: Arc<Series>,
    other_groups: Arc<GroupSeries>,
}

impl Ledger {
    /// A route's figures; none where the thread has served none of its requests.
    #[must_use]
    pub fn route(&self, id: Uuid) -> Option<Arc<Series>> {
        locked(&self.routes).get(&id).cloned()
    }

    /// A consumer group's figures.
    #[must_use]
    pub fn group(&self, id: Uuid) -> Option<Arc<GroupSeries>> {
        locked(&self.groups).get(&id).cloned()
    }

    /// Forgets routes and groups that `config` has no more.
    pub fn forget_what_is_gone(&self, config: &Config) {
        let known: std::collections::HashSet<Uuid> =
            config.base.routes.iter().map(|route| route.id).collect();
        locked(&self.routes).retain(|id, _| known.contains(id));
        locked(&self.groups).retain(|id, _| config.base.group_name(*id).is_some());
    }

    fn series(&self, id: Uuid) -> Arc<Series> {
        known_or(&self.routes, id, &self.other)
    }

    fn group_series(&self, id: Uuid) -> Arc<GroupSeries> {
        known_or(&self.groups, id, &self.other_groups)
    }
}

fn locked<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

fn known_or<T: Default>(all: &Mutex<HashMap<Uuid, Arc<T>>>, id: Uuid, other: &Arc<T>) -> Arc<T> {
    let mut all = locked(all);
    if all.len() >= MOST && !all.contains_key(&id) {
        return Arc::clone(other);
    }
    Arc::clone(all.entry(id).or_default())
}

/// One thread's way to its figures: what was looked up once under a configuration is at hand.
#[derive(Debug, Default)]
pub struct Board {
    ledger: Arc<Ledger>,
    view: RefCell<View>,
}

#[derive(Debug, Default)]
struct View {
    /// Of which configuration: held so that no other can lie at its address, without keeping its content alive.
    base: Weak<Base>,
    /// By the routes' places in it.
    routes: Vec<Option<Arc<Series>>>,
    groups: HashMap<Uuid, Arc<GroupSeries>>,
}

impl Board {
    /// For whoever asks.
    #[must_use]
    pub fn ledger(&self) -> &Arc<Ledger> {
        &self.ledger
    }

    /// Takes note of an exchange's end.
    pub fn record(&self, ending: &Ending<'_>) {
        let (Some(config), Some(place)) = (ending.config, ending.route) else {
            return self.ledger.unrouted.record(ending);
        };
        let mut view = self.view.borrow_mut();
        if view.base.as_ptr() != Arc::as_ptr(&config.base) {
            view.base = Arc::downgrade(&config.base);
            view.routes.clear();
            view.routes.resize(config.base.routes.len(), None);
            view.groups.clear();
        }
        let View { routes, groups, .. } = &mut *view;
        if let (Some(series), Some(route)) = (routes.get_mut(place), config.base.routes.get(place))
        {
            series
                .get_or_insert_with(|| self.ledger.series(route.id))
                .record(ending);
        }
        for id in ending.groups {
            groups
                .entry(*id)
                .or_insert_with(|| self.ledger.group_series(*id))
                .record(ending.status);
        }
    }
}
