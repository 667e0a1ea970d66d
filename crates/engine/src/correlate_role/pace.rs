//! When a shard's transaction is written, and that it is written as a whole: the one step that seats on Kafka and the
//! simulation share, so that what is simulated is what runs.

use std::time::Duration;

use super::ledger::{Ledger, Trouble};
use super::shard::Shard;

/// Records of one transaction at most: a crash makes no more than this again.
const MOST_RECORDS: usize = 4_000;
/// With so many decisions a transaction is full: large ones are 17 kB, and all of it has to be in the logs well within
/// the transaction's time.
const MOST_DECISIONS: usize = 1_000;
/// How long records without a decision wait for their transaction.
const FLUSH_EVERY_MS: i64 = 100;
/// From how far behind the time of day on a partition is catching up: its decisions are not late by what they wait for
/// each other, and a transaction for each would keep it behind.
const BEHIND_MS: i64 = 60_000;
/// How long all records of a partition that is catching up wait: of a minute a hundredth, and a transaction costs the
/// brokers what hundreds of records do.
const FLUSH_BEHIND_EVERY_MS: i64 = 500;

/// A moment between two looks at the queue.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The caller's monotonic clock, milliseconds.
    pub now_ms: i64,
    /// The time of day that headers say, Unix milliseconds.
    pub time_of_day_ms: i64,
    /// How many records the last look took.
    pub taken: usize,
    /// Whether everything taken is to be written now, for nothing more will be.
    pub is_last: bool,
}

/// How much goes into one transaction. After one that failed it is half of what that one held, and twice as much again
/// after a few full ones that took place: slow logs take less at a time, and what they cannot take within a
/// transaction's time would be tried for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    records: usize,
    decisions: usize,
    /// Full ones that took place since it changed.
    full: u32,
}

/// So many full transactions show that more may be tried.
const FULL_ONES: u32 = 8;

impl Default for Room {
    fn default() -> Self {
        Self::of(MOST_RECORDS, MOST_DECISIONS)
    }
}

impl Room {
    fn of(records: usize, decisions: usize) -> Self {
        Self { records: records.clamp(1, MOST_RECORDS), decisions: decisions.clamp(1, MOST_DECISIONS), full: 0 }
    }

    /// Whether it is full with so many records and decisions.
    const fn is_full(&self, records: usize, decisions: usize) -> bool {
        records >= self.records || decisions >= self.decisions
    }

    /// What can be halved of what it held is: one record alone failed for another reason, or cannot be helped.
    fn after_failure(self, records: usize, decisions: usize) -> Self {
        let half = |held: usize, room: usize| if held > 1 { held / 2 } else { room };
        Self::of(half(records, self.records), half(decisions, self.decisions))
    }

    fn after_success(self, records: usize, decisions: usize) -> Self {
        let full = self.full + u32::from(self.is_full(records, decisions));
        if full < FULL_ONES { Self { full, ..self } } else { Self::of(self.records * 2, self.decisions * 2) }
    }
}

/// How a shard's transactions follow one another.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    written_ms: i64,
    /// How long records wait, as the last look found.
    every_ms: i64,
    /// Records taken since the last transaction.
    waiting: usize,
    room: Room,
}

impl Pace {
    /// Nothing was written yet; `now_ms` is the caller's monotonic clock, `room` what whoever was here before has left.
    #[must_use]
    pub const fn new(now_ms: i64, room: Room) -> Self {
        Self { written_ms: now_ms, every_ms: FLUSH_EVERY_MS, waiting: 0, room }
    }

    /// How much would go into the next transaction; whoever comes next goes on with it.
    #[must_use]
    pub const fn room(&self) -> Room {
        self.room
    }

    /// Whether no more may be taken before the next transaction, where `taken` were taken since the last look.
    #[must_use]
    pub fn has_no_room(&self, shard: &Shard, taken: usize) -> bool {
        self.room.is_full(self.waiting + taken, shard.waiting_decisions())
    }

    /// How long the queue may be waited for, at most.
    #[must_use]
    pub fn wait(&self, shard: &Shard, now_ms: i64, longest: Duration) -> Duration {
        let left_ms = self.every_ms - (now_ms - self.written_ms);
        let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
        if shard.is_ahead() { left.min(longest) } else { longest }
    }

    /// Writes a transaction if one is due: at once for a decision, unless its partition is catching up; else for a full
    /// batch or after a short time.
    ///
    /// # Errors
    /// Those of the ledger: the shard is then of no use any more.
    pub fn write<L: Ledger>(&mut self, shard: &mut Shard, ledger: &mut L, moment: &Moment) -> Result<(), Trouble> {
        let &Moment { now_ms, time_of_day_ms, taken, is_last } = moment;
        let is_overdue = shard.due_ms().is_some_and(|due_ms| due_ms <= now_ms);
        self.waiting += taken;
        let is_behind = shard.heard_ms().is_some_and(|heard_ms| heard_ms < time_of_day_ms - BEHIND_MS);
        self.every_ms = if is_behind { FLUSH_BEHIND_EVERY_MS } else { FLUSH_EVERY_MS };
        let is_full = self.has_no_room(shard, 0) || now_ms - self.written_ms >= self.every_ms || is_last;
        let is_pressing = shard.waiting_decisions() > 0 && !is_behind;
        let is_due = is_pressing || is_overdue || (shard.is_ahead() && is_full);
        if !is_due {
            return Ok(());
        }
        if is_overdue {
            let (partition, unseen) = (shard.partition(), shard.unseen());
            tracing::error!(
                partition,
                unseen,
                "ALARM: decisions were not read back; publishing them again under their ids"
            );
        }
        let (records, decisions) = (self.waiting, shard.waiting_decisions());
        let transaction = shard.transaction(now_ms, time_of_day_ms);
        // Until it has taken place it counts as failed.
        let room = self.room;
        self.room = room.after_failure(records, decisions);
        ledger.commit(&transaction)?;
        self.room = room.after_success(records, decisions);
        (self.written_ms, self.waiting) = (now_ms, 0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log that takes no more than 300 records at a time gets what it takes, and is tried with more now and then.
    #[test]
    fn after_a_failure_less_is_tried_and_then_more_again() {
        let (mut room, mut failed, mut done) = (Room::default(), 0, 0);
        for _ in 0..200 {
            let records = room.records;
            if records > 300 {
                room = room.after_failure(records, 0);
                failed += 1;
            } else {
                room = room.after_success(records, 0);
                done += records;
            }
        }
        assert!((4..30).contains(&failed) && done > 170 * 250, "{failed} failed, {done} done");
        assert_eq!(room.decisions, MOST_DECISIONS, "there were none");
        let room = Room::default().after_failure(2, 40);
        assert_eq!(room, Room::of(1, 20));
        assert_eq!(room.after_failure(1, 1), room, "it was not for its size");
        assert_eq!((0..100).fold(room, |room, _| room.after_success(0, 0)), room, "what was not full says nothing");
        assert_eq!((0..96).fold(room, |room, _| room.after_success(room.records, 0)), Room::default());
    }
}
