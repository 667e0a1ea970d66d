//! The fast way to read a signal's JSON: for what nearly every line is, one flat object without escapes or flaws.
//!
//! One pass over the bytes, straight into the signal. Whatever is not plain ([`crate::plain_json`]), no signal, or a
//! signal with anything in it that could not be understood, is left to the full parser in `read.rs`, which reads the
//! line from its beginning; a property test there holds that both say the same.

use super::{Flaws, Signal};
use crate::plain_json::{Plain, Scan};
use crate::time;
use crate::words::{Kind, Sensor};

/// A signal as its plain line says it, texts borrowed; [`Signal`] says what the fields mean.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainSignal<'l> {
    kind: Kind,
    device: &'l str,
    received_at_ms: Option<i64>,
    fields: Fields<'l>,
}

/// What a line says, as far as it is a signal's.
#[derive(Debug, Clone, PartialEq, Default)]
struct Fields<'l> {
    id: Option<&'l str>,
    device: Option<&'l str>,
    kind: Option<Kind>,
    sensor: Option<Sensor>,
    at_ms: Option<i64>,
    received_at_ms: Option<i64>,
    building: Option<&'l str>,
    location: Option<&'l str>,
    value: Option<Plain<'l>>,
    unit: Option<&'l str>,
    text: Option<&'l str>,
    test: bool,
    until_ms: Option<i64>,
    by: Option<&'l str>,
    cause: Option<&'l str>,
    source: Option<&'l str>,
}

impl<'l> PlainSignal<'l> {
    /// Reads a plain line; nothing of any other, and of one that is no signal without flaws.
    #[must_use]
    pub fn from_json(line: &'l [u8]) -> Option<Self> {
        let mut scan = Scan::new(line)?;
        let mut fields = Fields::default();
        scan.object(|scan, key| fields.take(key, scan.value()?))?;
        scan.end()?;
        let device = fields.device.filter(|device| !device.is_empty())?;
        Some(Self { kind: fields.kind?, device, received_at_ms: fields.received_at_ms, fields })
    }

    /// What is stated.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// When the platform received it, Unix milliseconds.
    #[must_use]
    pub const fn received_at_ms(&self) -> Option<i64> {
        self.received_at_ms
    }

    /// The same with texts of its own.
    #[must_use]
    pub fn to_signal(&self) -> Box<Signal> {
        let Self { kind, device, fields, .. } = self;
        // Made where it will stay: it is too large to be handed on.
        Box::new(Signal {
            id: fields.id.map(str::to_owned),
            device: (*device).to_owned(),
            kind: *kind,
            sensor: fields.sensor,
            at_ms: fields.at_ms,
            received_at_ms: fields.received_at_ms,
            building: fields.building.map(str::to_owned),
            location: fields.location.map(str::to_owned),
            value: fields.value.and_then(Plain::number),
            unit: fields.unit.map(str::to_owned),
            text: fields.text.map(str::to_owned),
            test: fields.test,
            until_ms: fields.until_ms,
            by: fields.by.map(str::to_owned),
            cause: fields.cause.map(str::to_owned),
            source: fields.source.map(str::to_owned),
            flaws: Flaws::default(),
        })
    }
}

impl<'l> Fields<'l> {
    /// Takes the value of a key, the last one where a key stands twice; nothing if the full parser is to look at it.
    #[inline]
    fn take(&mut self, key: &str, value: Plain<'l>) -> Option<()> {
        // Bytes, for the compiler then asks for the length first.
        match key.as_bytes() {
            b"id" => self.id = value.text_or_null()?,
            b"device" => self.device = value.text_or_null()?,
            b"kind" => self.kind = word(value, Kind::from_word)?,
            b"sensor" => self.sensor = word(value, Sensor::from_word)?,
            b"at" => self.at_ms = time_ms(value)?,
            b"received_at" => self.received_at_ms = time_ms(value)?,
            b"building" => self.building = value.text_or_null()?,
            b"location" => self.location = value.text_or_null()?,
            b"value" => match value {
                Plain::Integer(_) | Plain::Fraction(_) => self.value = Some(value),
                Plain::Null => self.value = None,
                _ => return None,
            },
            b"unit" => self.unit = value.text_or_null()?,
            b"text" => self.text = value.text_or_null()?,
            b"test" => match value {
                Plain::Bool(test) => self.test = test,
                Plain::Null => self.test = false,
                _ => return None,
            },
            b"until" => self.until_ms = time_ms(value)?,
            b"by" => self.by = value.text_or_null()?,
            b"cause" => self.cause = value.text_or_null()?,
            b"source" => self.source = value.text_or_null()?,
            // A `tick` or `policy` beside a device is nothing.
            _ => {}
        }
        Some(())
    }
}

/// The value that a known word stands for, or that none is there.
#[inline]
fn word<T>(value: Plain<'_>, read: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
    match value.text_or_null()? {
        Some(word) => read(word).map(Some),
        None => Some(None),
    }
}

/// A time that can be read, or that none is there.
#[inline]
fn time_ms(value: Plain<'_>) -> Option<Option<i64>> {
    match value {
        Plain::Text(text) => time::parse_rfc3339(text).map(Some),
        Plain::Integer(ms) => time::writable(ms).map(Some),
        Plain::Null => Some(None),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::signal::read::{Input, parse_any};

    /// A value as it may be written, plain or not.
    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "\"[a-zA-Z0-9:/ .火-]{0,20}\"",
            1 => "\"[a-z\\\\nu0-9\"\u{1}\u{7f}é]{0,9}\"",
            2 => "-?[0-9]{1,17}",
            2 => "-?[0-9]{1,9}[.][0-9]{0,9}",
            1 => "-?[0-9.eE+-]{1,6}",
            1 => "true|false|null|tru|nulll|-|",
            1 => "\\[1,\"a\"\\]|\\{\"b\":2\\}|[{}\\[\\],:]",
            1 => any::<f64>().prop_map(|number| number.to_string()),
            1 => any::<i64>().prop_map(|number| number.to_string()),
            2 => prop::sample::select(vec!["\"fire\"", "\"smoke\"", "\"2026-11-22T09:58:02+08:00\"", "1795312690000"])
                .prop_map(str::to_owned),
        ]
    }

    fn line() -> impl Strategy<Value = String> {
        let name = prop_oneof![
            2 => Just("test"),
            6 => prop::sample::select(vec![
                "id", "device", "kind", "sensor", "at", "received_at", "until", "location", "value", "test", "tick", "policy",
            ]),
            1 => Just("else"),
            1 => Just("k\\u0069nd"),
        ];
        let blank = prop_oneof![4 => Just(""), 1 => Just(" "), 1 => Just("\r\n\t")];
        let field = (blank.clone(), name, blank.clone(), blank, value())
            .prop_map(|(a, name, b, c, value)| format!("{a}\"{name}\"{b}:{c}{value}"));
        // Most begin as a signal does, so that most are one.
        let begun = prop_oneof![
            3 => Just("\"device\":\"D1\",\"kind\":\"reading\""),
            1 => Just("\"device\":\"\",\"kind\":\"fire\""),
            1 => Just("\"x\":null"),
        ];
        (begun, prop::collection::vec(field, 0..6), prop::sample::select(vec!["}", "} ", "},", "} x", "", ",}"]))
            .prop_map(|(begun, fields, end)| {
                let rest: String = fields.iter().map(|field| format!(",{field}")).collect();
                format!("{{{begun}{rest}{end}")
            })
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 20_000, rng_seed: RngSeed::Fixed(191), failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn what_it_reads_the_full_parser_reads_too(
            line in line(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = line.into_bytes();
            for _ in 0..2 {
                if let Some(signal) = PlainSignal::from_json(&bytes) {
                    prop_assert_eq!(Ok(Input::Signal(signal.to_signal())), parse_any(&bytes).and_then(Input::of));
                }
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
    }

    #[test]
    fn of_what_stands_twice_the_last_counts() {
        let fields = [
            "id",
            "at",
            "received_at",
            "until",
            "building",
            "location",
            "value",
            "unit",
            "text",
            "test",
            "by",
            "source",
        ];
        for field in fields {
            for values in [
                ["1", "null"],
                ["true", "null"],
                ["\"a\"", "null"],
                ["null", "7"],
                ["\"a\"", "\"b\""],
                ["true", "false"],
            ] {
                let [first, last] = values;
                let line =
                    format!(r#"{{"device":"D1","kind":"fire","{field}":{first},"{field}":{last},"kind":"fault"}}"#);
                if let Some(signal) = PlainSignal::from_json(line.as_bytes()) {
                    assert_eq!(
                        Ok(Input::Signal(signal.to_signal())),
                        parse_any(line.as_bytes()).and_then(Input::of),
                        "{line}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_devices_and_fenghuo_itself_write_is_plain() {
        for line in [
            r#"{"id":"7","device":"D1","kind":"fire","at":"2026-11-22T01:58:02.000Z","text":"浓烟","test":true}"#,
            r#" { "device" : "D1" , "kind" : "reading" , "value" : -68.5 , "received_at" : 1795312690000 , "id" : null } "#,
            r#"{"device":"D1","kind":"heartbeat"}"#,
        ] {
            assert!(PlainSignal::from_json(line.as_bytes()).is_some(), "{line}");
        }
    }
}
