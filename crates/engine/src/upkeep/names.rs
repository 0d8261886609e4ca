//! The addresses of targets' names: asked for ahead of requests, again when their lifetime ends, and kept while nobody
//! answers.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::balancer::{Balancer, Found};
use crate::names::{NameOptions, Names};

/// A name, and whether its SRV records are asked for.
type Key = (Box<str>, bool);

/// Knows all targets' names.
#[derive(Debug)]
pub(super) struct Keeper {
    names: Rc<Names>,
    known: Rc<RefCell<HashMap<Key, Name>>>,
}

#[derive(Debug)]
struct Name {
    answer: Option<Arc<[Found]>>,
    /// When its records' lifetime ended, or will.
    ended: Instant,
    /// When to ask; none while somebody does.
    due: Option<Instant>,
    /// A target has it.
    wanted: bool,
}

impl Keeper {
    pub(super) fn new(options: NameOptions) -> Self {
        Self {
            names: Rc::new(Names::new(options)),
            known: Rc::default(),
        }
    }

    /// Hands on what is known, and asks for what is due.
    pub(super) fn look(&self, balancers: &[Arc<Balancer>], now: Instant) {
        let mut known = self.known.borrow_mut();
        known.values_mut().for_each(|name| name.wanted = false);
        for balancer in balancers {
            for (place, target) in balancer.policy.targets.iter().enumerate() {
                if target.literal.is_some() {
                    continue;
                }
                // As RFC 2782 has it; where the upstream wants such names, others may have them too.
                let services = target.host.starts_with('_') || balancer.policy.use_srv_name;
                let key = (target.host.clone(), services);
                let name = known.entry(key).or_insert_with(|| Name {
                    answer: None,
                    ended: now,
                    due: Some(now),
                    wanted: true,
                });
                name.wanted = true;
                if let Some(answer) = &name.answer {
                    balancer.resolved(place, answer);
                }
            }
        }
        known.retain(|_, name| name.wanted || name.due.is_none());
        for (key, name) in known.iter_mut() {
            if name.due.is_some_and(|due| due <= now) {
                name.due = None;
                self.ask(key.clone());
            }
        }
    }

    fn ask(&self, key: Key) {
        let (names, known) = (Rc::clone(&self.names), Rc::clone(&self.known));
        tokio::task::spawn_local(async move {
            let said = names.ask(&key.0, key.1).await;
            let now = Instant::now();
            let options = names.options();
            let soon = now + Duration::from_millis(options.negative_ttl_ms);
            if let Some(name) = known.borrow_mut().get_mut(&key) {
                if let Ok(answer) = said {
                    name.ended = now + answer.ttl;
                    name.due = Some(name.ended);
                    name.answer = Some(answer.found);
                    return;
                }
                // What was true last goes on for a while, and is asked about again soon.
                name.due = Some(soon);
                let stale = Duration::from_millis(options.stale_ms);
                if name.answer.is_none() || now >= name.ended + stale {
                    name.answer = Some(Arc::default());
                }
            }
        });
    }
}
