//! The thread that writes.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use super::Figures;
use super::journal::Full;
use super::sink::Sink;

/// Buffers that may wait: more than any number of threads has that a machine serves with.
const MOST_WAITING: usize = 4096;

/// How often it is looked whether the file is still where it was.
const LOOK: Duration = Duration::from_secs(1);

/// How long the end of the process waits for what is still to be written.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who writes, for the one who ends it.
#[derive(Debug)]
pub struct Writer {
    /// Never anything, but its end.
    ended: Receiver<()>,
}

impl Writer {
    pub(super) fn start(sink: Sink, figures: Arc<Figures>) -> io::Result<(SyncSender<Full>, Self)> {
        let (full, waiting) = sync_channel(MOST_WAITING);
        let (running, ended) = sync_channel(0);
        thread::Builder::new()
            .name("tollway-access".to_owned())
            .spawn(move || {
                let _running: SyncSender<()> = running;
                write_all(sink, &waiting, &figures);
            })?;
        Ok((full, Self { ended }))
    }

    /// Waits until everything is written, once nobody holds the log any more; not for long, as whoever reads what is
    /// written may never go on.
    pub fn finish(self) {
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}

fn write_all(mut sink: Sink, waiting: &Receiver<Full>, figures: &Figures) {
    let mut looked = Instant::now();
    let mut fails = false;
    loop {
        if looked.elapsed() >= LOOK {
            tell(&mut fails, &sink.look());
            looked = Instant::now();
        }
        let Full {
            mut bytes,
            lines,
            home,
        } = match waiting.recv_timeout(LOOK) {
            Ok(full) => full,
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => return,
        };
        let written = sink.write(&bytes);
        let figure = if written.is_ok() {
            &figures.written
        } else {
            &figures.dropped
        };
        figure.fetch_add(lines, Ordering::Relaxed);
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
        eprintln!("tollway: the access log can't be written, lines are dropped: {error}");
    }
    *fails = done.is_err();
}
