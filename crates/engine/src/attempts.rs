//! Records that kill: what ends the process again and again is found, and goes to the dead letters; its neighbours go
//! on.
//!
//! Every beginning of a partition is written down, outside of transactions, so that `kill -9` cannot undo it; an end in
//! good order takes it back. If the one before came no further, the records that it may have read are taken a stretch
//! at a time, and each stretch is written down before it is taken. Of the stretch in which that one ended, the next
//! takes the records one by one, written down likewise; the record at which it ends is not taken again. So a record
//! kills three times since the last progress, and whoever merely died takes no longer over its records. Whoever begins
//! anew without having died, because the broker was in the way, has survived what it wrote down ([`Survived`]).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::events::TopicPartition;

/// Beginnings without progress from which on records are suspect.
const CAUTIOUS_FROM: u32 = 2;
/// Records that a process may have taken before it wrote anything down: only these are suspect.
const MOST_SUSPECT: i64 = 4_000;
/// Records of a stretch: its square root, so that finding one costs as much in either step.
const STRETCH: i64 = 64;

/// What the dead letter of such a record says.
pub const NOBODY_SURVIVES: &str = "whoever took it died, again and again";

/// The key under which it is written down, in the state of the partition.
pub const KEY: &[u8] = b"attempt";

/// What is written down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The offset from which the partition was begun.
    pub from: i64,
    /// How often, without any progress.
    pub begun: u32,
    /// The records that were about to be taken: the first, and how many.
    #[serde(default)]
    pub at: Option<(i64, i64)>,
}

impl Attempt {
    /// What stands written down as JSON. What cannot be read counts as nothing: at the worst a record kills three times
    /// more.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}

/// Where this process began partitions: whatever made it begin one anew, it died of nothing that it took there.
#[derive(Debug, Default)]
pub struct Survived(Mutex<BTreeMap<TopicPartition, i64>>);

impl Survived {
    /// A partition begins at `from`; `before` is given back if it tells of somebody who may have died of a record.
    #[must_use]
    pub fn sort_out(&self, partition: &TopicPartition, from: i64, before: Option<Attempt>) -> Option<Attempt> {
        let mut begun = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let here = begun.insert(partition.clone(), from);
        // What this process wrote down says from where it began.
        before.filter(|before| here != Some(before.from))
    }
}

/// What is to be done with a record before it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// Nothing; it may be taken with any others.
    Free,
    /// What is attempted now is to be written down.
    WriteDown,
    /// It stands written down with those before it.
    Covered,
    /// It is not to be taken: nobody survives it.
    Condemned,
}

/// The attempts at one partition, as one who begins it sees them.
#[derive(Debug)]
pub struct Attempts {
    now: Attempt,
    /// Where the attempt before this one may have ended.
    ended_at: Option<(i64, i64)>,
    /// Records before this offset may be the one that killed: they were there then.
    until: i64,
}

impl Attempts {
    /// Begins at `from`, in a log that ends at `end`, after what stands written down, if anything does.
    #[must_use]
    pub fn after(before: Option<Attempt>, from: i64, end: i64) -> Self {
        let before = before.unwrap_or_default();
        let is_same = before.begun > 0 && before.from == from;
        let begun = if is_same { before.begun.saturating_add(1) } else { 1 };
        let ended_at = before.at.filter(|(first, count)| first + count > from);
        Self { now: Attempt { from, begun, at: ended_at }, ended_at, until: end.min(from + MOST_SUSPECT) }
    }

    /// What is attempted now.
    #[must_use]
    pub const fn now(&self) -> Attempt {
        self.now
    }

    /// What is to be written down now, as JSON.
    #[must_use]
    pub fn record(&self) -> String {
        serde_json::to_string(&self.now).expect("numbers are always JSON")
    }

    /// Whether any record is suspect.
    #[must_use]
    pub const fn suspects_any(&self) -> bool {
        self.ended_at.is_some() || (self.now.begun >= CAUTIOUS_FROM && self.now.from < self.until)
    }

    /// A record is about to be taken.
    pub fn enter(&mut self, offset: i64) -> Entry {
        let count = match self.ended_at {
            Some((first, 1)) if first == offset => return Entry::Condemned,
            Some((first, count)) if (first..first + count).contains(&offset) => 1,
            _ if self.now.begun >= CAUTIOUS_FROM && offset < self.until => STRETCH,
            _ => return Entry::Free,
        };
        match self.now.at {
            Some((first, written)) if written == count && (first..first + written).contains(&offset) && count > 1 => {
                Entry::Covered
            }
            _ => {
                self.now.at = Some((offset, count));
                Entry::WriteDown
            }
        }
    }

    /// Whether a record is the last of what stands written down: behind it, all is to be committed.
    #[must_use]
    pub fn ends_with(&self, offset: i64) -> bool {
        self.now.at.is_some_and(|(first, count)| first + count - 1 <= offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn begin(before: Option<&[u8]>, from: i64, end: i64) -> Attempts {
        Attempts::after(before.and_then(Attempt::read), from, end)
    }

    /// The broker refused what was made of a record, again and again: nobody died of it.
    #[test]
    fn who_begins_anew_without_having_died_suspects_nothing() {
        let survived = Survived::default();
        let partition = TopicPartition { topic: "signals".into(), partition: 3 };
        let of_another = Attempt { from: 5, begun: 2, at: Some((5, 1)) };
        assert_eq!(survived.sort_out(&partition, 5, Some(of_another)), Some(of_another));
        for _ in 0..3 {
            assert_eq!(survived.sort_out(&partition, 5, Some(of_another)), None);
        }
        // It came further each time: what it wrote down meanwhile is its own.
        for (from, at) in [(5, (6, 64)), (6, (7, 1)), (7, (8, 1))] {
            let own = Attempt { from, begun: 1, at: Some(at) };
            assert_eq!(survived.sort_out(&partition, from + 1, Some(own)), None);
        }
        assert_eq!(survived.sort_out(&partition, 5, Some(Attempt { from: 8, ..of_another })), None);
        // It came further, was given up, and another one died where it is begun now.
        let later = Attempt { from: 9, ..of_another };
        assert_eq!(survived.sort_out(&partition, 9, Some(later)), Some(later));
        let elsewhere = TopicPartition { partition: 4, ..partition };
        assert_eq!(survived.sort_out(&elsewhere, 9, Some(later)), Some(later));
    }

    /// A process that dies of the record `deadly` whenever it takes it, and otherwise commits every thousand records:
    /// how often it dies, which records were condemned, and how often anything was written down.
    fn live(deadly: i64, end: i64) -> (u32, Vec<i64>, u32) {
        let (mut committed, mut written, mut deaths) = (0, None::<String>, 0);
        let (mut condemned, mut notes) = (Vec::new(), 0);
        'lives: loop {
            let mut attempts = begin(written.as_deref().map(str::as_bytes), committed, end);
            written = Some(attempts.record());
            let mut next = committed;
            while next < end {
                let entry = attempts.enter(next);
                if entry == Entry::WriteDown {
                    notes += 1;
                    written = Some(attempts.record());
                }
                if entry == Entry::Condemned {
                    condemned.push(next);
                } else if next == deadly {
                    deaths += 1;
                    assert!(deaths < 10, "it dies for ever");
                    continue 'lives;
                }
                next += 1;
                let is_suspect = entry != Entry::Free && attempts.ends_with(next - 1);
                if is_suspect || entry == Entry::Condemned || next % 1_000 == 0 {
                    committed = next;
                }
            }
            return (deaths, condemned, notes);
        }
    }

    #[test]
    fn a_record_that_kills_does_so_three_times_after_the_last_progress() {
        for (deadly, deaths) in
            [(0, 3), (1, 3), (63, 3), (64, 3), (65, 3), (999, 3), (1_000, 4), (2_500, 4), (3_999, 4)]
        {
            let (died, condemned, notes) = live(deadly, 4_000);
            assert_eq!((died, condemned), (deaths, vec![deadly]), "record {deadly}");
            assert!(notes <= 200, "{notes} notes for record {deadly}");
        }
        assert_eq!(live(4_000, 4_000), (0, vec![], 0));
    }

    #[test]
    fn restarts_without_work_suspect_nobody() {
        let first = begin(None, 5, 5);
        let second = begin(Some(first.record().as_bytes()), 5, 5);
        let mut third = begin(Some(second.record().as_bytes()), 5, 5);
        assert!(!third.suspects_any());
        assert_eq!(third.enter(5), Entry::Free, "it came after the last death");
        assert!(!begin(Some(b"?"), 0, 9).suspects_any());
    }
}
