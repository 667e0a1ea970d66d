//! Records of one partition that were read and may not be taken yet, in their order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rdkafka::message::{Message, OwnedMessage};

/// How long the first record waits while those behind do not come forward: whoever it waits for may be dead, or its own
/// time may be wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long it waits at most, while they do: beyond that its own alarm is worth more than being judged with theirs.
const LONGEST_PATIENCE: Duration = Duration::from_secs(300);

/// What waits.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    records: VecDeque<OwnedMessage>,
    /// Since when the first of them is the first.
    since: Option<Instant>,
    /// Patience ended with a record of this timestamp: up to it, nothing of this partition waits any more.
    passed_ms: Option<i64>,
    held: bool,
}

impl Backlog {
    pub(super) fn push(&mut self, record: OwnedMessage, now: Instant) {
        self.since.get_or_insert(now);
        self.records.push_back(record);
    }

    /// The timestamp of the first; the earliest of all if it has none.
    pub(super) fn head_ms(&self) -> Option<i64> {
        self.records.front().map(|record| record.timestamp().to_millis().unwrap_or(i64::MIN))
    }

    /// The offset of the first.
    pub(super) fn head_offset(&self) -> Option<i64> {
        self.records.front().map(Message::offset)
    }

    /// Whether the first has waited long enough, or comes no later than one that had; `still`: for how long those
    /// behind have not come forward.
    pub(super) fn is_due(&self, still: Duration, now: Instant) -> bool {
        let is_passed = self.head_ms().is_some_and(|head_ms| Some(head_ms) <= self.passed_ms);
        is_passed || self.is_out_of_patience(still, now)
    }

    fn is_out_of_patience(&self, still: Duration, now: Instant) -> bool {
        let waited = self.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        waited >= LONGEST_PATIENCE || waited.min(still) >= PATIENCE
    }

    /// The first, which may be taken, or waited long enough (`is_due`).
    pub(super) fn pop(&mut self, is_due: bool, now: Instant) -> Option<OwnedMessage> {
        let record = self.records.pop_front()?;
        let timestamp_ms = record.timestamp().to_millis();
        if is_due && timestamp_ms > self.passed_ms {
            tracing::warn!(
                topic = record.topic(),
                partition = record.partition(),
                offset = record.offset(),
                timestamp_ms,
                "raw partitions stand far apart in time; going on without waiting for those behind"
            );
            // The records of the next minutes need not wait as long again, each for itself.
            self.passed_ms = self.passed_ms.max(timestamp_ms.map(|time_ms| time_ms.saturating_add(STRETCH_MS)));
        }
        self.since = (!self.records.is_empty()).then_some(now);
        Some(record)
    }

    /// Whether reading is held.
    pub(super) const fn holds_reading(&self) -> bool {
        self.held
    }

    /// Whether reading is to be held (true) or to go on (false), if that changes; `all`: every partition is held.
    ///
    /// While any waits, no more is read: what waits is a copy, and what came behind it would be one too. So at most the
    /// rest of a batch is copied.
    pub(super) fn turn(&mut self, all: bool) -> Option<bool> {
        let hold = all || !self.records.is_empty();
        let changes = hold != self.held;
        self.held = hold;
        changes.then_some(hold)
    }
}

/// How much event time goes by at once when patience has ended.
const STRETCH_MS: i64 = 120_000;

#[cfg(test)]
mod tests {
    use rdkafka::Timestamp;

    use super::*;

    fn record(timestamp_ms: i64) -> OwnedMessage {
        OwnedMessage::new(None, None, "t".to_owned(), Timestamp::CreateTime(timestamp_ms), 0, 0, None)
    }

    #[test]
    fn patience_ends_and_then_a_stretch_goes_by() {
        let mut backlog = Backlog::default();
        for timestamp_ms in [1_000, 1_000 + STRETCH_MS, 1_001 + STRETCH_MS] {
            backlog.push(record(timestamp_ms), Instant::now());
        }
        let pop =
            |backlog: &mut Backlog| backlog.pop(true, Instant::now()).and_then(|record| record.timestamp().to_millis());
        assert!(!backlog.is_due(PATIENCE, Instant::now()));
        backlog.since = Instant::now().checked_sub(PATIENCE);
        assert!(backlog.is_due(PATIENCE, Instant::now()));
        assert_eq!(pop(&mut backlog), Some(1_000));
        assert!(backlog.is_due(Duration::ZERO, Instant::now()), "within the stretch");
        pop(&mut backlog);
        assert!(!backlog.is_due(PATIENCE, Instant::now()), "after it");
    }

    /// Nothing goes by while those behind come forward, for as long as can be afforded.
    #[test]
    fn patience_lasts_longer_while_those_behind_come_forward() {
        let a_moment = Duration::from_millis(100);
        for (waited, still, is_due) in [
            (PATIENCE, PATIENCE - a_moment, false),
            (PATIENCE - a_moment, PATIENCE, false),
            (PATIENCE, PATIENCE, true),
            (LONGEST_PATIENCE - a_moment, a_moment, false),
            (LONGEST_PATIENCE, a_moment, true),
        ] {
            let mut backlog = Backlog::default();
            backlog.push(record(1_000), Instant::now());
            backlog.since = Instant::now().checked_sub(waited);
            assert_eq!(backlog.is_due(still, Instant::now()), is_due, "waited {waited:?}, still for {still:?}");
        }
    }

    /// What may be taken after a long wait opens the way for nothing else.
    #[test]
    fn what_may_be_taken_takes_nothing_with_it() {
        let mut backlog = Backlog::default();
        backlog.push(record(1_000), Instant::now());
        backlog.push(record(1_001), Instant::now());
        backlog.since = Instant::now().checked_sub(PATIENCE);
        backlog.pop(false, Instant::now());
        assert!(!backlog.is_due(PATIENCE, Instant::now()));
    }

    #[test]
    fn nothing_is_read_while_any_waits() {
        let mut backlog = Backlog::default();
        assert_eq!(backlog.turn(false), None);
        (0..2).for_each(|_| backlog.push(record(0), Instant::now()));
        assert_eq!((backlog.turn(false), backlog.turn(false)), (Some(true), None));
        backlog.pop(false, Instant::now());
        assert_eq!(backlog.turn(false), None);
        backlog.pop(false, Instant::now());
        assert_eq!(backlog.turn(false), Some(false));
        assert_eq!((backlog.turn(true), backlog.turn(true), backlog.turn(false)), (Some(true), None, Some(false)));
    }
}
