//! What the streams of a client's connection share with the task that drives it: their number, what they leave behind,
//! and how much the client may send of bodies before they are read.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;

use bytes::Bytes;
use h2::{Reason, SendStream};

use super::room::{Portion, Room, Taken};
use super::wire::Wire;
use crate::proxy::timers::Millis;

/// What a connection may send of bodies from the start: HTTP/2 gives no less.
pub const FIRST_WINDOW: u32 = 65_535;

/// What it may send once it sends much, as long as the worker has room.
const MOST_WINDOW: u32 = 1024 * 1024;

/// Whose whole window was taken up in so short a time waits for the next one.
const BUSY_MS: Millis = 1_000;

/// Bytes of bodies that wait, from which on a connection hoards,
const HOARD: u64 = 8 * 1024;

/// where nobody took any of them for so long.
const PATIENCE_MS: Millis = 1_000;

/// See the module.
#[derive(Debug)]
pub struct Home {
    open: Cell<usize>,
    broken: RefCell<Vec<SendStream<Bytes>>>,
    waker: RefCell<Option<Waker>>,
    wire: Wire,
    room: Rc<Room>,
    /// Open streams with a body; only these can have the client's bytes held.
    bodies: Cell<usize>,
    /// The room for the first window, while there are such streams.
    first: RefCell<Option<Taken>>,
    /// The room by which it grew. Kept to the end: a window that a client was told of can't be taken back.
    grown: RefCell<Vec<Taken>>,
    window: Cell<u32>,
    /// What was taken up in all, when last, and how much of it since the window was last looked at.
    taken_up: Cell<u64>,
    moved: Cell<Millis>,
    looked: Cell<(Millis, u64)>,
    displaced: Cell<bool>,
}

impl Home {
    /// That of a connection without streams.
    #[must_use]
    pub fn new(wire: Wire, room: &Rc<Room>) -> Self {
        Self {
            open: Cell::new(0),
            broken: RefCell::default(),
            waker: RefCell::default(),
            wire,
            room: Rc::clone(room),
            bodies: Cell::new(0),
            first: RefCell::default(),
            grown: RefCell::default(),
            window: Cell::new(FIRST_WINDOW),
            taken_up: Cell::new(0),
            moved: Cell::new(0),
            looked: Cell::new((0, 0)),
            displaced: Cell::new(false),
        }
    }

    /// Streams that are being served.
    #[must_use]
    pub fn open(&self) -> usize {
        self.open.get()
    }

    /// Takes the room that a stream needs, `buffer` bytes for its answer; with a body also what the client may send.
    /// None where there is no more: the stream is to be refused.
    pub fn begin(&self, buffer: usize, has_body: bool, now: Millis) -> Option<Taken> {
        let portion = if self.open.get() == 0 {
            Portion::Whole
        } else {
            Portion::Most
        };
        let taken = self.room.take(buffer, portion)?;
        if has_body {
            if !self.hold(portion) {
                return None;
            }
            self.bodies.set(self.bodies.get() + 1);
            self.moved.set(now);
        }
        self.open.set(self.open.get() + 1);
        Some(taken)
    }

    /// A stream has ended.
    pub fn end(&self, has_body: bool) {
        self.open.set(self.open.get() - 1);
        if has_body {
            self.bodies.set(self.bodies.get() - 1);
            if self.bodies.get() == 0 {
                self.first.take();
                self.taken_up.set(self.wire.data_came());
            }
        }
        self.wake();
    }

    /// Takes the room for what the client may send anyway. False where there is none.
    pub fn hold(&self, portion: Portion) -> bool {
        let mut first = self.first.borrow_mut();
        if first.is_none() {
            *first = self.room.take(FIRST_WINDOW as usize, portion);
        }
        first.is_some()
    }

    /// So many bytes were taken up.
    pub fn took(&self, bytes: usize, now: Millis) {
        self.taken_up.set(self.taken_up.get() + bytes as u64);
        self.moved.set(now);
    }

    /// The window that the client is to have from now on, where it is worth a larger one and there is room.
    pub fn grow(&self, now: Millis) -> Option<u32> {
        let window = self.window.get();
        let (since, before) = self.looked.get();
        if window >= MOST_WINDOW || self.taken_up.get().saturating_sub(before) < window.into() {
            return None;
        }
        self.looked.set((now, self.taken_up.get()));
        if now.saturating_sub(since) > BUSY_MS {
            return None;
        }
        let grown = window.saturating_mul(2).min(MOST_WINDOW);
        let taken = (self.room).take((grown - window) as usize, Portion::Half)?;
        self.grown.borrow_mut().push(taken);
        self.window.set(grown);
        Some(grown)
    }

    /// Bytes of bodies wait, and nobody takes them.
    pub(super) fn hoards(&self, now: Millis) -> bool {
        let waiting = (self.wire.data_came()).saturating_sub(self.taken_up.get());
        let for_long = now.saturating_sub(self.moved.get()) >= PATIENCE_MS;
        self.bodies.get() > 0 && waiting >= HOARD && for_long && !self.displaced.get()
    }

    /// Others need the room.
    pub(super) fn displace(&self) {
        self.displaced.set(true);
        self.wake();
    }

    /// The connection is to end for others' sake.
    #[must_use]
    pub fn is_displaced(&self) -> bool {
        self.displaced.get()
    }

    /// Has the driving task woken when a stream ends.
    pub fn watch(&self, waker: &Waker) {
        match &mut *self.waker.borrow_mut() {
            Some(known) => known.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    /// An answer broke off: its stream is to be reset.
    pub fn broke(&self, stream: SendStream<Bytes>) {
        self.broken.borrow_mut().push(stream);
    }

    /// Resets the streams whose answers broke off. True if there were any.
    ///
    /// By the driving task, once what they had left to send was: a reset throws away what is still queued, and
    /// that was told to be delivered.
    pub fn reset_broken(&self) -> bool {
        let mut broken = self.broken.borrow_mut();
        let any = !broken.is_empty();
        for mut stream in broken.drain(..) {
            stream.send_reset(Reason::INTERNAL_ERROR);
        }
        any
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}
