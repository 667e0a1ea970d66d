//! Time labels: six bytes of local time without a zone, plain binary: second, minute, hour, day, month, year.
//!
//! A label that names no time (a date that does not exist, a dialect's BCD digits, zeros) is no reason to doubt the
//! rest of its object: the time is missing, nothing else.

use fenghuo_model::time;

use super::layout::TIME_LENGTH;

/// The century of the label's two digits of the year.
const CENTURY: i64 = 2000;

/// Unix milliseconds of a label, if it is whole and names a time.
pub(super) fn read(label: &[u8], utc_offset_s: i64) -> Option<i64> {
    let label: &[u8; TIME_LENGTH] = label.try_into().ok()?;
    let [second, minute, hour, day, month, year] = label.map(i64::from);
    if year > 99 {
        return None;
    }
    time::civil_ms((CENTURY + year, month, day), (hour, minute, second), utc_offset_s)
}

/// The label of an instant, cut to the second; zeros, which name no time, without one or outside 2000 to 2099.
pub(super) fn write(ms: Option<i64>, utc_offset_s: i64) -> [u8; TIME_LENGTH] {
    let Some(((year, month, day), (hour, minute, second))) = ms.map(|ms| time::civil(ms, utc_offset_s)) else {
        return [0; TIME_LENGTH];
    };
    if !(CENTURY..CENTURY + 100).contains(&year) {
        return [0; TIME_LENGTH];
    }
    [second, minute, hour, day, month, year - CENTURY]
        .map(|field| u8::try_from(field).expect("every field of a civil time in this century is below 100"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHINA_S: i64 = 8 * 3600;

    #[test]
    fn a_label_is_local_time_or_missing() {
        for (label, expected) in [
            (&[2, 58, 9, 26, 9, 12][..], Some("2012-09-26T01:58:02.000Z")),
            (&[0, 0, 0, 1, 1, 0], Some("1999-12-31T16:00:00.000Z")),
            (&[59, 59, 23, 31, 12, 99], Some("2099-12-31T15:59:59.000Z")),
            (&[0, 0, 0, 29, 2, 24], Some("2024-02-28T16:00:00.000Z")),
            (&[0, 0, 0, 29, 2, 23], None),
            (&[0; 6], None),
            (&[0xFF; 6], None),
            (&[0, 0, 24, 1, 1, 26], None),
            (&[0x02, 0x58, 0x09, 0x26, 0x09, 0x12], None), // BCD of 09:58:02: 0x58 is minute 88
            (&[1, 1, 1, 1, 1, 100], None),
            (&[2, 58, 9, 26, 9], None),
        ] {
            let shown = read(label, CHINA_S).map(|ms| time::Rfc3339(ms).to_string());
            assert_eq!(shown.as_deref(), expected, "{label:?}");
        }
    }

    #[test]
    fn what_no_label_can_say_is_written_as_missing() {
        for ms in [None, Some(i64::MIN), Some(i64::MAX), Some(time::EARLIEST_MS), Some(time::LATEST_MS)] {
            assert_eq!(write(ms, CHINA_S), [0; 6]);
        }
    }
}
