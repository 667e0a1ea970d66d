//! The loop of a role: one thread, one consumer, one producer, one closed set of events.
//!
//! It holds what every role must keep: a partition begins where its group left it; an offset is committed only once
//! everything made of the records before it is acknowledged; a partition that is taken away is drained and committed
//! before it is let go; what could not be delivered is read and made again. What a record means is the [`Task`]'s.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::config::Config;
use crate::events::{Answering, Event, Noted, TopicPartition};
use crate::failure::Failure;
use crate::kafka::{
    ANSWER_WAIT, Committed, EventConsumer, committable, committed, consumer, is_refusal, list_of, producer,
};
use crate::outlet::{Outlet, Receipt};
use crate::progress::{Position, Progress};
use crate::service::Shutdown;

mod backlog;
mod limits;
mod task;

use backlog::Backlog;
pub use limits::Rarely;
use limits::{COUNTERS_EVERY, MOST_AT_ONCE, MOST_IN_FLIGHT, POLL_WAIT, RETRY_AFTER, TICK_EVERY};
pub use task::{Beginning, Held, Place, Task};

/// A role at work.
pub struct Worker<'a, T: Task> {
    task: T,
    // Dropped in this order.
    answering: Answering,
    consumer: EventConsumer,
    outlet: Outlet,
    noted: Arc<Noted>,
    held: Vec<Held<T::Shard>>,
    /// Assigned and not yet begun, because the broker did not say where.
    waiting: Vec<TopicPartition>,
    wait_until: Instant,
    next_slot: u16,
    paused: bool,
    drain_wait: Duration,
    ticked_at: Instant,
    counted_at: Instant,
    trouble: Rarely,
    shutdown: &'a Shutdown,
}

impl<'a, T: Task> Worker<'a, T> {
    /// Joins the role's group.
    ///
    /// # Errors
    /// A client cannot be made.
    pub fn join(config: &Config, task: T, shutdown: &'a Shutdown) -> Result<Self, Failure> {
        let noted = Arc::new(Noted::default());
        let consumer = consumer(&config.kafka, T::ROLE, &noted)?;
        let outlet = Outlet::new(producer(&config.kafka, T::ROLE, &noted)?, Arc::clone(&noted));
        let topics = task.topics();
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        consumer.subscribe(&names).map_err(|error| Failure::of_client(T::ROLE, &error))?;
        let now = Instant::now();
        Ok(Self {
            task,
            answering: Answering(Arc::clone(&noted)),
            consumer,
            outlet,
            noted,
            held: Vec::new(),
            waiting: Vec::new(),
            wait_until: now,
            next_slot: 0,
            paused: false,
            drain_wait: Duration::from_millis(config.kafka.drain_wait_ms.unsigned_abs()),
            ticked_at: now,
            counted_at: now,
            trouble: Rarely::default(),
            shutdown,
        })
    }

    /// Works until the shutdown is asked for; then drains, commits and leaves the group. What was counted.
    ///
    /// # Errors
    /// A client is broken beyond repair.
    pub fn run(mut self) -> Result<serde_json::Value, Failure> {
        loop {
            // The borrow of a record must end before the worker can change: its fields are taken one by one.
            match next_event(&self.noted, &self.consumer, self.shutdown, &mut self.ticked_at) {
                Event::Record(record) => take(&mut self.task, &mut self.held, &self.outlet, &record),
                Event::Assigned(partitions) => self.assigned(partitions),
                Event::Revoked { partitions, lost } => self.revoked(&partitions, lost),
                Event::Delivered(receipt) => self.delivered(receipt),
                Event::NotDelivered { receipt, error } => self.not_delivered(receipt, &error)?,
                Event::CommitFailed(reason) => self.commit_failed(&reason),
                Event::Trouble(error) => self.trouble(&error)?,
                Event::Tick => self.tick(),
                Event::Idle => {}
                Event::Shutdown => break,
            }
            self.outlet.poll(Duration::ZERO);
            self.take_waiting();
            self.begin_waiting();
        }
        self.leave()
    }

    /// Takes what waited and may be taken now, earliest first, some at a time so that nothing else waits for it.
    fn take_waiting(&mut self) {
        for _ in 0..MOST_AT_ONCE {
            let waiting = self.held.iter().enumerate().filter(|(_, held)| held.stalled_until.is_none());
            let Some((_, index)) = waiting.filter_map(|(index, held)| Some((held.head_ms()?, index))).min() else {
                return;
            };
            let may = self.held[index].head().is_some_and(|head| self.task.may_take(head, &self.held));
            let due = |held: &Held<T::Shard>| held.stalled_until.is_none() && held.backlog.is_due();
            let Some(index) = may.then_some(index).or_else(|| self.held.iter().position(due)) else {
                self.task.blocked(&self.consumer);
                return;
            };
            let held = &mut self.held[index];
            let Some(record) = held.backlog.pop() else { return };
            held.taken_ms = held.taken_ms.max(record.timestamp().to_millis());
            self.task.take(&record, held, &self.outlet);
        }
    }

    fn assigned(&mut self, partitions: Vec<TopicPartition>) {
        tracing::info!(role = T::ROLE, partitions = %names(&partitions), "assigned");
        if partitions.is_empty() {
            // Also an empty handover must be answered.
            self.answer(self.consumer.incremental_assign(&TopicPartitionList::new()));
        }
        self.waiting.extend(partitions);
        self.wait_until = Instant::now();
    }

    /// Begins what is assigned, all at once, because librdkafka takes one answer to one handover.
    fn begin_waiting(&mut self) {
        if self.waiting.is_empty() || Instant::now() < self.wait_until {
            return;
        }
        let partitions = std::mem::take(&mut self.waiting);
        match self.beginnings(&partitions) {
            Ok(begun) => {
                let mut list = TopicPartitionList::new();
                for held in &begun {
                    let offset = Offset::Offset(held.beginning.read_from);
                    list.add_partition_offset(&held.partition.topic, held.partition.partition, offset)
                        .expect("an offset that a broker gave is not negative");
                }
                self.held.extend(begun);
                self.answer(self.consumer.incremental_assign(&list));
                // The client remembers a pause beyond an assignment: what was held back when it was taken away from us
                // would never be read again when it comes back.
                self.answer(self.consumer.resume(&list));
            }
            Err(error) => {
                self.say(&error, "where to begin is not known yet");
                self.waiting = partitions;
                self.wait_until = Instant::now() + RETRY_AFTER;
            }
        }
    }

    fn beginnings(&mut self, partitions: &[TopicPartition]) -> KafkaResult<Vec<Held<T::Shard>>> {
        let committed = committed(&self.consumer, partitions)?;
        let mut begun = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let (low, high) = self.consumer.fetch_watermarks(&partition.topic, partition.partition, ANSWER_WAIT)?;
            let committed = committed.get(partition).copied();
            // A group that never committed begins at the beginning: a fire that burns already is news too.
            let never = Position { offset: low, mark_ms: None };
            let mut done = committed.map_or(never, |committed| committed.position);
            if !(low..=high).contains(&done.offset) {
                let lost = done.offset..low;
                tracing::error!(role = T::ROLE, %partition, ?lost, low, high,
                    "the log does not hold what was to be read next (retention, or another topic of that name); \
                     going on at its beginning");
                done.offset = low;
            }
            let mut beginning = Beginning { read_from: done.offset, done, end: high };
            let shard = self.task.begin(&self.consumer, partition, &mut beginning)?;
            beginning.read_from = beginning.read_from.clamp(low, done.offset);
            tracing::info!(role = T::ROLE, %partition, read_from = beginning.read_from, done = done.offset, end = high, "begun");
            let (slot, progress) = (self.free_slot(&begun), Progress::from(done));
            let partition = partition.clone();
            let (taken_ms, read_to) = (done.mark_ms, beginning.read_from);
            let backlog = Backlog::default();
            begun.push(Held {
                partition,
                slot,
                shard,
                progress,
                beginning,
                taken_ms,
                read_to,
                backlog,
                committed,
                stalled_until: None,
            });
        }
        Ok(begun)
    }

    fn free_slot(&mut self, begun: &[Held<T::Shard>]) -> u16 {
        loop {
            self.next_slot = self.next_slot.wrapping_add(1);
            let taken = |held: &Held<T::Shard>| held.slot == self.next_slot;
            // The last slot is kept free for messages that no offset waits for.
            if self.next_slot != u16::MAX && !self.held.iter().any(taken) && !begun.iter().any(taken) {
                return self.next_slot;
            }
        }
    }

    fn revoked(&mut self, partitions: &[TopicPartition], lost: bool) {
        tracing::info!(role = T::ROLE, partitions = %names(partitions), lost, "revoked");
        self.waiting.retain(|waiting| !partitions.contains(waiting));
        if !lost {
            self.drain(partitions);
            self.commit(partitions, CommitMode::Sync);
        }
        self.held.retain(|held| !partitions.contains(&held.partition));
        self.answer(self.consumer.incremental_unassign(&list_of(partitions)));
    }

    fn answer(&self, result: KafkaResult<()>) {
        if let Err(error) = result {
            // The group takes the partitions from us after the session's time, and the next member begins them.
            tracing::error!(role = T::ROLE, %error, "a handover was not answered");
        }
    }

    fn delivered(&mut self, receipt: usize) {
        if let Some(receipt) = Receipt::unpack(receipt)
            && let Some(held) = self.held.iter_mut().find(|held| held.slot == receipt.slot)
        {
            held.progress.acknowledge(receipt.number);
        }
    }

    fn not_delivered(&mut self, receipt: usize, error: &KafkaError) -> Result<(), Failure> {
        if let Some(reason) = self.outlet.fatal_error() {
            return Err(Failure::Client { role: T::ROLE, reason });
        }
        self.say(error, "a message was not delivered; what it was made of is read again");
        if let Some(receipt) = Receipt::unpack(receipt)
            && let Some(held) = self.held.iter_mut().find(|held| held.slot == receipt.slot)
        {
            held.stalled_until.get_or_insert_with(|| Instant::now() + RETRY_AFTER);
        }
        Ok(())
    }

    fn commit_failed(&mut self, reason: &str) {
        tracing::warn!(role = T::ROLE, reason, "offsets were not committed; the next commit includes them");
        for held in &mut self.held {
            held.committed = None;
        }
    }

    fn trouble(&mut self, error: &KafkaError) -> Result<(), Failure> {
        if let Some((code, reason)) = self.consumer.client().fatal_error() {
            return Err(Failure::Client { role: T::ROLE, reason: format!("{code}: {reason}") });
        }
        if let Some(reason) = self.outlet.fatal_error() {
            return Err(Failure::Client { role: T::ROLE, reason });
        }
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) {
            // It does not say which partition: each that stands outside of its log begins again.
            for held in &mut self.held {
                held.stalled_until.get_or_insert_with(Instant::now);
            }
        }
        let what = if is_refusal(error) { "the broker refuses us; trying on" } else { "trouble with Kafka; trying on" };
        self.say(error, what);
        Ok(())
    }

    fn tick(&mut self) {
        self.commit(&[], CommitMode::Async);
        self.begin_stalled_again();
        self.task.tick(&self.consumer, &self.held, &self.outlet);
        self.hold_or_go_on();
        if self.counted_at.elapsed() >= COUNTERS_EVERY {
            self.counted_at = Instant::now();
            tracing::info!(role = T::ROLE, in_flight = self.outlet.in_flight(), counters = %self.task.counters(), "counted");
        }
    }

    /// A partition with something undeliverable gives up what it holds and is read again from what is committed.
    fn begin_stalled_again(&mut self) {
        let now = Instant::now();
        let due = |held: &Held<T::Shard>| held.stalled_until.is_some_and(|until| until <= now);
        let stalled: Vec<_> = self.held.iter().filter(|held| due(held)).map(|held| held.partition.clone()).collect();
        if stalled.is_empty() {
            return;
        }
        self.commit(&stalled, CommitMode::Async);
        self.held.retain(|held| !stalled.contains(&held.partition));
        self.answer(self.consumer.incremental_unassign(&list_of(&stalled)));
        self.waiting.extend(stalled);
    }

    /// A partition is not read on while too much is under way, or while too many of its records wait.
    fn hold_or_go_on(&mut self) {
        let in_flight = self.outlet.in_flight();
        if in_flight > MOST_IN_FLIGHT {
            self.paused = true;
        } else if in_flight < MOST_IN_FLIGHT / 2 {
            self.paused = false;
        }
        let (mut pause, mut resume) = (Vec::new(), Vec::new());
        for held in &mut self.held {
            match held.backlog.turn(self.paused) {
                Some(true) => pause.push(&held.partition),
                Some(false) => resume.push(&held.partition),
                None => {}
            }
        }
        let (pause, resume) = (list_of(pause), list_of(resume));
        if let Err(error) = self.consumer.pause(&pause).and_then(|()| self.consumer.resume(&resume)) {
            self.say(&error, "reading could not be held or resumed");
        }
    }

    /// Commits what is done and not yet committed, of all partitions if none is named.
    fn commit(&mut self, partitions: &[TopicPartition], mode: CommitMode) {
        let mut all = Vec::new();
        for held in &mut self.held {
            let committed = Committed { position: held.progress.position(), next_ms: held.head_ms() };
            let chosen = partitions.is_empty() || partitions.contains(&held.partition);
            let is_new = committed.position != held.beginning.done || committed.next_ms.is_some();
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

    /// Waits until nothing made of these partitions (all, if none is named) is under way, for the configured time.
    fn drain(&mut self, partitions: &[TopicPartition]) {
        let deadline = Instant::now() + self.drain_wait;
        let mut others = Vec::new();
        loop {
            let mut concerned =
                self.held.iter_mut().filter(|held| partitions.is_empty() || partitions.contains(&held.partition));
            if concerned.all(|held| held.progress.is_settled()) {
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
                    Event::Delivered(receipt) => self.delivered(receipt),
                    other => others.push(other),
                }
            }
        }
        for event in others {
            self.noted.push(event);
        }
    }

    fn leave(mut self) -> Result<serde_json::Value, Failure> {
        tracing::info!(role = T::ROLE, "ending: what is under way is waited for and committed");
        self.drain(&[]);
        self.commit(&[], CommitMode::Sync);
        self.answer_the_unanswered();
        let counters = self.task.counters();
        drop(self.answering);
        // Leaves the group: the others need not wait for the session's time.
        drop(self.consumer);
        tracing::info!(role = T::ROLE, counters = %counters, "ended");
        Ok(counters)
    }

    /// A consumer does not end while it waits for the answer to a handover.
    fn answer_the_unanswered(&mut self) {
        let mut unanswered = !self.waiting.is_empty();
        while let Some(event) = self.noted.next() {
            match event {
                Event::Assigned(_) => unanswered = true,
                Event::Revoked { partitions, .. } => {
                    self.answer(self.consumer.incremental_unassign(&list_of(&partitions)));
                }
                _ => {}
            }
        }
        if unanswered {
            self.answer(self.consumer.incremental_assign(&TopicPartitionList::new()));
        }
    }

    fn say(&mut self, error: &KafkaError, what: &'static str) {
        if self.trouble.is_due() {
            let reason = self.noted.last_error().map(|(_, reason)| reason).unwrap_or_default();
            tracing::warn!(role = T::ROLE, %error, reason, "{what}");
        }
    }
}

fn next_event<'c>(
    noted: &Noted,
    consumer: &'c EventConsumer,
    shutdown: &Shutdown,
    ticked_at: &mut Instant,
) -> Event<'c> {
    if let Some(event) = noted.next() {
        return event;
    }
    if shutdown.is_asked() {
        return Event::Shutdown;
    }
    if ticked_at.elapsed() >= TICK_EVERY {
        *ticked_at = Instant::now();
        return Event::Tick;
    }
    match consumer.poll(POLL_WAIT) {
        Some(Ok(record)) => Event::Record(record),
        Some(Err(error)) => Event::Trouble(error),
        None => Event::Idle,
    }
}

fn take<T: Task>(task: &mut T, held: &mut [Held<T::Shard>], outlet: &Outlet, record: &BorrowedMessage<'_>) {
    let is_its = |held: &Held<T::Shard>| {
        held.partition.partition == record.partition() && *held.partition.topic == *record.topic()
    };
    // A record of a partition that was just given up, or that is to be begun again, is read again by whoever begins it.
    let Some(index) = held.iter().position(is_its).filter(|index| held[*index].stalled_until.is_none()) else { return };
    held[index].read_to = record.offset() + 1;
    let timestamp_ms = record.timestamp().to_millis().unwrap_or(i64::MIN);
    let place = Place { partition: &held[index].partition, offset: record.offset(), timestamp_ms };
    if held[index].has_waiting() || !task.may_take(place, held) {
        held[index].backlog.push(record.detach());
    } else {
        let held = &mut held[index];
        held.taken_ms = held.taken_ms.max(record.timestamp().to_millis());
        task.take(record, held, outlet);
    }
}

fn names(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
