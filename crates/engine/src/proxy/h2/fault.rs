//! Faults of streams as the sockets' they stand for.

use std::io;

/// A stream that ended before its time.
pub fn broken(_: &h2::Error) -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

/// A head that can't be carried.
pub fn unfit<E>(_: E) -> io::Error {
    io::ErrorKind::InvalidData.into()
}
