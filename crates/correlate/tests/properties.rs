//! What section 3 of the contract promises of any sequence: order, repetition, regions and partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fenghuo_correlate::Correlator;
use fenghuo_model::{Decision, Input, Kind, Policy, Registry, Sensor, Signal};
use proptest::prelude::*;

const START_MS: i64 = 1_795_312_682_000;
const REGIONS: [&str; 3] = ["east", "north", "west"];

/// Three regions of four houses in a row, 60 m apart, with three rooms each; house 3 has no room names.
fn city() -> Arc<Registry> {
    let mut lines = String::new();
    for (r, region) in REGIONS.iter().enumerate() {
        for house in 0..4_u32 {
            let (lon, lat) = (113.75 + f64::from(house) * 0.000_586, 23.0 + r as f64);
            let id = format!("{region}-{house}");
            lines += &format!(
                "{{\"type\":\"building\",\"id\":\"{id}\",\"lon\":{lon},\"lat\":{lat},\"region\":\"{region}\"}}\n"
            );
            for room in 0..3 {
                let sensor = ["smoke", "heat", "call_point"][room];
                let location = if house == 3 { String::new() } else { format!(",\"location\":\"{room}F\"") };
                lines += &format!(
                    "{{\"type\":\"device\",\"id\":\"{id}-{room}\",\"building\":\"{id}\",\"sensor\":\"{sensor}\"{location}}}\n"
                );
            }
        }
    }
    Arc::new(Registry::from_json_lines("city", lines.as_bytes()).expect("the city above is well-formed"))
}

/// One signal: region, house, room, kind, seconds since the start, delay of receipt in seconds.
#[derive(Debug, Clone)]
struct Draft {
    region: usize,
    house: u32,
    room: u32,
    kind: Kind,
    at_s: i64,
    delay_s: i64,
}

impl Draft {
    fn device(&self) -> String {
        format!("{}-{}-{}", REGIONS[self.region], self.house, self.room)
    }

    fn signal(&self) -> Signal {
        let mut signal = Signal::new(self.device(), self.kind);
        signal.at_ms = Some(START_MS + self.at_s * 1_000);
        signal.received_at_ms = Some(START_MS + (self.at_s + self.delay_s) * 1_000);
        if self.kind.is_by_people() {
            signal.building = Some(format!("{}-{}", REGIONS[self.region], self.house));
        }
        signal
    }
}

fn drafts(kinds: &'static [Kind], span_s: i64, most: usize) -> impl Strategy<Value = Vec<Draft>> {
    let draft = (0..3_usize, 0..4_u32, 0..3_u32, proptest::sample::select(kinds), 0..span_s, 0..60_i64)
        .prop_map(|(region, house, room, kind, at_s, delay_s)| Draft { region, house, room, kind, at_s, delay_s });
    proptest::collection::vec(draft, 1..most)
}

const ANY: &[Kind] = &[
    Kind::Fire,
    Kind::Fire,
    Kind::Fire,
    Kind::Fire,
    Kind::Restore,
    Kind::Isolate,
    Kind::IsolateRestore,
    Kind::Clear,
    Kind::Confirm,
    Kind::Acknowledge,
    Kind::Heartbeat,
];

fn policy() -> Arc<Policy> {
    Arc::new(Policy::default())
}

fn building_rules_only() -> Arc<Policy> {
    let mut policy = Policy::default();
    policy.rules.retain(|rule| rule.radius_m.is_none());
    Arc::new(policy)
}

fn run(policy: &Arc<Policy>, signals: impl IntoIterator<Item = Signal>) -> Vec<Decision> {
    let mut correlator = Correlator::new(city(), Arc::clone(policy));
    let mut decisions = Vec::new();
    for signal in signals {
        let _rejected_without_effect = correlator.take(&Input::Signal(Box::new(signal)), &mut decisions);
    }
    correlator.drain(&mut decisions);
    decisions
}

/// Signals in the order of their receipt.
fn in_order(drafts: &[Draft]) -> Vec<Signal> {
    let mut signals: Vec<Signal> = drafts.iter().map(Draft::signal).collect();
    signals.sort_by_key(|signal| signal.received_at_ms);
    signals
}

/// Every building that was ever in a confirmed incident.
fn confirmed_buildings(decisions: &[Decision]) -> BTreeSet<String> {
    let states = decisions.iter().filter_map(|decision| decision.state.as_ref());
    let confirmed = states.filter(|state| state.rule.is_some());
    confirmed.flat_map(|state| state.buildings.iter().map(|building| building.id.clone())).collect()
}

fn by_region(decisions: Vec<Decision>) -> BTreeMap<String, Vec<Decision>> {
    let mut regions: BTreeMap<String, Vec<Decision>> = BTreeMap::new();
    for decision in decisions {
        regions.entry(decision.region.clone()).or_default().push(decision);
    }
    regions
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Within the clock limits the order of arrival does not decide which buildings burn.
    #[test]
    fn shuffled_fires_confirm_the_same_buildings(
        (drafts, shuffled) in drafts(&[Kind::Fire], 100, 24)
            .prop_flat_map(|drafts| (Just(drafts.clone()), Just(drafts).prop_shuffle()))
    ) {
        // All are received at one moment that believes each of their clocks.
        let at_once = |drafts: &[Draft]| drafts.iter().map(|draft| {
            let mut signal = draft.signal();
            signal.received_at_ms = Some(START_MS + 100_000);
            signal
        }).collect::<Vec<_>>();
        let policy = building_rules_only();
        prop_assert_eq!(
            confirmed_buildings(&run(&policy, at_once(&drafts))),
            confirmed_buildings(&run(&policy, at_once(&shuffled)))
        );
    }

    /// A restore that comes late takes no decision back: with it a subset, without it all.
    #[test]
    fn late_restores_leave_a_superset(drafts in drafts(&[Kind::Fire, Kind::Fire, Kind::Restore], 100, 24)) {
        let policy = building_rules_only();
        let timely = in_order(&drafts);
        let (restores, mut late): (Vec<_>, Vec<_>) =
            timely.iter().cloned().partition(|signal| signal.kind == Kind::Restore);
        late.extend(restores);
        let timely = confirmed_buildings(&run(&policy, timely));
        prop_assert!(confirmed_buildings(&run(&policy, late)).is_superset(&timely));
    }

    /// Whatever is repeated within the horizon changes nothing but the count of duplicates.
    #[test]
    fn repetition_changes_nothing(
        drafts in drafts(ANY, 900, 40),
        repeated in proptest::collection::vec(1..4_usize, 40)
    ) {
        let once = in_order(&drafts);
        let again = once.iter().zip(&repeated).flat_map(|(signal, times)| vec![signal.clone(); *times]);
        let without_count = |decisions: Vec<Decision>| decisions.into_iter().map(|mut decision| {
            if let Some(state) = &mut decision.state { state.duplicates = 0; }
            decision
        }).collect::<Vec<_>>();
        prop_assert_eq!(without_count(run(&policy(), once.clone())), without_count(run(&policy(), again)));
    }

    /// Each region alone decides as it does among the others, ids included, however they share partitions.
    #[test]
    fn regions_do_not_influence_one_another(drafts in drafts(ANY, 1_200, 60)) {
        let together = by_region(run(&policy(), in_order(&drafts)));
        for (number, region) in REGIONS.iter().enumerate() {
            let own: Vec<Draft> = drafts.iter().filter(|draft| draft.region == number).cloned().collect();
            let alone = by_region(run(&policy(), in_order(&own)));
            prop_assert_eq!(together.get(*region), alone.get(*region));
        }
    }

    /// The same sequence twice gives the same bytes, and no fire goes without a trace.
    #[test]
    fn twice_the_same_and_no_fire_without_a_trace(drafts in drafts(ANY, 900, 60)) {
        let signals = in_order(&drafts);
        let json = |decisions: Vec<Decision>| decisions.iter().map(Decision::to_json).collect::<Vec<_>>();
        prop_assert_eq!(json(run(&policy(), signals.clone())), json(run(&policy(), signals.clone())));

        let mut correlator = Correlator::new(city(), policy());
        let mut decisions = Vec::new();
        let mut fires = 0;
        let mut other_duplicates = 0;
        for signal in signals {
            let is_fire = matches!(signal.kind, Kind::Fire | Kind::Confirm);
            fires += u64::from(is_fire);
            let before = correlator.counters().duplicates;
            let taken = correlator.take(&Input::Signal(Box::new(signal)), &mut decisions);
            prop_assert!(taken.is_ok());
            other_duplicates += if is_fire { 0 } else { correlator.counters().duplicates - before };
        }
        let counters = correlator.counters();
        prop_assert_eq!(fires, counters.evidence + counters.duplicates - other_duplicates);
    }

    /// A building is in at most one open incident, and revisions count from 1 without a gap.
    #[test]
    fn one_open_incident_a_building_and_revisions_without_gap(drafts in drafts(ANY, 3_000, 80)) {
        let mut revisions: BTreeMap<String, u32> = BTreeMap::new();
        let mut holder: BTreeMap<String, String> = BTreeMap::new();
        for decision in run(&policy(), in_order(&drafts)) {
            let (Some(incident), Some(revision), Some(state)) = (&decision.incident, decision.revision, &decision.state)
            else { continue };
            let last = revisions.entry(incident.clone()).or_default();
            prop_assert!(revision == *last + 1 || revision == 1, "{}", decision.to_json());
            *last = revision;
            let ends = ["merged", "rejected", "cancelled", "closed"].contains(&decision.decision.word());
            holder.retain(|_, held_by| held_by != incident);
            if !ends {
                for building in &state.buildings {
                    let before = holder.insert(building.id.clone(), incident.clone());
                    prop_assert!(before.is_none(), "{} is in two incidents: {}", building.id, decision.to_json());
                }
            }
        }
    }
}

/// Two rooms within the window confirm, and the decision says why.
#[test]
fn a_confirmed_fire_tells_when_where_and_why() {
    let fire = |room, at_s| Draft { region: 0, house: 1, room, kind: Kind::Fire, at_s, delay_s: 5 };
    let decisions = run(&policy(), in_order(&[fire(0, 0), fire(1, 27)]));
    let kinds: Vec<&str> = decisions.iter().map(|decision| decision.decision.word()).collect();
    assert_eq!(kinds, ["suspected", "confirmed", "closed"]);
    let state = decisions[1].state.as_ref().unwrap();
    assert_eq!(state.rule.as_deref(), Some("two-locations"));
    assert_eq!(state.satisfied_at.unwrap().to_string(), "2026-11-22T01:58:29.000Z");
    assert_eq!(state.classes, [Sensor::Heat, Sensor::Smoke]);
    assert!(decisions[1].evidence.iter().all(|evidence| evidence.counted));
}
