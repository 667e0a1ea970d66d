//! What goes where, row by row, and that a correlator goes on from it.

use std::collections::BTreeMap;
use std::sync::Arc;

use fenghuo_model::{Decision, Input, Policy, Registry};

use super::*;
use crate::{Correlator, Limits, StateChange};

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

const START_MS: i64 = 1_795_312_682_000;

/// Two houses next door to each other and one far away, in the regions given.
fn registry(regions: [&str; 3]) -> Arc<Registry> {
    let places = [(113.75, 23.02), (113.7502, 23.0201), (113.8, 23.1)];
    let mut text = String::new();
    for (number, (region, (lon, lat))) in (1..).zip(regions.into_iter().zip(places)) {
        text += &format!(
            r#"{{"type":"building","id":"B{number}","lon":{lon},"lat":{lat},"region":"{region}","premises":"rental"}}
{{"type":"device","id":"D{number}","building":"B{number}","sensor":"smoke","location":"301"}}
{{"type":"device","id":"E{number}","building":"B{number}","sensor":"heat","location":"302"}}
"#
        );
    }
    Arc::new(Registry::from_json_lines("registry", text.as_bytes()).unwrap())
}

/// `device kind seconds`.
fn take(correlator: &mut Correlator, lines: &[&str]) -> Vec<Decision> {
    let mut decisions = Vec::new();
    for line in lines {
        let [device, kind, seconds] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let at_ms = START_MS + seconds.parse::<i64>().unwrap() * 1_000;
        let signal = serde_json::json!({"device": device, "kind": kind, "at": at_ms, "received_at": at_ms});
        correlator.take(&Input::from_json(signal.to_string().as_bytes()).unwrap(), &mut decisions).unwrap();
    }
    decisions
}

fn kept(registry: &Arc<Registry>, lines: &[&str]) -> Records {
    let mut correlator = Correlator::new(Arc::clone(registry), Arc::new(Policy::default()));
    correlator.keep_changes();
    take(&mut correlator, lines);
    let mut changes = Vec::new();
    correlator.changes(&mut changes);
    changes.into_iter().filter_map(|StateChange { key, value }| Some((key, value?))).collect()
}

fn part(number: i32, records: &Records) -> Part<'_> {
    Part { number, records: records.iter().map(|(key, value)| (key.as_slice(), value.as_slice())).collect() }
}

/// All regions at home in writer 0.
fn regrouped(registry: &Registry, records: &Records) -> Result<Regrouped, Vec<Unmovable>> {
    regroup(registry, |_| 0, &[part(0, records)])
}

fn restored(registry: &Arc<Registry>, regrouped: &Regrouped) -> Correlator {
    let records = regrouped.regions.values().flatten().map(|(key, value)| (key.as_slice(), value.as_slice()));
    Correlator::restore(Arc::clone(registry), Arc::new(Policy::default()), &Limits::default(), records).unwrap()
}

const BURNING: [&str; 4] = ["E1 isolate 0", "D1 fire 10", "D3 fire 20", "nobody fire 30"];

#[test]
fn under_the_same_registry_nothing_changes() {
    let registry = registry(["a", "a", "b"]);
    let mut before = kept(&registry, &BURNING);
    let after = regrouped(&registry, &before).unwrap();
    before.remove(key::COUNTERS.as_bytes());
    assert!(before.len() > 5);
    assert_eq!(after.regions.values().flatten().map(|(k, v)| (k.clone(), v.clone())).collect::<Records>(), before);
    assert_eq!(after.regions.keys().collect::<Vec<_>>(), ["a", "b", "unplaced"]);
    assert!(after.moved.is_empty() && after.doubled.is_empty() && after.gone.is_empty() && after.lone.is_empty());
}

/// Its incident keeps its id and its evidence, its devices what they said: the isolated one still counts for nothing.
#[test]
fn a_building_takes_its_incident_along() {
    let (before, after) = (registry(["a", "a", "b"]), registry(["b", "a", "b"]));
    let records = kept(&before, &BURNING);
    let found = regrouped(&after, &records).unwrap();
    let [moved] = found.moved.as_slice() else { panic!("{:?}", found.moved) };
    assert_eq!((moved.building.as_str(), moved.from.as_str(), moved.to.as_str()), ("B1", "a", "b"));
    let keys: Vec<_> = found.regions["b"].keys().map(|key| String::from_utf8_lossy(key).into_owned()).collect();
    for expected in ["building/1/b/B1", "building/1/b/B3", "device/1/b/r/E1"] {
        assert!(keys.iter().any(|key| key == expected), "{expected}: {keys:?}");
    }
    assert!(found.regions["a"].keys().all(|key| !key.starts_with(b"building") && !key.starts_with(b"device")));

    let mut correlator = restored(&after, &found);
    assert!(take(&mut correlator, &["E1 fire 40"]).iter().all(|it| !it.to_json().contains("confirmed\",\"incident")));
    let decided = take(&mut correlator, &["E1 isolate_restore 46", "E1 fire 50"]);
    let confirmed: Vec<String> = decided.iter().map(Decision::to_json).filter(|it| it.contains("\"B1\"")).collect();
    assert!(confirmed.iter().any(|it| it.contains(&moved.incident) && it.contains("\"confirmed\"")), "{confirmed:?}");
    // The second time there is nothing to move.
    let again: Records = found.regions.values().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
    let second = regrouped(&after, &again).unwrap();
    assert_eq!((second.moved.len(), second.regions), (0, found.regions));
}

/// One that burns over two houses goes whole, or not at all; whoever is in the way is named.
#[test]
fn an_incident_goes_whole() {
    let before = registry(["a", "a", "b"]);
    let records = kept(&before, &["D1 fire 0", "E1 fire 5", "D2 fire 10", "E2 fire 15"]);
    let buildings = records.keys().filter(|key| key.starts_with(b"building/")).count();
    assert_eq!(buildings, 2);
    let whole = regrouped(&registry(["b", "b", "b"]), &records).unwrap();
    assert_eq!((whole.moved.len(), &whole.gone[..]), (2, &["a".to_owned()][..]));
    assert_eq!(whole.moved[0].incident, whole.moved[1].incident);
    drop(restored(&registry(["b", "b", "b"]), &whole));

    let faults = regrouped(&registry(["b", "a", "b"]), &records).unwrap_err();
    let said = faults.iter().map(ToString::to_string).collect::<String>();
    assert!(said.contains(&whole.moved[0].incident) && said.contains("B1 into b, B2 into a"), "{said}");

    let small =
        Registry::from_json_lines("r", br#"{"type":"building","id":"B9","lon":1,"lat":1,"region":"a"}"#).unwrap();
    let said = regrouped(&small, &records).unwrap_err().iter().map(ToString::to_string).collect::<String>();
    assert!(said.contains("B1") && said.contains("not in the registry"), "{said}");
}

/// Clocks that ticks moved stay; what a region's signals left at another writer joins its own.
#[test]
fn strays_join_and_lone_clocks_stay() {
    let registry = registry(["a", "a", "b"]);
    let home = |region: &str| i32::from(region == "b");
    let (zero, one) = (kept(&registry, &["D1 fire 0", "D3 fire 1"]), kept(&registry, &["D3 fire 20", "D1 restore 21"]));
    let found = regroup(&registry, home, &[part(0, &zero), part(1, &one)]).unwrap();
    // B3 burns at both: the one at home goes on.
    assert_eq!((found.doubled.len(), found.lone.len()), (1, 0));
    let has = |region: &str, key: &str| found.regions[region].contains_key(key.as_bytes());
    assert!(has("a", "building/1/a/B1") && has("a", "device/1/a/r/D1") && has("b", "building/1/b/B3"));
    assert_eq!(found.regions["b"]["building/1/b/B3".as_bytes()], one["building/1/b/B3".as_bytes()]);

    let mut ticked = Correlator::new(Arc::clone(&registry), Arc::new(Policy::default()));
    ticked.keep_changes();
    let tick = format!(r#"{{"tick":{START_MS}}}"#);
    ticked.take(&Input::from_json(tick.as_bytes()).unwrap(), &mut Vec::new()).unwrap();
    let mut changes = Vec::new();
    ticked.changes(&mut changes);
    let ticked: Records = changes.into_iter().filter_map(|it| Some((it.key, it.value?))).collect();
    let found = regroup(&registry, home, &[part(0, &zero), part(1, &ticked)]).unwrap();
    let lone: Vec<_> = found.lone.iter().map(|(number, key)| (*number, String::from_utf8_lossy(key))).collect();
    assert_eq!(lone.iter().filter(|(number, _)| *number == 1).count(), 2, "{lone:?}");
    assert!(lone.iter().any(|(number, key)| *number == 1 && key == "region/1/a/"), "{lone:?}");
}

#[test]
fn restores_and_isolations_of_two_regions_are_one_list() {
    let mut region = OfRegion::default();
    let record = |restores_ms: &[i64], isolations: &[(i64, Option<i64>)]| {
        envelope::write(&DeviceRecord { restores_ms: restores_ms.to_vec(), isolations: isolations.to_vec() })
    };
    for said in [record(&[5, 9], &[(1, Some(7))]), record(&[3, 5], &[(1, Some(7)), (0, None)])] {
        region.hear("r/D1".to_owned(), said).unwrap();
    }
    assert_eq!(region.devices["r/D1"], record(&[3, 5, 9], &[(0, None), (1, Some(7))]));
}
