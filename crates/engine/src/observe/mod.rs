//! What is told of the traffic beside its bill: figures by route, and who may read them.
//!
//! A thread that serves counts in memory that it alone writes; whoever asks for `/metrics` adds the threads up. So
//! counting takes neither a lock nor a locked instruction, but for the first request to a route under a new
//! configuration. The access log's lines go the same way: gathered by each thread, written by one of their own.

pub mod access_log;
mod background;
mod batches;
mod board;
mod entry;
mod histogram;
pub(crate) mod redact;
mod series;
mod text;
pub mod trace;

pub use background::Background;
pub use batches::Figures;
pub use board::{Board, Ending, Ledger};
pub use entry::{End, Entry, Noted};
pub use histogram::{BOUNDS_US, Histogram};
pub use series::{GroupSeries, MOST_STATUSES, OTHER_STATUS, Series, Status};
