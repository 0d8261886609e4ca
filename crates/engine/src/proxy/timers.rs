//! Timeouts of a worker: one clock that ticks, and a slot for each connection.
//!
//! A timer of the runtime costs more than a request can spare, several times over. Here setting a timeout
//! writes one cell; the price is that it may come up to two ticks late. It never comes early.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

/// How often the clock ticks.
pub const TICK: Duration = Duration::from_millis(25);
const TICK_MS: u64 = 25;
const NEVER: u64 = u64::MAX;

/// Milliseconds on the worker's clock.
pub type Millis = u64;

/// A worker's clock and what waits for it.
#[derive(Debug)]
pub struct Timers {
    start: Instant,
    now: Cell<Millis>,
    slots: RefCell<Slots>,
}

#[derive(Debug, Default)]
struct Slots {
    all: Vec<Slot>,
    free: Vec<usize>,
}

#[derive(Debug)]
struct Slot {
    due: Millis,
    waker: Option<Waker>,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            now: Cell::new(0),
            slots: RefCell::default(),
        }
    }
}

impl Timers {
    /// The time of the last tick.
    #[must_use]
    pub fn now(&self) -> Millis {
        self.now.get()
    }

    /// When `timeout` milliseconds from now will surely have passed.
    #[must_use]
    pub fn after(&self, timeout: Millis) -> Millis {
        self.now
            .get()
            .saturating_add(timeout)
            .saturating_add(TICK_MS)
    }

    /// Moves the clock to the present and wakes whoever is due.
    pub fn tick(&self) {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(NEVER - 1);
        self.now.set(now);
        for slot in &mut self.slots.borrow_mut().all {
            if slot.due <= now {
                slot.due = NEVER;
                if let Some(waker) = &slot.waker {
                    waker.wake_by_ref();
                }
            }
        }
    }

    /// Wakes everybody, to look at the world anew.
    pub fn wake_all(&self) {
        for slot in &self.slots.borrow().all {
            if let Some(waker) = &slot.waker {
                waker.wake_by_ref();
            }
        }
    }

    /// A place to wait in.
    #[must_use]
    pub fn alarm(self: &Rc<Self>) -> Alarm {
        let mut slots = self.slots.borrow_mut();
        let index = slots.free.pop().unwrap_or_else(|| {
            slots.all.push(Slot {
                due: NEVER,
                waker: None,
            });
            slots.all.len() - 1
        });
        Alarm {
            timers: Rc::clone(self),
            index,
        }
    }
}

/// One connection's place on the worker's clock: it wakes its task, which then looks what is overdue.
#[derive(Debug)]
pub struct Alarm {
    timers: Rc<Timers>,
    index: usize,
}

impl Alarm {
    /// Wakes `waker` at `due`, instead of whatever was set before.
    pub fn set(&self, due: Millis, waker: &Waker) {
        let slot = &mut self.timers.slots.borrow_mut().all[self.index];
        slot.due = due;
        match &mut slot.waker {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let mut slots = self.timers.slots.borrow_mut();
        slots.all[self.index] = Slot {
            due: NEVER,
            waker: None,
        };
        slots.free.push(self.index);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn an_alarm_wakes_once_when_due_and_not_after_it_is_dropped() {
        let timers = Rc::new(Timers::default());
        let count = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&count));
        let woken = || count.0.load(Ordering::Relaxed);
        let alarm = timers.alarm();
        alarm.set(0, &waker);
        timers.tick();
        timers.tick();
        assert_eq!(woken(), 1);
        alarm.set(timers.after(60_000), &waker);
        timers.tick();
        assert_eq!(woken(), 1, "not before it is due");
        alarm.set(0, &waker);
        drop(alarm);
        timers.tick();
        assert_eq!(woken(), 1);
        assert_eq!(timers.alarm().index, 0, "a slot is used again");
    }
}
