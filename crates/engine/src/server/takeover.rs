//! Taking over from another gateway that serves on the same sockets.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;

use super::status::Facts;
use super::stop::Stage;

/// How often it is looked whether this gateway could serve.
const LOOK: Duration = Duration::from_millis(10);

/// Waits until this gateway can serve, and lets it begin. What it still lacks is written to `ready` whenever that
/// changes, a line each, and in the end `ready`: who started it reads there whether to go on waiting.
pub(super) async fn take_over(ready: OwnedFd, facts: Rc<Facts>, stage: Arc<watch::Sender<Stage>>) {
    let mut told = None;
    loop {
        let lacking = facts.lacking();
        if lacking.is_none() {
            break;
        }
        if lacking != told {
            tell(&ready, lacking.as_deref().unwrap_or_default());
            told = lacking;
        }
        sleep(LOOK).await;
    }
    // Asked to stop meanwhile, it doesn't begin.
    let begun = stage.send_if_modified(|stage| {
        let begins = *stage == Stage::Starting;
        if begins {
            *stage = Stage::Serving;
        }
        begins
    });
    if begun {
        tell(&ready, "ready");
    }
}

/// Best effort: with nobody reading there is nobody to tell, and a pipe that is full has told enough.
fn tell(ready: &OwnedFd, line: &str) {
    let line = format!("{}\n", line.replace('\n', " "));
    let _ = rustix::io::write(ready, line.as_bytes());
}
