//! Finds the frames in a record's bytes, and says of every stretch between them why it holds none.
//!
//! A start mark may stand in data, a length may lie, and a good frame may begin inside a broken one: after a start that
//! fails, the search goes on one byte further. What is found is a frame by length, end mark and check sum. One start
//! costs at most one check sum of a longest frame, and that only if its end mark stands where its length says, so that
//! the work is linear in the record whatever its bytes are.

use std::fmt::Write;
use std::ops::Range;

use thiserror::Error;

use super::layout::{
    END_MARK, LENGTH_AT, LONGEST_UNIT, SERIAL_AT, SHORTEST_FRAME, START_MARK, UNIT_AT, check_sum, number,
};

/// How many failed starts of a stretch are told one by one.
const TOLD_STARTS: usize = 3;

/// A stretch of a record.
pub(super) enum Piece<'r> {
    /// A frame whose length, end mark and check sum agree: all of its bytes, and where they stand.
    Frame(&'r [u8], Range<usize>),
    /// Bytes without a frame, and why.
    Unreadable(String),
}

/// Why no frame begins at a start mark.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
enum Failure {
    #[error("truncated: {left} bytes are left of a frame of {needed} or more")]
    Truncated { needed: usize, left: usize },
    #[error("data length {0} above {LONGEST_UNIT}")]
    TooLong(usize),
    #[error("end mark {0:02x} {1:02x} instead of 23 23")]
    EndMark(u8, u8),
    #[error("check sum {said:02x}, computed {computed:02x}")]
    CheckSum { said: u8, computed: u8 },
}

/// The length of the frame that begins with these bytes.
#[inline]
fn frame_length(bytes: &[u8]) -> Result<usize, Failure> {
    let left = bytes.len();
    if left < UNIT_AT {
        return Err(Failure::Truncated { needed: SHORTEST_FRAME, left });
    }
    let unit_length = usize::try_from(number(&bytes[LENGTH_AT..LENGTH_AT + 2])).expect("two bytes");
    if unit_length > LONGEST_UNIT {
        return Err(Failure::TooLong(unit_length));
    }
    let needed = SHORTEST_FRAME + unit_length;
    if left < needed {
        return Err(Failure::Truncated { needed, left });
    }
    let sum_at = UNIT_AT + unit_length;
    let end_mark = [bytes[sum_at + 1], bytes[sum_at + 2]];
    if end_mark != END_MARK {
        return Err(Failure::EndMark(end_mark[0], end_mark[1]));
    }
    let (said, computed) = (bytes[sum_at], check_sum(&bytes[SERIAL_AT..sum_at]));
    if said != computed {
        return Err(Failure::CheckSum { said, computed });
    }
    Ok(needed)
}

/// The length of the frame with which the bytes begin, if one does.
#[inline]
pub(super) fn first_frame(bytes: &[u8]) -> Option<usize> {
    bytes.starts_with(&START_MARK).then(|| frame_length(bytes).ok()).flatten()
}

/// Hands over every frame and every stretch between frames, in their order; together they are the record.
pub(super) fn scan<'r>(bytes: &'r [u8], mut found: impl FnMut(Piece<'r>)) {
    let mut stretch = Stretch::default();
    let mut at = 0;
    while let Some(skipped) = bytes[at..].windows(START_MARK.len()).position(|window| window == START_MARK) {
        at += skipped;
        match frame_length(&bytes[at..]) {
            Ok(length) => {
                if stretch.from != at {
                    found(Piece::Unreadable(stretch.end(at)));
                }
                found(Piece::Frame(&bytes[at..at + length], at..at + length));
                at += length;
                stretch = Stretch { from: at, ..Stretch::default() };
            }
            Err(failure) => {
                stretch.fail(at, failure);
                at += 1;
            }
        }
    }
    if stretch.from != bytes.len() {
        found(Piece::Unreadable(stretch.end(bytes.len())));
    }
}

/// Bytes without a frame so far, and the starts in them that failed.
#[derive(Default)]
struct Stretch {
    from: usize,
    starts: usize,
    told: String,
}

impl Stretch {
    fn fail(&mut self, at: usize, failure: Failure) {
        if self.starts < TOLD_STARTS {
            let separator = if self.starts == 0 { "" } else { "; " };
            write!(self.told, "{separator}at {at} {failure}").expect("a string takes everything");
        }
        self.starts += 1;
    }

    /// Why the bytes up to `to` hold no frame.
    fn end(&self, to: usize) -> String {
        let Self { from, starts, told } = self;
        let stretch = format!("bytes {from}..{to}");
        match starts.saturating_sub(TOLD_STARTS) {
            0 if *starts == 0 => format!("{stretch}: no start mark 40 40"),
            0 => format!("{stretch}: {told}"),
            more => format!("{stretch}: {told}; {more} more starts fail"),
        }
    }
}
