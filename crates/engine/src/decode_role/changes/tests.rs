//! What the change filter forwards, and that no decision depends on the rest.

use std::collections::BTreeSet;
use std::sync::Arc;

use fenghuo_correlate::Correlator;
use fenghuo_decode::gb26875::address::{Component, System};
use fenghuo_decode::gb26875::frame::Head;
use fenghuo_decode::gb26875::{self, Object};
use fenghuo_decode::{Decoded, Format, Options, Record, decode_record, says_well};
use fenghuo_model::{Decision, Input, Tick};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::*;
use Kind::{Fire, Isolate, IsolateRestore, Restore};

/// What is forwarded of one signal, at that time of its record.
fn pass(changes: &mut Changes, signal: &Signal, record_ms: i64) -> Vec<Signal> {
    let registry = Registry::from_json_lines("r", REGISTRY.as_bytes()).unwrap();
    let mut signals = vec![Box::new(signal.clone())];
    let origin = Origin {
        topic: "raw",
        partition: 3,
        offset: 7,
        key: Some(b"k"),
        record_ms: Some(record_ms),
        latest_ms: i64::MIN,
        behind_ms: 240_000,
    };
    changes.pass(&mut signals, origin, &Policy::default(), &registry);
    signals.into_iter().map(|signal| *signal).collect()
}

fn admits(changes: &mut Changes, signal: &Signal, record_ms: i64) -> bool {
    !pass(changes, signal, record_ms).is_empty()
}

/// Device, kind, text, minutes of record time, and whether it is forwarded.
type Row = (&'static str, Kind, &'static str, i64, bool);

#[test]
fn changes_are_forwarded_and_nothing_that_repeats() {
    let rows: [(&str, &[Row]); 6] = [
        ("signs of life", &[("a", Kind::Heartbeat, "", 0, false), ("a", Kind::Reading, "", 1, false)]),
        (
            "faults come and go",
            &[
                ("a", Kind::FaultRestore, "", 0, true),
                ("a", Kind::FaultRestore, "", 1, false),
                ("a", Kind::Fault, "", 2, true),
                ("a", Kind::Fault, "", 3, false),
                ("a", Kind::FaultRestore, "", 4, true),
            ],
        ),
        (
            "of each device and aspect",
            &[
                ("a", Kind::Fault, "", 0, true),
                ("b", Kind::Fault, "", 0, true),
                ("a", Kind::Offline, "", 0, true),
                ("a", Kind::Tamper, "", 0, true),
                ("a", Kind::LowBattery, "", 0, true),
                ("a", Kind::Tamper, "", 1, false),
                ("a", Kind::Online, "", 1, true),
                ("a", Kind::Fault, "", 1, false),
            ],
        ),
        ("other words", &[("a", Kind::Fault, "mains", 0, true), ("a", Kind::Fault, "battery", 1, true)]),
        (
            "now and then again",
            &[
                ("a", Kind::Fault, "", 0, true),
                ("a", Kind::Fault, "", 59, false),
                ("a", Kind::Fault, "", 60, true),
                ("a", Kind::Fault, "", 61, false),
                ("a", Kind::Fault, "", 0, true),
            ],
        ),
        (
            "ends too",
            &[
                ("a", Restore, "", 0, true),
                ("a", Restore, "", 5, true),
                ("a", Restore, "", 64, false),
                ("a", Restore, "", 65, true),
            ],
        ),
    ];
    for (what, rows) in rows {
        let mut changes = Changes::default();
        for (number, (device, kind, text, minute, expected)) in rows.iter().enumerate() {
            let mut signal = Signal::new(*device, *kind);
            signal.text = (!text.is_empty()).then(|| (*text).to_owned());
            signal.at_ms = Some(minute * 60_000);
            assert_eq!(admits(&mut changes, &signal, minute * 60_000), *expected, "{what}, row {number}");
        }
    }
}

#[test]
fn what_decisions_may_depend_on_is_forwarded_each_time() {
    let mut changes = Changes::default();
    for kind in Kind::ALL {
        let mut signal = Signal::new("a", *kind);
        let admitted = [0, 300_000, 300_001].map(|record_ms| {
            signal.at_ms = Some(record_ms);
            admits(&mut changes, &signal, record_ms)
        });
        let expected = match kind {
            Kind::Heartbeat | Kind::Reading => [false; 3],
            Fire | Kind::Prealarm | Isolate => [true; 3],
            _ if kind.is_by_people() => [true; 3],
            Restore => [true, true, false],
            IsolateRestore => [true; 3],
            _ => [true, false, false],
        };
        assert_eq!(admitted, expected, "{kind}");
    }
}

#[test]
fn what_it_remembers_is_limited() {
    let mut changes = Changes::default();
    let origin = Origin {
        topic: "raw",
        partition: 3,
        offset: 7,
        key: None,
        record_ms: Some(0),
        latest_ms: i64::MIN,
        behind_ms: 240_000,
    };
    let policy = Policy::default();
    for number in 0..=MOST_STATES {
        assert!(changes.admit(&Signal::new(number.to_string(), Kind::Tamper), origin, &policy, true));
    }
    assert_eq!(changes.states.len(), 1, "all at once, and the one after them");
}

/// What comes in, and what is forwarded: kind and time of each, seconds.
type Said<'s> = (Kind, i64, &'s [(Kind, i64)]);

/// Cases of ends that are held back and released.
const ENDS: [(&str, &[Said<'_>]); 7] = [
    (
        "the first, none that repeats it, and the first after evidence",
        &[
            (Restore, 10, &[(Restore, 10)]),
            (Fire, 30, &[(Fire, 30)]),
            (Restore, 40, &[(Restore, 40)]),
            (Restore, 50, &[]),
        ],
    ),
    (
        "the earliest after late evidence",
        &[
            (Restore, 10, &[(Restore, 10)]),
            (Restore, 20, &[]),
            (Restore, 30, &[]),
            (Fire, 15, &[(Restore, 20), (Fire, 15)]),
            (Fire, 16, &[(Fire, 16)]),
            (Fire, 25, &[(Restore, 30), (Fire, 25)]),
        ],
    ),
    (
        "an earlier one than is known",
        &[(Restore, 20, &[(Restore, 20)]), (Restore, 10, &[(Restore, 10)]), (Restore, 30, &[])],
    ),
    (
        "isolations as alarms",
        &[
            (IsolateRestore, 10, &[(IsolateRestore, 10)]),
            (IsolateRestore, 20, &[]),
            (Isolate, 15, &[(IsolateRestore, 20), (Isolate, 15)]),
            (Isolate, 30, &[(Isolate, 30)]),
            (IsolateRestore, 40, &[(IsolateRestore, 40)]),
        ],
    ),
    (
        "of an isolation of the same time only a later end",
        &[
            (IsolateRestore, 10, &[(IsolateRestore, 10)]),
            (IsolateRestore, 20, &[]),
            (Isolate, 20, &[(Isolate, 20)]),
            (Fire, 30, &[(Fire, 30)]),
        ],
    ),
    (
        "with evidence the end of an isolation that others may have said",
        &[
            (IsolateRestore, 10, &[(IsolateRestore, 10)]),
            (IsolateRestore, 20, &[]),
            (IsolateRestore, 30, &[]),
            (Fire, 40, &[(IsolateRestore, 30), (Fire, 40)]),
            (Fire, 50, &[(Fire, 50)]),
        ],
    ),
    (
        "no more than can be remembered",
        &[
            (Restore, 10, &[(Restore, 10)]),
            (Restore, 11, &[]),
            (Restore, 12, &[]),
            (Restore, 13, &[]),
            (Restore, 14, &[]),
            (Restore, 15, &[]),
            (Restore, 16, &[]),
            (Restore, 17, &[]),
            (Restore, 18, &[]),
            (Restore, 19, &[(Restore, 19)]),
            (Restore, 400, &[]),
        ],
    ),
];

#[test]
fn an_end_is_held_back_where_it_ends_nothing_and_released_where_it_comes_to() {
    for (what, rows) in ENDS {
        let mut changes = Changes::and_ends_of_isolations();
        let mut say = |kind: Kind, at_s: i64| {
            let at_ms = Some(at_s * 1_000);
            let signal = Signal { at_ms, received_at_ms: at_ms, ..Signal::new("D1", kind) };
            let passed = pass(&mut changes, &signal, at_s * 1_000);
            passed.iter().map(|signal| (signal.kind, signal.at_ms.unwrap() / 1_000)).collect::<Vec<_>>()
        };
        for kind in [Restore, IsolateRestore] {
            // Four minutes long, something from before may have begun.
            assert_eq!([say(kind, -1_000).len(), say(kind, -800).len()], [1, 1]);
        }
        for (kind, at_s, expected) in rows {
            assert_eq!(say(*kind, *at_s), *expected, "{what}: {kind} of {at_s}");
        }
    }
}

#[test]
fn only_a_plain_end_under_the_same_key_is_held_back() {
    let plain = Signal::new("a", Restore);
    let numbered = Signal { id: Some("7".into()), ..plain.clone() };
    let placed = Signal { building: Some("B0".into()), ..plain.clone() };
    let tested = Signal { test: true, ..plain.clone() };
    let (policy, registry) = (Policy::default(), Registry::from_json_lines("r", REGISTRY.as_bytes()).unwrap());
    type Row<'r> = (&'r str, &'r Signal, [Option<&'r [u8]>; 2], usize);
    let rows: [Row<'_>; 6] = [
        ("plain", &plain, [Some(b"k"), Some(b"k")], 0),
        ("another key", &plain, [Some(b"k"), Some(b"l")], 1),
        ("no key", &plain, [None, None], 1),
        ("with an id, which may stand twice", &numbered, [Some(b"k"), Some(b"k")], 1),
        ("at a place of its own", &placed, [Some(b"k"), Some(b"k")], 1),
        ("of a test", &tested, [Some(b"k"), Some(b"k")], 1),
    ];
    for (what, signal, keys, expected) in rows {
        let mut changes = Changes::default();
        let [first, second] = keys;
        let passed = [(first, 0), (first, 300_000), (second, 600_000)].map(|(key, at_ms)| {
            let mut signals = vec![Box::new(Signal { at_ms: Some(at_ms), ..signal.clone() })];
            let record_ms = Some(at_ms);
            let origin = Origin {
                topic: "raw",
                partition: 0,
                offset: 1,
                key,
                record_ms,
                latest_ms: i64::MIN,
                behind_ms: 240_000,
            };
            changes.pass(&mut signals, origin, &policy, &registry);
            signals.len()
        });
        assert_eq!(passed, [1, 1, expected], "{what}");
    }
}

#[test]
fn what_is_released_stands_behind_the_record_before_and_before_its_own() {
    let (policy, registry) = (Policy::default(), Registry::from_json_lines("r", REGISTRY.as_bytes()).unwrap());
    let mut changes = Changes::and_ends_of_isolations();
    let mut say = |offset: i64, said: &[(Kind, i64)]| {
        let record_ms = said.iter().map(|(_, at_s)| at_s * 1_000).max();
        let signal = |(kind, at_s): &(Kind, i64)| {
            // The address and the id are one device.
            let name = if *kind == Fire { "D1" } else { "p" };
            Box::new(Signal { at_ms: Some(at_s * 1_000), received_at_ms: record_ms, ..Signal::new(name, *kind) })
        };
        let mut signals = said.iter().map(signal).collect();
        let origin = Origin {
            topic: "raw",
            partition: 3,
            offset,
            key: Some(b"k"),
            record_ms,
            latest_ms: i64::MIN,
            behind_ms: 240_000,
        };
        changes.pass(&mut signals, origin, &policy, &registry);
        signals.into_iter().map(|signal| (signal.kind, signal.source)).collect::<Vec<_>>()
    };
    for (offset, at_s) in [(6, -200), (7, 210)] {
        assert_eq!(say(offset, &[(Restore, at_s), (IsolateRestore, at_s)]).len(), 2);
    }
    assert_eq!(say(8, &[(Restore, 230), (IsolateRestore, 215)]), []);
    let released = say(9, &[(Fire, 220), (Restore, 240)]);
    let source = |index: u32| Some(format!("raw/3/8/{index}"));
    let expected = [(IsolateRestore, source(u32::MAX - 1)), (Restore, source(u32::MAX)), (Fire, None), (Restore, None)];
    assert_eq!(released, expected);
}

const REGISTRY: &str = r#"{"type":"building","id":"B0","lon":113.75,"lat":23.02,"region":"r"}
{"type":"building","id":"B1","lon":113.7505,"lat":23.02,"region":"r"}
{"type":"building","id":"B2","lon":113.7508,"lat":23.02,"region":"r"}
{"type":"building","id":"B3","lon":113.75,"lat":23.02,"region":"other"}
{"type":"device","id":"D0","building":"B0","sensor":"smoke","location":"1"}
{"type":"device","id":"D1","building":"B0","sensor":"heat","location":"2","address":"p"}
{"type":"device","id":"D2","building":"B1","sensor":"smoke"}
{"type":"device","id":"D3","building":"B2","sensor":"smoke"}
{"type":"device","id":"D4","building":"B3","sensor":"smoke"}"#;

fn signals() -> impl Strategy<Value = Vec<Signal>> {
    let device = prop::sample::select(vec!["D0", "D0", "D0", "D1", "p", "D2", "D3", "D4", "p:1", "nobody"]);
    let ends = vec![Restore, IsolateRestore, Isolate];
    let kinds = prop_oneof![
        2 => prop::sample::select(Kind::ALL),
        2 => prop::sample::select(ends),
        2 => Just(Fire),
        1 => Just(Kind::Heartbeat)
    ];
    let building = prop::option::of(prop::sample::select(vec!["B0", "B1", "B9"]));
    // In steps of five seconds, so that some happened at the same time.
    let (after_ms, late_ms) = ((0..8_i64).prop_map(|step| step * 5_000), (-1..18_i64).prop_map(|step| step * 5_000));
    let building = prop_oneof![3 => Just(None), 1 => building];
    let one = (device, kinds, building, after_ms, late_ms, prop::bool::weighted(0.1), 0..8_u8);
    prop::collection::vec(one, 1..100).prop_map(|steps| {
        let mut now_ms = 1_795_312_682_000;
        let signal =
            |(device, kind, building, after_ms, late_ms, test, id): (&str, Kind, Option<&str>, _, _, _, u8)| {
                now_ms += after_ms;
                let mut signal = Signal::new(device, kind);
                signal.received_at_ms = Some(now_ms);
                signal.at_ms = Some(now_ms - late_ms);
                signal.building = building.map(str::to_owned);
                signal.test = test;
                signal.id = (id == 0).then(|| "7".to_owned());
                signal
            };
        steps.into_iter().map(signal).collect()
    })
}

/// The policy with a neighbourhood rule, or without; whether prealarms are evidence.
fn policy(prealarms: bool, near: bool) -> Arc<Policy> {
    let kinds = if prealarms { "kinds = [\"fire\", \"prealarm\"]\n" } else { "" };
    let rule = "[[rule]]\nid = \"near\"\nwindow = \"180s\"\nradius_m = 150.0\nmin_buildings = 2\n";
    let rule = if near { rule } else { "" };
    let text = format!("[[rule]]\nid = \"two\"\nwindow = \"120s\"\nmin_locations = 2\n{kinds}{rule}");
    Arc::new(Policy::from_toml("p", &text).unwrap())
}

fn decided(registry: &Arc<Registry>, policy: &Arc<Policy>, inputs: impl IntoIterator<Item = Input>) -> Vec<Decision> {
    let mut correlator = Correlator::new(Arc::clone(registry), Arc::clone(policy));
    let mut decisions = Vec::new();
    for input in inputs {
        let _ = correlator.take(&input, &mut decisions);
    }
    correlator.drain(&mut decisions);
    decisions
}

/// What is forwarded of signals, a tick in the place of each that is held back; isolations that come `elsewhere` do not
/// pass the filter, and at signal `anew` a new assignment begins.
fn forwarded(
    (signals, elsewhere): (&[Signal], &[bool]),
    new: fn() -> Changes,
    anew: Option<usize>,
    (registry, policy): (&Registry, &Policy),
) -> Vec<Input> {
    let mut changes = new();
    let mut latest_ms = i64::MIN;
    let mut inputs = Vec::new();
    for (number, (signal, elsewhere)) in signals.iter().zip(elsewhere).enumerate() {
        if anew == Some(number) {
            changes = new();
        }
        let record_ms = signal.received_at_ms.unwrap();
        let mut passed = vec![Box::new(signal.clone())];
        if signal.kind != Isolate || !elsewhere {
            let (topic, key, record_ms) = ("raw", Some(&b"k"[..]), Some(record_ms));
            let origin = Origin { topic, partition: 0, offset: 1, key, record_ms, latest_ms, behind_ms: 240_000 };
            changes.pass(&mut passed, origin, policy, registry);
        }
        latest_ms = latest_ms.max(record_ms);
        passed.iter_mut().for_each(|signal| signal.source = None);
        let device = registry.device_by_name(&signal.device);
        let region = registry.building_of(signal, device).filter(|_| passed.is_empty());
        inputs.extend(passed.into_iter().map(Input::Signal));
        inputs.extend(region.map(|(building, _)| {
            Input::Tick(Tick { at_ms: record_ms, region: Some(registry.region_of(building).to_string()) })
        }));
    }
    inputs
}

/// An isolation of another partition and an end of the same time have no order: it happened a little earlier.
fn apart(mut signals: Vec<Signal>, elsewhere: &[bool]) -> Vec<Signal> {
    for (signal, elsewhere) in signals.iter_mut().zip(elsewhere) {
        let is_elsewhere = *elsewhere && signal.kind == Isolate;
        signal.at_ms = signal.at_ms.map(|at_ms| at_ms - i64::from(is_elsewhere));
    }
    signals
}

fn inputs_of(signals: &[Signal]) -> impl Iterator<Item = Input> {
    signals.iter().cloned().map(|signal| Input::Signal(Box::new(signal)))
}

/// The buildings for which a rule has held.
fn confirmed(decisions: &[Decision]) -> BTreeSet<String> {
    let values = decisions.iter().map(|decision| serde_json::to_value(decision).unwrap());
    let buildings = values.flat_map(|value| value["buildings"].as_array().cloned().unwrap_or_default());
    let held = buildings.filter(|building| building["confirmed"] == true);
    held.map(|building| building["id"].as_str().unwrap().to_owned()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000, rng_seed: RngSeed::Fixed(99), failure_persistence: None, ..ProptestConfig::default()
    })]

    /// The promise of this module: a tick in the place of what is held back, and no decision differs; even where
    /// isolations come by another raw partition.
    #[test]
    fn decisions_are_those_of_a_tick_in_its_place(
        signals in signals(),
        prealarms in any::<bool>(),
        elsewhere in prop::collection::vec(any::<bool>(), 100),
        news in any::<bool>(),
    ) {
        let registry = Arc::new(Registry::from_json_lines("r", REGISTRY.as_bytes()).unwrap());
        let policy = policy(prealarms, true);
        let signals = apart(signals, &elsewhere);
        let new = if news { Changes::and_ends_of_isolations } else { Changes::default };
        let all = decided(&registry, &policy, inputs_of(&signals));
        let inputs = forwarded((&signals, &elsewhere), new, None, (&registry, &policy));
        let filtered = decided(&registry, &policy, inputs);
        let json = |decisions: &[Decision]| decisions.iter().map(Decision::to_json).collect::<Vec<_>>();
        prop_assert_eq!(json(&all), json(&filtered));
    }

    /// A new assignment knows nothing of what was held back before it: evidence may live longer for that, and no fire
    /// is lost.
    #[test]
    fn a_new_assignment_loses_no_fire(
        signals in signals(),
        prealarms in any::<bool>(),
        elsewhere in prop::collection::vec(any::<bool>(), 100),
        anew in any::<prop::sample::Index>(),
    ) {
        let registry = Arc::new(Registry::from_json_lines("r", REGISTRY.as_bytes()).unwrap());
        let policy = policy(prealarms, false);
        let signals = apart(signals, &elsewhere);
        let all = confirmed(&decided(&registry, &policy, inputs_of(&signals)));
        let anew = Some(anew.index(signals.len()));
        let inputs = forwarded((&signals, &elsewhere), Changes::default, anew, (&registry, &policy));
        let filtered = confirmed(&decided(&registry, &policy, inputs));
        prop_assert!(filtered.is_superset(&all), "{:?} of {:?}", filtered, all);
    }
}

/// State words: mostly normal, fires, faults and isolations among them.
const STATES: [u16; 9] = [0, 0, 0, 1, 1, 2, 4, 8, 2 | 8];

/// A frame of one component's state, of a transmission device.
fn frame(source: u64, state: u16, text: &str, at_ms: i64) -> Vec<u8> {
    let component = Component { system: System { system_type: 1, address: 1 }, component_type: 40, address: 7 };
    let object = Object::ComponentState { component, state, text: text.to_owned().into(), at_ms: Some(at_ms) };
    let mut bytes = Vec::new();
    let head = Head::of_sending(7, at_ms, source, 0x1_5B38);
    gb26875::frame::write(&head, &[object], Options::default().utc_offset_s, &mut bytes).unwrap();
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 2_000, rng_seed: RngSeed::Fixed(26_875), failure_persistence: None, ..ProptestConfig::default()
    })]

    /// A record that passes without being decoded is one of which nothing would have been forwarded; and what comes
    /// after it is treated alike.
    #[test]
    fn what_passes_undecoded_would_have_been_held_back(steps in prop::collection::vec(
        (0..2u64, prop::sample::select(STATES.to_vec()), 0..8usize, 0..60i64, 0..70i64, 0..40u8), 1..80
    ), news in any::<bool>()) {
        let (policy, registry) = (Policy::default(), Registry::from_json_lines("r", REGISTRY.as_bytes()).unwrap());
        let new = if news { Changes::and_ends_of_isolations } else { Changes::default };
        let (mut quick, mut slow) = (new(), new());
        let mut now_ms = 1_795_312_682_000;
        let mut name = String::new();
        for (number, (source, state, text, after_s, late_s, key)) in steps.into_iter().enumerate() {
            now_ms += after_s * 1_000;
            let text = if text == 0 { "三楼" } else { "二楼" };
            let bytes = frame(source, state, text, now_ms - late_s * 1_000);
            let key: Option<&[u8]> = match key { 0 => None, 1 => Some(b"l"), _ => Some(b"k") };
            let offset = i64::try_from(number).unwrap();
            let origin = Origin {
                topic: "raw", partition: 0, offset, key, record_ms: Some(now_ms), latest_ms: now_ms, behind_ms: 120_000,
            };
            let decoded = |changes: &mut Changes| {
                let record = Record { bytes: &bytes, timestamp_ms: Some(now_ms), source: None };
                let mut out = Vec::new();
                decode_record(Format::Gb26875, &record, &policy.clock, &Options::default(), &mut out);
                let signal = |one| match one {
                    Decoded::Signal(signal) => signal,
                    Decoded::Rejected(rejection) => panic!("{rejection}"),
                };
                let mut signals: Vec<_> = out.into_iter().map(signal).collect();
                changes.pass(&mut signals, origin, &policy, &registry);
                signals
            };
            let well = says_well(Format::Gb26875, &bytes, &Options::default(), &mut name);
            prop_assert_eq!(well.is_some(), state <= 1);
            let expected = decoded(&mut slow);
            if well.is_some_and(|well| quick.repeats(&name, &well, origin, &policy)) {
                prop_assert_eq!(expected, []);
                continue;
            }
            prop_assert_eq!(decoded(&mut quick), expected);
            if let Some(well) = &well {
                quick.remember(&name, well);
            }
        }
    }
}

#[test]
fn a_device_that_stays_well_in_the_same_words_is_not_decoded_again() {
    let (policy, registry) = (Policy::default(), Registry::from_json_lines("r", REGISTRY.as_bytes()).unwrap());
    let mut changes = Changes::and_ends_of_isolations();
    let mut say = |state: u16, text: &str, at_s: i64| {
        let at_ms = 1_795_312_682_000 + at_s * 1_000;
        let bytes = frame(1, state, text, at_ms);
        let (topic, key, record_ms) = ("raw", Some(&b"k"[..]), Some(at_ms));
        let origin = Origin { topic, partition: 0, offset: 1, key, record_ms, latest_ms: at_ms, behind_ms: 120_000 };
        let mut name = String::new();
        let well = says_well(Format::Gb26875, &bytes, &Options::default(), &mut name);
        if well.is_some_and(|well| changes.repeats(&name, &well, origin, &policy)) {
            return None;
        }
        let record = Record { bytes: &bytes, timestamp_ms: record_ms, source: None };
        let mut out = Vec::new();
        decode_record(Format::Gb26875, &record, &policy.clock, &Options::default(), &mut out);
        let signal = |one| match one {
            Decoded::Signal(signal) => Some(signal),
            Decoded::Rejected(_) => None,
        };
        let mut signals = out.into_iter().filter_map(signal).collect();
        changes.pass(&mut signals, origin, &policy, &registry);
        well.iter().for_each(|well| changes.remember(&name, well));
        Some(signals.len())
    };
    // At first something may have begun; a fault and other words are news; what burned ends.
    let rows = [
        (1, "a", 0, Some(3)),
        (1, "a", 250, Some(2)),
        (1, "a", 260, None),
        (0, "a", 320, Some(0)),
        (0, "a", 380, None),
        (4, "a", 440, Some(1)),
        (0, "a", 500, Some(1)),
        (0, "b", 560, Some(1)),
        (0, "b", 620, None),
        (2, "b", 680, Some(2)),
        (0, "b", 740, Some(1)),
        (0, "b", 800, None),
        (0, "b", 800 + 3_600, Some(3)),
    ];
    for (state, text, at_s, expected) in rows {
        assert_eq!(say(state, text, at_s), expected, "{state} {text} at {at_s} s");
    }
}
