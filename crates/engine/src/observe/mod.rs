//! What is told of the traffic beside its bill: figures by route, and who may read them.
//!
//! A thread that serves counts in memory that it alone writes; whoever asks for `/metrics` adds the threads up. So
//! counting takes neither a lock nor a locked instruction, but for the first request to a route under a new
//! configuration.

mod board;
mod histogram;
mod series;

pub use board::{Board, Ending, Ledger};
pub use histogram::{BOUNDS_US, Histogram};
pub use series::{GroupSeries, MOST_STATUSES, OTHER_STATUS, Series, Status};
