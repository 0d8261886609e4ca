//! The node's clock: no event of a new epoch gets a time before it.
//!
//! A reader that looked at all epochs says "everything before T is in", also while no gateway lives. It
//! writes T here before it looks. A new epoch shows itself before it reads this file. So either the look
//! has seen the epoch, or the epoch's times begin at T: whatever the wall's clock does in between.
//!
//! The file is not synced: a power cut together with a clock that stepped back makes usage late, no more.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::error::{AtPath, Result};
use super::layout::number;

const CLOCK: &str = "clock";

/// The earliest time that a new event of this node may have, µs.
pub(super) fn floor(node_dir: &Path) -> Result<u64> {
    let path = node_dir.join(CLOCK);
    match File::open(&path) {
        Ok(file) => Ok(read(&file)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error).at("open", &path),
    }
}

/// Raises the floor, if it is lower.
pub(super) fn raise_floor(node_dir: &Path, to: u64) -> Result<()> {
    let path = node_dir.join(CLOCK);
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path);
    let file = file.at("open", &path)?;
    file.lock().at("lock", &path)?;
    if read(&file) < to {
        let mut bytes = [0; 12];
        bytes[..8].copy_from_slice(&to.to_le_bytes());
        bytes[8..].copy_from_slice(&crc32c::crc32c(&to.to_le_bytes()).to_le_bytes());
        file.write_all_at(&bytes, 0).at("write", &path)?;
    }
    Ok(())
}

fn read(file: &File) -> u64 {
    let mut bytes = [0; 12];
    let whole = file.read_exact_at(&mut bytes, 0).is_ok()
        && number(&bytes, 8, 4) == u64::from(crc32c::crc32c(&bytes[..8]));
    if whole { number(&bytes, 0, 8) } else { 0 }
}
