//! The gateway's end of the configuration stream: `docs/maintainer/formats.md`, section 1.

mod client;
mod frames;
mod state;

pub use client::{Client, Identity};
pub use state::ControlState;
