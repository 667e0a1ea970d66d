//! What is done is committed, and what is under way is waited for, before a partition or the group is left.

use std::time::Instant;

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::topic_partition_list::TopicPartitionList;

use super::limits::{COMMIT_AGAIN_EVERY, POLL_WAIT};
use super::{Task, Worker};
use crate::events::{Event, TopicPartition};
use crate::failure::Failure;
use crate::kafka::{Committed, committable, list_of};

impl<T: Task> Worker<'_, T> {
    /// Commits what is new; and now and then all of it again, for a commit whose answer was lost on the way would
    /// otherwise be the last word, and everybody would wait for the partition.
    pub(super) fn commit_what_is_done(&mut self) {
        if self.committed_again_at.elapsed() >= COMMIT_AGAIN_EVERY {
            self.committed_again_at = Instant::now();
            self.held.iter_mut().for_each(|held| held.committed = None);
        }
        self.commit(&[], CommitMode::Async);
    }

    /// Commits what is done and not yet committed, of all partitions if none is named.
    pub(super) fn commit(&mut self, partitions: &[TopicPartition], mode: CommitMode) {
        self.commit_as(partitions, mode, false);
    }

    /// The same, the last time before they are let go.
    pub(super) fn let_go(&mut self, partitions: &[TopicPartition]) {
        self.commit_as(partitions, CommitMode::Sync, true);
    }

    fn commit_as(&mut self, partitions: &[TopicPartition], mode: CommitMode, is_leaving: bool) {
        let mut all = Vec::new();
        for held in &mut self.held {
            let passage = self.task.passage_of(&held.partition);
            let position = held.progress.position();
            // Until there is progress, it stands there that the partition was begun; an end in good order takes it
            // back.
            let came_no_further = position == held.beginning.done && !is_leaving;
            let attempt = came_no_further.then(|| held.attempts.now());
            // What the others know of it holds until more is known: to take it back would look to them as if it came
            // forward afterwards.
            let known_ms = held.beginning.next_ms.filter(|_| came_no_further);
            let committed = Committed { position, next_ms: held.undone_ms().or(known_ms), passage, attempt };
            let chosen = partitions.is_empty() || partitions.contains(&held.partition);
            let says_more = committed.next_ms.is_some() || committed.passage.is_some();
            let is_new = committed.position != held.beginning.done || says_more;
            if chosen && held.committed != Some(committed) && (is_new || held.committed.is_some()) {
                held.committed = Some(committed);
                all.push((&held.partition, committed));
            }
        }
        if all.is_empty() {
            return;
        }
        let result = committable(all).and_then(|list| self.consumer.commit(&list, mode));
        if let Err(error) = result {
            self.commit_failed(&error.to_string());
        }
    }

    pub(super) fn commit_failed(&mut self, reason: &str) {
        tracing::warn!(role = T::ROLE, reason, "offsets were not committed; the next commit includes them");
        for held in &mut self.held {
            held.committed = None;
        }
    }

    /// Waits until nothing made of these partitions (all, if none is named) is under way, for the configured time.
    pub(super) fn drain(&mut self, partitions: &[TopicPartition]) {
        let deadline = Instant::now() + self.drain_wait;
        let mut others = Vec::new();
        loop {
            let mut concerned =
                self.held.iter_mut().filter(|held| partitions.is_empty() || partitions.contains(&held.partition));
            // What is to be begun again anyway is not waited for.
            if concerned.all(|held| held.stalled_until.is_some() || held.progress.is_settled()) {
                break;
            }
            if Instant::now() >= deadline {
                tracing::warn!(
                    role = T::ROLE,
                    in_flight = self.outlet.in_flight(),
                    "not everything was acknowledged in time; whoever reads on makes it again"
                );
                break;
            }
            self.outlet.poll(POLL_WAIT);
            while let Some(event) = self.noted.next() {
                match event {
                    Event::Delivered { receipt, partition, appended_ms } => {
                        self.delivered(receipt, partition, appended_ms);
                    }
                    Event::NotDelivered { receipt, partition, error } => {
                        if self.not_delivered(receipt, partition, &error).is_err() {
                            // What cannot be mended is found again, by whoever deals with trouble.
                            others.push(Event::Trouble(error));
                        }
                    }
                    other => others.push(other),
                }
            }
        }
        for event in others {
            self.noted.push(event);
        }
    }

    pub(super) fn leave(mut self) -> Result<serde_json::Value, Failure> {
        tracing::info!(role = T::ROLE, "ending: what is under way is waited for and committed");
        self.drain(&[]);
        self.let_go(&[]);
        self.answer_the_unanswered();
        let (counters, waited) = (self.task.counters(), self.waited);
        drop(self.answering);
        // Leaves the group: the others need not wait for the session's time.
        drop(self.batches);
        drop(self.consumer);
        tracing::info!(role = T::ROLE, waited, counters = %counters, "ended");
        Ok(counters)
    }

    /// A consumer does not end while it waits for the answer to a handover.
    fn answer_the_unanswered(&self) {
        while let Some(event) = self.noted.next() {
            match event {
                Event::Assigned(_) => self.answer(self.consumer.incremental_assign(&TopicPartitionList::new())),
                Event::Revoked { partitions, .. } => {
                    let held = self.held.iter().map(|held| &held.partition);
                    let leaving = list_of(held.filter(|held| partitions.contains(held)));
                    self.answer(self.consumer.incremental_unassign(&leaving));
                }
                _ => {}
            }
        }
    }
}
