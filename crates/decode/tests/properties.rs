//! What always holds of hostile bytes: no panic, no frame lost in garbage, no work that grows faster than the record.

use fenghuo_decode::gb26875::address::{Component, System};
use fenghuo_decode::gb26875::{Object, frame};
use fenghuo_decode::{Decoded, Format, Options, decode};
use fenghuo_model::Signal;
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
