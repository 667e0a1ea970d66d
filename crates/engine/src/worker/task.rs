//! What the role is to its worker: what it makes of records, and what is kept for each partition that it holds.

use std::collections::BTreeSet;
use std::time::Instant;

use rdkafka::message::Message;

use super::backlog::Backlog;
use crate::attempts::Attempts;
use crate::decode_role::passage::Passage;
use crate::events::TopicPartition;
use crate::kafka::Committed;
use crate::outlet::{Answer, Outlet};
use crate::progress::{Position, Progress};

/// Where a partition begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beginning {
    /// What the group has done already.
    pub done: Position,
    /// Where the log ended then.
    pub end: i64,
    /// The time of the first record that was not done, as the group knew it.
    pub next_ms: Option<i64>,
}

/// Where a record stands in its partition, and when it was written.
#[derive(Debug, Clone, Copy)]
pub struct Place<'p> {
    /// Its partition.
    pub partition: &'p TopicPartition,
    /// Its offset.
    pub offset: i64,
    /// Its timestamp; the earliest of all if it has none.
    pub timestamp_ms: i64,
}

/// What a role makes of records.
pub trait Task {
    /// What it keeps for each partition while it holds it.
    type Shard;
    /// The role's word: the group is `<group>.<role>`.
    const ROLE: &'static str;

    /// The topics that it reads.
    fn topics(&self) -> Vec<String>;

    /// Begins a partition at an offset; `passage` was committed with it, by whoever wrote the ticks.
    fn begin(&mut self, partition: &TopicPartition, next: i64, passage: Option<Passage>) -> Self::Shard;

    /// What is to be committed with a partition.
    fn passage_of(&self, partition: &TopicPartition) -> Option<Passage>;

    /// What became of a message under [`crate::outlet::CLOCK`].
    fn answered(&mut self, answer: Answer);

    /// Whether a record may be taken yet; if not, it waits, in front of those after it.
    fn may_take(&mut self, place: Place<'_>, held: &[Held<Self::Shard>]) -> bool;

    /// When those for which records wait last came forward.
    fn came_forward_at(&self) -> Instant;

    /// The offset after the last record of a partition's log, as far as it is known.
    fn end_of(&self, partition: &TopicPartition) -> Option<i64>;

    /// Records wait, and none of them may be taken.
    fn blocked(&mut self);

    /// Takes a record: its number in `progress` is in the receipt of everything made of it.
    fn take<M: Message>(&mut self, record: &M, held: &mut Held<Self::Shard>, outlet: &Outlet);

    /// Passes over a record that nobody survives: it goes to the dead letters.
    fn condemn<M: Message>(&mut self, record: &M, held: &mut Held<Self::Shard>, outlet: &Outlet);

    /// What is to be done a few times a second; `ours`: what the group gave us, begun or not.
    fn tick(&mut self, ours: &BTreeSet<TopicPartition>, outlet: &Outlet);

    /// One JSON object of everything counted.
    fn counters(&self) -> serde_json::Value;
}

/// A partition that is ours.
pub struct Held<S> {
    /// Which.
    pub partition: TopicPartition,
    /// The number of this assignment in receipts.
    pub slot: u16,
    /// What the role keeps for it.
    pub shard: S,
    /// How far it is done.
    pub progress: Progress,
    /// What was attempted since it came no further.
    pub attempts: Attempts,
    /// Where it began.
    pub beginning: Beginning,
    /// The largest timestamp of any record taken, or known from what is committed.
    pub taken_ms: Option<i64>,
    /// The offset after the last record read, taken or not.
    pub read_to: i64,
    /// When that was.
    pub(super) read_at: Instant,
    pub(super) backlog: Backlog,
    pub(super) committed: Option<Committed>,
    /// Something made of it could not be delivered: from then on it is to be begun again.
    pub(super) stalled_until: Option<Instant>,
}

impl<S> Held<S> {
    /// The timestamp of the first record that waits.
    #[must_use]
    pub fn head_ms(&self) -> Option<i64> {
        self.backlog.head_ms()
    }

    /// The time of the first record that was read and is not forwarded: it is under way, or waits.
    #[must_use]
    pub fn undone_ms(&self) -> Option<i64> {
        self.progress.undone_ms(self.head_ms())
    }

    pub(super) fn head(&self) -> Option<Place<'_>> {
        let (timestamp_ms, offset) = self.head_ms().zip(self.backlog.head_offset())?;
        Some(Place { partition: &self.partition, offset, timestamp_ms })
    }

    /// Whether records wait.
    #[must_use]
    pub fn has_waiting(&self) -> bool {
        self.head_ms().is_some()
    }
}
