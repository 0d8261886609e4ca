//! Hashing that is the same on every node and in every version: what a key maps to must not change with either.

const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0100_0000_01b3;

/// The hash of `bytes`.
#[must_use]
pub(crate) fn bytes(bytes: &[u8]) -> u64 {
    more(BASIS, bytes)
}

/// The hash of what `hash` is of, and then `bytes`.
#[must_use]
pub(crate) fn more(hash: u64, bytes: &[u8]) -> u64 {
    // FNV-1a, then mixed: its upper bits alone depend too little on the last bytes.
    let folded = (bytes.iter()).fold(hash, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(PRIME)
    });
    mix(folded ^ (bytes.len() as u64).wrapping_mul(PRIME))
}

/// Spreads every bit over all.
#[must_use]
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}
