//! Garbage: records that no decoder can read a signal from, made from records that it can.

use crate::random::Random;
use crate::record::{Channel, RawRecord};

/// Bytes behind a frame's check sum: the end mark.
const END_LENGTH: usize = 2;

/// Garbage from the sender of a record, arriving together with it: a spoiled copy if it may be copied, else noise.
pub(super) fn spoil(record: &RawRecord, may_copy: bool, random: &mut Random) -> RawRecord {
    let mut bytes = record.bytes.clone();
    match (if may_copy { random.below(3) } else { 0 }, record.channel) {
        (0, _) => {
            // No '@' begins a frame, no '{' an object, and the first byte is no digit of hex text either.
            bytes = (0..random.within((1, 200))).map(|_| random.small((0x7C, 0xFF))).collect();
        }
        (1, Channel::Gb26875) => {
            let check_sum = bytes.len().saturating_sub(END_LENGTH + 1);
            bytes[check_sum] ^= random.small((1, 255));
        }
        // Cut anywhere: half a frame, or JSON without its last brace.
        _ => bytes.truncate(random.index(bytes.len() - 1).max(1)),
    }
    RawRecord { bytes, unreadable: true, ..record.clone() }
}
