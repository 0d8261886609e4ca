//! Active checks: when each target is asked how it is, and what becomes of the answer.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::probe;
use crate::balancer::{Balancer, Endpoint};
use crate::uuid::Uuid;

/// Checks under way and to come.
#[derive(Debug, Default)]
pub(super) struct Checks {
    /// By endpoint. (Two that are alike are two: the key is where the one kept beside it lies.)
    plans: RefCell<HashMap<usize, Plan>>,
    /// How many are under way, by upstream.
    running: RefCell<HashMap<Uuid, Rc<Cell<usize>>>>,
}

#[derive(Debug)]
struct Plan {
    /// Keeps the key from becoming another's.
    _endpoint: Arc<Endpoint>,
    last: Option<Instant>,
    busy: Rc<Cell<bool>>,
    wanted: bool,
}

impl Checks {
    /// Begins the checks that are due.
    pub(super) fn look(&self, balancers: &[Arc<Balancer>], now: Instant) {
        let mut plans = self.plans.borrow_mut();
        plans.values_mut().for_each(|plan| plan.wanted = false);
        for balancer in balancers {
            let Some(active) = &balancer.policy.active else {
                continue;
            };
            let running = Rc::clone(
                (self.running.borrow_mut())
                    .entry(balancer.policy.id)
                    .or_default(),
            );
            for member in &balancer.members().members {
                if member.weight == 0 {
                    continue;
                }
                let endpoint = &member.endpoint;
                let plan = plans.entry(Arc::as_ptr(endpoint) as usize);
                let plan = plan.or_insert_with(|| Plan {
                    _endpoint: Arc::clone(endpoint),
                    last: None,
                    busy: Rc::default(),
                    wanted: true,
                });
                plan.wanted = true;
                let every = if endpoint.health.is_up() {
                    active.healthy_every_ms
                } else {
                    active.unhealthy_every_ms
                };
                let Some(every) = every.map(Duration::from_millis) else {
                    continue;
                };
                let is_due = plan.last.is_none_or(|last| now >= last + every);
                if is_due && !plan.busy.get() && running.get() < active.concurrency {
                    plan.last = Some(now);
                    let busy = (Rc::clone(&plan.busy), Rc::clone(&running));
                    check(Arc::clone(balancer), Arc::clone(endpoint), busy);
                }
            }
        }
        plans.retain(|_, plan| plan.wanted || plan.busy.get());
        let known = |id: &Uuid| balancers.iter().any(|balancer| balancer.policy.id == *id);
        (self.running.borrow_mut()).retain(|id, running| running.get() > 0 || known(id));
    }
}

/// Counts a check as under way until it is dropped.
struct Under((Rc<Cell<bool>>, Rc<Cell<usize>>));

impl Drop for Under {
    fn drop(&mut self) {
        let (busy, running) = &self.0;
        busy.set(false);
        running.set(running.get() - 1);
    }
}

fn check(
    balancer: Arc<Balancer>,
    endpoint: Arc<Endpoint>,
    (busy, running): (Rc<Cell<bool>>, Rc<Cell<usize>>),
) {
    busy.set(true);
    running.set(running.get() + 1);
    let under = Under((busy, running));
    tokio::task::spawn_local(async move {
        let _under = under;
        let Some(active) = &balancer.policy.active else {
            return;
        };
        if let Some(report) = probe::ask(active, &endpoint).await {
            balancer.members().checked(&endpoint, report);
        }
    });
}
