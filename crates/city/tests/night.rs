//! The city and its night, seen from outside: through the registry's reader and the decoder.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use fenghuo_city::{Channel, City, Plan, RawRecord};
use fenghuo_decode::{Decoded, Options, Record, decode_record};
use fenghuo_model::policy::Policy;
use fenghuo_model::{Kind, Premises, Registry, Sensor, Signal};
use proptest::prelude::*;

/// A town's evening, rich in everything.
fn evening() -> Plan {
    let plan = Plan { seed: 7, buildings: 1_500, hours: 2.0, fires: Some(40), garbage_share: 0.01, ..Plan::default() };
    Plan { unregistered_share: 0.02, clock_error_share: 0.03, nuisance_scale: 300.0, trouble_scale: 60.0, ..plan }
}

fn registry_of(city: &City) -> Registry {
    Registry::from_json_lines("registry.jsonl", city.registry_json_lines().as_bytes())
        .expect("a registry without fault")
}

/// What the record says, with the clock trust of the default policy; panics on a rejection unless it was spoiled.
fn signals_of(record: &RawRecord) -> Vec<Signal> {
    let clock = Policy::default().clock;
    let raw = Record { bytes: &record.bytes, timestamp_ms: Some(record.timestamp_ms), source: None };
    let mut decoded = Vec::new();
    let replaced = decode_record(record.channel.format(), &raw, &clock, &Options::default(), &mut decoded);
    assert_eq!(replaced, 0, "the platform's time is never far from the record's: {record:?}");
    let signals: Vec<Signal> = decoded
        .iter()
        .filter_map(|piece| match piece {
            Decoded::Signal(signal) => Some(Signal::clone(signal)),
            Decoded::Rejected(rejection) => {
                assert!(record.unreadable, "{rejection}: {record:?}");
                None
            }
        })
        .collect();
    assert_eq!(record.unreadable, signals.is_empty(), "{record:?}");
    signals
}

fn hash_of(plan: &Plan) -> u64 {
    let city = City::new(plan);
    let mut hasher = DefaultHasher::new();
    city.registry_json_lines().hash(&mut hasher);
    format!("{:?}", city.truth()).hash(&mut hasher);
    for record in city.night() {
        (record.timestamp_ms, record.channel, record.key, record.bytes).hash(&mut hasher);
    }
    hasher.finish()
}

#[test]
fn same_plan_same_bytes_other_seed_other_bytes() {
    let plan = Plan { buildings: 300, hours: 1.0, ..evening() };
    assert_eq!(hash_of(&plan), hash_of(&plan.clone()));
    assert_ne!(hash_of(&plan), hash_of(&Plan { seed: 8, ..plan }));
}

#[test]
fn a_night_can_be_told_twice_by_one_city() {
    let city = City::new(&Plan { buildings: 100, hours: 0.5, ..evening() });
    assert!(city.night().eq(city.night()));
}

#[test]
fn records_of_every_kind_arrive_in_order_and_decode_unless_spoiled() {
    let city = City::new(&evening());
    let mut night = city.night();
    let mut last_ms = city.plan().start_ms;
    let (mut records, mut spoiled, mut after_end) = (0_u64, 0_u64, 0_u64);
    let mut kinds = BTreeSet::new();
    for record in night.by_ref() {
        assert!(record.timestamp_ms >= last_ms, "{} before {last_ms}", record.timestamp_ms);
        last_ms = record.timestamp_ms;
        after_end += u64::from(last_ms >= city.plan().end_ms());
        records += 1;
        spoiled += u64::from(record.unreadable);
        kinds.extend(signals_of(&record).iter().map(|signal| signal.kind.word()));
    }
    let missing: Vec<_> = Kind::ALL.iter().filter(|kind| !kinds.contains(kind.word())).collect();
    assert!(missing.is_empty(), "never said: {missing:?}");
    assert_eq!(night.unreadable_count(), spoiled);
    let share = spoiled as f64 / records as f64;
    assert!((0.007..0.013).contains(&share), "{share}");
    assert!((after_end as f64) < 0.1 * records as f64, "{after_end} of {records} after the end");
}

#[test]
fn whoever_speaks_is_registered_unless_unregistered_by_intent() {
    let city = City::new(&evening());
    let registry = registry_of(&city);
    let unregistered: BTreeSet<String> = city.unregistered_addresses().collect();
    assert!(!unregistered.is_empty());
    let mut heard = BTreeSet::new();
    for record in city.night() {
        for signal in signals_of(&record) {
            match registry.device_by_name(&signal.device) {
                Some(device) => {
                    let expected = registry.device(device).sensor;
                    let said = registry.sensor_of(&signal, Some(device));
                    assert!(said == expected || said == Sensor::Panel, "{said} for {expected}: {signal}");
                }
                None if record.channel == Channel::People => {
                    assert!(registry.place(&signal, None).is_some(), "{signal}");
                }
                None => {
                    assert!(unregistered.contains(&signal.device), "{signal}");
                    heard.insert(signal.device);
                }
            }
        }
    }
    assert!(!heard.is_empty(), "no unregistered device spoke");
}

#[test]
fn the_registry_reads_back_and_has_the_mix_of_a_city() {
    for seed in 1..=3 {
        let city = City::new(&Plan { seed, buildings: 4_000, ..Plan::default() });
        let registry = registry_of(&city);
        assert_eq!(registry.buildings().len(), 4_000);
        assert_eq!(registry.regions().len(), 2);
        let devices = city.device_count() as f64;
        assert!((4.4..5.6).contains(&(devices / 4_000.0)), "{devices}");
        let mut counts = BTreeMap::new();
        for device in registry.devices() {
            let address = device.address.expect("every device has an address");
            *counts.entry(&address[..2]).or_insert(0.0) += 1.0 / devices;
        }
        for (protocol, share) in [("im", 0.76..0.84), ("gb", 0.12..0.19), ("sn", 0.03..0.07)] {
            assert!(share.contains(&counts[protocol]), "seed {seed}: {protocol} {counts:?}");
        }
        let uses: BTreeSet<_> = registry.buildings().iter().map(|building| building.premises.word()).collect();
        assert_eq!(uses.len(), Premises::ALL.len());
        // Those that stand in the Chinese datum come back to their place in the lane.
        let neighbourless = (0..4_000).filter(|building| registry.neighbours(*building, 30.0).len() < 2).count();
        assert_eq!(neighbourless, 0);
        assert!(city.registry_json_lines().contains(r#""datum":"gcj02""#));
    }
}

#[test]
fn every_planted_fire_is_heard_as_its_truth_says() {
    let city = City::new(&evening());
    let registry = registry_of(&city);
    assert_eq!(city.truth().len(), 40);
    // Of each building: locations with an alarm that is no test, and when the first one was received.
    let mut heard: BTreeMap<String, BTreeMap<String, i64>> = BTreeMap::new();
    let mut stated = BTreeSet::new();
    for signal in city.night().flat_map(|record| signals_of(&record)) {
        let device = registry.device_by_name(&signal.device);
        let Some(place) = registry.place(&signal, device) else { continue };
        let building = registry.building(place.building).id.to_string();
        let sensor = registry.sensor_of(&signal, device);
        match signal.kind {
            Kind::Fire if sensor == Sensor::CallPoint => _ = stated.insert(building),
            Kind::Fire if sensor != Sensor::Panel => {
                let received_ms = signal.received_at_ms.expect("the record has a time");
                heard.entry(building).or_default().entry(place.location.into_owned()).or_insert(received_ms);
            }
            Kind::Confirm => _ = stated.insert(building),
            Kind::Clear => {
                let burned = city.truth().iter().find(|fire| fire.building == building);
                assert_eq!(burned, None, "a burning building was cleared");
            }
            _ => {}
        }
    }
    for fire in city.truth() {
        let locations = &heard[&fire.building];
        assert!(!fire.rooms.is_empty() && fire.rooms.iter().collect::<BTreeSet<_>>().len() == fire.rooms.len());
        assert_eq!(locations.keys().collect::<BTreeSet<_>>(), fire.rooms.iter().collect(), "{fire:?}");
        let earliest_ms = *locations.values().min().expect("an alarm was heard");
        assert!((fire.first_alarm_ms..fire.first_alarm_ms + 190_000).contains(&earliest_ms), "{fire:?}");
        assert!(fire.ignition_ms <= fire.first_alarm_ms && fire.ignition_ms >= city.plan().start_ms, "{fire:?}");
        assert_eq!(fire.second_room_ms.is_some(), fire.rooms.len() > 1, "{fire:?}");
        assert_eq!(fire.stated_ms.is_some(), stated.contains(&fire.building), "{fire:?}");
        assert!(fire.spread_to.iter().all(|building| heard[building].len() > 1), "{fire:?}");
    }
}

#[test]
fn fires_of_a_clear_cut_night_are_beyond_doubt() {
    for seed in 0..20 {
        let city = City::new(&Plan { fires: Some(40), hours: 0.0, ..Plan::clear_cut(seed) });
        assert_eq!(city.truth().len(), 40, "seed {seed}");
        for fire in city.truth() {
            let second_room = fire.second_room_ms.is_some_and(|at_ms| at_ms - fire.first_alarm_ms <= 60_000);
            // The cabinet speaks first and the first smoke detector at most 40 s later, be it at the same spot.
            let two_classes = fire.rooms[0].ends_with("charging");
            assert!(second_room || two_classes || fire.stated_ms.is_some(), "seed {seed}: {fire:?}");
        }
    }
}

#[test]
fn heartbeats_and_readings_are_nearly_everything() {
    let city = City::new(&Plan { buildings: 3_000, hours: 4.0, ..Plan::default() });
    let (mut records, mut beats, mut repeats) = (0_u64, 0_u64, 0_u64);
    let mut alarms = BTreeSet::new();
    for record in city.night() {
        let signals = signals_of(&record);
        records += 1;
        beats += u64::from(signals.iter().all(|signal| matches!(signal.kind, Kind::Heartbeat | Kind::Reading)));
        for signal in signals {
            let is_alarm = signal.kind == Kind::Fire && record.channel == Channel::Ctwing;
            repeats += u64::from(is_alarm && !alarms.insert(record.bytes.clone()));
        }
    }
    let share = beats as f64 / records as f64;
    assert!((0.985..0.9995).contains(&share), "{share}");
    let share = repeats as f64 / alarms.len() as f64;
    assert!((0.08..0.35).contains(&share), "{repeats} repeats of {} alarms", alarms.len());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]

    /// Always, however small or odd the plan.
    #[test]
    fn any_plan_gives_a_readable_night(
        seed: u64,
        buildings in 0_u32..120,
        hours in 0.0_f64..0.7,
        fires in 0_u32..20,
        scale in 0.0_f64..3_000.0,
        garbage_share in 0.0_f64..0.2,
    ) {
        let plan = Plan { seed, buildings, hours, fires: Some(fires), garbage_share, ..Plan::default() };
        let city = City::new(&Plan { nuisance_scale: scale, trouble_scale: scale / 10.0, ..plan });
        prop_assert_eq!(registry_of(&city).buildings().len(), buildings as usize);
        let mut last_ms = i64::MIN;
        for record in city.night() {
            prop_assert!(record.timestamp_ms >= last_ms);
            last_ms = record.timestamp_ms;
            signals_of(&record);
        }
    }
}
