//! A registry put in force in the middle of a sequence: what is held stays, what comes is placed by the new one.

#![expect(clippy::unwrap_used, reason = "where the world of a test is not as it should be, the test fails")]

use std::collections::BTreeMap;
use std::sync::Arc;

use fenghuo_correlate::{Correlator, Limits, StateChange, StateError};
use fenghuo_model::registry::version_of;
use fenghuo_model::{Decision, Input, Policy, Registry, RegistryChange};

const HOUSE: &str = r#"{"type":"building","id":"B1","lon":113.75,"lat":23.02,"region":"north"}
{"type":"building","id":"B2","lon":113.95,"lat":23.02,"region":"south"}
{"type":"device","id":"D1","building":"B1","sensor":"smoke","location":"301"}
"#;
/// A detector more, and a region that is gone.
const MORE: &str = r#"{"type":"building","id":"B0","lon":113.05,"lat":23.02,"region":"north"}
{"type":"building","id":"B1","name":"new name","lon":113.75,"lat":23.02,"region":"north"}
{"type":"device","id":"D0","building":"B0","sensor":"smoke"}
{"type":"device","id":"D1","building":"B1","sensor":"smoke","location":"301"}
{"type":"device","id":"D2","address":"imei:2","building":"B1","sensor":"smoke","location":"302"}
"#;
const WITHOUT_B1: &str = r#"{"type":"building","id":"B2","lon":113.95,"lat":23.02,"region":"south"}
"#;
const B2_MOVED: &str = r#"{"type":"building","id":"B1","lon":113.75,"lat":23.02,"region":"north"}
{"type":"building","id":"B2","lon":113.95,"lat":23.02,"region":"north"}
"#;

const BEGAN_MS: i64 = 1_795_312_682_000;

type Log = BTreeMap<Vec<u8>, Vec<u8>>;

fn registry(text: &str) -> Arc<Registry> {
    Arc::new(Registry::from_json_lines("registry", text.as_bytes()).unwrap())
}

fn said(device: &str, kind: &str, second: i64, building: Option<&str>) -> String {
    let building = building.map(|id| format!(",\"building\":\"{id}\"")).unwrap_or_default();
    let at_ms = BEGAN_MS + second * 1_000;
    format!("{{\"device\":\"{device}\",\"kind\":\"{kind}\",\"at\":{at_ms},\"received_at\":{at_ms}{building}}}")
}

fn change(text: &str) -> String {
    RegistryChange { version: version_of(text.as_bytes()) }.to_json()
}

/// A correlator with the log of its state and the registries that it may be given.
struct World {
    correlator: Correlator,
    in_force: &'static str,
    log: Log,
    decisions: Vec<Decision>,
}

impl World {
    fn new() -> Self {
        let mut correlator = Correlator::new(registry(HOUSE), Arc::new(Policy::default()));
        correlator.keep_changes();
        Self { correlator, in_force: HOUSE, log: Log::new(), decisions: Vec::new() }
    }

    fn take(&mut self, line: &str) -> Result<(), StateError> {
        let input = Input::from_json(line.as_bytes()).unwrap();
        let Input::Registry(RegistryChange { version }) = &input else {
            self.correlator.take(&input, &mut self.decisions).unwrap();
            return Ok(());
        };
        let text = [HOUSE, MORE, WITHOUT_B1, B2_MOVED].into_iter().find(|text| version_of(text.as_bytes()) == *version);
        self.correlator.change_registry(registry(text.unwrap()))?;
        self.in_force = text.unwrap();
        Ok(())
    }

    fn write(&mut self) {
        let mut changes = Vec::new();
        self.correlator.changes(&mut changes);
        for StateChange { key, value } in changes {
            match value {
                Some(value) => self.log.insert(key, value),
                None => self.log.remove(&key),
            };
        }
    }

    fn restored(&self, text: &str) -> Correlator {
        let records = self.log.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        let policy = Arc::new(Policy::default());
        Correlator::restore(registry(text), policy, &Limits::default(), records).unwrap()
    }

    fn told(&self) -> Vec<(&'static str, String)> {
        let place = |it: &Decision| it.state.as_ref().map(|state| state.place.clone()).unwrap_or_default();
        self.decisions.iter().map(|it| (it.decision.word(), place(it))).collect()
    }

    fn keys(&self) -> Vec<String> {
        self.log.keys().map(|key| String::from_utf8(key.clone()).unwrap()).collect()
    }
}

fn words(told: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    told.iter().map(|(word, place)| (*word, (*place).to_owned())).collect()
}

#[test]
fn what_comes_is_placed_by_the_new_one_together_with_what_is_there() {
    let mut world = World::new();
    world.take(&said("D1", "fire", 0, None)).unwrap();
    world.take(&said("imei:2", "fire", 5, None)).unwrap();
    assert_eq!(world.told(), words(&[("suspected", "B1"), ("unplaced", "")]));
    world.take(&change(MORE)).unwrap();
    // What nobody could place before stays unplaced; what comes has a building and a room.
    world.take(&said("imei:2", "fire", 10, None)).unwrap();
    assert_eq!(world.told()[2..], words(&[("confirmed", "B1")]));
    let confirmed = world.decisions[2].to_json();
    assert!(confirmed.contains("new name") && confirmed.contains(r#""device":"D2""#), "{confirmed}");
    // The correlator itself has no registry to put in force.
    let input = Input::from_json(change(HOUSE).as_bytes()).unwrap();
    assert!(world.correlator.take(&input, &mut Vec::new()).is_err());
}

#[test]
fn two_names_become_one_device_and_what_is_gone_leaves_the_log() {
    let mut world = World::new();
    let lines = [
        said("D1", "fire", 0, None),
        said("D2", "isolate", 1, Some("B1")),
        said("imei:2", "restore", 2, Some("B1")),
        said("D2", "fire", 3, Some("B1")),
        said("imei:2", "fire", 4, Some("B1")),
        said("X", "heartbeat", 5, Some("B2")),
        said("Y", "fire", 6, None),
    ];
    for line in &lines {
        world.take(line).unwrap();
        world.write();
    }
    let before = world.keys();
    for key in ["region/5/south/", "device/5/north/s/D2", "device/5/north/s/imei:2"] {
        assert!(before.iter().any(|found| found == key), "{key} in {before:?}");
    }
    world.take(&change(MORE)).unwrap();
    world.write();
    let after = world.keys();
    let gone = ["region/5/south/", "accepted/5/south/", "device/5/north/s/"];
    let left: Vec<&String> = after.iter().filter(|key| gone.iter().any(|gone| key.starts_with(gone))).collect();
    assert_eq!(left, Vec::<&String>::new());
    assert!(after.iter().any(|key| key == "device/5/north/r/D2"), "{after:?}");
    // The one device is isolated, although only one of its names was.
    let decisions = world.decisions.len();
    world.take(&said("imei:2", "fire", 7, None)).unwrap();
    assert_eq!(world.told()[decisions..], words(&[]));
    // And a restart, which reads the log, knows as much: the log is all of it.
    world.write();
    let mut again = World { correlator: world.restored(MORE), in_force: MORE, log: Log::new(), decisions: Vec::new() };
    again.correlator.amend_records(world.log.iter().map(|(key, value)| (key.as_slice(), value.as_slice())));
    again.write();
    for (key, value) in again.log.iter().filter(|(key, _)| !key.starts_with(b"accepted/")) {
        assert_eq!(world.log.get(key), Some(value), "{}", String::from_utf8_lossy(key));
    }
}

#[test]
fn a_restart_at_any_point_changes_nothing() {
    let lines = [
        said("D1", "fire", 0, None),
        said("D2", "fire", 1, Some("B1")),
        said("Z", "fire", 2, None),
        change(MORE),
        said("D2", "fire", 10, None),
        said("D1", "restore", 20, None),
        change(HOUSE),
        said("D2", "fire", 40, Some("B1")),
        said("Z", "fire", 50, None),
    ];
    let mut whole = World::new();
    lines.iter().for_each(|line| whole.take(line).unwrap());
    assert_eq!(whole.told().len(), 4, "{:?}", whole.told());
    for restart_after in 1..=lines.len() {
        for written_each in [true, false] {
            let mut world = World::new();
            for (number, line) in (1..).zip(&lines) {
                world.take(line).unwrap();
                if written_each || number == restart_after {
                    world.write();
                }
                if number == restart_after {
                    world.correlator = world.restored(world.in_force);
                }
            }
            assert_eq!(world.decisions, whole.decisions, "restart after {restart_after}");
        }
    }
}

#[test]
fn what_would_tear_a_fire_apart_is_refused_and_changes_nothing() {
    for (text, reason) in [(WITHOUT_B1, "B1 is in an open incident"), (B2_MOVED, "B2 belongs to the region south")] {
        let lines = [said("D1", "fire", 0, None), said("D2", "fire", 1, Some("B1"))];
        let (mut refused, mut other) = (World::new(), World::new());
        for world in [&mut refused, &mut other] {
            world.take(&lines[0]).unwrap();
        }
        let error = refused.take(&change(text)).unwrap_err().to_string();
        assert!(error.contains(reason), "{error}");
        for world in [&mut refused, &mut other] {
            world.take(&lines[1]).unwrap();
            world.write();
        }
        assert_eq!(refused.decisions, other.decisions);
        assert_eq!(refused.restored(HOUSE).sizes(), other.restored(HOUSE).sizes());
    }
}
