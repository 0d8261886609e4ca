//! Follows control's stream for as long as the gateway runs.

use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::UnixStream;
use tokio::time::timeout;

use super::frames::{FrameReader, write_frame};
use super::state::ControlState;
use crate::config::{FrameFault, Progress, Updater};

/// Pauses between tries to connect: from the first to the longest, doubling.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// After so long a connection was a good one, and its end no reason to be slow with the next.
const STEADY_AFTER: Duration = Duration::from_secs(1);

/// Control says something every second; after this long without a word it is taken for dead.
const LONGEST_SILENCE: Duration = Duration::from_secs(10);

/// Between two frames about upstreams' health; a little less than control's pings are apart.
const BETWEEN_NEWS: Duration = Duration::from_millis(900);

/// Who this gateway is.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// The node that it writes as.
    pub node: [u8; 16],
    /// Which start of a gateway on that node.
    pub epoch: u64,
}

/// What control was told of upstreams on one connection.
#[derive(Debug, Default)]
struct Told {
    health: Vec<serde_json::Value>,
    looked: Option<Instant>,
}

impl Told {
    /// How upstreams are, where that is news; at most one a second.
    fn news(&mut self, updater: &Updater) -> Option<&[serde_json::Value]> {
        if self
            .looked
            .is_some_and(|looked| looked.elapsed() < BETWEEN_NEWS)
        {
            return None;
        }
        self.looked = Some(Instant::now());
        let health = updater.health();
        if health == self.health {
            return None;
        }
        self.health = health;
        Some(&self.health)
    }
}

/// The one who talks to control and applies what it sends.
#[derive(Debug)]
pub struct Client {
    socket: PathBuf,
    identity: Identity,
    updater: Updater,
    state: Arc<ControlState>,
    /// The next hello asks for everything: what came did not follow what we have.
    resync: bool,
}

impl Client {
    /// A client of the socket at `socket`, which need not exist yet.
    #[must_use]
    pub fn new(
        socket: PathBuf,
        identity: Identity,
        updater: Updater,
        state: Arc<ControlState>,
    ) -> Self {
        Self {
            socket,
            identity,
            updater,
            state,
            resync: false,
        }
    }

    /// Connects, follows, and connects again. Runs until dropped.
    pub async fn run(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let applied = self.state.applied();
            let begun = Instant::now();
            let Err(error) = self.follow().await;
            self.state.connected(false);
            if self.state.applied() > applied {
                pause = FIRST_PAUSE;
            }
            // One that spoke for a while and then hung up is being replaced: the next one listens already.
            let hung_up = matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset
            );
            if hung_up && begun.elapsed() >= STEADY_AFTER {
                continue;
            }
            self.state
                .set_fault(Some(format!("{}: {error}", self.socket.display())));
            tokio::time::sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }

    /// One connection, from hello to its end.
    async fn follow(&mut self) -> io::Result<std::convert::Infallible> {
        let mut stream = UnixStream::connect(&self.socket).await?;
        let version = if self.resync {
            None
        } else {
            self.updater.version()
        };
        let mut node = String::new();
        for byte in self.identity.node {
            // Writing to a string can't fail.
            let _ = write!(node, "{byte:02x}");
        }
        let epoch = self.identity.epoch;
        let hello = json!({
            "type": "hello", "protocol": 1, "node": node, "epoch": epoch, "version": version,
        });
        write_frame(&mut stream, &hello).await?;
        let mut reader = FrameReader::default();
        let mut told = Told::default();
        loop {
            let frame = timeout(LONGEST_SILENCE, reader.next(&mut stream))
                .await
                .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
            // Not before it speaks: the socket may be open while control is being started.
            self.state.connected(true);
            if let Some(answer) = self.apply(frame)? {
                write_frame(&mut stream, &answer).await?;
            }
            // Control says something every second, so this is looked at as often.
            if let Some(health) = told.news(&self.updater) {
                let frame = json!({"type": "health", "upstreams": health});
                write_frame(&mut stream, &frame).await?;
            }
        }
    }

    /// Applies a frame; what comes back is to be sent.
    fn apply(&mut self, frame: &str) -> io::Result<Option<serde_json::Value>> {
        let applied = self.updater.frame(frame);
        let answer = match applied {
            Ok(Progress::Applied(version)) => {
                self.resync = false;
                self.state.heard_of(version);
                self.state.count_applied();
                Ok(Some(json!({"type": "applied", "version": version})))
            }
            Ok(Progress::Receiving) => Ok(None),
            Ok(Progress::Newest(version)) => {
                self.state.heard_of(version);
                Ok(None)
            }
            Err(FrameFault::Rejected { version, error }) => {
                self.state.heard_of(version);
                self.state.count_rejected(error.to_string());
                Ok(Some(json!({
                    "type": "rejected", "version": version,
                    "location": error.location, "problem": error.problem, "fix": error.fix,
                })))
            }
            Err(FrameFault::Gap { .. }) => {
                self.resync = true;
                Err(io::Error::other(
                    "a delta does not follow; asking for everything",
                ))
            }
            Err(FrameFault::Unreadable(error)) => {
                self.resync = true;
                Err(io::Error::other(format!("a frame can't be read: {error}")))
            }
        };
        if let Some(fault) = self.updater.take_cache_fault() {
            self.state
                .set_fault(Some(format!("the configuration's copy on disk: {fault}")));
        }
        if self.updater.lost_copy() {
            self.resync = true;
            return Err(io::Error::other(
                "another gateway has replaced the configuration's copy on disk; asking for everything",
            ));
        }
        answer
    }
}
