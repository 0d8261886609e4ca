//! How an event's fields lie in a record's body.
//!
//! All numbers are little-endian. A fixed part of [`FIXED`] bytes, then the path, then a tail of optional
//! fields, each a tag (u8, from 1), a length (u16) and that many bytes; zeroes pad the body to 8. A reader
//! passes over tags it doesn't know, so a later field that may be ignored takes a new tag, and one that
//! may not takes a new kind of record. No tag is in use yet.

use super::event::{Completion, Id, MAX_PATH, Mode, Source, UsageEvent};

/// The length of the fixed part.
pub(super) const FIXED: usize = 176;
/// The longest body that this version writes.
pub(super) const MAX_BODY: usize = FIXED + MAX_PATH;

const LAST: u16 = 1 << 4;
const HAS_GRPC_STATUS: u16 = 1 << 5;

/// Writes the event and its time into `body`; returns how many bytes of it are used, a multiple of 8.
/// What `body` held before doesn't matter.
pub(super) fn encode(event: &UsageEvent<'_>, body: &mut [u8; MAX_BODY]) -> usize {
    let path = &event.path[..event.path.len().min(MAX_PATH)];
    let mut put = Cursor { bytes: body, at: 0 };
    put.u64(0); // the time: known once the record's place is
    for id in [
        &event.request_id,
        &event.consumer,
        &event.credential,
        &event.customer,
        &event.phase,
        &event.route,
        &event.service,
    ] {
        put.bytes(id);
    }
    put.u64(event.config_version);
    put.u64(event.bytes_in);
    put.u64(event.bytes_out);
    put.u64(event.units);
    put.u32(event.duration);
    put.u32(event.upstream);
    put.u16(event.status);
    put.u16(event.part);
    put.u16(flags(event));
    put.bytes(&[
        event.grpc_status.unwrap_or(0),
        event.attempts,
        event.method,
        0,
    ]);
    put.bytes(&u16::try_from(path.len()).unwrap_or(u16::MAX).to_le_bytes());
    put.u32(0);
    put.bytes(path);
    let end = put.at;
    let padded = end.next_multiple_of(8);
    body[end..padded].fill(0);
    padded
}

/// Sets the time of an encoded event.
pub(super) fn set_time(body: &mut [u8], time: u64) {
    body[..8].copy_from_slice(&time.to_le_bytes());
}

/// Reads what [`encode`] wrote: the event and its time, or nothing where the fields contradict each other.
pub(super) fn decode(body: &[u8]) -> Option<(u64, UsageEvent<'_>)> {
    let (fixed, rest) = body.split_first_chunk::<FIXED>()?;
    let flags = u16_at(fixed, 164);
    let event = UsageEvent {
        request_id: id_at(fixed, 8),
        consumer: id_at(fixed, 24),
        credential: id_at(fixed, 40),
        customer: id_at(fixed, 56),
        phase: id_at(fixed, 72),
        route: id_at(fixed, 88),
        service: id_at(fixed, 104),
        config_version: u64_at(fixed, 120),
        bytes_in: u64_at(fixed, 128),
        bytes_out: u64_at(fixed, 136),
        units: u64_at(fixed, 144),
        duration: u32_at(fixed, 152),
        upstream: u32_at(fixed, 156),
        status: u16_at(fixed, 160),
        part: u16_at(fixed, 162),
        last: flags & LAST != 0,
        completion: match flags & 0b11 {
            0 => Completion::Complete,
            1 => Completion::ClientAbort,
            2 => Completion::UpstreamAbort,
            _ => return None,
        },
        source: if flags & 0b100 == 0 {
            Source::Upstream
        } else {
            Source::Cache
        },
        mode: if flags & 0b1000 == 0 {
            Mode::Live
        } else {
            Mode::Test
        },
        grpc_status: (flags & HAS_GRPC_STATUS != 0).then_some(fixed[166]),
        attempts: fixed[167],
        method: fixed[168],
        path: rest.get(..usize::from(u16_at(fixed, 170)))?,
    };
    Some((u64_at(fixed, 0), event))
}

fn flags(event: &UsageEvent<'_>) -> u16 {
    let mut flags = event.completion as u16;
    flags |= (event.source as u16) << 2;
    flags |= (event.mode as u16) << 3;
    if event.last {
        flags |= LAST;
    }
    if event.grpc_status.is_some() {
        flags |= HAS_GRPC_STATUS;
    }
    flags
}

struct Cursor<'a> {
    bytes: &'a mut [u8; MAX_BODY],
    at: usize,
}

impl Cursor<'_> {
    fn bytes(&mut self, value: &[u8]) {
        self.bytes[self.at..self.at + value.len()].copy_from_slice(value);
        self.at += value.len();
    }
    fn u16(&mut self, value: u16) {
        self.bytes(&value.to_le_bytes());
    }
    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_le_bytes());
    }
    fn u64(&mut self, value: u64) {
        self.bytes(&value.to_le_bytes());
    }
}

fn at<const N: usize>(fixed: &[u8; FIXED], offset: usize) -> [u8; N] {
    let mut value = [0; N];
    value.copy_from_slice(&fixed[offset..offset + N]);
    value
}

fn id_at(fixed: &[u8; FIXED], offset: usize) -> Id {
    at(fixed, offset)
}

fn u16_at(fixed: &[u8; FIXED], offset: usize) -> u16 {
    u16::from_le_bytes(at(fixed, offset))
}

fn u32_at(fixed: &[u8; FIXED], offset: usize) -> u32 {
    u32::from_le_bytes(at(fixed, offset))
}

fn u64_at(fixed: &[u8; FIXED], offset: usize) -> u64 {
    u64::from_le_bytes(at(fixed, offset))
}
