//! Tells records that only show that their devices live, or are well, without making signals of them.
//!
//! Nearly all that a city says are heartbeats, readings and normal states. Who has no use for them asks here first, for
//! a fraction of what decoding costs. It says yes only where it is sure, and then of the whole record: a test holds
//! that what is decoded of it is exactly so.

use fenghuo_model::policy::ClockTrust;
use fenghuo_model::time;

use crate::record::is_believed;
use crate::{Format, Options, Record, ctwing, gb26875, native};

/// How many signals a record holds, if nothing but heartbeats and readings stands in it, all of it is readable, nothing
/// in it is flawed, and no time of receipt would give way to the record's timestamp; none is possible.
///
/// Nothing is said of any other record, nor of some that are so and oddly written.
#[must_use]
pub fn signs_of_life(format: Format, record: &Record<'_>, clock: &ClockTrust) -> Option<u32> {
    let (signals, received_at_ms) = match format {
        Format::Signal => native::signs_of_life(record.bytes)?,
        Format::Ctwing => ctwing::signs_of_life(record.bytes)?,
        Format::Gb26875 => (gb26875::signs_of_life(record.bytes)?, None),
    };
    let timestamp_ms = record.timestamp_ms.and_then(time::writable);
    let gives_way = timestamp_ms
        .zip(received_at_ms)
        .is_some_and(|(timestamp_ms, received_at_ms)| !is_believed(received_at_ms, timestamp_ms, clock));
    (!gives_way).then_some(signals)
}

/// A record that says of one device that nothing is the matter, and nothing else: a restore, a fault_restore and an
/// isolate_restore, without a time of receipt of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Well<'r> {
    /// What it says beside its device's name and its times: of two records with the same name and the same bytes here,
    /// the signals differ in their times alone.
    pub words: &'r [u8],
    /// When it was so, Unix milliseconds.
    pub at_ms: i64,
}

/// What a record says, if it is one that says only that one device is well; the device's name replaces what is in
/// `name`.
///
/// Nothing is said of any other record, nor of some that are so and oddly written.
#[must_use]
pub fn says_well<'r>(format: Format, bytes: &'r [u8], options: &Options, name: &mut String) -> Option<Well<'r>> {
    match format {
        Format::Gb26875 => gb26875::says_well(bytes, options, name),
        Format::Signal | Format::Ctwing => None,
    }
}
