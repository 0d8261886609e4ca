//! What the thread does that writes.

use std::io::{self, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use super::sink::Sink;
use crate::observe::batches::{Figures, Full};

/// How often it is looked whether the file is still where it was.
const LOOK: Duration = Duration::from_secs(1);

pub(super) fn write_all(mut sink: Sink, waiting: &Receiver<Full>, figures: &Figures) {
    let mut looked = Instant::now();
    let mut fails = false;
    loop {
        if looked.elapsed() >= LOOK {
            tell(&mut fails, &sink.look());
            looked = Instant::now();
        }
        let Full {
            mut bytes,
            count,
            home,
        } = match waiting.recv_timeout(LOOK) {
            Ok(full) => full,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let written = sink.write(&bytes);
        figures.note(count, written.is_ok());
        tell(&mut fails, &written);
        bytes.clear();
        let _ = home.try_send(bytes);
    }
}

/// Says once that lines are lost, until they aren't.
fn tell(fails: &mut bool, done: &io::Result<()>) {
    if let Err(error) = done
        && !*fails
    {
        // Where nobody reads that either, this thread goes on nevertheless: eprintln! would end it.
        let mut stderr = io::stderr();
        let _ = writeln!(
            stderr,
            "tollway: the access log can't be written, lines are dropped: {error}"
        );
    }
    *fails = done.is_err();
}
