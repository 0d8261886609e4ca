//! Sockets and pipes that the gateway was started with.
//!
//! The one place that turns numbers into descriptors. Whoever starts the gateway promises by naming a number
//! that it is open and nobody else's in this process. `Options` refuses a number that is named twice.
#![allow(unsafe_code)]

use std::net::TcpListener;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use super::StartError;

/// The listening socket behind `number`, set not to block.
pub(super) fn listener(option: &str, number: RawFd) -> Result<TcpListener, StartError> {
    let listener = TcpListener::from(owned(option, number)?);
    let fault = |error| StartError::new(option, &format!("descriptor {number}: {error}"));
    listener.local_addr().map_err(fault)?;
    listener.set_nonblocking(true).map_err(fault)?;
    Ok(listener)
}

/// The descriptor `number`, ours from here on.
pub(super) fn owned(option: &str, number: RawFd) -> Result<OwnedFd, StartError> {
    let closed = || {
        StartError::new(
            option,
            &format!("descriptor {number} is not open; pass it on"),
        )
    };
    if number <= 2 {
        return Err(StartError::new(
            option,
            &format!("descriptor {number} is a standard stream"),
        ));
    }
    // SAFETY: `number` isn't -1, and the borrow ends before anything could close it. Whether it is open is what
    // is asked here; asking of a closed one is an error of the system, not undefined.
    let borrowed = unsafe { BorrowedFd::borrow_raw(number) };
    rustix::io::fcntl_getfd(borrowed.as_fd()).map_err(|_| closed())?;
    // SAFETY: it is open, and by the options' contract the gateway owns it: nobody else will close it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
