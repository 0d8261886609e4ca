//! What holds of the usage log as a whole.
#![allow(clippy::cast_possible_truncation)] // small numbers

mod support;

mod crash;
mod lifecycle;
mod record;
mod space;
mod strict;
mod time;
