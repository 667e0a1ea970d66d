//! What decisions were worth: held against the fires that there were. `demo` and `backtest` judge by the same verdict.
//!
//! A fire is confirmed when an open confirmed incident is published with its building between the ignition and half an
//! hour later. A confirmed incident is false when none of its buildings had a fire, or caught it from a neighbour.

use std::collections::{BTreeMap, BTreeSet};

use fenghuo_city::PlantedFire;
use fenghuo_model::Decision;
use fenghuo_model::decision::DecisionKind;
use hdrhistogram::Histogram;

/// So long after the ignition a confirmation is one of that fire.
const FIRE_LASTS_MS: i64 = 30 * 60_000;

/// What became of a planted fire.
#[derive(Debug)]
struct Fate {
    ignition_ms: i64,
    building: String,
    suspected: bool,
    confirmed_after_ms: Option<i64>,
}

/// Fires and decisions held against each other.
#[derive(Debug, Default)]
pub struct Verdict {
    fates: Vec<Fate>,
    /// The planted fires of a building, and of the buildings that caught it, by their place in `fates`.
    fires_of_building: BTreeMap<String, Vec<usize>>,
    confirmed_incidents: BTreeSet<String>,
    true_incidents: BTreeSet<String>,
}

/// A distribution of times, milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Half of them are at most this.
    pub median_ms: u64,
    /// Nine of ten are at most this.
    pub p90_ms: u64,
    /// All are at most this.
    pub max_ms: u64,
}

impl Verdict {
    /// The truth, and no decision yet.
    pub fn new(truth: &[PlantedFire]) -> Self {
        let mut verdict = Self::default();
        for fire in truth {
            verdict.plant(&fire.building, fire.ignition_ms, &fire.spread_to);
        }
        verdict
    }

    /// One more fire: where it began, when, and which buildings caught it.
    pub fn plant(&mut self, building: &str, ignition_ms: i64, spread_to: &[String]) {
        let fire = self.fates.len();
        let fate = Fate { ignition_ms, building: building.to_owned(), suspected: false, confirmed_after_ms: None };
        self.fates.push(fate);
        for burning in std::iter::once(building).chain(spread_to.iter().map(String::as_str)) {
            self.fires_of_building.entry(burning.to_owned()).or_default().push(fire);
        }
    }

    /// Takes the next decision.
    pub fn take(&mut self, decision: &Decision) {
        let (Some(incident), Some(state)) = (&decision.incident, &decision.state) else { return };
        let buildings = state.buildings.iter().map(|building| building.id.as_str());
        self.see(decision.decision, incident, buildings, decision.decided_at.0);
    }

    fn see<'b>(
        &mut self,
        kind: DecisionKind,
        incident: &str,
        buildings: impl Iterator<Item = &'b str>,
        decided_at_ms: i64,
    ) {
        let is_confirmed = matches!(kind, DecisionKind::Confirmed | DecisionKind::Update);
        if !is_confirmed && kind != DecisionKind::Suspected {
            return;
        }
        if is_confirmed && !self.confirmed_incidents.contains(incident) {
            self.confirmed_incidents.insert(incident.to_owned());
        }
        for building in buildings {
            for fire in self.fires_of_building.get(building).into_iter().flatten() {
                let fate = &mut self.fates[*fire];
                let after_ms = decided_at_ms - fate.ignition_ms;
                if !(0..=FIRE_LASTS_MS).contains(&after_ms) {
                    continue;
                }
                if is_confirmed {
                    self.true_incidents.insert(incident.to_owned());
                }
                if fate.building == building {
                    fate.suspected = true;
                    if is_confirmed {
                        fate.confirmed_after_ms.get_or_insert(after_ms);
                    }
                }
            }
        }
    }

    /// How many fires were planted.
    pub fn planted(&self) -> usize {
        self.fates.len()
    }

    /// How many of them were confirmed.
    pub fn confirmed(&self) -> usize {
        self.fates.iter().filter(|fate| fate.confirmed_after_ms.is_some()).count()
    }

    /// Whether each fire was confirmed, in the order in which they were planted.
    pub fn were_confirmed(&self) -> impl Iterator<Item = bool> {
        self.fates.iter().map(|fate| fate.confirmed_after_ms.is_some())
    }

    /// Whether a confirmed incident was a fire.
    pub fn is_real(&self, incident: &str) -> bool {
        self.true_incidents.contains(incident)
    }

    /// The buildings of the fires that were not confirmed, and whether they were suspected at least.
    pub fn missed(&self) -> impl Iterator<Item = (&str, bool)> {
        let missed = self.fates.iter().filter(|fate| fate.confirmed_after_ms.is_none());
        missed.map(|fate| (fate.building.as_str(), fate.suspected))
    }

    /// The confirmed incidents that were no fire.
    pub fn false_incidents(&self) -> impl Iterator<Item = &str> {
        self.confirmed_incidents.difference(&self.true_incidents).map(String::as_str)
    }

    /// From ignition to confirmation; nothing if no fire was confirmed.
    pub fn times(&self) -> Option<Times> {
        let longest_ms = FIRE_LASTS_MS.unsigned_abs();
        let mut histogram =
            Histogram::<u64>::new_with_max(longest_ms, 3).expect("half an hour is within what three digits can");
        for after_ms in self.fates.iter().filter_map(|fate| fate.confirmed_after_ms) {
            histogram.saturating_record(after_ms.unsigned_abs());
        }
        (!histogram.is_empty()).then(|| Times {
            median_ms: histogram.value_at_quantile(0.5),
            p90_ms: histogram.value_at_quantile(0.9),
            max_ms: histogram.max(),
        })
    }
}

#[cfg(test)]
mod tests {
    use DecisionKind::{Closed, Confirmed, Suspected, Update};

    use super::*;

    /// A fire at 1 000 000 ms in B1 that spread to B2, one at 2 000 000 in B3; then what was decided.
    /// Expected: time to confirmation of each fire, missed but suspected, number of false incidents.
    #[test]
    fn fires_and_decisions_are_held_against_each_other() {
        type Row<'r> = (&'r [(DecisionKind, &'r str, &'r str, i64)], [Option<i64>; 2], usize, usize);
        let rows: &[Row<'_>] = &[
            (&[], [None, None], 0, 0),
            (&[(Confirmed, "i", "B1", 1_030_000)], [Some(30_000), None], 0, 0),
            (&[(Confirmed, "i", "B1", 1_030_000), (Update, "i", "B1", 1_040_000)], [Some(30_000), None], 0, 0),
            (&[(Suspected, "i", "B1", 1_030_000)], [None, None], 1, 0),
            (&[(Suspected, "i", "B3", 2_010_000), (Confirmed, "i", "B3", 2_020_000)], [None, Some(20_000)], 0, 0),
            // Its neighbour caught it: not false, yet not the fire itself.
            (&[(Confirmed, "i", "B2", 1_030_000)], [None, None], 0, 0),
            // Found in a neighbour's incident that took its building in.
            (&[(Confirmed, "i", "B2", 1_030_000), (Update, "i", "B1 B2", 1_090_000)], [Some(90_000), None], 0, 0),
            // Before it burned, after it, and where it never did.
            (&[(Confirmed, "i", "B1", 999_999)], [None, None], 0, 1),
            (&[(Confirmed, "i", "B1", 1_000_000 + FIRE_LASTS_MS)], [Some(FIRE_LASTS_MS), None], 0, 0),
            (&[(Confirmed, "i", "B1", 1_000_001 + FIRE_LASTS_MS)], [None, None], 0, 1),
            (&[(Confirmed, "i", "B4", 1_030_000), (Confirmed, "j", "B4", 1_040_000)], [None, None], 0, 2),
            (&[(Closed, "i", "B4", 1_030_000)], [None, None], 0, 0),
        ];
        for (decisions, expected_after_ms, expected_suspected, expected_false) in rows {
            let mut verdict = Verdict::new(&[]);
            verdict.plant("B1", 1_000_000, &["B2".to_owned()]);
            verdict.plant("B3", 2_000_000, &[]);
            for (kind, incident, buildings, at_ms) in *decisions {
                verdict.see(*kind, incident, buildings.split(' '), *at_ms);
            }
            let after_ms: Vec<_> = verdict.fates.iter().map(|fate| fate.confirmed_after_ms).collect();
            assert_eq!(after_ms, expected_after_ms, "{decisions:?}");
            assert_eq!(verdict.missed().filter(|(_, suspected)| *suspected).count(), *expected_suspected);
            assert_eq!(verdict.missed().count() + verdict.confirmed(), verdict.planted());
            assert_eq!(verdict.false_incidents().count(), *expected_false, "{decisions:?}");
        }
    }

    #[test]
    fn times_are_those_of_confirmed_fires() {
        let mut verdict = Verdict::new(&[]);
        assert_eq!(verdict.times(), None);
        for fire in 1..=10 {
            let building = fire.to_string();
            verdict.plant(&building, 0, &[]);
            verdict.see(Confirmed, &building, std::iter::once(building.as_str()), fire * 60_000);
        }
        let times = verdict.times().unwrap();
        for (ms, expected_ms) in [(times.median_ms, 300_000), (times.p90_ms, 540_000), (times.max_ms, 600_000)] {
            // Three digits are kept.
            assert!(ms.abs_diff(expected_ms) <= expected_ms / 1_000, "{ms} for {expected_ms}");
        }
    }
}
