//! What holds of the usage log as a whole.

mod support;

mod lifecycle;
mod time;
