//! Time as integers: Unix milliseconds (UTC), read from and written as RFC 3339, and durations with written units.
//!
//! Time is an argument everywhere in Fenghuo; nothing here asks a clock.

use std::fmt;
use std::ops::Range;

use serde::ser::Error as _;
use serde::{Serialize, Serializer};

const DAY_MS: i64 = 86_400_000;
/// 0000-01-01T00:00:00.000Z, the earliest time that RFC 3339 can write.
pub const EARLIEST_MS: i64 = -62_167_219_200_000;
/// 9999-12-31T23:59:59.999Z, the latest time that RFC 3339 can write.
pub const LATEST_MS: i64 = 253_402_300_799_999;

/// `ms` if RFC 3339 can write it (years 0000 to 9999), else nothing.
#[must_use]
pub fn writable(ms: i64) -> Option<i64> {
    (EARLIEST_MS..=LATEST_MS).contains(&ms).then_some(ms)
}

/// Days since 1970-01-01 of a date of the proleptic Gregorian calendar.
///
/// The months are counted from March, so that the leap day is the last of its year.
fn days_from_civil(year: u32, month: u32, day: u32) -> i64 {
    // 400 years on, so that no number is negative; devices ask for this twice a record.
    let is_early = month <= 2;
    let (year, month) = (year + 400 - u32::from(is_early), if is_early { month + 9 } else { month - 3 });
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year;
    i64::from(days) - 719_468 - 146_097
}

/// The inverse of [`days_from_civil`]: year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Unix milliseconds of a civil time in a zone `utc_offset_s` seconds east of Greenwich, if there is such a time.
///
/// A second of 60 (a leap second) is the next second's beginning, as Unix time counts.
#[must_use]
pub fn civil_ms(date: (i64, i64, i64), time: (i64, i64, i64), utc_offset_s: i64) -> Option<i64> {
    let below = |number: i64, limit: u32| u32::try_from(number).ok().filter(|number| *number < limit);
    let (year, month, day) = (below(date.0, 10_000)?, below(date.1, 13)?, below(date.2, 32)?);
    let (hour, minute, second) = (below(time.0, 24)?, below(time.1, 60)?, below(time.2, 61)?);
    if month == 0 || day == 0 || day > days_in_month(year, month) {
        return None;
    }
    let second_of_day = i64::from(hour * 3_600 + minute * 60 + second);
    let seconds = days_from_civil(year, month, day) * 86_400 + second_of_day - utc_offset_s;
    writable(seconds * 1_000)
}

/// A civil date and time of day: (year, month, day), (hour, minute, second).
pub type Civil = ((i64, i64, i64), (i64, i64, i64));

/// The civil time of an instant in a zone `utc_offset_s` seconds east of Greenwich, cut to the second: the inverse of
/// [`civil_ms`].
#[must_use]
pub fn civil(ms: i64, utc_offset_s: i64) -> Civil {
    let seconds = ms.div_euclid(1_000).saturating_add(utc_offset_s);
    let rest = seconds.rem_euclid(86_400);
    (civil_from_days(seconds.div_euclid(86_400)), (rest / 3_600, rest / 60 % 60, rest % 60))
}

/// Reads an RFC 3339 time with its offset; what is finer than a millisecond is cut off.
///
/// ```
/// # use fenghuo_model::time::parse_rfc3339;
/// assert_eq!(parse_rfc3339("2026-11-22T09:58:02+08:00"), Some(1_795_312_682_000));
/// assert_eq!(parse_rfc3339("2026-11-22T09:58:02"), None); // without an offset it is no instant
/// ```
#[must_use]
pub fn parse_rfc3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    // What Fenghuo and most others write, to the second or the millisecond, in UTC or China's time.
    if let Some((head, tail)) = bytes.split_first_chunk::<19>()
        && let Some(civil_ms) = civil_ms_of(head)
        && let Some(rest_ms) = fraction_and_offset_ms(tail)
    {
        return writable(civil_ms + rest_ms);
    }
    parse_any_rfc3339(text)
}

/// The number that two digits at a place write; above 99 where they are none.
fn two_digits(bytes: &[u8; 19], at: usize) -> i64 {
    let digit = |byte: u8| i64::from(byte.wrapping_sub(b'0'));
    let (tens, ones) = (digit(bytes[at]), digit(bytes[at + 1]));
    if tens > 9 || ones > 9 { 1_000 } else { tens * 10 + ones }
}

/// Unix milliseconds of `YYYY-MM-DDTHH:MM:SS` read as UTC.
fn civil_ms_of(head: &[u8; 19]) -> Option<i64> {
    let [_, _, _, _, b'-', _, _, b'-', _, _, b'T', _, _, b':', _, _, b':', _, _] = head else { return None };
    let two = |at| two_digits(head, at);
    civil_ms((two(0) * 100 + two(2), two(5), two(8)), (two(11), two(14), two(17)), 0)
}

/// What the commonest tails of a time add to it.
fn fraction_and_offset_ms(tail: &[u8]) -> Option<i64> {
    const CHINA_MS: i64 = 8 * 3_600_000;
    match tail {
        b"Z" => Some(0),
        b"+08:00" => Some(-CHINA_MS),
        [b'.', digits @ .., b'Z'] => {
            let [hundreds @ b'0'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] = digits else { return None };
            let digit = |byte: &u8| i64::from(byte - b'0');
            Some(digit(hundreds) * 100 + digit(tens) * 10 + digit(ones))
        }
        _ => None,
    }
}

/// Reads whatever RFC 3339 allows.
fn parse_any_rfc3339(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = bytes.get(from..to)?;
        digits.iter().try_fold(0, |sum, &b| b.is_ascii_digit().then(|| sum * 10 + i64::from(b - b'0')))
    };
    let is = |at: usize, allowed: &[u8]| bytes.get(at).is_some_and(|b| allowed.contains(b));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let date = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let clock = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let mut at = 19;
    let mut fraction_ms = 0;
    if is(at, b".") {
        let digits = bytes[at + 1..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return None;
        }
        let kept = digits.min(3);
        fraction_ms = number(at + 1, at + 1 + kept)? * [100, 10, 1][kept - 1];
        at += 1 + digits;
    }
    let offset_s = match *bytes.get(at)? {
        b'Z' | b'z' if bytes.len() == at + 1 => 0,
        b'+' | b'-' if bytes.len() == at + 6 => parse_utc_offset(&text[at..])?,
        _ => return None,
    };
    writable(civil_ms(date, clock, offset_s)? + fraction_ms)
}

/// Reads `+08:00` or `-03:30` as seconds east of Greenwich.
#[must_use]
pub fn parse_utc_offset(text: &str) -> Option<i64> {
    let (sign, rest) = match text.as_bytes().first()? {
        b'+' => (1, &text[1..]),
        b'-' => (-1, &text[1..]),
        _ => return None,
    };
    let [h1, h2, b':', m1, m2] = *rest.as_bytes() else { return None };
    if ![h1, h2, m1, m2].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let hours = i64::from(h1 - b'0') * 10 + i64::from(h2 - b'0');
    let minutes = i64::from(m1 - b'0') * 10 + i64::from(m2 - b'0');
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3_600 + minutes * 60))
}

/// Unix milliseconds that show and serialize as RFC 3339 UTC with milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rfc3339(pub i64);

impl fmt::Display for Rfc3339 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.bytes()).map_err(|_| fmt::Error)?)
    }
}

impl Rfc3339 {
    /// Digit by digit: decisions have half a dozen of these, and the formatter's way was a fifth of what they cost.
    fn bytes(self) -> [u8; 24] {
        let ms = self.0.clamp(EARLIEST_MS, LATEST_MS);
        let (year, month, day) = civil_from_days(ms.div_euclid(DAY_MS));
        let rest = ms.rem_euclid(DAY_MS);
        let mut text = *b"0000-00-00T00:00:00.000Z";
        let mut put = |place: Range<usize>, mut number: i64| {
            for digit in text[place].iter_mut().rev() {
                *digit += u8::try_from(number % 10).unwrap_or_default();
                number /= 10;
            }
        };
        put(0..4, year);
        put(5..7, month);
        put(8..10, day);
        put(11..13, rest / 3_600_000);
        put(14..16, rest / 60_000 % 60);
        put(17..19, rest / 1_000 % 60);
        put(20..23, rest % 1_000);
        text
    }
}

impl Serialize for Rfc3339 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(str::from_utf8(&self.bytes()).map_err(S::Error::custom)?)
    }
}

/// Reads a duration with written units, such as `90s`, `10m`, `2h`, `1h30m`, `250ms`; milliseconds.
#[must_use]
pub fn parse_duration_ms(text: &str) -> Option<i64> {
    let mut rest = text;
    let mut total: i64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let amount: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit_length = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let unit_ms = match &rest[..unit_length] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => DAY_MS,
            _ => return None,
        };
        total = total.checked_add(amount.checked_mul(unit_ms)?)?;
        rest = &rest[unit_length..];
    }
    (!text.is_empty() && total <= LATEST_MS).then_some(total)
}

/// Writes a duration with the largest units that divide it: the inverse of [`parse_duration_ms`].
#[must_use]
pub fn write_duration(ms: i64) -> String {
    match ms {
        0 => "0s".to_owned(),
        _ if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        _ if ms % 60_000 == 0 => format!("{}m", ms / 60_000),
        _ if ms % 1_000 == 0 => format!("{}s", ms / 1_000),
        _ => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_rfc_3339_allows_and_nothing_else() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("1970-01-01t00:00:00z", Some(0)),
            ("1970-01-01 00:00:00Z", Some(0)),
            ("2026-11-22T09:58:02+08:00", Some(1_795_312_682_000)),
            ("2026-11-22T01:58:02.9999Z", Some(1_795_312_682_999)),
            ("2026-11-22T01:58:02.5-00:00", Some(1_795_312_682_500)),
            ("1969-12-31T23:59:59.9996Z", Some(-1)),
            ("2024-02-29T00:00:00Z", Some(1_709_164_800_000)),
            ("2016-12-31T23:59:60Z", Some(1_483_228_800_000)),
            ("0000-01-01T00:00:00Z", Some(EARLIEST_MS)),
            ("9999-12-31T23:59:59.999Z", Some(LATEST_MS)),
            ("0000-01-01T00:00:00+08:00", None),
            ("2023-02-29T00:00:00Z", None),
            ("2026-11-22T24:00:00Z", None),
            ("2026-11-22T09:58:02", None),
            ("2026-11-22T09:58:02+0800", None),
            ("2026-11-22T09:58:02+24:00", None),
            ("2026-11-22T09:58:02.Z", None),
            ("20261122T015802Z", None),
            ("2026-11-22", None),
            ("2026-11-22T09:58:02Z ", None),
            ("火", None),
            ("", None),
        ] {
            assert_eq!(parse_rfc3339(text), expected, "{text}");
        }
    }

    #[test]
    fn the_fast_way_reads_what_the_other_reads() {
        let written = b"2024-02-29T23:59:60.000Z";
        for tail in ["Z", "+08:00", ".000Z", ".5Z", "-08:00", ""] {
            for at in 0..=19 {
                for byte in (b' '..=b'~').filter(|byte| at < 19 || *byte == b' ') {
                    let mut bytes = written[..19].to_vec();
                    bytes.iter_mut().skip(at).take(1).for_each(|changed| *changed = byte);
                    let text = String::from_utf8(bytes).unwrap() + tail;
                    assert_eq!(parse_rfc3339(&text), parse_any_rfc3339(&text), "{text}");
                }
            }
        }
        for text in ["0000-01-01T00:00:00+08:00", "0000-01-01T07:59:59+08:00", "0000-01-01T08:00:00+08:00"] {
            assert_eq!(parse_rfc3339(text), parse_any_rfc3339(text), "{text}");
        }
    }

    #[test]
    fn writes_back_every_day_of_four_centuries() {
        for day in -170_000..=170_000_i64 {
            let ms = day * DAY_MS + 12_345_678;
            assert_eq!(parse_rfc3339(&Rfc3339(ms).to_string()), Some(ms));
            let (date, time) = civil(ms, 28_800);
            assert_eq!(civil_ms(date, time, 28_800), Some(ms - 678));
        }
    }

    #[test]
    fn durations_have_units() {
        for (text, expected) in [
            ("90s", Some(90_000)),
            ("10m", Some(600_000)),
            ("1h30m", Some(5_400_000)),
            ("250ms", Some(250)),
            ("0s", Some(0)),
            ("90", None),
            ("", None),
            ("s", None),
            ("-1s", None),
            ("1.5h", None),
            ("9999999999999999999s", None),
            ("9223372036854775807h", None),
        ] {
            assert_eq!(parse_duration_ms(text), expected, "{text}");
        }
        for ms in [0, 250, 90_000, 600_000, 7_200_000] {
            assert_eq!(parse_duration_ms(&write_duration(ms)), Some(ms));
        }
    }
}
