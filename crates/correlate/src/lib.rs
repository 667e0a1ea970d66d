//! Signals in order of arrival to decisions about fires.
use std::sync::Arc;
use fenghuo_model::{Decision, Input, Policy, Registry};

/// Why an input was rejected; it changed nothing, not even a clock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Neither `at` nor `received_at`.
    #[error("neither at nor received_at can be read")]
    NoTime,
    /// A clear or acknowledge without a known building.
    #[error("a {0} must name a registered building")]
    NoBuilding(fenghuo_model::Kind),
}

/// What was counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Counters {
    /// Signals taken, duplicates included, rejected ones not.
    pub signals: u64,
    /// Signals dropped as duplicates.
    pub duplicates: u64,
    /// Signals rejected.
    pub rejected: u64,
    /// Incidents opened.
    pub incidents: u64,
    /// Incidents confirmed.
    pub confirmed: u64,
}

/// Every region of one sequence of signals.
pub struct Correlator {
    _registry: Arc<Registry>,
    _policy: Arc<Policy>,
    counters: Counters,
}

impl Correlator {
    /// Nothing heard yet.
    pub fn new(registry: Arc<Registry>, policy: Arc<Policy>) -> Self {
        Self { _registry: registry, _policy: policy, counters: Counters::default() }
    }
    /// Takes one input in order of arrival; appends the decisions it causes.
    ///
    /// # Errors
    /// Why it was rejected.
    pub fn take(&mut self, _input: &Input, _decisions: &mut Vec<Decision>) -> Result<(), Rejected> {
        self.counters.signals += 1;
        Ok(())
    }
    /// Lets every region's clock run, in the order of their names, until no timer is left.
    pub fn drain(&mut self, _decisions: &mut Vec<Decision>) {}
    /// What was counted so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
