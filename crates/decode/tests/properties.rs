//! What always holds of hostile bytes: no panic, no frame lost in garbage, no work that grows faster than the record.

use fenghuo_decode::gb26875::address::{Component, System};
use fenghuo_decode::gb26875::{Object, frame};
use fenghuo_decode::{Decoded, Format, Options, Record, decode, decode_record, says_well, signs_of_life};
use fenghuo_model::policy::ClockTrust;
use fenghuo_model::signal::Flaws;
use fenghuo_model::{Kind, Signal};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, rng_seed: RngSeed::Fixed(26_875), failure_persistence: None, ..ProptestConfig::default() }
}

fn decoded(format: Format, bytes: &[u8]) -> Vec<Decoded> {
    let mut out = Vec::new();
    decode(format, bytes, &Options::default(), &mut out);
    out
}

fn signals(bytes: &[u8]) -> Vec<Signal> {
    let signals = decoded(Format::Gb26875, bytes).into_iter().filter_map(|decoded| match decoded {
        Decoded::Signal(signal) => Some(*signal),
        Decoded::Rejected(_) => None,
    });
    signals.collect()
}

fn written(serial: u16, command: u8, source: u64, unit: &[u8]) -> Vec<u8> {
    let head = frame::Head { command, ..frame::Head::of_sending(serial, 1_795_312_682_000, source, 0x1_5B38) };
    let mut bytes = Vec::new();
    frame::write_unit(&head, unit, Options::default().utc_offset_s, &mut bytes).expect("it fits");
    bytes
}

/// Frames whose data units begin with any flag and count and go on with anything.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let flags = prop_oneof![Just(1u8), Just(2), Just(3), Just(4), Just(21), Just(24), any::<u8>()];
    let commands = prop_oneof![4 => Just(2u8), 1 => any::<u8>()];
    (any::<u16>(), commands, any::<u64>(), flags, 0..4u8, prop::collection::vec(any::<u8>(), 0..160)).prop_map(
        |(serial, command, source, flag, count, rest)| {
            written(serial, command, source, &[&[flag, count], rest.as_slice()].concat())
        },
    )
}

/// A frame that says one fire, of a component that no other has.
fn fire(serial: u16) -> Vec<u8> {
    let component =
        Component { system: System { system_type: 1, address: 1 }, component_type: 40, address: serial.into() };
    let object =
        Object::ComponentState { component, state: 2, text: "三楼走廊".into(), at_ms: Some(1_795_312_682_000) };
    let head = frame::Head::of_sending(serial, 1_795_312_683_000, 0x379, 0x1_5B38);
    let mut bytes = Vec::new();
    frame::write(&head, &[object], Options::default().utc_offset_s, &mut bytes).expect("it fits");
    bytes
}

/// Bytes without a start mark, rich in what frames are made of.
fn garbage() -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![2 => any::<u8>(), 1 => Just(b'@'), 1 => Just(b'#'), 1 => 0..3u8];
    prop::collection::vec(byte, 0..60).prop_map(|mut bytes| {
        bytes.dedup_by(|next, byte| *next == b'@' && *byte == b'@');
        bytes
    })
}

fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|number| number.to_string()),
        (0..16i64).prop_map(|status| status.to_string()),
        Just("null".to_owned()),
        Just("1e999".to_owned()),
        Just(r#""eyJiIjpbeyJpZCI6IjEiLCJ2IjoiMiJ9XSwiYyI6Mjd9""#.to_owned()),
        Just(r#""{\"Alarm_Status\":1}""#.to_owned()),
        "[a-z\"\\\\0-9]{0,6}".prop_map(|text| format!("{text:?}")),
    ];
    let names = [
        "payload",
        "serviceData",
        "APPdata",
        "Alarm_Status",
        "IMEI",
        "timestamp",
        "messageType",
        "eventType",
        "device",
        "kind",
        "at",
        "tick",
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        let field =
            (prop::sample::select(names.to_vec()), inner.clone()).prop_map(|(name, value)| format!("{name:?}:{value}"));
        prop_oneof![
            prop::collection::vec(inner, 0..5).prop_map(|entries| format!("[{}]", entries.join(","))),
            prop::collection::vec(field, 0..8).prop_map(|fields| format!("{{{}}}", fields.join(","))),
        ]
    })
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn no_bytes_make_a_panic(bytes in prop::collection::vec(any::<u8>(), 1..300)) {
        for format in Format::ALL {
            decoded(*format, &bytes);
        }
        prop_assert!(!decoded(Format::Signal, &bytes).is_empty());
    }

    #[test]
    fn no_json_makes_a_panic(json in json(), flip in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = json.into_bytes();
        decoded(Format::Ctwing, &bytes);
        decoded(Format::Signal, &bytes);
        let at = flip.index(bytes.len());
        bytes[at] = byte;
        decoded(Format::Ctwing, &bytes);
        decoded(Format::Signal, &bytes);
    }

    #[test]
    fn no_frame_makes_a_panic_and_none_that_is_whole_is_passed_over(
        frame in any_frame(), flip in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        for decoded in decoded(Format::Gb26875, &frame) {
            if let Decoded::Rejected(rejection) = decoded {
                prop_assert!(rejection.reason.contains(": frame "), "an object's fault, not the frame's: {rejection}");
            }
        }
        let mut broken = frame;
        let at = flip.index(broken.len());
        broken[at] = byte;
        decoded(Format::Gb26875, &broken);
        decoded(Format::Gb26875, &broken[..at]);
    }

    #[test]
    fn frames_are_found_in_any_garbage(parts in prop::collection::vec(garbage(), 1..5), tail in 0..70usize) {
        let mut record = Vec::new();
        let mut expected = Vec::new();
        for (part, serial) in parts.iter().zip(1..) {
            record.extend_from_slice(part);
            record.extend(fire(serial));
            expected.extend(signals(&fire(serial)));
        }
        prop_assert_eq!(expected.len(), parts.len());
        prop_assert_eq!(&signals(&record), &expected);
        // Half a frame behind them takes nothing away.
        record.extend_from_slice(&fire(99)[..tail]);
        prop_assert_eq!(&signals(&record), &expected);
        let digits: String = record.iter().map(|byte| format!("{byte:02X} ")).collect();
        prop_assert_eq!(decoded(Format::Gb26875, digits.as_bytes()), decoded(Format::Gb26875, &record));
    }
}

/// A record's pieces that would cost the square of their number, were a failed start to cost more than one frame.
#[test]
fn hostile_records_of_a_megabyte_cost_linear_work() {
    for (pattern, name) in [
        (&b"@"[..], "start marks only"),
        // Of every seven bytes a start whose length (1020) and end mark agree, so that its check sum is computed.
        (b"@@\x00\xFC\x03##", "end marks where lengths say so"),
        (b"40", "the digits of start marks"),
        (b"[", "brackets"),
        (b"{\"payload\":", "objects in objects"),
    ] {
        let record: Vec<u8> = pattern.iter().copied().cycle().take(1 << 20).collect();
        for format in Format::ALL {
            let out = decoded(*format, &record);
            assert!(matches!(out.as_slice(), [Decoded::Rejected(_)]), "{format}: {name}");
        }
    }
}

/// What devices say all day, as frames: analog values and operations of transmission devices, now and then oddly.
fn lively_frame() -> impl Strategy<Value = Vec<u8>> {
    let label = prop_oneof![6 => Just([2u8, 58, 9, 26, 9, 12]), 1 => any::<[u8; 6]>()];
    let operations = prop_oneof![Just(0u8), Just(0x20), Just(0x80), any::<u8>()];
    let value = (any::<[u8; 10]>(), label.clone()).prop_map(|(body, label)| [&body[..], &label].concat());
    let operation = (operations, label).prop_map(|(operations, label)| [&[operations, 1][..], &label].concat());
    let of = |flag: u8, object: BoxedStrategy<Vec<u8>>| {
        let count = prop_oneof![5 => Just(0i16), 1 => -1..2i16];
        (prop::collection::vec(object, 0..4), count, 0..2usize).prop_map(move |(objects, off, behind)| {
            let count = i16::try_from(objects.len()).unwrap_or(0) + off;
            let count = u8::try_from(count).unwrap_or(0);
            [&[flag, count][..], &objects.concat(), &vec![7; if off == 0 { 0 } else { behind }]].concat()
        })
    };
    let unit = prop_oneof![
        of(3, value.boxed()),
        of(24, operation.boxed()),
        Just(vec![]),
        prop::collection::vec(any::<u8>(), 0..3)
    ];
    let commands = prop_oneof![4 => Just(2u8), 1 => 0..8u8];
    (commands, unit).prop_map(|(command, unit)| written(7, command, 0x379, &unit))
}

/// A native signal or a push of a cloud, mostly a sign of life.
fn lively_json() -> impl Strategy<Value = String> {
    let kind = prop::sample::select(vec!["heartbeat", "heartbeat", "reading", "fire", "fault", "online", "beat"]);
    let received =
        prop::sample::select(vec!["1000000", "\"1970-01-01T00:16:40Z\"", "2000000", "\"soon\"", "null", "1.5"]);
    let more = prop::sample::select(vec![
        "",
        ",\"value\":7.5",
        ",\"sensor\":\"nose\"",
        ",\"test\":true",
        ",\"x\":[]",
        ",\"id\":1",
    ]);
    let native = (kind, received.clone(), more.clone()).prop_map(|(kind, received, more)| {
        format!("{{\"device\":\"D\",\"kind\":\"{kind}\",\"received_at\":{received}{more}}}")
    });
    let points = prop::sample::select(vec![
        "{\"CSQ\":3}",
        "{\"Alarm_Status\":0}",
        "{\"Alarm_Status\":1}",
        "{\"serviceData\":{\"CSQ\":1}}",
        "[]",
        "[{},{}]",
        "7",
        "{\"APPdata\":\"eyJjIjoxfQ==\"}",
        "{\"serviceData\":{\"Alarm_Status\":9}}",
    ]);
    let push = (points, received, more).prop_map(|(points, received, more)| {
        format!("{{\"IMEI\":\"1\",\"timestamp\":{},\"payload\":{points}{more}}}", received.replace("1000000", "1000"))
    });
    prop_oneof![native, push]
}

proptest! {
    #![proptest_config(config(20_000))]

    /// What is told to be signs of life is decoded as such, and as so many, with nothing replaced.
    #[test]
    fn signs_of_life_are_what_is_decoded(
        json in lively_json(),
        frames in prop::collection::vec(lively_frame(), 1..3),
        any in any_frame(),
        flip in prop::option::of(any::<prop::sample::Index>()),
        byte in any::<u8>(),
    ) {
        let clock = ClockTrust { max_behind_ms: 120_000, max_ahead_ms: 60_000 };
        for (format, bytes) in [
            (Format::Signal, json.as_bytes().to_vec()),
            (Format::Ctwing, json.into_bytes()),
            (Format::Gb26875, frames.concat()),
            (Format::Gb26875, any),
        ] {
            let mut bytes = bytes;
            if let Some(flip) = flip {
                let at = flip.index(bytes.len());
                bytes[at] = byte;
            }
            let record = Record { bytes: &bytes, timestamp_ms: Some(1_000_000), source: None };
            if let Some(count) = signs_of_life(format, &record, &clock) {
                let mut out = Vec::new();
                let replaced = decode_record(format, &record, &clock, &Options::default(), &mut out);
                let is_life = |one: &Decoded| match one {
                    Decoded::Signal(signal) => signal.kind.is_sign_of_life() && signal.flaws == Flaws::default(),
                    Decoded::Rejected(_) => false,
                };
                prop_assert!(out.iter().all(is_life), "{:?}", out);
                prop_assert_eq!((out.len(), replaced), (count as usize, 0));
            }
        }
    }
}

/// Of each format what is common.
#[test]
fn what_devices_say_all_day_is_told() {
    let clock = ClockTrust { max_behind_ms: 120_000, max_ahead_ms: 60_000 };
    for (format, bytes, expected) in [
        (Format::Signal, br#"{"device":"D","kind":"reading","value":21.5,"unit":"Cel"}"#.to_vec(), Some(1)),
        (Format::Signal, br#"{"device":"D","kind":"heartbeat","at":"soon"}"#.to_vec(), None),
        (Format::Signal, br#"{"device":"D","kind":"fire"}"#.to_vec(), None),
        (Format::Ctwing, br#"{"IMEI":"1","payload":{"serviceId":"h","serviceData":{"CSQ":5}}}"#.to_vec(), Some(1)),
        (Format::Ctwing, br#"{"IMEI":"1","messageType":"commandResponse"}"#.to_vec(), Some(0)),
        (Format::Ctwing, br#"{"IMEI":"1","payload":{"Alarm_Status":7}}"#.to_vec(), None),
        (Format::Gb26875, written(1, 2, 0x379, &[]), Some(1)),
        (Format::Gb26875, written(1, 3, 0x379, &[]), Some(0)),
        (Format::Gb26875, written(1, 2, 0x379, &[24, 1, 0x20, 1, 2, 58, 9, 26, 9, 12]), Some(1)),
        (Format::Gb26875, written(1, 2, 0x379, &[24, 1, 0x24, 1, 2, 58, 9, 26, 9, 12]), None),
        (Format::Gb26875, fire(1), None),
        (Format::Gb26875, vec![], None),
    ] {
        let record = Record { bytes: &bytes, timestamp_ms: None, source: None };
        assert_eq!(signs_of_life(format, &record, &clock), expected, "{format} {}", String::from_utf8_lossy(&bytes));
    }
}

/// Frames of one state, most of them with nothing set, of few devices and with few texts.
fn state_frame() -> impl Strategy<Value = Vec<u8>> {
    let second = (0..60u8).prop_map(|second| [second, 1, 1, 1, 1, 26]);
    let label = prop_oneof![8 => Just([2u8, 58, 9, 26, 9, 12]), 2 => second, 1 => any::<[u8; 6]>()];
    let word = prop_oneof![4 => Just(0u16), 4 => Just(1), 1 => Just(2), 1 => Just(1 << 13), 1 => any::<u16>()];
    let count = prop_oneof![8 => Just(1u8), 1 => 0..3u8];
    let behind = prop_oneof![8 => Just(0usize), 1 => 1..3usize];
    let parts = (prop::sample::select(vec![1u8, 2, 21]), count, 0..2u8, word, label, 0..3usize, behind);
    (0..3u64, prop_oneof![6 => Just(2u8), 1 => 0..7u8], any::<u16>(), parts).prop_map(
        |(source, command, serial, (flag, count, address, word, label, text, behind))| {
            let [low, high] = word.to_le_bytes();
            let texts: [&[u8]; 3] = [b"", "三楼".as_bytes(), &[0xB6, 0xFE, 0, 0x20]];
            let mut text = texts[text].to_vec();
            text.resize(31, 0);
            let body = match flag {
                1 => vec![1, address, low, high],
                2 => [&[1, address, 40, 7, 0, 2, 0, low, high], text.as_slice()].concat(),
                _ => vec![low],
            };
            written(serial, command, source, &[&[flag, count], body.as_slice(), &label, &vec![7; behind]].concat())
        },
    )
}

proptest! {
    #![proptest_config(config(20_000))]

    /// What is told to be well is decoded as such; and two such records of one device with the same words differ in
    /// their times alone.
    #[test]
    fn who_is_said_to_be_well_is_decoded_as_such(
        frames in prop::array::uniform2(state_frame()),
        any in any_frame(),
        flip in prop::option::of(any::<prop::sample::Index>()),
        byte in any::<u8>(),
    ) {
        let mut told: Vec<(String, Vec<u8>, Vec<Signal>)> = Vec::new();
        for bytes in frames.into_iter().chain([any]) {
            let mut bytes = bytes;
            if let Some(flip) = flip {
                let at = flip.index(bytes.len());
                bytes[at] = byte;
            }
            let mut name = "what was there".to_owned();
            let Some(well) = says_well(Format::Gb26875, &bytes, &Options::default(), &mut name) else { continue };
            let mut out = Vec::new();
            decode(Format::Gb26875, &bytes, &Options::default(), &mut out);
            let mut signals = Vec::new();
            for one in out {
                let Decoded::Signal(signal) = one else { panic!("{one:?}") };
                let said = (&signal.device, signal.at_ms, signal.flaws);
                prop_assert_eq!(said, (&name, Some(well.at_ms), Flaws::default()));
                signals.push(Signal { at_ms: None, ..*signal });
            }
            let kinds: Vec<_> = signals.iter().map(|signal| signal.kind).collect();
            prop_assert_eq!(kinds, [Kind::Restore, Kind::FaultRestore, Kind::IsolateRestore]);
            for (other, words, others) in &told {
                if *other == name && words == well.words {
                    prop_assert_eq!(others, &signals);
                }
            }
            told.push((name, well.words.to_vec(), signals));
        }
    }
}

#[test]
fn who_is_well_is_told_by_one_whole_state_with_nothing_set() {
    let label = [2, 58, 9, 26, 9, 12];
    let unit = |body: &[u8]| [body, &label].concat();
    for (unit, expected) in [
        (unit(&[1, 1, 1, 3, 1, 0]), Some("gb:000000000379:1.3")),
        (unit(&[1, 1, 1, 3, 2, 0]), None),
        (unit(&[1, 1, 1, 3, 0, 0x20]), None),
        (
            unit(&[[2, 1, 1, 3, 40, 7, 0, 2, 0, 0, 0].as_slice(), &[0; 31]].concat()),
            Some("gb:000000000379:1.3:00020007"),
        ),
        (unit(&[21, 1, 1]), Some("gb:000000000379")),
        (unit(&[21, 1, 8]), None),
        (vec![21, 1, 1, 0, 0, 0, 0, 0, 0], None),
        (unit(&[3, 1, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0]), None),
        (vec![], None),
    ] {
        let bytes = written(1, 2, 0x379, &unit);
        let mut name = String::new();
        let well = says_well(Format::Gb26875, &bytes, &Options::default(), &mut name);
        assert_eq!(well.map(|_| name.as_str()), expected, "{unit:?}");
        let twice = [bytes.clone(), bytes].concat();
        assert_eq!(says_well(Format::Gb26875, &twice, &Options::default(), &mut name), None, "{unit:?}");
    }
}
