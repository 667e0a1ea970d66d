//! The picture of a correlator that others may look at: what was counted, what is held, and what burns where.
//!
//! A [`Snapshot`] is a copy of a moment, and shares nothing with the correlator that goes on. It names what a console
//! or a metric shows and leaves out what makes incidents large, the evidence: of that only the amount. So it may be
//! made several times a second, and published (`publication.rs`).

use fenghuo_model::time::Rfc3339;
use serde::Serialize;

use crate::{Correlator, Counters, Sizes};

/// A correlator at a moment; serializes to JSON, absent fields left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Snapshot {
    /// What was counted since the beginning.
    pub counters: Counters,
    /// What was held.
    pub sizes: Sizes,
    /// The regions that had heard anything, by name.
    pub regions: Vec<RegionSnapshot>,
}

/// A region at a moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RegionSnapshot {
    /// Its name.
    pub region: String,
    /// Its clock.
    pub clock: Rfc3339,
    /// Its open incidents, the one opened first before the others.
    pub incidents: Vec<OpenIncident>,
}

/// An open incident at a moment; every time is one of its region's clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OpenIncident {
    /// Its id, 16 hexadecimal digits.
    pub incident: String,
    /// The revision of the last decision about it.
    pub revision: u32,
    /// The id of the building that stands for it.
    pub place: String,
    /// The ids of its buildings, in the order in which they joined.
    pub buildings: Vec<String>,
    /// Whether it is confirmed.
    pub confirmed: bool,
    /// The rule that confirmed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// Whether somebody is on the way to look.
    pub acknowledged: bool,
    /// Pieces of evidence stored, folded repeats not counted.
    pub evidence: usize,
    /// When the first of its buildings joined it: when it opened, if that building was not cleared since.
    pub opened_at: Rfc3339,
    /// When its last evidence arrived.
    pub last_arrival_at: Rfc3339,
    /// When it closes, if nothing more is heard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub close_at: Option<Rfc3339>,
    /// When the grid will be asked to look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify_at: Option<Rfc3339>,
    /// When village and town will be told, if nobody answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub escalate_at: Option<Rfc3339>,
    /// When an `update` that waits will be published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub update_at: Option<Rfc3339>,
}

impl Correlator {
    /// The picture of this moment, for others to look at; it changes nothing.
    ///
    /// The work is linear in the open incidents and their evidence.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            counters: self.counters.clone(),
            sizes: self.sizes(),
            regions: self.regions.iter().filter_map(|(_, region)| region.snapshot()).collect(),
        }
    }
}
