//! Partitions come and go: where each begins, and how it is let go.
//!
//! A handover is answered at once. A partition is read as soon as the broker has said where, and one of which the log
//! does not hold what was to be read next is not read at all: it is ours all the same, and hinders no other.

use std::collections::BTreeMap;
use std::time::Instant;

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::backlog::Backlog;
use super::limits::{RETRY_AFTER, SILENT_FOR};
use super::task::{Beginning, Held, Task};
use super::{Stopped, Worker};
use crate::attempts::Attempts;
use crate::events::TopicPartition;
use crate::gaps::Gap;
use crate::kafka::{ANSWER_WAIT, Committed, committable, committed, list_of};
use crate::progress::{Position, Progress};

impl<T: Task> Worker<'_, T> {
    pub(super) fn assigned(&mut self, partitions: Vec<TopicPartition>) {
        tracing::info!(role = T::ROLE, partitions = %names(&partitions), "assigned");
        self.answer(self.consumer.incremental_assign(&TopicPartitionList::new()));
        self.ours.extend(partitions.iter().cloned());
        self.waiting.extend(partitions);
        self.wait_until = Instant::now();
    }

    /// Begins what is assigned and not yet begun; what the broker does not answer for is asked again later.
    pub(super) fn begin_waiting(&mut self) {
        if self.waiting.is_empty() || Instant::now() < self.wait_until {
            return;
        }
        let partitions = std::mem::take(&mut self.waiting);
        let all = committed(&self.consumer, &partitions);
        let mut list = TopicPartitionList::new();
        let mut begun_now = 0;
        for partition in partitions {
            let begun = all.clone().and_then(|all| self.begin(&partition, &all));
            match begun {
                Ok(Ok(held)) => {
                    // Before it is assigned, so that none of its records goes to the group's own queue.
                    let added = self.batches.add(&partition.topic, partition.partition);
                    assert!(added, "{partition} has no queue");
                    self.batches.hold(&partition.topic, partition.partition, false);
                    let offset = Offset::Offset(held.beginning.done.offset);
                    list.add_partition_offset(&partition.topic, partition.partition, offset)
                        .expect("an offset that a broker gave is not negative");
                    self.held.push(held);
                    begun_now += 1;
                }
                Ok(Err(gap)) => self.stop(gap),
                Err(error) => {
                    self.say(&error, "where to begin is not known yet");
                    self.waiting.push(partition);
                    self.wait_until = Instant::now() + RETRY_AFTER;
                }
            }
        }
        self.write_down_beginnings(begun_now);
        if list.count() > 0 {
            self.answer(self.consumer.incremental_assign(&list));
        }
    }

    /// Where a partition begins, or the gap before which it stands.
    fn begin(
        &mut self,
        partition: &TopicPartition,
        committed: &BTreeMap<TopicPartition, Committed>,
    ) -> KafkaResult<Result<Held<T::Shard>, Gap>> {
        let log = self.consumer.fetch_watermarks(&partition.topic, partition.partition, ANSWER_WAIT)?;
        let committed = committed.get(partition).copied();
        // A group that never committed begins at the beginning: a fire that burns already is news too.
        let never = Position { offset: log.0, mark_ms: None };
        let mut done = committed.map_or(never, |committed| committed.position);
        if let Some(gap) = Gap::before(partition, done.offset, log) {
            let passed = self.passed.iter().find(|passed| passed.gap.partition == *partition);
            let passed = passed.filter(|passed| passed.gap.next == gap.next && (log.0..=log.1).contains(&passed.to));
            let Some(passed) = passed else { return Ok(Err(gap)) };
            done.offset = passed.to;
        }
        self.passed.retain(|passed| passed.gap.partition != *partition);
        let next_ms = committed.filter(|before| before.position == done).and_then(|before| before.next_ms);
        let before = committed.and_then(|committed| committed.attempt);
        let before = self.survived.sort_out(partition, done.offset, before);
        let shard = self.task.begin(partition, done.offset, committed.and_then(|committed| committed.passage));
        tracing::info!(role = T::ROLE, %partition, next = done.offset, end = log.1, "begun");
        Ok(Ok(Held {
            partition: partition.clone(),
            slot: self.free_slot(),
            shard,
            progress: Progress::from(done),
            attempts: Attempts::after(before, done.offset, log.1),
            beginning: Beginning { done, end: log.1, next_ms },
            taken_ms: done.mark_ms,
            read_to: done.offset,
            read_at: Instant::now(),
            backlog: Backlog::default(),
            committed,
            stalled_until: None,
        }))
    }

    /// Writes down, before any of their records can end the process, that the last `count` partitions begin.
    fn write_down_beginnings(&mut self, count: usize) {
        let first = self.held.len() - count;
        let mut all = Vec::with_capacity(count);
        for held in &mut self.held[first..] {
            let position = held.progress.position();
            let (passage, attempt) = (self.task.passage_of(&held.partition), Some(held.attempts.now()));
            let committed = Committed { position, next_ms: held.beginning.next_ms, passage, attempt };
            held.committed = Some(committed);
            all.push((&held.partition, committed));
        }
        if all.is_empty() {
            return;
        }
        let result = committable(all).and_then(|list| self.consumer.commit(&list, CommitMode::Sync));
        if let Err(error) = result {
            self.commit_failed(&error.to_string());
        }
    }

    fn free_slot(&mut self) -> u16 {
        loop {
            self.next_slot = self.next_slot.wrapping_add(1);
            // The last slot is kept free for messages that no offset waits for.
            if self.next_slot != u16::MAX && !self.held.iter().any(|held| held.slot == self.next_slot) {
                return self.next_slot;
            }
        }
    }

    pub(super) fn revoked(&mut self, partitions: &[TopicPartition], lost: bool) {
        tracing::info!(role = T::ROLE, partitions = %names(partitions), lost, "revoked");
        if !lost {
            self.drain(partitions);
            self.let_go(partitions);
        }
        let is_leaving = |partition: &TopicPartition| partitions.contains(partition);
        self.ours.retain(|ours| !is_leaving(ours));
        self.waiting.retain(|waiting| !is_leaving(waiting));
        self.stopped.retain(|stopped| !is_leaving(&stopped.gap.partition));
        self.passed.retain(|passed| !is_leaving(&passed.gap.partition));
        // What was not begun is not assigned here; the handover is to be answered even so.
        let leaving: Vec<_> = self.held.extract_if(.., |held| is_leaving(&held.partition)).collect();
        self.drop_what_waits_of_others();
        self.answer(self.consumer.incremental_unassign(&list_of(leaving.iter().map(|held| &held.partition))));
    }

    /// A partition whose log holds more than was read, and from which nothing comes, is begun again: whatever the
    /// client has forgotten, no record may lie unread.
    pub(super) fn begin_silent_again(&mut self) {
        for held in &mut self.held {
            let end = self.task.end_of(&held.partition).unwrap_or(0);
            let is_silent = held.read_at.elapsed() >= SILENT_FOR && held.read_to < end && !held.backlog.holds_reading();
            if is_silent && held.stalled_until.is_none() && self.begun_again.get(&held.partition) != Some(&end) {
                tracing::warn!(role = T::ROLE, partition = %held.partition, read_to = held.read_to, end,
                    "records are there and none comes; beginning again");
                self.begun_again.insert(held.partition.clone(), end);
                held.stalled_until = Some(Instant::now());
            }
        }
    }

    /// A partition with something undeliverable gives up what it holds and is read again from what is committed.
    pub(super) fn begin_stalled_again(&mut self) {
        let now = Instant::now();
        let due = |held: &Held<T::Shard>| held.stalled_until.is_some_and(|until| until <= now);
        let stalled: Vec<_> = self.held.iter().filter(|held| due(held)).map(|held| held.partition.clone()).collect();
        if stalled.is_empty() {
            return;
        }
        self.commit(&stalled, CommitMode::Async);
        self.held.retain(|held| !stalled.contains(&held.partition));
        self.drop_what_waits_of_others();
        self.answer(self.consumer.incremental_unassign(&list_of(&stalled)));
        self.waiting.extend(stalled);
    }

    fn drop_what_waits_of_others(&self) {
        self.outlet.drop_waiting(|slot| !self.held.iter().any(|held| held.slot == slot));
    }

    pub(super) fn answer(&self, result: KafkaResult<()>) {
        if let Err(error) = result {
            // The group takes the partitions from us after the session's time, and the next member begins them.
            tracing::error!(role = T::ROLE, %error, "a handover was not answered");
        }
    }

    fn stop(&mut self, gap: Gap) {
        self.stopped.push(Stopped::before(gap));
        self.check_stopped();
    }
}

fn names(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
