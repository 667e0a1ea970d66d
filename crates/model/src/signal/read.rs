//! Reads the native JSON form of a signal, or a tick; hostile input ends in a reason, never in a panic.
//!
//! Lenient where a fire could be lost: an optional field of a wrong type or an unreadable time counts as
//! missing, and is counted. Strict where the statement itself is unclear: kind, device, and JSON as such.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Number;
use thiserror::Error;

use super::{Flaws, PlainSignal, Signal};
use crate::policy::Policy;
use crate::registry::VERSION_DIGITS;
use crate::time;
use crate::words::{Kind, Sensor};

/// One line or record of a region's sequence.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A statement of a device or person.
    Signal(Box<Signal>),
    /// Time that passed.
    Tick(Tick),
    /// Other rules, from here on.
    Policy(Box<PolicyChange>),
    /// Other buildings and devices, from here on.
    Registry(RegistryChange),
}

/// Puts a policy in force: what arrives after it is judged by its rules, what is held stays.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyChange {
    /// The policy as it was written, TOML.
    pub text: String,
    /// What it says.
    pub policy: Arc<Policy>,
}

impl PolicyChange {
    /// The line or record that puts this policy in force.
    #[must_use]
    pub fn to_json(&self) -> String {
        format!("{{\"policy\":{}}}", serde_json::Value::from(self.text.as_str()))
    }
}

/// Puts a registry in force: what arrives after it is placed by it, what is held stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryChange {
    /// Which one, as [`version_of`](crate::registry::version_of) names it: whoever takes the sequence has it at hand.
    pub version: String,
}

impl RegistryChange {
    /// The line or record that puts this registry in force.
    #[must_use]
    pub fn to_json(&self) -> String {
        format!("{{\"registry\":{}}}", serde_json::Value::from(self.version.as_str()))
    }
}

/// Moves clocks and fires timers, nothing else: how a quiet region's clock moves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tick {
    /// The time that the clock has reached at least, Unix milliseconds.
    pub at_ms: i64,
    /// The region meant; all of them without it.
    pub region: Option<String>,
}

/// Why a line is no signal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadSignalError {
    /// The bytes are not one JSON object.
    #[error("not a JSON object: {0}")]
    NotJson(String),
    /// A required field is missing, null or no string.
    #[error("required field \"{0}\" is missing or no string")]
    Missing(&'static str),
    /// A required field is there and says nothing.
    #[error("required field \"{0}\" is empty")]
    Empty(&'static str),
    /// The kind is none of the known ones.
    #[error("unknown kind {0:?}")]
    UnknownKind(String),
    /// A tick without a readable time.
    #[error("a tick needs its time in integer Unix milliseconds")]
    BadTick,
    /// A policy that cannot be put in force.
    #[error("a policy that is none: {0}")]
    BadPolicy(String),
    /// No version of a registry.
    #[error("a registry is named by {VERSION_DIGITS} hexadecimal digits in lower case, not {0:?}")]
    BadRegistry(String),
}

impl Input {
    /// Reads one line or record: a signal, `{"tick":<ms>,"region":"…"}`, `{"policy":"…"}` with a policy's TOML, or
    /// `{"registry":"…"}` with a registry's version.
    ///
    /// # Errors
    /// The reason why it is none of them; it then counts as rejected.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ReadSignalError> {
        let plain = PlainSignal::from_json(bytes);
        plain.map_or_else(|| Self::of(parse_any(bytes)?), |signal| Ok(Self::Signal(signal.to_signal())))
    }

    pub(super) fn of(fields: Fields<'_>) -> Result<Self, ReadSignalError> {
        match (&fields.tick, &fields.device) {
            (Scalar::Null, Scalar::Null) if matches!(fields.policy, Scalar::Text(_)) => {
                let text = fields.policy.into_text(&mut 0).unwrap_or_default();
                let policy = Policy::from_toml("policy", &text).map_err(|faults| {
                    let first = faults.first().map(|fault| format!("line {}: {}", fault.line, fault.reason));
                    ReadSignalError::BadPolicy(first.unwrap_or_default())
                })?;
                Ok(Self::Policy(Box::new(PolicyChange { text, policy: Arc::new(policy) })))
            }
            (Scalar::Null, Scalar::Null) if matches!(fields.registry, Scalar::Text(_)) => {
                let version = fields.registry.into_text(&mut 0).unwrap_or_default();
                let is_one = version.len() == VERSION_DIGITS
                    && version.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'));
                if is_one {
                    Ok(Self::Registry(RegistryChange { version }))
                } else {
                    Err(ReadSignalError::BadRegistry(version))
                }
            }
            (Scalar::Null, _) | (_, Scalar::Text(_)) => fields.into_signal().map(Box::new).map(Self::Signal),
            (Scalar::Number(ms), _) => {
                let at_ms = ms.as_i64().and_then(time::writable).ok_or(ReadSignalError::BadTick)?;
                Ok(Self::Tick(Tick { at_ms, region: fields.region.into_text(&mut 0) }))
            }
            _ => Err(ReadSignalError::BadTick),
        }
    }
}

impl Signal {
    /// Reads the native JSON form.
    ///
    /// # Errors
    /// The reason why it is none.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ReadSignalError> {
        let plain = PlainSignal::from_json(bytes);
        plain.map_or_else(|| parse_any(bytes)?.into_signal(), |signal| Ok(*signal.to_signal()))
    }
}

/// Reads whatever is JSON; [`PlainSignal`] reads most of it faster.
pub(super) fn parse_any(bytes: &[u8]) -> Result<Fields<'_>, ReadSignalError> {
    serde_json::from_slice(bytes).map_err(|error| {
        // One record is one line: its number says nothing here, and the caller knows the real one.
        ReadSignalError::NotJson(error.to_string().replace(" at line 1 column", " at column"))
    })
}

/// A JSON value as far as a signal's fields need it.
#[derive(Debug, Default, PartialEq)]
enum Scalar<'a> {
    #[default]
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    Nested,
}

impl Scalar<'_> {
    fn into_text(self, wrong_types: &mut u32) -> Option<String> {
        match self {
            Self::Text(text) => Some(text.into_owned()),
            Self::Null => None,
            _ => {
                *wrong_types += 1;
                None
            }
        }
    }

    fn into_time_ms(self, unreadable: &mut u32) -> Option<i64> {
        let read = match &self {
            Self::Null => return None,
            Self::Text(text) => time::parse_rfc3339(text),
            Self::Number(number) => number.as_i64().and_then(time::writable),
            Self::Bool(_) | Self::Nested => None,
        };
        *unreadable += u32::from(read.is_none());
        read
    }
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Fields<'a> {
    id: Scalar<'a>,
    device: Scalar<'a>,
    kind: Scalar<'a>,
    sensor: Scalar<'a>,
    at: Scalar<'a>,
    received_at: Scalar<'a>,
    building: Scalar<'a>,
    location: Scalar<'a>,
    value: Scalar<'a>,
    unit: Scalar<'a>,
    text: Scalar<'a>,
    test: Scalar<'a>,
    until: Scalar<'a>,
    by: Scalar<'a>,
    cause: Scalar<'a>,
    source: Scalar<'a>,
    tick: Scalar<'a>,
    region: Scalar<'a>,
    policy: Scalar<'a>,
    registry: Scalar<'a>,
}

impl<'a> Fields<'a> {
    fn named(&mut self, name: &str) -> Option<&mut Scalar<'a>> {
        // Bytes, for the compiler then asks for the length first.
        Some(match name.as_bytes() {
            b"id" => &mut self.id,
            b"device" => &mut self.device,
            b"kind" => &mut self.kind,
            b"sensor" => &mut self.sensor,
            b"at" => &mut self.at,
            b"received_at" => &mut self.received_at,
            b"building" => &mut self.building,
            b"location" => &mut self.location,
            b"value" => &mut self.value,
            b"unit" => &mut self.unit,
            b"text" => &mut self.text,
            b"test" => &mut self.test,
            b"until" => &mut self.until,
            b"by" => &mut self.by,
            b"cause" => &mut self.cause,
            b"source" => &mut self.source,
            b"tick" => &mut self.tick,
            b"region" => &mut self.region,
            b"policy" => &mut self.policy,
            b"registry" => &mut self.registry,
            _ => return None,
        })
    }

    fn into_signal(self) -> Result<Signal, ReadSignalError> {
        let mut flaws = Flaws::default();
        let types = &mut flaws.types;
        let Scalar::Text(device) = self.device else { return Err(ReadSignalError::Missing("device")) };
        if device.is_empty() {
            return Err(ReadSignalError::Empty("device"));
        }
        let Scalar::Text(kind) = self.kind else { return Err(ReadSignalError::Missing("kind")) };
        let kind = Kind::from_word(&kind).ok_or_else(|| ReadSignalError::UnknownKind(kind.into_owned()))?;
        let sensor = self.sensor.into_text(types).and_then(|word| {
            let sensor = Sensor::from_word(&word);
            flaws.sensors += u32::from(sensor.is_none());
            sensor
        });
        let value = match self.value {
            Scalar::Number(number) => Some(number),
            Scalar::Null => None,
            _ => {
                *types += 1;
                None
            }
        };
        let test = match self.test {
            Scalar::Bool(test) => test,
            Scalar::Null => false,
            _ => {
                *types += 1;
                false
            }
        };
        Ok(Signal {
            id: self.id.into_text(types),
            device: device.into_owned(),
            kind,
            sensor,
            at_ms: self.at.into_time_ms(&mut flaws.times),
            received_at_ms: self.received_at.into_time_ms(&mut flaws.times),
            building: self.building.into_text(types),
            location: self.location.into_text(types),
            value,
            unit: self.unit.into_text(types),
            text: self.text.into_text(types),
            test,
            until_ms: self.until.into_time_ms(&mut flaws.times),
            by: self.by.into_text(types),
            cause: self.cause.into_text(types),
            source: self.source.into_text(types),
            flaws,
        })
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut fields = Fields::default();
                while let Some(Key(name)) = map.next_key()? {
                    match fields.named(&name) {
                        Some(field) => *field = map.next_value()?,
                        None => {
                            map.next_value::<IgnoredAny>()?;
                        }
                    }
                }
                Ok(fields)
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

/// An object's key, borrowed where it holds no escape.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Scalar::deserialize(deserializer)? {
            Scalar::Text(name) => Ok(Self(name)),
            _ => Err(serde::de::Error::custom("a key must be a string")),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Scalar<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ScalarVisitor;
        impl<'de> Visitor<'de> for ScalarVisitor {
            type Value = Scalar<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Scalar::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Scalar::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
                Ok(Scalar::Number(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
                Ok(Number::from_f64(value).map_or(Scalar::Nested, Scalar::Number))
            }
            fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(Cow::Borrowed(value)))
            }
            fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
                Ok(Scalar::Text(Cow::Owned(value.to_owned())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nested)
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Scalar::Nested)
            }
        }
        deserializer.deserialize_any(ScalarVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::version_of;

    fn read(json: &str) -> Result<Signal, ReadSignalError> {
        Signal::from_json(json.as_bytes())
    }

    #[test]
    fn the_specified_example_reads_and_writes() {
        let json = r#"{"id":"7","device":"D1","kind":"fire","sensor":"smoke","at":"2026-11-22T09:58:02+08:00",
            "received_at":1795312690000,"building":"B1","location":"3F/301","value":68.5,"unit":"Cel","text":"浓烟",
            "test":false,"source":"raw.gb26875/3/1042"}"#;
        let signal = read(json).unwrap();
        assert_eq!(
            signal.to_json(),
            r#"{"id":"7","device":"D1","kind":"fire","sensor":"smoke","at":"2026-11-22T01:58:02.000Z","received_at":"2026-11-22T01:58:10.000Z","building":"B1","location":"3F/301","value":68.5,"unit":"Cel","text":"浓烟","source":"raw.gb26875/3/1042"}"#
        );
        assert_eq!(read(&signal.to_json()).unwrap(), signal);
    }

    #[test]
    fn what_is_unclear_is_rejected_with_a_reason() {
        for (json, expected) in [
            (r#"{"kind":"fire"}"#, ReadSignalError::Missing("device")),
            (r#"{"device":null,"kind":"fire"}"#, ReadSignalError::Missing("device")),
            (r#"{"device":"","kind":"fire"}"#, ReadSignalError::Empty("device")),
            (r#"{"device":"D","kind":7}"#, ReadSignalError::Missing("kind")),
            (r#"{"device":"D","kind":"blaze"}"#, ReadSignalError::UnknownKind("blaze".into())),
        ] {
            assert_eq!(read(json), Err(expected), "{json}");
        }
        for json in ["", "[]", "7", "{", r#"{"device":"D","kind":"fire"} x"#, "{\"device\":\"\u{0}\"}"] {
            assert!(matches!(read(json), Err(ReadSignalError::NotJson(_))), "{json}");
        }
        assert!(matches!(Signal::from_json(b"{\"device\":\"\xff\"}"), Err(ReadSignalError::NotJson(_))));
    }

    #[test]
    fn what_only_adorns_is_passed_over_and_counted() {
        let signal = read(
            r#"{"device":"D","kind":"fire","id":7,"sensor":"nose","at":"yesterday","received_at":1.5,"test":"no",
               "value":"x","location":[1,{"a":2}],"text":null,"extra":{"device":"E"}}"#,
        )
        .unwrap();
        assert_eq!(signal.flaws, Flaws { times: 2, sensors: 1, types: 4 });
        assert_eq!(Signal { flaws: Flaws::default(), ..signal }, Signal::new("D", Kind::Fire));
    }

    #[test]
    fn a_tick_is_no_signal_and_a_signal_may_carry_a_field_called_tick() {
        let tick = |region: Option<&str>| Ok(Input::Tick(Tick { at_ms: 5, region: region.map(str::to_owned) }));
        assert_eq!(Input::from_json(br#"{"tick":5}"#), tick(None));
        assert_eq!(Input::from_json(br#"{"tick":5,"region":"r"}"#), tick(Some("r")));
        assert_eq!(Input::from_json(br#"{"tick":"5"}"#), Err(ReadSignalError::BadTick));
        assert!(matches!(
            Input::from_json(br#"{"tick":5,"device":"D","kind":"fire"}"#),
            Ok(Input::Signal(signal)) if signal.device == "D"
        ));
    }

    #[test]
    fn a_registry_comes_as_its_version_and_a_signal_may_carry_a_field_called_so() {
        let change = RegistryChange { version: version_of(b"") };
        assert_eq!(Input::from_json(change.to_json().as_bytes()), Ok(Input::Registry(change)));
        for line in [r#"{"registry":"city.jsonl"}"#, r#"{"registry":"E3B0C44298FC1C14"}"#, r#"{"registry":""}"#] {
            assert!(matches!(Input::from_json(line.as_bytes()), Err(ReadSignalError::BadRegistry(_))), "{line}");
        }
        let signal = Input::from_json(br#"{"registry":"e3b0c44298fc1c14","device":"D","kind":"fire"}"#);
        assert!(matches!(signal, Ok(Input::Signal(_))), "{signal:?}");
    }

    #[test]
    fn a_policy_comes_as_its_text_and_a_signal_may_carry_a_field_called_so() {
        let text = "[[rule]]\nid = \"two\"\nwindow = \"90s\"\nmin_locations = 2\n";
        let policy = Arc::new(Policy::from_toml("policy", text).unwrap());
        let change = PolicyChange { text: text.to_owned(), policy };
        let line = change.to_json();
        assert_eq!(Input::from_json(line.as_bytes()), Ok(Input::Policy(Box::new(change))));
        for (line, reason) in [
            (r#"{"policy":"[[rule]]\nid = 1"}"#, "a policy that is none: line 1"),
            (r#"{"policy":7}"#, "required field \"device\""),
        ] {
            let error = Input::from_json(line.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with(reason), "{error}");
        }
        let signal = Input::from_json(br#"{"policy":"x","device":"D","kind":"fire"}"#);
        assert!(matches!(signal, Ok(Input::Signal(_))), "{signal:?}");
    }
}
