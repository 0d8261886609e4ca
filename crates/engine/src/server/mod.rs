//! The gateway process: its options, threads, signals and status port.

pub mod options;
