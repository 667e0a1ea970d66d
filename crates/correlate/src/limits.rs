//! The limits of what is held: each with a name, checked against the others, counted when it bites.
//!
//! None of them ever turns away the first alarm of a device: repeats are folded, the oldest memories go first.

/// How much a region holds at most.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Pieces of evidence of one building that are stored one by one; beyond it, repeats of a device are folded into
    /// the piece before them.
    pub evidence_per_building: usize,
    /// Buildings of one incident; beyond it, the next building becomes an incident of its own.
    pub buildings_per_incident: usize,
    /// Accepted signals remembered for duplicates; beyond it, the oldest are forgotten before their horizon.
    pub tracked_duplicates: usize,
    /// Open incidents; beyond it, the suspected one that was silent for the longest closes early.
    pub open_incidents: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            evidence_per_building: 1_024,
            buildings_per_incident: 512,
            tracked_duplicates: 4_000_000,
            open_incidents: 100_000,
        }
    }
}

/// Two limits that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("limit {0}")]
pub struct LimitsContradict(&'static str);

impl Limits {
    /// Checks the limits against each other.
    ///
    /// # Errors
    /// The first contradiction.
    pub fn check(&self) -> Result<(), LimitsContradict> {
        let rules = [
            (self.evidence_per_building >= 64, "evidence_per_building is below 64, what a decision shows"),
            (self.buildings_per_incident >= 2, "buildings_per_incident is below 2: nothing could be taken in"),
            (self.open_incidents >= 2, "open_incidents is below 2: each would close the one before"),
            (
                self.tracked_duplicates >= self.open_incidents,
                "tracked_duplicates is below open_incidents: opening signals would be forgotten before their incidents",
            ),
        ];
        rules.into_iter().try_for_each(|(holds, reason)| if holds { Ok(()) } else { Err(LimitsContradict(reason)) })
    }
}
