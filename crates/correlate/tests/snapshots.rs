//! Snapshots agree with what is counted, held and decided, and taking them changes nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use fenghuo_correlate::{Correlator, Snapshot};
use fenghuo_model::time::Rfc3339;
use fenghuo_model::{Decision, Input, Kind, Policy, Registry, Signal};
use proptest::prelude::*;

const START_MS: i64 = 1_795_312_682_000;
const REGIONS: [&str; 2] = ["east", "west"];

/// Two regions of four houses in a row, 60 m apart, with two rooms each.
fn city() -> Arc<Registry> {
    let mut lines = String::new();
    for (r, region) in REGIONS.iter().enumerate() {
        for house in 0..4_u32 {
            let (lon, lat) = (113.75 + f64::from(house) * 0.000_586, 23.0 + r as f64);
            let id = format!("{region}-{house}");
            lines += &format!(
                "{{\"type\":\"building\",\"id\":\"{id}\",\"lon\":{lon},\"lat\":{lat},\"region\":\"{region}\"}}\n"
            );
            for (room, sensor) in ["smoke", "heat"].iter().enumerate() {
                lines += &format!(
                    "{{\"type\":\"device\",\"id\":\"{id}-{room}\",\"building\":\"{id}\",\"sensor\":\"{sensor}\"}}\n"
                );
            }
        }
    }
    Arc::new(Registry::from_json_lines("city", lines.as_bytes()).expect("the city above is well-formed"))
}

fn signal(region: usize, house: u32, room: u32, kind: Kind, at_s: i64) -> Input {
    let building = format!("{}-{house}", REGIONS[region]);
    let mut signal = Signal::new(format!("{building}-{room}"), kind);
    signal.at_ms = Some(START_MS + at_s * 1_000);
    signal.received_at_ms = signal.at_ms;
    signal.building = kind.is_by_people().then_some(building);
    Input::Signal(Box::new(signal))
}

const KINDS: &[Kind] = &[
    Kind::Fire,
    Kind::Fire,
    Kind::Fire,
    Kind::Fire,
    Kind::Restore,
    Kind::Isolate,
    Kind::Clear,
    Kind::Confirm,
    Kind::Acknowledge,
    Kind::Heartbeat,
];

/// Signals in the order of time; gaps of up to 5 minutes, so that timers fire.
fn inputs() -> impl Strategy<Value = Vec<Input>> {
    let one = (0..2_usize, 0..4_u32, 0..2_u32, proptest::sample::select(KINDS), prop_oneof![0..60_i64, 0..300_i64]);
    proptest::collection::vec(one, 1..60).prop_map(|drafts| {
        let mut at_s = 0;
        let mut input = |(region, house, room, kind, gap_s)| {
            at_s += gap_s;
            signal(region, house, room, kind, at_s)
        };
        drafts.into_iter().map(&mut input).collect()
    })
}

fn correlator() -> Correlator {
    Correlator::new(city(), Arc::new(Policy::default()))
}

/// What follows from the decisions: every open incident by region and id, with revision, buildings and whether it is
/// confirmed.
type Open = BTreeMap<(String, String), (u32, Vec<String>, bool)>;

fn follow(decisions: &[Decision], open: &mut Open) {
    for decision in decisions {
        let (Some(incident), Some(revision), Some(state)) = (&decision.incident, decision.revision, &decision.state)
        else {
            continue;
        };
        let key = (decision.region.clone(), incident.clone());
        if decision.decision.ends() {
            open.remove(&key);
        } else {
            let buildings = state.buildings.iter().map(|building| building.id.clone()).collect();
            open.insert(key, (revision, sorted(buildings), state.rule.is_some()));
        }
    }
}

fn sorted(mut ids: Vec<String>) -> Vec<String> {
    ids.sort_unstable();
    ids
}

fn shown(snapshot: &Snapshot) -> Open {
    let regions = snapshot.regions.iter();
    let incidents = regions.flat_map(|region| region.incidents.iter().map(move |incident| (region, incident)));
    incidents
        .map(|(region, one)| {
            let key = (region.region.clone(), one.incident.clone());
            (key, (one.revision, sorted(one.buildings.clone()), one.confirmed))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// After every input, the snapshot's parts add up to its sizes and show what the decisions so far told.
    #[test]
    fn a_snapshot_agrees_with_what_is_counted_held_and_decided(inputs in inputs()) {
        let mut correlator = correlator();
        let mut open = Open::new();
        for input in &inputs {
            let mut decisions = Vec::new();
            prop_assert!(correlator.take(input, &mut decisions).is_ok());
            follow(&decisions, &mut open);
            let snapshot = correlator.snapshot();
            prop_assert_eq!(&snapshot.counters, correlator.counters());
            prop_assert_eq!(snapshot.sizes, correlator.sizes());
            let incidents: Vec<_> = snapshot.regions.iter().flat_map(|region| &region.incidents).collect();
            prop_assert_eq!(incidents.len(), snapshot.sizes.incidents);
            prop_assert_eq!(incidents.iter().map(|one| one.evidence).sum::<usize>(), snapshot.sizes.evidence);
            prop_assert_eq!(shown(&snapshot), open.clone());
            for region in &snapshot.regions {
                prop_assert!(region.incidents.is_sorted_by_key(|one| one.opened_at));
                for one in &region.incidents {
                    let due = [one.close_at, one.verify_at, one.escalate_at, one.update_at];
                    prop_assert!(due.iter().flatten().all(|due| *due > region.clock), "{:?} at {}", one, region.clock);
                    prop_assert!(one.opened_at <= region.clock && one.last_arrival_at <= region.clock);
                    prop_assert!(one.buildings.contains(&one.place) && one.close_at.is_some());
                }
            }
        }
    }

    /// With a snapshot after every input the decisions are the same, to the byte.
    #[test]
    fn looking_changes_no_decision(inputs in inputs()) {
        let decide = |looks: bool| {
            let mut correlator = correlator();
            let mut decisions = Vec::new();
            for input in &inputs {
                let taken = correlator.take(input, &mut decisions);
                assert_eq!(taken, Ok(()));
                if looks {
                    let _seen_by_nobody = correlator.snapshot();
                }
            }
            correlator.drain(&mut decisions);
            decisions.iter().map(Decision::to_json).collect::<Vec<_>>()
        };
        prop_assert_eq!(decide(true), decide(false));
    }
}

#[test]
fn a_snapshot_tells_where_it_burns_and_what_comes_next() {
    let mut correlator = correlator();
    assert_eq!(correlator.snapshot(), Snapshot::default(), "no region heard anything");
    let mut decisions = Vec::new();
    for input in [signal(0, 1, 0, Kind::Fire, 0), signal(0, 1, 1, Kind::Fire, 27)] {
        assert_eq!(correlator.take(&input, &mut decisions), Ok(()));
    }
    let snapshot = correlator.snapshot();
    let [region] = snapshot.regions.as_slice() else { panic!("only the east heard anything: {snapshot:?}") };
    assert_eq!((region.region.as_str(), region.clock), ("east", Rfc3339(START_MS + 27_000)));
    let json = serde_json::to_value(&region.incidents).expect("a snapshot is JSON");
    let incident = decisions[0].incident.as_deref().expect("the first decision opens an incident");
    let expected = serde_json::json!([{
        "incident": incident, "revision": 2, "place": "east-1", "buildings": ["east-1"],
        "confirmed": true, "rule": "two-locations", "acknowledged": false, "evidence": 2,
        "opened_at": "2026-11-22T01:58:02.000Z", "last_arrival_at": "2026-11-22T01:58:29.000Z",
        "close_at": json[0]["close_at"],
    }]);
    assert_eq!(json, expected);
}
