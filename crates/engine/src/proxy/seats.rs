//! A worker's view of the balancers: the members of each as last seen, fetched anew only when they changed, so that
//! choosing takes no lock and writes to no count that other threads write to.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::budget::Budget;
use crate::balancer::{Balancer, Members};

/// Members that somebody on this thread uses: they stay as long as they do.
#[derive(Debug, Clone)]
#[allow(
    clippy::redundant_allocation,
    reason = "the outer count is this thread's alone"
)]
pub(super) struct Seated {
    members: Rc<Arc<Members>>,
    /// What the upstream's requests may spend on trying again.
    pub budget: Rc<Budget>,
}

impl std::ops::Deref for Seated {
    type Target = Members;

    fn deref(&self) -> &Members {
        &self.members
    }
}

/// By the balancers' places in the configuration.
#[derive(Debug, Default)]
pub(super) struct Seats {
    seats: RefCell<Vec<Option<Seat>>>,
}

#[derive(Debug)]
struct Seat {
    balancer: Arc<Balancer>,
    watch: watch::Receiver<Arc<Members>>,
    seated: Seated,
}

impl Seat {
    fn take(balancer: &Arc<Balancer>, budget: Rc<Budget>) -> Self {
        let mut watch = balancer.watch();
        let members = Rc::new(Arc::clone(&watch.borrow_and_update()));
        Self {
            balancer: Arc::clone(balancer),
            watch,
            seated: Seated { members, budget },
        }
    }
}

impl Seats {
    /// The members of the balancer at `place` now.
    pub fn members(&self, place: usize, balancer: &Arc<Balancer>) -> Seated {
        let mut seats = self.seats.borrow_mut();
        if seats.len() <= place {
            seats.resize_with(place + 1, || None);
        }
        let seat = &mut seats[place];
        match seat {
            Some(seat) if Arc::ptr_eq(&seat.balancer, balancer) => {
                if seat.watch.has_changed().unwrap_or(false) {
                    seat.seated.members = Rc::new(Arc::clone(&seat.watch.borrow_and_update()));
                }
                seat.seated.clone()
            }
            other => {
                let before = other.take();
                let same = before.filter(|seat| seat.balancer.policy.id == balancer.policy.id);
                let budget = same.map_or_else(Rc::default, |seat| seat.seated.budget);
                other.insert(Seat::take(balancer, budget)).seated.clone()
            }
        }
    }

    /// Lets go of what no configuration holds any more.
    pub fn sweep(&self) {
        for seat in self.seats.borrow_mut().iter_mut() {
            if seat
                .as_ref()
                .is_some_and(|seat| Arc::strong_count(&seat.balancer) == 1)
            {
                *seat = None;
            }
        }
    }
}

/// Waits for the first answer about a balancer's names, where none came yet; at most `longest`.
pub(super) async fn first_answer(balancer: &Balancer, longest: Duration) {
    let mut watch = balancer.watch();
    let _ = tokio::time::timeout(longest, watch.wait_for(|members| !members.awaited)).await;
}
