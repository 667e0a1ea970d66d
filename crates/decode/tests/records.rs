//! What the record knows about its signals: time of receipt and source.

use fenghuo_decode::{Decoded, Format, Options, Record, decode_record};
use fenghuo_model::Signal;
use fenghuo_model::policy::ClockTrust;

const CLOCK: ClockTrust = ClockTrust { max_behind_ms: 120_000, max_ahead_ms: 60_000 };

fn signals(format: Format, record: &Record<'_>) -> (Vec<Signal>, u32) {
    let mut out = vec![Decoded::from(Signal::new("before", fenghuo_model::Kind::Fire))];
    let replaced = decode_record(format, record, &CLOCK, &Options::default(), &mut out);
    let before = out.remove(0);
    assert_eq!(before, Signal::new("before", fenghuo_model::Kind::Fire).into(), "earlier signals stay as they are");
    let signals = out.into_iter().filter_map(|decoded| match decoded {
        Decoded::Signal(signal) => Some(*signal),
        Decoded::Rejected(_) => None,
    });
    (signals.collect(), replaced)
}

#[test]
fn the_timestamp_stands_in_or_replaces_what_lies_too_far_off() {
    for (received_at_ms, timestamp_ms, expected, replaced) in [
        (None, Some(1_000_000), Some(1_000_000), 0),
        (None, None, None, 0),
        (Some(5), None, Some(5), 0),
        (Some(1_000_000), Some(1_000_000), Some(1_000_000), 0),
        (Some(1_000_000 - 120_000), Some(1_000_000), Some(1_000_000 - 120_000), 0),
        (Some(1_000_000 - 120_001), Some(1_000_000), Some(1_000_000), 1),
        (Some(1_000_000 + 60_000), Some(1_000_000), Some(1_000_000 + 60_000), 0),
        (Some(1_000_000 + 60_001), Some(1_000_000), Some(1_000_000), 1),
        (Some(5), Some(i64::MAX), Some(5), 0), // a timestamp that no time can be is none
    ] {
        let received = received_at_ms.map(|ms: i64| format!(r#","received_at":{ms}"#)).unwrap_or_default();
        let bytes = format!(r#"{{"device":"D","kind":"fire"{received}}}"#);
        let record = Record { bytes: bytes.as_bytes(), timestamp_ms, source: None };
        let (signals, count) = signals(Format::Signal, &record);
        assert_eq!((signals[0].received_at_ms, count), (expected, replaced), "{bytes} at {timestamp_ms:?}");
    }
}

#[test]
fn the_source_counts_the_signals_of_a_record() {
    let bytes = br#"{"IMEI":"1","payload":[{"Alarm_Status":1},3,{"Alarm_Status":4},{"Alarm_Status":7}]}"#;
    let sources = |source| -> Vec<Option<String>> {
        let record = Record { bytes, timestamp_ms: None, source };
        signals(Format::Ctwing, &record).0.into_iter().map(|signal| signal.source).collect()
    };
    assert_eq!(sources(Some("t/3/7")), ["t/3/7", "t/3/7/1", "t/3/7/2"].map(|source| Some(source.to_owned())));
    assert_eq!(sources(None), [None, None, None]);
    let own = Record { bytes: br#"{"device":"D","kind":"fire","source":"own"}"#, timestamp_ms: None, source: None };
    assert_eq!(signals(Format::Signal, &own).0[0].source.as_deref(), Some("own"));
}
