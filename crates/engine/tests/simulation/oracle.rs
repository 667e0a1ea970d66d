//! What should be: a plain correlator over the signals partition, in the order of offsets, without what was sent again.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fenghuo_correlate::{Correlator, StateChange};
use fenghuo_engine::sources::Rules;
use fenghuo_model::{Decision, Input};
use fenghuo_sinks::headers::event_id;

use crate::signals::{Arrival, Script};

/// A decision as it must be read: its id and its bytes.
pub type Told = (String, String);

/// What should be.
pub struct Oracle {
    /// The correlator after the last signal.
    pub correlator: Correlator,
    /// Decisions for dispatch, in order.
    pub dispatch: Vec<Told>,
    /// Other decisions, in order.
    pub watch: Vec<Told>,
    /// Offsets of what could not be read or was rejected.
    pub letters: Vec<i64>,
    /// The state as records.
    pub state: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// What should be after all signals but those in gaps that somebody accepted: first offset, and the one after.
pub fn oracle(script: &Script, gaps: &[(i64, i64)]) -> Oracle {
    let Rules { registry, registries, policy, .. } = &script.rules;
    let mut correlator = Correlator::new(Arc::clone(&registry.registry), Arc::clone(policy));
    correlator.keep_changes();
    let (mut decisions, mut letters) = (Vec::new(), Vec::new());
    let mut highest = HashMap::new();
    let mut in_force = String::new();
    for (offset, arrival) in (0..).zip(&script.arrivals) {
        if gaps.iter().any(|gap| (gap.0..gap.1).contains(&offset)) {
            continue;
        }
        let was_taken = is_replay(arrival, &mut highest);
        assert!(!gaps.is_empty() || was_taken == arrival.is_replay, "{arrival:?}");
        if was_taken {
            continue;
        }
        let taken = Input::from_json(arrival.payload.as_bytes()).ok();
        let is_taken = match taken {
            None => false,
            Some(Input::Registry(change)) => {
                in_force == change.version
                    || registries.find(&change.version).is_ok_and(|found| {
                        let is_changed = correlator.change_registry(found.registry).is_ok();
                        if is_changed {
                            in_force = change.version;
                        }
                        is_changed
                    })
            }
            Some(input) => correlator.take(&input, &mut decisions).is_ok(),
        };
        if !is_taken {
            letters.push(offset);
        }
    }
    let mut changes = Vec::new();
    correlator.changes(&mut changes);
    let told = |decision: &Decision| (event_id(decision), decision.to_json());
    let (dispatch, watch): (Vec<_>, Vec<_>) = decisions.iter().partition(|decision| decision.is_for_dispatch());
    Oracle {
        correlator,
        dispatch: dispatch.into_iter().map(told).collect(),
        watch: watch.into_iter().map(told).collect(),
        letters,
        state: changes.into_iter().filter_map(|StateChange { key, value }| Some((key, value?))).collect(),
    }
}

/// A raw partition's highest taken: record, signal in it, and the latest receipt of any.
type Highest = HashMap<String, (i64, i64, i64)>;

/// Whether a signal was taken before, by the words of the contract: not above the highest, and received no later.
fn is_replay(arrival: &Arrival, highest: &mut Highest) -> bool {
    let Ok(Input::Signal(signal)) = Input::from_json(arrival.payload.as_bytes()) else { return false };
    let source = signal.source.as_deref().expect("the script gives every signal one");
    let parts: Vec<&str> = source.split('/').collect();
    let number = |place: usize| parts.get(place).map_or(0, |text| text.parse().expect("a number"));
    let (offset, index) = (number(2), number(3));
    let received_ms = signal.received_at_ms.or(signal.at_ms).unwrap_or(i64::MIN);
    let before = highest.entry(parts[..2].join("/")).or_insert((-1, 0, i64::MIN));
    if (offset, index) <= (before.0, before.1) && received_ms <= before.2 {
        return true;
    }
    *before = (offset, index, before.2.max(received_ms));
    false
}
