//! What a shard keeps beside its windows: whose they are, how far they have come, and what was taken of every raw
//! partition.
//!
//! It has two forms. The second one also names the registry in force, and is written once a record of the log has put
//! one in force, not before: until an operator orders that (`fenghuo apply --registry`), the Fenghuo before this one
//! can take the partition over again.

use std::collections::BTreeMap;

use fenghuo_correlate::{StateError, state};
use serde::{Deserialize, Serialize};

use super::ledger::StateRecords;
use super::replays::Mark;
use crate::kill_points;

/// The key of the header's record.
pub const KEY: &[u8] = b"partition";

/// The version of state since which a header may name a registry.
const NAMES_A_REGISTRY: u8 = 2;

/// One record of each partition, written with every transaction. As it stands it serialises to the first form.
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
    /// The version of the registry in force; empty where no record of the log put one in force: then it is whichever
    /// the process has.
    #[serde(skip)]
    pub registry: String,
}

/// The header among the records of state.
///
/// # Errors
/// It cannot be read.
pub fn read(records: &StateRecords) -> Result<Option<Header>, StateError> {
    let Some(value) = records.get(KEY) else { return Ok(None) };
    let version = state::version_of(value).unwrap_or_default();
    if kill_points::newest_state().is_some_and(|newest| version > newest) {
        return Err(StateError::Newer { key: String::from_utf8_lossy(KEY).into_owned(), found: version });
    }
    if version < NAMES_A_REGISTRY {
        return state::decode(KEY, value).map(Some);
    }
    let (header, registry): (Header, String) = state::decode(KEY, value)?;
    Ok(Some(Header { registry, ..header }))
}

impl Header {
    /// Its record.
    #[must_use]
    pub fn record(&self) -> (Vec<u8>, Option<Vec<u8>>) {
        let value = if self.registry.is_empty() {
            state::encode(state::RECORD_VERSION, self)
        } else {
            state::encode(NAMES_A_REGISTRY, &(self, &self.registry))
        };
        (KEY.to_vec(), Some(value))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn header(registry: &str) -> Header {
        Header {
            deployment: "town".to_owned(),
            partitions: 3,
            next_offset: 7,
            written_ms: 1_795_312_690_000,
            marks: Vec::new(),
            policy: "[clock]".to_owned(),
            registry: registry.to_owned(),
        }
    }

    /// As the first Fenghuo wrote it: until a registry is put in force, it reads what we write.
    #[test]
    fn the_second_form_is_written_once_it_is_needed() {
        let (first, second) = (header(""), header("ba7816bf8f01cfea"));
        for (header, version) in [(&first, 1), (&second, 2)] {
            let (key, value) = header.record();
            let value = value.unwrap();
            assert_eq!(state::version_of(&value), Some(version));
            assert_eq!(read(&StateRecords::from([(key, value)])), Ok(Some(header.clone())));
        }
        // Kept: what that one wrote.
        let written: String = first.record().1.unwrap().iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(written, "464801190000003848a47304746f776e060efda046f3014403000000075b636c6f636b5d");
    }
}
