//! Times as a duty log writes them: hours, minutes, seconds of one fixed day, whose hours run on past midnight.

/// The midnight (UTC) at which the log's day begins, Unix milliseconds: 22 November 2026.
pub const MIDNIGHT_MS: i64 = 1_795_305_600_000;

/// Reads `10:00:00` or `10:00:00.250`; `34:00:00` is ten o'clock of the next day.
pub fn read(text: &str) -> Option<i64> {
    let (clock, ms) = match text.split_once('.') {
        Some((clock, ms)) if ms.len() == 3 => (clock, number(ms)?),
        Some(_) => return None,
        None => (text, 0),
    };
    let mut parts = clock.split(':');
    let mut part = || parts.next().filter(|part| part.len() == 2).and_then(number);
    let (hours, minutes, seconds) = (part()?, part()?, part()?);
    if parts.next().is_some() || minutes > 59 || seconds > 59 {
        return None;
    }
    Some(MIDNIGHT_MS + ((hours * 60 + minutes) * 60 + seconds) * 1_000 + ms)
}

/// Writes a time as [`read`] reads it.
pub fn write(time_ms: i64) -> String {
    let passed_ms = time_ms - MIDNIGHT_MS;
    let (seconds, ms) = (passed_ms.div_euclid(1_000), passed_ms.rem_euclid(1_000));
    let clock = format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60);
    if ms == 0 { clock } else { format!("{clock}.{ms:03}") }
}

fn number(digits: &str) -> Option<i64> {
    if digits.bytes().all(|digit| digit.is_ascii_digit()) { digits.parse().ok() } else { None }
}
