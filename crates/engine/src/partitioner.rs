//! Which partition a key has: Kafka's own partitioner, as all its clients agree on it.
//!
//! Signals are keyed by region, decisions by incident, and the producer's `murmur2_random` chooses the partition by the
//! key alone.

/// The partition of a key in a topic of `partitions` partitions.
#[must_use]
pub fn partition_of(key: impl AsRef<[u8]>, partitions: i32) -> i32 {
    (murmur2(key.as_ref()).cast_signed() & i32::MAX) % partitions.max(1)
}

/// Murmur2 with Kafka's seed; all numbers wrap, bytes are taken in fours, little-endian.
fn murmur2(bytes: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const FACTOR: u32 = 0x5bd1_e995;
    // Kafka's keys are below 2 GiB; what is cut off here never was there.
    let mut hash = SEED ^ u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        let mixed = u32::from_le_bytes(*word).wrapping_mul(FACTOR);
        hash = hash.wrapping_mul(FACTOR) ^ (mixed ^ (mixed >> 24)).wrapping_mul(FACTOR);
    }
    if !rest.is_empty() {
        let last = rest.iter().rev().fold(0, |word, byte| (word << 8) | u32::from(*byte));
        hash = (hash ^ last).wrapping_mul(FACTOR);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(FACTOR);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The rows of Kafka's own test (`UtilsTest.testMurmur2`).
    #[test]
    fn hashes_are_those_of_kafka() {
        for (text, hash) in [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            ("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
            ("abc", 479_470_107),
        ] {
            assert_eq!(murmur2(text.as_bytes()).cast_signed(), hash, "{text}");
        }
    }

    #[test]
    fn a_partition_is_one_of_those_there_are() {
        for number in 0..1_000 {
            let key = format!("{number}-洪梅");
            assert!((0..5).contains(&partition_of(&key, 5)) && partition_of(&key, 1) == 0);
        }
    }
}
