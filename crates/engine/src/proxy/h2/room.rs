//! The room that a worker has for bodies of HTTP/2, both ways. It is taken before a byte can come, for all that windows and
//! buffers allow: so the bound holds whatever clients and upstreams do.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::{Rc, Weak};

use super::home::Home;
use crate::proxy::timers::Millis;

/// How much of the room there is for what is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Portion {
    /// Half: for what makes a client faster, and no more than that.
    Half,
    /// Three quarters: for a client that is served already.
    Most,
    /// Everything.
    Whole,
}

/// What one worker may hold.
#[derive(Debug)]
pub struct Room {
    most: usize,
    taken: Cell<usize>,
    /// Clients' connections, the oldest first.
    homes: RefCell<BTreeMap<u64, Weak<Home>>>,
    next: Cell<u64>,
    /// When somebody was last looked for who should make room.
    pressed: Cell<Option<Millis>>,
}

/// A part of the room, given back when it is dropped.
#[derive(Debug)]
pub struct Taken {
    room: Rc<Room>,
    bytes: usize,
}

impl Room {
    /// Room for `most` bytes.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self {
            most,
            taken: Cell::new(0),
            homes: RefCell::default(),
            next: Cell::new(0),
            pressed: Cell::new(None),
        }
    }

    /// How much of it is taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.taken.get()
    }

    /// Takes `bytes`; none where `portion` has no more.
    #[must_use]
    pub fn take(self: &Rc<Self>, bytes: usize, portion: Portion) -> Option<Taken> {
        let most = match portion {
            Portion::Half => self.most / 2,
            Portion::Most => self.most / 4 * 3,
            Portion::Whole => self.most,
        };
        let taken = self.taken.get().checked_add(bytes)?;
        (taken <= most).then(|| {
            self.taken.set(taken);
            let room = Rc::clone(self);
            Taken { room, bytes }
        })
    }

    /// Takes note of a client's connection, and gives its number.
    pub(super) fn enter(&self, home: &Rc<Home>) -> u64 {
        let number = self.next.get();
        self.next.set(number.wrapping_add(1));
        (self.homes.borrow_mut()).insert(number, Rc::downgrade(home));
        number
    }

    /// The connection of that number has ended.
    pub(super) fn leave(&self, number: u64) {
        self.homes.borrow_mut().remove(&number);
    }

    /// Somebody got no room: the oldest connection that hoards bytes of which nobody takes any has to end. One look a
    /// tick: connections are many, and who is refused may try again.
    pub fn press(&self, now: Millis) {
        if self.pressed.replace(Some(now)) == Some(now) {
            return;
        }
        let homes = self.homes.borrow();
        let mut homes = homes.values().filter_map(Weak::upgrade);
        if let Some(home) = homes.find(|home| home.hoards(now)) {
            home.displace();
        }
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let room = &self.room;
        room.taken.set(room.taken.get() - self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_comes_back_and_is_never_more_than_there_is() {
        let room = Rc::new(Room::new(100));
        let half = room.take(50, Portion::Half).unwrap();
        assert!(room.take(1, Portion::Half).is_none());
        let most = room.take(25, Portion::Most).unwrap();
        assert!(room.take(1, Portion::Most).is_none());
        let whole = room.take(25, Portion::Whole).unwrap();
        assert!(room.take(1, Portion::Whole).is_none());
        assert!(room.take(usize::MAX, Portion::Whole).is_none());
        assert_eq!(room.taken(), 100);
        drop((half, most, whole));
        assert_eq!(room.taken(), 0);
    }
}
