//! The windows of one signals partition: its regions' correlator, and what it just decided.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fenghuo_correlate::{Correlator, Rejected};
use fenghuo_model::{Decision, Input};

use crate::events::TopicPartition;
use crate::sources::Rules;
use crate::worker::Beginning;

/// How often a long rebuild says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// One partition's windows.
pub struct Shard {
    correlator: Correlator,
    decisions: Vec<Decision>,
    said_at: Instant,
}

impl Shard {
    pub(super) fn new(rules: &Rules) -> Self {
        let correlator = Correlator::new(Arc::clone(&rules.registry), Arc::clone(&rules.policy));
        Self { correlator, decisions: Vec::new(), said_at: Instant::now() }
    }

    /// Takes one input; what it decides is then in [`Self::decisions`].
    pub(super) fn take(&mut self, input: &Input) -> Result<(), Rejected> {
        self.decisions.clear();
        self.correlator.take(input, &mut self.decisions)
    }

    /// What the last input decided.
    pub(super) fn decisions(&self) -> &[Decision] {
        &self.decisions
    }

    /// Duplicates and confirmed incidents so far.
    pub(super) fn counted(&self) -> (u64, u64) {
        let counters = self.correlator.counters();
        (counters.duplicates, counters.confirmed)
    }

    pub(super) fn say_progress(&mut self, partition: &TopicPartition, offset: i64, beginning: &Beginning) {
        let left = beginning.done.offset - offset - 1;
        if left == 0 {
            tracing::info!(%partition, records = beginning.done.offset - beginning.read_from, "windows rebuilt");
        } else if self.said_at.elapsed() >= SAY_EVERY {
            self.said_at = Instant::now();
            tracing::info!(%partition, left, "rebuilding windows");
        }
    }
}

/// The time that an input proves to have passed in all regions of its partition: a tick without a region.
pub(super) fn time_of_all(input: &Input) -> Option<i64> {
    match input {
        Input::Tick(tick) if tick.region.is_none() => Some(tick.at_ms),
        _ => None,
    }
}
