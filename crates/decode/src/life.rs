//! Tells records that only show that their devices live, without making signals of them.
//!
//! Nearly all that a city says are heartbeats and readings. Who has no use for them asks here first, for a fraction of
//! what decoding costs. It says yes only where it is sure, and then of the whole record: a test holds that what is
//! decoded of it is exactly so.

use fenghuo_model::policy::ClockTrust;
use fenghuo_model::time;

use crate::record::is_believed;
use crate::{Format, Record, ctwing, gb26875, native};

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
