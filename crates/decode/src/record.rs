//! From a record to what it says: the way into every format, and what the record itself knows about its signals.

use std::fmt;

use fenghuo_model::policy::ClockTrust;
use fenghuo_model::{Signal, time};

use crate::{Format, ctwing, gb26875, native};

/// What a format needs to know that its bytes do not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Seconds east of Greenwich of the local time that devices write without a zone.
    pub utc_offset_s: i64,
}

impl Default for Options {
    /// The time of China, +08:00.
    fn default() -> Self {
        Self { utc_offset_s: 8 * 3600 }
    }
}

/// One raw record, with what is known about it beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'r> {
    /// What the device, gateway or cloud sent.
    pub bytes: &'r [u8],
    /// When the platform received it, Unix milliseconds.
    pub timestamp_ms: Option<i64>,
    /// Where it stands: `topic/partition/offset`.
    pub source: Option<&'r str>,
}

/// What a stretch of a record turned out to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoded {
    /// A statement.
    Signal(Box<Signal>),
    /// Bytes that cannot be read.
    Rejected(Rejection),
}

impl From<Signal> for Decoded {
    fn from(signal: Signal) -> Self {
        Self::Signal(Box::new(signal))
    }
}

impl From<Rejection> for Decoded {
    fn from(rejection: Rejection) -> Self {
        Self::Rejected(rejection)
    }
}

/// Why a contiguous stretch of a record cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// For people: where in the record, and what was wrong.
    pub reason: String,
}

impl Rejection {
    pub(crate) fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

/// Appends what the bytes of one record say, in their order; of an empty record, that it is empty.
///
/// A record may say nothing at all: an acknowledgement is readable and no statement.
pub fn decode(format: Format, bytes: &[u8], options: &Options, out: &mut Vec<Decoded>) {
    if bytes.is_empty() {
        out.push(Rejection::new("empty record").into());
        return;
    }
    match format {
        Format::Signal => native::decode(bytes, out),
        Format::Gb26875 => gb26875::decode(bytes, options, out),
        Format::Ctwing => ctwing::decode(bytes, out),
    }
}

/// Appends what a record says, its signals completed by what is known about the record (SPEC.md, 2.2).
///
/// The record's timestamp stands in for a missing `received_at`, and replaces one that lies more than
/// `clock.max_behind` before it or more than `clock.max_ahead` after it; how many were replaced is returned. The first
/// signal's `source` is the record's; the i-th one after it has `/i` appended. Without a timestamp or a source of the
/// record, the signal's own stay.
pub fn decode_record(
    format: Format,
    record: &Record<'_>,
    clock: &ClockTrust,
    options: &Options,
    out: &mut Vec<Decoded>,
) -> u32 {
    let from = out.len();
    decode(format, record.bytes, options, out);
    let timestamp_ms = record.timestamp_ms.and_then(time::writable);
    let mut replaced = 0;
    let mut index = 0;
    for decoded in &mut out[from..] {
        let Decoded::Signal(signal) = decoded else { continue };
        if let Some(timestamp_ms) = timestamp_ms {
            let own = signal.received_at_ms.map(|own_ms| is_believed(own_ms, timestamp_ms, clock));
            replaced += u32::from(own == Some(false));
            if own != Some(true) {
                signal.received_at_ms = Some(timestamp_ms);
            }
        }
        if let Some(source) = record.source {
            signal.source = Some(if index == 0 { source.to_owned() } else { format!("{source}/{index}") });
        }
        index += 1;
    }
    replaced
}

/// Whether a time of receipt may stand beside the record's timestamp.
pub(crate) const fn is_believed(received_at_ms: i64, timestamp_ms: i64, clock: &ClockTrust) -> bool {
    let behind_ms = timestamp_ms - received_at_ms;
    behind_ms <= clock.max_behind_ms && behind_ms >= -clock.max_ahead_ms
}
