//! How a record stands in its stream, and how a reader knows that it is one.
//!
//! A record begins at a multiple of 8 and is a commit word (u64, little-endian) and a body:
//!
//! | bits of the word | |
//! |---|---|
//! | 56..64 | kind; 1: an event as [`codec`] lays it out; 2: a hole |
//! | 32..56 | length of word and body, a multiple of 8 |
//! | 0..32 | CRC32C over the shard's seed, the record's offset, the word's upper half, an event's body |
//!
//! The word is written last. It is never zero, so zero means: not finished. The seed holds node, epoch,
//! shard and a random salt that never leaves the log, so bytes of another place, and bytes that a client
//! chose, are no record here.
//!
//! A gateway writes events. Where it died within one, recovery puts a hole over what stands there, so
//! that whatever else fails its checksum is damage.

use super::codec::{self, MAX_BODY};
use super::event::{ShardId, UsageEvent};

/// The length of the commit word.
pub(super) const WORD: usize = 8;
/// The longest record that this version writes.
pub(super) const MAX_RECORD: usize = WORD + MAX_BODY;
/// The longest record that a reader believes in: room for later versions.
pub(super) const MAX_BELIEVED: usize = 1 << 16;

/// The longest hole; a longer stretch is several.
const MAX_HOLE: u64 = (1 << 24) - 8;

const KIND_EVENT: u8 = 1;
const KIND_HOLE: u8 = 2;

/// What the checksums of one shard begin with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seed(u32);

impl Seed {
    pub(super) fn new(shard: ShardId, salt: u64) -> Self {
        let mut crc = crc32c::crc32c(&salt.to_le_bytes());
        crc = crc32c::crc32c_append(crc, &shard.node);
        crc = crc32c::crc32c_append(crc, &shard.epoch.to_le_bytes());
        Self(crc32c::crc32c_append(crc, &shard.shard.to_le_bytes()))
    }

    /// The checksum of `bytes`, which stand at `offset` of whatever belongs to this shard.
    pub(super) fn checksum(self, offset: u64, bytes: &[u8]) -> u32 {
        let crc = crc32c::crc32c_append(self.0, &offset.to_le_bytes());
        crc32c::crc32c_append(crc, bytes)
    }

    fn word(self, offset: u64, kind: u8, length: usize, body: &[u8]) -> u64 {
        let head = u64::from(kind) << 24 | length as u64;
        let crc = self.checksum(offset, &head.to_le_bytes()[..4]);
        head << 32 | u64::from(crc32c::crc32c_append(crc, body))
    }

    /// A record as a later version might write it.
    #[cfg(test)]
    pub(super) fn sealed(self, offset: u64, kind: u8, body: &[u8]) -> Vec<u8> {
        let word = self.word(offset, kind, WORD + body.len(), body);
        [&word.to_le_bytes(), body].concat()
    }

    /// The words of the holes that cover `[start, end)`, each with its offset.
    pub(super) fn holes(self, start: u64, end: u64) -> impl Iterator<Item = (u64, u64)> {
        let step = usize::try_from(MAX_HOLE).unwrap_or(usize::MAX);
        (start..end).step_by(step).map(move |offset| {
            let length = usize::try_from((end - offset).min(MAX_HOLE)).unwrap_or(0);
            (offset, self.word(offset, KIND_HOLE, length, &[]))
        })
    }
}

/// An event on its way into a log.
pub(super) struct Record {
    body: [u8; MAX_BODY],
    used: usize,
}

impl Record {
    pub(super) fn new(event: &UsageEvent<'_>) -> Self {
        let mut body = [0; MAX_BODY];
        let used = codec::encode(event, &mut body);
        Self { body, used }
    }

    /// Word and body, in bytes.
    pub(super) fn length(&self) -> u64 {
        (WORD + self.used) as u64
    }

    /// Writes the record where it was given room: the body, then the word that makes it valid.
    pub(super) fn write(&mut self, memory: &impl Memory, seed: Seed, offset: u64, time: u64) {
        let body = &mut self.body[..self.used];
        codec::set_time(body, time);
        memory.put(offset + WORD as u64, body);
        memory.commit(
            offset,
            seed.word(offset, KIND_EVENT, WORD + body.len(), body),
        );
    }
}

/// Where records are written. Its one real implementation is the ring; tests record the stores.
pub(super) trait Memory {
    /// Writes bytes; nobody reads them before the record's word.
    fn put(&self, offset: u64, bytes: &[u8]);
    /// Writes a word, at once and after everything that this thread wrote before.
    fn commit(&self, offset: u64, word: u64);
}

/// The length that a commit word states. Zero where nothing was finished.
pub(super) fn stated_length(word: u64) -> usize {
    (word >> 32) as usize & 0x00ff_ffff
}

/// What stands at a place of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// A record, this long, and its event.
    Event {
        length: usize,
        time: u64,
        event: UsageEvent<'a>,
    },
    /// A stretch that was reserved but never finished, this long.
    Hole { length: usize },
    /// A record that passes its checksum, but that only a later version of Tollway understands.
    Unknown,
    /// Neither.
    Invalid,
}

/// Tells what stands at the start of `bytes`, which is at `offset` of the stream.
pub(super) fn find(seed: Seed, offset: u64, bytes: &[u8]) -> Found<'_> {
    let Some((word, _)) = bytes.split_first_chunk::<WORD>() else {
        return Found::Invalid;
    };
    let word = u64::from_le_bytes(*word);
    let (kind, length) = ((word >> 56) as u8, stated_length(word));
    if kind == 0 || length < WORD || !length.is_multiple_of(8) {
        return Found::Invalid;
    }
    if kind == KIND_HOLE {
        return if seed.word(offset, kind, length, &[]) == word {
            Found::Hole { length }
        } else {
            Found::Invalid
        };
    }
    let body = if length <= MAX_BELIEVED {
        bytes.get(WORD..length)
    } else {
        None
    };
    let Some(body) = body.filter(|body| seed.word(offset, kind, length, body) == word) else {
        return Found::Invalid;
    };
    if kind != KIND_EVENT {
        return Found::Unknown;
    }
    codec::decode(body).map_or(Found::Unknown, |(time, event)| Found::Event {
        length,
        time,
        event,
    })
}
