//! Frames of user information transmission devices (GB/T 26875.3-2011): found, checked, and turned into signals.
//!
//! A record holds any number of frames, binary or as hex text. `scan` finds them, `meaning` says what they state;
//! [`frame`] writes them, for the synthetic city and for tests. Records are not joined: half a frame at the end of one
//! is rejected as truncated. Version, time of sending and time labels are never a reason to reject, and the time of
//! sending never stands in for a time label: a device is asked when something happened, not when it spoke.

pub mod address;
mod analog_type;
mod component_type;
pub mod frame;
mod hex_text;
mod layout;
mod meaning;
mod object;
mod scan;
pub(crate) mod state;
mod time_label;

pub use layout::{END_MARK, LONGEST_UNIT, SHORTEST_FRAME, START_MARK, TEXT_LENGTH, command, flag};
pub use object::Object;

use scan::Piece;

use crate::life::Well;
use crate::{Decoded, Options, Rejection};

/// Appends what the frames of a record say, and why the bytes between them say nothing.
pub(crate) fn decode(bytes: &[u8], options: &Options, out: &mut Vec<Decoded>) {
    // Nearly every record is told by its first byte.
    let is_binary = bytes.first() == Some(&START_MARK[0]);
    match (!is_binary).then(|| hex_text::bytes(bytes)).flatten() {
        Some(bytes) if bytes.is_empty() => out.push(Rejection::new("empty record").into()),
        Some(bytes) => read(&bytes, options, out),
        None => read(bytes, options, out),
    }
}

/// What frames say, as bytes.
fn read(bytes: &[u8], options: &Options, out: &mut Vec<Decoded>) {
    scan::scan(bytes, |piece| match piece {
        Piece::Frame(frame, range) => meaning::interpret(frame, range, options, out),
        Piece::Unreadable(reason) => out.push(Rejection::new(reason).into()),
    });
}

/// See [`crate::signs_of_life`]: of a record of nothing but frames.
pub(crate) fn signs_of_life(bytes: &[u8]) -> Option<u32> {
    let mut signals = 0;
    let mut rest = bytes;
    while !rest.is_empty() {
        let (frame, after) = rest.split_at(scan::first_frame(rest)?);
        signals += meaning::signs_of_life(frame)?;
        rest = after;
    }
    (!bytes.is_empty()).then_some(signals)
}

/// See [`crate::says_well`]: of a record of one frame.
pub(crate) fn says_well<'r>(bytes: &'r [u8], options: &Options, name: &mut String) -> Option<Well<'r>> {
    (scan::first_frame(bytes)? == bytes.len()).then(|| meaning::says_well(bytes, options, name)).flatten()
}
