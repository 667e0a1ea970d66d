//! State: what a correlator remembers, as records that a log can keep, so that another one can go on from them.
//!
//! The records are kept by key, the last of each key counting, as a compacted topic does. A [`Correlator`] that was
//! told to [`keep_changes`](Correlator::keep_changes) says after any number of inputs which records are other ones now
//! ([`Correlator::changes`]), and [`Correlator::restore`] makes of all records a correlator that decides on as the
//! first one would have, to the byte. What is gone loses its record, so that there are as many as there is alive:
//!
//! | key | record |
//! |---|---|
//! | `counters` | what was counted |
//! | `region` | a region's clock, and how far it has counted |
//! | `building` | a building in an open incident: its evidence; in that of the incident's place, the incident |
//! | `device` | restores and isolations of a device |
//! | `accepted` | the signals accepted between two calls, for duplicates; gone when their horizon is |
//! | `unplaced` | when a device's fire without a building was last decided on |
//!
//! `key.rs` has the keys, `records.rs` the records, `envelope.rs` their bytes; `write.rs` and `read.rs` are the way
//! there and back. Ids stand in the records, never a registry's numbers: the registry may be another one by then.
//! `exchange.rs` puts another registry in force by way of them; `regroup.rs` puts records under the regions of another
//! registry, or of other writers.

mod envelope;
mod exchange;
mod key;
mod read;
mod records;
mod regroup;
mod write;

use std::collections::HashSet;
use std::sync::Arc;

use fenghuo_model::{Policy, Registry};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Correlator, Limits, LimitsContradict};

pub use envelope::{OF_CORRELATOR as RECORD_VERSION, VERSION as STATE_VERSION};
pub use regroup::{Moved, Part, Regrouped, Unmovable, regroup};
pub(crate) use write::Written;

/// A record of state that is another one now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateChange {
    /// Under which it is kept: text, see the module's documentation.
    pub key: Vec<u8>,
    /// What it is now; nothing if it is gone.
    pub value: Option<Vec<u8>>,
}

/// Why a correlator cannot go on from records of state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The bytes are not those that were written.
    #[error("the state record {key} is damaged: {reason}")]
    Damaged {
        /// The record's key.
        key: String,
        /// What is wrong.
        reason: String,
    },
    /// A newer Fenghuo wrote it.
    #[error(
        "the state record {key} is of version {found}, and this Fenghuo reads up to {STATE_VERSION}: start the newer \
         Fenghuo that wrote it"
    )]
    Newer {
        /// The record's key.
        key: String,
        /// Its version.
        found: u8,
    },
    /// A building of an open incident is not in the registry.
    #[error(
        "building {building} is in an open incident and not in the registry: keep it there until the incident ends"
    )]
    UnknownBuilding {
        /// The building's id.
        building: String,
    },
    /// A building of an open incident belongs to another region now.
    #[error(
        "building {building} is in an open incident of region {before} and belongs to {now} in the registry: buildings \
         change their region only by `fenghuo migrate`"
    )]
    MovedBuilding {
        /// The building's id.
        building: String,
        /// The region of the incident.
        before: String,
        /// The registry's.
        now: String,
    },
    /// A building belongs to another region in the registry that is to be put in force.
    #[error(
        "building {building} belongs to the region {before} and to {now} in the new registry: buildings change their \
         region only by `fenghuo migrate`"
    )]
    OtherRegion {
        /// The building's id.
        building: String,
        /// The region of the registry in force.
        before: String,
        /// The new one's.
        now: String,
    },
    /// The limits contradict each other.
    #[error(transparent)]
    Limits(#[from] LimitsContradict),
}

/// The bytes of a record that whoever keeps state adds of its own, in the form of all state records; `version` is the
/// oldest Fenghuo's that can read it.
#[must_use]
pub fn encode<T: Serialize>(version: u8, record: &T) -> Vec<u8> {
    envelope::write_as(version, record, envelope::USUAL_BYTES)
}

/// The same of a record whose bytes will be about so many.
#[must_use]
pub fn encode_large<T: Serialize>(version: u8, record: &T, about: usize) -> Vec<u8> {
    envelope::write_as(version, record, about)
}

/// The version that such bytes name, if they name one.
#[must_use]
pub fn version_of(bytes: &[u8]) -> Option<u8> {
    envelope::version_of(bytes)
}

/// The record of such bytes; `key` is for what is said when they cannot be read.
///
/// # Errors
/// They are damaged, or of a newer version.
pub fn decode<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T, StateError> {
    read::record(key, bytes)
}

impl Correlator {
    /// From now on notes what changes, for [`Self::changes`]; it costs a little for every signal.
    pub fn keep_changes(&mut self) {
        self.regions.iter_mut().for_each(|(_, region)| region.keep_changes());
        self.counters_written = Some(None);
    }

    /// Appends the records of state that are other ones than at the last call, each once, in the order of regions;
    /// without [`Self::keep_changes`], nothing.
    pub fn changes(&mut self, out: &mut Vec<StateChange>) {
        if self.pending.is_empty() {
            return self.own_changes(out);
        }
        let mut all = std::mem::take(&mut self.pending);
        self.own_changes(&mut all);
        // Of each key what was said last.
        let mut said = HashSet::new();
        let mut last: Vec<StateChange> =
            all.into_iter().rev().filter(|change| said.insert(change.key.clone())).collect();
        last.reverse();
        out.append(&mut last);
    }

    fn own_changes(&mut self, out: &mut Vec<StateChange>) {
        if let Some(written) = &mut self.counters_written
            && written.as_ref() != Some(&self.counters)
        {
            *written = Some(self.counters.clone());
            out.push(StateChange { key: key::COUNTERS.into(), value: Some(envelope::write(&self.counters)) });
        }
        self.regions.iter_mut().for_each(|(_, region)| region.changes(out));
    }

    /// A correlator that goes on from all the records there are, one of each key, in any order, and keeps changes.
    ///
    /// # Errors
    /// A record that cannot be read, or that does not fit the registry.
    pub fn restore<'r>(
        registry: Arc<Registry>,
        policy: Arc<Policy>,
        limits: &Limits,
        records: impl IntoIterator<Item = (&'r [u8], &'r [u8])>,
    ) -> Result<Self, StateError> {
        let mut correlator = Self::with_limits(registry, policy, limits)?;
        correlator.keep_changes();
        read::all(&mut correlator, records)?;
        Ok(correlator)
    }
}
