//! A thread beside those that serve, which ends when they have.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

/// How long the end of the process waits for what is still to be told.
const PATIENCE: Duration = Duration::from_secs(2);

/// For the one who ends it.
#[derive(Debug)]
pub struct Background {
    /// Never anything, but its end.
    ended: Receiver<()>,
}

impl Background {
    pub(super) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (running, ended) = sync_channel(0);
        thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let _running: SyncSender<()> = running;
                work();
            })?;
        Ok(Self { ended })
    }

    /// Waits until everything is told, once nobody has any more to tell; not for long, as who takes it may never go on.
    pub fn finish(self) {
        let _ = self.ended.recv_timeout(PATIENCE);
    }
}
