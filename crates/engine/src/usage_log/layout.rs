//! Where the files of the usage log lie, and what a segment begins with.
//!
//! ```text
//! usage-log/NODE/clock                      no event gets a time before this: see `clock`
//! usage-log/NODE/EPOCH/                     locked (flock) by its gateway for as long as that lives
//! usage-log/NODE/EPOCH/SHARD/mark           how far the shard may be read: see `mark`
//! usage-log/NODE/EPOCH/SHARD/ring           of a shard that isn't closed: see `ring`
//! usage-log/NODE/EPOCH/SHARD/OFFSET.seg     a segment: 64 bytes that say whose it is, then records
//! usage-log/NODE/EPOCH/SHARD/spare          the next segment, allocated ahead
//! ```
//!
//! OFFSET, 20 decimal digits, is the offset of the segment's first record. A segment ends where the next
//! begins; records never straddle.

use std::path::{Path, PathBuf};

use super::error::{AtPath, LogError, Result};
use super::event::{Id, ShardId};
use super::record::Seed;

pub(super) const MARK: &str = "mark";
pub(super) const RING: &str = "ring";
pub(super) const SPARE: &str = "spare";
/// What a segment or mark begins with.
pub(super) const HEADER: u64 = HEADER_BYTES as u64;
pub(super) const HEADER_BYTES: usize = 64;

const MAGIC: &[u8; 8] = b"TOLLWAYU";
const VERSION: u16 = 1;

impl std::fmt::Display for ShardId {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            out,
            "{}/{}/{}",
            node_name(&self.node),
            self.epoch,
            self.shard
        )
    }
}

/// A node as 32 hex digits.
#[must_use]
pub fn node_name(node: &Id) -> String {
    format!("{:032x}", u128::from_be_bytes(*node))
}

/// Reads what [`node_name`] writes.
#[must_use]
pub fn parse_node(name: &str) -> Option<Id> {
    let mut node = [0; 16];
    if name.len() != 32
        || !name
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    {
        return None;
    }
    for (byte, at) in node.iter_mut().zip((0..32).step_by(2)) {
        *byte = u8::from_str_radix(&name[at..at + 2], 16).ok()?;
    }
    Some(node)
}

pub(super) fn node_dir(root: &Path, node: &Id) -> PathBuf {
    root.join(node_name(node))
}

pub(super) fn epoch_dir(root: &Path, node: &Id, epoch: u64) -> PathBuf {
    node_dir(root, node).join(epoch.to_string())
}

pub(super) fn shard_dir(root: &Path, shard: ShardId) -> PathBuf {
    epoch_dir(root, &shard.node, shard.epoch).join(shard.shard.to_string())
}

pub(super) fn segment_name(base: u64) -> String {
    format!("{base:020}.seg")
}

/// The nodes under `root`, in order. None where there is no such directory yet.
pub(super) fn nodes(root: &Path) -> Result<Vec<Id>> {
    named(root, parse_node)
}

/// The epochs of a node, in order.
pub(super) fn epochs(node_dir: &Path) -> Result<Vec<u64>> {
    named(node_dir, decimal)
}

/// The shards of an epoch, in order.
pub(super) fn shards(epoch_dir: &Path) -> Result<Vec<u32>> {
    named(epoch_dir, decimal)
}

/// The offsets of a shard's segments, in order.
pub(super) fn segments(shard_dir: &Path) -> Result<Vec<u64>> {
    named(shard_dir, |name| {
        let digits = name
            .strip_suffix(".seg")
            .filter(|digits| digits.len() == 20)?;
        digits.parse().ok()
    })
}

/// A number as we write it: `"01"` isn't.
fn decimal<N: std::str::FromStr + ToString>(name: &str) -> Option<N> {
    name.parse()
        .ok()
        .filter(|number: &N| number.to_string() == name)
}

fn named<T: Ord>(directory: &Path, parse: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).at("list", directory),
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.at("list", directory)?.file_name();
        found.extend(name.to_str().and_then(&parse));
    }
    found.sort_unstable();
    Ok(found)
}

/// What a segment or mark says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub shard: ShardId,
    /// See [`Seed`].
    pub salt: u64,
    /// A segment's offset; 0 in a mark.
    pub base: u64,
}

impl Header {
    pub(super) fn seed(&self) -> Seed {
        Seed::new(self.shard, self.salt)
    }

    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..10].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.shard.shard.to_le_bytes());
        bytes[16..32].copy_from_slice(&self.shard.node);
        bytes[32..40].copy_from_slice(&self.shard.epoch.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.salt.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.base.to_le_bytes());
        let sum = crc32c::crc32c(&bytes[..60]);
        bytes[60..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the header of the file at `path`. Damage is an error, and so is a later version.
    pub(super) fn decode(bytes: &[u8], path: &Path) -> Result<Self> {
        let damaged = |problem: &str| LogError::Damaged {
            path: path.to_owned(),
            problem: problem.to_owned(),
        };
        let Some((bytes, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
            return Err(damaged("is shorter than its header"));
        };
        if &bytes[..8] != MAGIC || number(bytes, 60, 4) != u64::from(crc32c::crc32c(&bytes[..60])) {
            return Err(damaged("its header is damaged"));
        }
        if number(bytes, 8, 2) != u64::from(VERSION) {
            return Err(LogError::LaterVersion {
                path: path.to_owned(),
            });
        }
        let mut node = [0; 16];
        node.copy_from_slice(&bytes[16..32]);
        Ok(Self {
            shard: ShardId {
                node,
                epoch: number(bytes, 32, 8),
                shard: u32::try_from(number(bytes, 12, 4)).unwrap_or(u32::MAX),
            },
            salt: number(bytes, 40, 8),
            base: number(bytes, 48, 8),
        })
    }
}

/// The little-endian number of `length` bytes at `at`.
pub(super) fn number(bytes: &[u8], at: usize, length: usize) -> u64 {
    let mut value = [0; 8];
    value[..length].copy_from_slice(&bytes[at..at + length]);
    u64::from_le_bytes(value)
}

/// Makes a directory's entries durable.
pub(super) fn sync_directory(path: &Path) -> Result<()> {
    std::fs::File::open(path)
        .and_then(|directory| directory.sync_all())
        .at("sync", path)
}
