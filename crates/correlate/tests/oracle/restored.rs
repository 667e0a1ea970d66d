//! The correlator as a service runs it: its state written after every input, and now and then a new one in its place.
//!
//! So every sequence also holds that restoring from state, at any point, changes no byte.

use std::collections::BTreeMap;
use std::sync::Arc;

use fenghuo_correlate::{Correlator, Limits, Rejected, StateChange};
use fenghuo_model::{Decision, Input, Policy, Registry};

/// One in so many inputs, on average, is followed by a restart.
const RESTART_EVERY: u64 = 6;

/// A correlator, and the log of its state.
pub struct Restored {
    registry: Arc<Registry>,
    policy: Arc<Policy>,
    correlator: Correlator,
    log: BTreeMap<Vec<u8>, Vec<u8>>,
    /// Decides when the next restart comes; any number does.
    state: u64,
}

impl Restored {
    /// Nothing heard yet; `seed` decides when it restarts.
    pub fn new(registry: &Arc<Registry>, policy: &Arc<Policy>, seed: u64) -> Self {
        let (registry, policy) = (Arc::clone(registry), Arc::clone(policy));
        let mut correlator = Correlator::new(Arc::clone(&registry), Arc::clone(&policy));
        correlator.keep_changes();
        Self { registry, policy, correlator, log: BTreeMap::new(), state: seed }
    }

    /// Takes one input, and may restart before the next.
    pub fn take(&mut self, input: &Input, out: &mut Vec<Decision>) -> Result<(), Rejected> {
        let taken = self.correlator.take(input, out);
        self.write_and_restart();
        taken
    }

    /// Lets the clocks run out.
    pub fn drain(&mut self, out: &mut Vec<Decision>) {
        self.correlator.drain(out);
        self.write_and_restart();
    }

    fn write_and_restart(&mut self) {
        // Sometimes nothing is written for a while, as in a batch.
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let chance = self.state >> 33;
        if chance.is_multiple_of(2) {
            return;
        }
        let mut changes = Vec::new();
        self.correlator.changes(&mut changes);
        for StateChange { key, value } in changes {
            match value {
                Some(value) => self.log.insert(key, value),
                None => self.log.remove(&key),
            };
        }
        if chance % RESTART_EVERY < 2 {
            let records = self.log.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
            let (registry, policy) = (Arc::clone(&self.registry), Arc::clone(&self.policy));
            let (sizes, counters) = (self.correlator.sizes(), self.correlator.counters().clone());
            self.correlator = Correlator::restore(registry, policy, &Limits::default(), records)
                .expect("what was written just now is read");
            assert_eq!((self.correlator.sizes(), self.correlator.counters()), (sizes, &counters), "restored");
        }
    }
}
