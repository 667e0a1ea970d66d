//! Bytes of devices to signals, or a reason: the only parser of hostile input.
//!
//! [`decode`] takes the bytes of one record in a [`Format`] and appends what they say, in the order of the bytes: a
//! signal, or a rejection with the reason for every stretch that cannot be read. [`decode_record`] adds what Kafka
//! knows about the record: its timestamp and where it came from.
//!
//! Whatever the bytes: no panic, no work beyond what is linear in their number (one frame's length of check sums for
//! each possible start), no clock, no state from one record to the next. A format is one module; what a device says
//! twice, late or wrongly is not judged here.

mod ctwing;
mod format;
pub mod gb26875;
mod life;
mod native;
mod record;

pub use format::{Format, UnknownFormat};
pub use life::{Well, says_well, signs_of_life};
pub use record::{Decoded, Options, Record, Rejection, decode, decode_record};
