//! Named points at which a test lets the process die, as `kill -9` would: `FENGHUO_KILL_AT=after-produce:3`; and
//! records that end it whenever they are taken: `FENGHUO_KILL_ON=TEXT`. `FENGHUO_STICK_AT=offsets:3` names a call of
//! the client that does not come back. And `FENGHUO_NEWEST_STATE=1`, which makes it as old as the Fenghuo that knew no
//! newer state.
//!
//! Only builds with debug assertions look at the variables; in a release build the points are nothing.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Names a point and, behind a colon, at which of its passings the process dies (the first, without a number).
pub const VARIABLE: &str = "FENGHUO_KILL_AT";

/// Names a call and at which of its times it does not come back.
pub const STUCK_VARIABLE: &str = "FENGHUO_STICK_AT";

/// Names a text; the process dies of every record that holds it.
pub const RECORD_VARIABLE: &str = "FENGHUO_KILL_ON";

struct Armed {
    point: String,
    /// Passings that are left before the deadly one.
    left: AtomicU64,
}

/// Lets the process be the Fenghuo that knew no newer state than this version.
pub const STATE_VARIABLE: &str = "FENGHUO_NEWEST_STATE";

/// The newest version of state that this process is to know, if a test wants it to be an older one.
#[must_use]
pub fn newest_state() -> Option<u8> {
    static NEWEST: OnceLock<Option<u8>> = OnceLock::new();
    if cfg!(debug_assertions) { *NEWEST.get_or_init(|| std::env::var(STATE_VARIABLE).ok()?.parse().ok()) } else { None }
}

/// Passes a point; the process may end here, without any of its last words.
pub fn pass(point: &str) {
    if cfg!(debug_assertions) && is_deadly(point) {
        die();
    }
}

/// Takes a record; the process ends here if it is a deadly one.
pub fn taking(record: &[u8]) {
    static DEADLY: OnceLock<Option<String>> = OnceLock::new();
    if cfg!(debug_assertions)
        && let Some(text) = DEADLY.get_or_init(|| std::env::var(RECORD_VARIABLE).ok())
        && record.windows(text.len().max(1)).any(|window| window == text.as_bytes())
    {
        die();
    }
}

/// Arms a point that lies within a call: the process ends a moment after this, if the point is the deadly one.
pub fn pass_soon(point: &str) {
    if cfg!(debug_assertions) && is_deadly(point) {
        std::thread::spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(1));
            die();
        });
    }
}

/// Makes a call that may not come back: this thread stays here.
pub fn stick(call: &str) {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    if cfg!(debug_assertions) && is_next(&ARMED, STUCK_VARIABLE, call) {
        loop {
            std::thread::park();
        }
    }
}

/// As `kill -9` would have it: no destructor, no last word.
fn die() {
    let _ = signal_hook::low_level::raise(signal_hook::consts::SIGKILL);
    std::process::abort();
}

fn is_deadly(point: &str) -> bool {
    static ARMED: OnceLock<Option<Armed>> = OnceLock::new();
    is_next(&ARMED, VARIABLE, point)
}

/// Whether this is the passing that the variable names.
fn is_next(armed: &OnceLock<Option<Armed>>, variable: &str, point: &str) -> bool {
    let armed = armed.get_or_init(|| read(&std::env::var(variable).ok()?));
    let Some(armed) = armed.as_ref().filter(|armed| armed.point == point) else { return false };
    // The one that takes the last passing dies; afterwards there is nobody.
    armed.left.fetch_sub(1, Ordering::Relaxed) == 0
}

fn read(text: &str) -> Option<Armed> {
    let (point, number) = text.split_once(':').unwrap_or((text, "1"));
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    Some(Armed { point: point.to_owned(), left: AtomicU64::new(number - 1) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_and_its_number_are_read() {
        for (text, expected) in [
            ("committed", Some(("committed", 0))),
            ("committed:3", Some(("committed", 2))),
            ("committed:0", None),
            ("committed:x", None),
        ] {
            let armed = read(text);
            let found = armed.as_ref().map(|armed| (armed.point.as_str(), armed.left.load(Ordering::Relaxed)));
            assert_eq!(found, expected, "{text}");
        }
    }
}
