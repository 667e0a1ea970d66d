//! Records that kill: what ends the process again and again is found, and goes to the dead letters; its neighbours go on.
//!
//! Every beginning of a partition is written down, outside of transactions, so that `kill -9` cannot undo it; an end in good
//! order takes it back. If the one before came no further, the records that it may have read are taken one by one, each written down before it is taken:
//! one that is found written down twice ended the process three times since the last progress, and is not taken again.

use serde::{Deserialize, Serialize};

/// Beginnings without progress from which on records are taken one by one.
const CAUTIOUS_FROM: u32 = 2;
/// Records that a process may have taken before it wrote anything down: only these are suspect.
const MOST_SUSPECT: i64 = 4_000;
/// Times that a record was written down before it was taken, and never got through, that condemn it.
const CONDEMNED_AT: u32 = 2;

/// The key under which it is written down, in the state of the partition.
pub const KEY: &[u8] = b"attempt";

/// What is written down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Attempt {
    /// The offset from which the partition was begun.
    from: i64,
    /// How often, without any progress.
    begun: u32,
    /// The record that was about to be taken, and how often so.
    #[serde(default)]
    at: Option<(i64, u32)>,
}

/// The attempts at one partition, as one who begins it sees them.
#[derive(Debug)]
pub struct Attempts {
    now: Attempt,
    /// Records before this offset may be the one that killed: they were there then.
    until: i64,
}

impl Attempts {
    /// Begins at `from`, in a log that ends at `end`; `before` is what stands written down, if anything does.
    ///
    /// What cannot be read counts as nothing: at the worst a record kills three times more.
    #[must_use]
    pub fn begin(before: Option<&[u8]>, from: i64, end: i64) -> Self {
        let before: Attempt = before.and_then(|bytes| serde_json::from_slice(bytes).ok()).unwrap_or_default();
        let is_same = before.begun > 0 && before.from == from;
        let begun = if is_same { before.begun.saturating_add(1) } else { 1 };
        let at = before.at.filter(|(offset, _)| *offset >= from);
        Self { now: Attempt { from, begun, at }, until: end.min(from + MOST_SUSPECT) }
    }

    /// What is to be written down now.
    #[must_use]
    pub fn record(&self) -> String {
        serde_json::to_string(&self.now).expect("numbers are always JSON")
    }

    /// Whether any record may be suspect.
    #[must_use]
    pub fn suspects_any(&self) -> bool {
        self.is_suspect(self.now.from)
    }

    /// Whether a record is to be written down before it is taken, and taken alone.
    #[must_use]
    pub fn is_suspect(&self, offset: i64) -> bool {
        let was_alone = self.now.at.is_some_and(|(at, _)| at >= offset);
        (self.now.begun >= CAUTIOUS_FROM || was_alone) && offset < self.until
    }

    /// Whether a record has ended the process often enough.
    #[must_use]
    pub fn is_condemned(&self, offset: i64) -> bool {
        self.now.at.is_some_and(|(at, times)| at == offset && times >= CONDEMNED_AT)
    }

    /// A record is about to be taken: what is to be written down before.
    pub fn about_to_take(&mut self, offset: i64) -> String {
        let times = self.now.at.filter(|(at, _)| *at == offset).map_or(0, |(_, times)| times);
        self.now.at = Some((offset, times + 1));
        self.record()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A process that dies of the record `deadly` whenever it takes it, and otherwise commits every ten records: how
    /// often it dies, and which records were condemned.
    fn live(deadly: i64, end: i64) -> (u32, Vec<i64>) {
        let (mut committed, mut written, mut deaths, mut condemned) = (0, None::<String>, 0, Vec::new());
        'lives: loop {
            let mut attempts = Attempts::begin(written.as_deref().map(str::as_bytes), committed, end);
            written = Some(attempts.record());
            let mut next = committed;
            while next < end {
                if attempts.is_condemned(next) {
                    condemned.push(next);
                    next += 1;
                    committed = next;
                    continue;
                }
                let is_suspect = attempts.is_suspect(next);
                if is_suspect {
                    written = Some(attempts.about_to_take(next));
                }
                if next == deadly {
                    deaths += 1;
                    assert!(deaths < 10, "it dies for ever");
                    continue 'lives;
                }
                next += 1;
                if is_suspect || next % 10 == 0 {
                    committed = next;
                }
            }
            return (deaths, condemned);
        }
    }

    #[test]
    fn a_record_that_kills_does_so_three_times_after_the_last_progress() {
        for (deadly, deaths) in [(0, 3), (1, 3), (7, 3), (9, 3), (10, 4), (25, 4), (39, 4)] {
            assert_eq!(live(deadly, 40), (deaths, vec![deadly]), "record {deadly}");
        }
        assert_eq!(live(99, 40), (0, vec![]));
    }

    #[test]
    fn restarts_without_work_suspect_nobody() {
        let first = Attempts::begin(None, 5, 5);
        let second = Attempts::begin(Some(first.record().as_bytes()), 5, 5);
        let third = Attempts::begin(Some(second.record().as_bytes()), 5, 5);
        assert!(!third.is_suspect(5), "it came after the last death");
        assert!(!Attempts::begin(Some(b"?"), 0, 9).is_suspect(0));
    }
}
