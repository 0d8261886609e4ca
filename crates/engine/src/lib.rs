//! The data plane of Tollway.
