//! The HTTP layer.

pub mod chunked;
pub mod framing;
pub mod head;
pub mod request_head;
pub mod response_head;
