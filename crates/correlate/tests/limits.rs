//! Past each limit: it is counted, nothing is lost that must not be, and memory stays bounded.

#![expect(clippy::unwrap_used, reason = "where the world of a test is not as it should be, the test fails")]

use std::fmt::Write as _;
use std::sync::Arc;

use fenghuo_correlate::{Correlator, Limits};
use fenghuo_model::{Decision, Input, Kind, Policy, Registry, Signal};

const START_MS: i64 = 1_795_312_682_000;

/// So many houses 30 m apart in one row, each with so many rooms.
fn street(houses: u32, rooms: u32) -> Arc<Registry> {
    let mut lines = String::new();
    for house in 0..houses {
        let lon = 113.75 + f64::from(house) * 0.000_293;
        writeln!(lines, r#"{{"type":"building","id":"B{house}","lon":{lon},"lat":23.0}}"#).unwrap();
        for room in 0..rooms {
            writeln!(
                lines,
                r#"{{"type":"device","id":"B{house}-{room}","building":"B{house}","sensor":"smoke","location":"{room}"}}"#
            )
            .unwrap();
        }
    }
    Arc::new(Registry::from_json_lines("street", lines.as_bytes()).unwrap())
}

fn correlator(registry: Arc<Registry>, limits: &Limits) -> Correlator {
    Correlator::with_limits(registry, Arc::new(Policy::default()), limits).unwrap()
}

fn fire(correlator: &mut Correlator, device: &str, at_ms: i64) -> Vec<Decision> {
    let mut signal = Signal::new(device, Kind::Fire);
    signal.at_ms = Some(START_MS + at_ms);
    signal.received_at_ms = signal.at_ms;
    let mut decisions = Vec::new();
    correlator.take(&Input::Signal(Box::new(signal)), &mut decisions).unwrap();
    decisions
}

fn words(decisions: &[Decision]) -> Vec<&'static str> {
    decisions.iter().map(|decision| decision.decision.word()).collect()
}

#[test]
fn limits_are_checked_against_each_other() {
    assert_eq!(Limits::default().check(), Ok(()));
    for limits in [
        Limits { evidence_per_building: 63, ..Limits::default() },
        Limits { buildings_per_incident: 1, ..Limits::default() },
        Limits { open_incidents: 1, ..Limits::default() },
        Limits { tracked_duplicates: 1, ..Limits::default() },
    ] {
        assert!(limits.check().is_err(), "{limits:?}");
    }
}

/// A thousand devices that all repeat every ten seconds for an hour.
#[test]
fn a_building_that_never_stops_shouting_stays_bounded() {
    let mut correlator = correlator(street(1, 1_000), &Limits::default());
    let mut last = Vec::new();
    for round in 0..360 {
        for room in 0..1_000 {
            let decisions = fire(&mut correlator, &format!("B0-{room}"), round * 10_000 + room);
            last = if decisions.is_empty() { last } else { decisions };
        }
    }
    let sizes = correlator.sizes();
    // A device keeps its first piece and one per eighth of the shortest window (15 s) of the memory (8 min).
    assert!(sizes.evidence <= 1_000 * (480 / 15 + 2), "{sizes:?}");
    assert!(correlator.counters().evidence_folded > 100_000, "{:?}", correlator.counters());
    let latest = last.last().unwrap();
    assert_eq!(latest.decision.word(), "update");
    let mut clear = Signal::new("officer", Kind::Clear);
    clear.at_ms = Some(START_MS + 3_700_000);
    clear.building = Some("B0".to_owned());
    let mut decisions = Vec::new();
    correlator.take(&Input::Signal(Box::new(clear)), &mut decisions).unwrap();
    let state = decisions[0].state.as_ref().unwrap();
    assert_eq!((words(&decisions).as_slice(), state.evidence_total), (&["cancelled"][..], 360_000));
    assert_eq!(state.devices, 1_000);
}

#[test]
fn a_folded_device_still_completes_a_rule() {
    let limits = Limits { evidence_per_building: 64, ..Limits::default() };
    let mut correlator = correlator(street(1, 2), &limits);
    for second in 0..600 {
        fire(&mut correlator, "B0-0", second * 1_000);
    }
    assert!(correlator.counters().evidence_folded > 0);
    assert_eq!(words(&fire(&mut correlator, "B0-1", 600_000)), ["confirmed"]);
}

#[test]
fn the_first_alarm_of_a_device_is_stored_beyond_the_limit() {
    let limits = Limits { evidence_per_building: 64, ..Limits::default() };
    let mut correlator = correlator(street(1, 300), &limits);
    for room in 0..300 {
        fire(&mut correlator, &format!("B0-{room}"), room * 100);
    }
    assert_eq!(correlator.counters().evidence_folded, 0);
    assert_eq!(correlator.sizes().evidence, 300);
}

#[test]
fn beyond_its_buildings_an_incident_takes_none_in() {
    let limits = Limits { buildings_per_incident: 2, ..Limits::default() };
    let mut correlator = correlator(street(4, 1), &limits);
    let mut decisions = Vec::new();
    for house in 0..4 {
        decisions.extend(fire(&mut correlator, &format!("B{house}-0"), house * 1_000));
    }
    assert!(correlator.counters().buildings_not_taken_in > 0);
    let most = decisions.iter().filter_map(|decision| decision.state.as_ref()).map(|state| state.buildings.len());
    assert_eq!(most.max(), Some(2));
    let confirmed = decisions.iter().filter(|decision| decision.decision.word() == "confirmed").count();
    assert_eq!(confirmed, 2, "the next house is an incident of its own");
}

#[test]
fn beyond_the_tracked_duplicates_the_oldest_is_forgotten() {
    let limits = Limits { tracked_duplicates: 3, open_incidents: 2, ..Limits::default() };
    let mut correlator = correlator(street(1, 5), &limits);
    for room in 0..5 {
        fire(&mut correlator, &format!("B0-{room}"), 0);
    }
    assert_eq!(correlator.counters().duplicates_forgotten, 2);
    fire(&mut correlator, "B0-4", 0);
    assert_eq!(correlator.counters().duplicates, 1);
    fire(&mut correlator, "B0-0", 0);
    assert_eq!(correlator.counters().duplicates, 1, "forgotten, so taken again: nothing is lost");
}

#[test]
fn beyond_the_open_incidents_the_longest_silent_suspicion_closes() {
    let limits = Limits { open_incidents: 3, ..Limits::default() };
    let mut correlator = correlator(street(40, 2), &limits);
    let far = |house: u32| format!("B{}-0", house * 10);
    fire(&mut correlator, &far(0), 0);
    assert_eq!(words(&fire(&mut correlator, "B0-1", 1)), ["confirmed"]);
    fire(&mut correlator, &far(1), 2);
    fire(&mut correlator, &far(2), 3);
    let decisions = fire(&mut correlator, &far(3), 4);
    assert_eq!(words(&decisions), ["closed", "suspected"]);
    assert_eq!(decisions[0].state.as_ref().unwrap().place, "B10");
    assert_eq!(correlator.counters().incidents_closed_early, 1);
}
