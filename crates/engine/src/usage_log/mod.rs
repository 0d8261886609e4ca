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

mod event;

pub use event::{
    Completion, Id, MAX_PATH, Mode, NO_ID, OTHER_METHOD, ShardId, Source, UsageEvent, method_name,
    method_number,
};
