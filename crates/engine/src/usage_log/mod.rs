//! The usage log: where a served request becomes a fact that can be billed.
//!
//! An event's identity is (node, epoch, shard, offset). The gateway appends; the meter reads in place,
//! below the marks. How the request path uses it, one shard per proxy thread:
//!
//! ```text
//! let log = UsageLog::open(LogConfig::new(directory, node, shards, Level::Group))?;   // a new epoch
//! let shard: Arc<Shard> = log.shard(i);
//! let permit = shard.admit()?;                  // at the request's start; Err(Refused): answer 503, forward nothing
//! let appended = permit.append(&event);         // before the last byte: cannot fail, never blocks
//! shard.durable(&appended).await?;              // ready at once in group and relaxed; in strict after the fdatasync
//! log.health();                                 // room, budget, age of the oldest event not yet synced, faults
//! log.close()?;                                 // after the drain
//! ```
//!
//! A part of a long exchange takes a permit of its own: `shard.admit()?.append(&part)`. A permit that is
//! dropped gives its room back.

mod aggregate;
mod clock;
mod codec;
mod config;
mod durable;
mod epoch;
mod error;
mod event;
mod flusher;
mod health;
mod keeper;
mod layout;
mod log;
mod mark;
mod reader;
mod record;
mod recovery;
mod retention;
mod ring;
mod scan;
mod segment;
mod select;
mod shard;
mod tail;
#[cfg(test)]
mod tests;

pub use aggregate::{ActivityKey, Batch, Fault, FaultKind, GroupKey, Groups, Sums, aggregate};
pub use config::{Clock, Level, LogConfig, system_clock};
pub use durable::Durable;
pub use error::{LogError, Refused};
pub use event::{
    Completion, Id, MAX_PATH, Mode, NO_ID, OTHER_METHOD, ShardId, Source, UsageEvent, method_name,
    method_number,
};
pub use health::{Health, ShardHealth};
pub use layout::{node_name, parse_node};
pub use log::UsageLog;
pub use reader::{Cursors, Range, Reader, ShardView, View};
pub use recovery::Recovered;
pub use retention::delete_passed;
pub use scan::{Gap, GapKind};
pub use select::{Events, Logged, Selection};
pub use shard::{Appended, Permit, Shard};
