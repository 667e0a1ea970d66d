//! The signal: one statement by one device or person, and its native JSON form, read leniently and written strictly.

use std::fmt;

use serde::Serialize;
use serde_json::Number;

use crate::time::Rfc3339;
use crate::words::{Kind, Sensor};

mod plain;
mod read;

pub use plain::PlainSignal;
pub use read::{Input, PolicyChange, ReadSignalError, RegistryChange, Tick};

/// One statement by one device or person, decoded; the fields of the native JSON form.
///
/// Absent fields are not written. Times are Unix milliseconds in memory and RFC 3339 UTC in JSON.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Signal {
    /// The sender's own identity of this statement, if it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The registry's id of the device, or the address under which a protocol names it.
    pub device: String,
    /// What is stated.
    pub kind: Kind,
    /// What kind of sensor says so, where the signal itself knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sensor: Option<Sensor>,
    /// When it happened, by the device's clock.
    #[serde(rename = "at", serialize_with = "write_time", skip_serializing_if = "Option::is_none")]
    pub at_ms: Option<i64>,
    /// When the platform received it.
    #[serde(rename = "received_at", serialize_with = "write_time", skip_serializing_if = "Option::is_none")]
    pub received_at_ms: Option<i64>,
    /// The building that the signal names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub building: Option<String>,
    /// The spot that the signal names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub location: Option<String>,
    /// A measured value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Number>,
    /// The value's unit, in UCUM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What the device says in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Whether it is part of a test or a drill.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub test: bool,
    /// Of an isolation: when it ends.
    #[serde(rename = "until", serialize_with = "write_time", skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<i64>,
    /// Of a person's statement: who.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Of a clear: why it was no fire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// Where it came from: `topic/partition/offset`, and `/index` where a record holds several signals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What could not be read and was passed over.
    #[serde(skip)]
    pub flaws: Flaws,
}

/// How many fields of a signal were passed over because they could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Flaws {
    /// Times that are neither RFC 3339 with offset nor integer milliseconds; they count as missing.
    pub times: u32,
    /// Sensor words that are not in the list; the registry's sensor serves instead.
    pub sensors: u32,
    /// Optional fields of a wrong JSON type; they count as missing.
    pub types: u32,
}

fn write_time<S: serde::Serializer>(time_ms: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    time_ms.map(Rfc3339).serialize(serializer)
}

impl Signal {
    /// A signal that states `kind` for `device` and nothing else.
    #[must_use]
    pub fn new(device: impl Into<String>, kind: Kind) -> Self {
        Self {
            id: None,
            device: device.into(),
            kind,
            sensor: None,
            at_ms: None,
            received_at_ms: None,
            building: None,
            location: None,
            value: None,
            unit: None,
            text: None,
            test: false,
            until_ms: None,
            by: None,
            cause: None,
            source: None,
            flaws: Flaws::default(),
        }
    }

    /// The native JSON form, one line without its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a signal has string keys and finite numbers only")
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_json())
    }
}
