//! The time of day: for what is written down of when something was done. No decision depends on it, nor any timer.

use std::time::{SystemTime, UNIX_EPOCH};

/// Unix milliseconds, by this machine's clock.
#[must_use]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
