//! What a shard keeps beside its windows: whose they are, how far they have come, and what was taken of every raw
//! partition.

use std::collections::BTreeMap;

use fenghuo_correlate::{StateError, state};
use serde::{Deserialize, Serialize};

use super::ledger::StateRecords;
use super::replays::Mark;

/// The key of the header's record.
pub const KEY: &[u8] = b"partition";

/// One record of each partition, written with every transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The consumer group whose state this is: another one on the same topics refuses to start.
    pub deployment: String,
    /// How many partitions the signals topic had: with another number, regions belong to other partitions.
    pub partitions: i32,
    /// The offset of the next signal.
    pub next_offset: i64,
    /// When the last transaction was written, Unix milliseconds of the writer's clock: only to find its decisions
    /// again.
    pub written_ms: i64,
    /// The highest signal taken of every raw partition.
    pub marks: Vec<(String, i32, Mark)>,
    /// The policy in force, as its text: a restart with another file changes no rule, only a record of the log does.
    pub policy: String,
}

/// The header among the records of state.
///
/// # Errors
/// It cannot be read.
pub fn read(records: &StateRecords) -> Result<Option<Header>, StateError> {
    records.get(KEY).map(|value| state::decode(KEY, value)).transpose()
}

impl Header {
    /// Its record.
    #[must_use]
    pub fn record(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        (KEY.to_vec(), Some(state::encode(self)))
    }
}

/// The records that are the correlator's own.
pub fn of_correlator(records: &StateRecords) -> impl Iterator<Item = (&[u8], &[u8])> {
    let own: fn(&(&Vec<u8>, &Vec<u8>)) -> bool = |(key, _)| {
        let operators = [crate::gaps::KEY_PREFIX, crate::migrate::KEY_PREFIX];
        let is_operators = operators.iter().any(|prefix| key.starts_with(prefix.as_bytes()));
        let is_ours = *key == KEY || *key == crate::attempts::KEY || super::outbox::Outbox::owns(key);
        !is_ours && !is_operators
    };
    let pairs: std::collections::btree_map::Iter<'_, Vec<u8>, Vec<u8>> = BTreeMap::iter(records);
    pairs.filter(own).map(|(key, value)| (key.as_slice(), value.as_slice()))
}
