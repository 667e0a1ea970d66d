//! The loop of the decode role: one thread, one consumer, one producer, one closed set of events.
//!
//! It holds what must be kept whatever a record means: a partition begins where its group left it, or stands still
//! where the log does not hold that (`handover.rs`, `stopped.rs`); an offset is committed only once everything made of
//! the records before it is acknowledged; a partition that is taken away is drained and committed before it is let go
//! (`commits.rs`); what could not be delivered is read and made again. What a record means is the [`Task`]'s.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Message, OwnedMessage};

use crate::attempts::Survived;
use crate::batches::{Batches, Fetched};
use crate::config::{Config, Kafka};
use crate::events::{Answering, Context, Event, Noted, TopicPartition};
use crate::failure::Failure;
use crate::gaps::Gap;
use crate::kafka::{ANSWER_WAIT, EventConsumer, consumer, is_refusal, producer, refusal};
use crate::orphans::{self, Orphans};
use crate::outlet::{Answer, CLOCK, Outlet, Receipt};
use crate::service::Shutdown;

mod backlog;
mod commits;
mod handover;
mod limits;
mod stopped;
mod suspects;
mod task;

pub use limits::Rarely;
use limits::{COUNTERS_EVERY, MOST_AT_ONCE, MOST_IN_FLIGHT, POLL_WAIT, RETRY_AFTER, SHORT_WAIT, TICK_EVERY};
use stopped::{Passed, Stopped};
pub use task::{Beginning, Held, Place, Task};

/// A role at work.
pub struct Worker<'a, T: Task> {
    task: T,
    // Dropped in this order.
    answering: Answering,
    batches: Batches<Context>,
    consumer: Arc<EventConsumer>,
    outlet: Outlet,
    noted: Arc<Noted>,
    kafka: Kafka,
    state_topic: String,
    /// Every partition that the group gave us, in whichever of the next three it is.
    ours: BTreeSet<TopicPartition>,
    held: Vec<Held<T::Shard>>,
    /// Not yet begun, because the broker did not say where.
    waiting: Vec<TopicPartition>,
    /// Not begun, because the log does not hold what was to be read next.
    stopped: Vec<Stopped>,
    /// Gaps that were accepted, until the partition has begun behind them.
    passed: Vec<Passed>,
    /// The ends of logs for which a silent partition was begun again, so that it is once for each.
    begun_again: BTreeMap<TopicPartition, i64>,
    orphans: Receiver<Orphans>,
    wait_until: Instant,
    next_slot: u16,
    paused: bool,
    /// Whether more of what waited may be taken at once.
    has_more: bool,
    /// How many records had to wait for partitions behind theirs.
    waited: u64,
    survived: Survived,
    drain_wait: Duration,
    ticked_at: Instant,
    committed_again_at: Instant,
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
        let consumer = Arc::new(consumer(&config.kafka, T::ROLE, &noted)?);
        let outlet =
            Outlet::new(producer(&config.kafka, T::ROLE, &noted)?, Arc::clone(&noted), config.topics.signals.clone());
        let topics = task.topics();
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        consumer.subscribe(&names).map_err(|error| Failure::of_client(T::ROLE, &error))?;
        let now = Instant::now();
        Ok(Self {
            task,
            answering: Answering(Arc::clone(&noted)),
            batches: Batches::of(&consumer),
            consumer,
            outlet,
            noted,
            kafka: config.kafka.clone(),
            state_topic: config.topics.state.clone(),
            ours: BTreeSet::new(),
            held: Vec::new(),
            waiting: Vec::new(),
            stopped: Vec::new(),
            passed: Vec::new(),
            begun_again: BTreeMap::new(),
            orphans: orphans::watch(&config.kafka, T::ROLE, topics)?,
            wait_until: now,
            next_slot: 0,
            paused: false,
            has_more: false,
            waited: 0,
            survived: Survived::default(),
            drain_wait: Duration::from_millis(config.kafka.drain_wait_ms.unsigned_abs()),
            ticked_at: now,
            committed_again_at: now,
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
            match self.next_event() {
                Event::Assigned(partitions) => self.assigned(partitions),
                Event::Revoked { partitions, lost } => self.revoked(&partitions, lost),
                Event::Delivered { receipt, partition, appended_ms } => {
                    self.delivered(receipt, partition, appended_ms);
                }
                Event::NotDelivered { receipt, partition, error } => self.not_delivered(receipt, partition, &error)?,
                Event::GapChecked { gap, accepted } => self.gap_checked(gap, accepted),
                Event::CommitFailed(reason) => self.commit_failed(&reason),
                Event::Trouble(error) => self.trouble(&error)?,
                Event::Tick => self.tick(),
                Event::Quiet => {
                    self.hold_or_go_on();
                    self.read();
                    self.outlet.poll(Duration::ZERO);
                    self.take_waiting();
                    self.begin_waiting();
                }
                Event::Shutdown => break,
            }
        }
        self.leave()
    }

    fn next_event(&mut self) -> Event {
        if let Some(event) = self.noted.next() {
            return event;
        }
        if self.shutdown.is_asked() {
            return Event::Shutdown;
        }
        if self.ticked_at.elapsed() >= TICK_EVERY {
            self.ticked_at = Instant::now();
            return Event::Tick;
        }
        match self.consumer.poll(Duration::ZERO) {
            Some(Err(error)) => Event::Trouble(error),
            Some(Ok(record)) => {
                // Its partition's queue was split before it was assigned.
                tracing::error!(topic = record.topic(), "a record came by the group's own queue");
                Event::Quiet
            }
            // What the poll itself noted comes first.
            None => self.noted.next().unwrap_or(Event::Quiet),
        }
    }

    /// Reads a batch of records, all of it before anything else happens: whatever becomes of their partitions next, the
    /// client counts them as read.
    fn read(&mut self) {
        let mut wait = match (self.has_more, self.paused) {
            (true, _) => Duration::ZERO,
            (false, true) => SHORT_WAIT,
            (false, false) => POLL_WAIT,
        };
        // The clock is looked at once for a batch: a look costs a tenth of what a record does.
        let mut now = None;
        loop {
            match self.batches.next(wait) {
                Some(Ok(record)) => {
                    let now = *now.get_or_insert_with(Instant::now);
                    let waits = take(&mut self.task, &self.consumer, &mut self.held, &self.outlet, &record, now);
                    self.waited += u64::from(waits);
                }
                Some(Err(failed)) => {
                    self.noted.push(Event::Trouble(KafkaError::MessageConsumption(failed.code)));
                }
                None => return,
            }
            wait = Duration::ZERO;
            if !self.batches.has_rest() {
                return;
            }
        }
    }

    /// Takes what waited and may be taken now, earliest first, some at a time so that nothing else waits for it.
    fn take_waiting(&mut self) {
        self.has_more = false;
        let now = Instant::now();
        for _ in 0..MOST_AT_ONCE {
            let waiting = self.held.iter().enumerate().filter(|(_, held)| held.stalled_until.is_none());
            let Some((_, index)) = waiting.filter_map(|(index, held)| Some((held.head_ms()?, index))).min() else {
                return;
            };
            let may = self.held[index].head().is_some_and(|head| self.task.may_take(head, &self.held));
            let still = now.saturating_duration_since(self.task.came_forward_at());
            let due = |held: &Held<T::Shard>| held.stalled_until.is_none() && held.backlog.is_due(still, now);
            let Some(index) = may.then_some(index).or_else(|| self.held.iter().position(due)) else {
                self.task.blocked();
                return;
            };
            let held = &mut self.held[index];
            let Some(record) = held.backlog.pop(!may, now) else { return };
            held.taken_ms = held.taken_ms.max(record.timestamp().to_millis());
            suspects::take(&mut self.task, &self.consumer, &record, held, &self.outlet);
        }
        self.has_more = true;
    }

    fn delivered(&mut self, receipt: usize, partition: i32, appended_ms: Option<i64>) {
        self.outlet.arrived(receipt, partition);
        if receipt == CLOCK {
            self.task.answered(appended_ms.map_or(Answer::Untimed, Answer::Appended));
        }
        if let Some(receipt) = Receipt::unpack(receipt)
            && let Some(held) = self.held.iter_mut().find(|held| held.slot == receipt.slot)
        {
            held.progress.acknowledge(receipt.number);
        }
    }

    fn not_delivered(&mut self, receipt: usize, partition: i32, error: &KafkaError) -> Result<(), Failure> {
        self.outlet.arrived(receipt, partition);
        if let Some(reason) = self.outlet.fatal_error() {
            return Err(Failure::Client { role: T::ROLE, reason });
        }
        self.say(error, "a message was not delivered; what it was made of is read again");
        if receipt == CLOCK {
            self.task.answered(Answer::Lost);
        }
        if let Some(receipt) = Receipt::unpack(receipt)
            && let Some(held) = self.held.iter_mut().find(|held| held.slot == receipt.slot)
        {
            held.stalled_until.get_or_insert_with(|| Instant::now() + RETRY_AFTER);
        }
        Ok(())
    }

    fn trouble(&mut self, error: &KafkaError) -> Result<(), Failure> {
        if let Some((code, reason)) = self.consumer.client().fatal_error() {
            return Err(Failure::Client { role: T::ROLE, reason: format!("{code}: {reason}") });
        }
        if let Some(reason) = self.outlet.fatal_error() {
            return Err(Failure::Client { role: T::ROLE, reason });
        }
        if error.rdkafka_error_code() == Some(RDKafkaErrorCode::AutoOffsetReset) {
            self.stall_before_gaps();
        }
        if is_refusal(error) {
            let reason = self.noted.last_error().map(|(_, reason)| reason).unwrap_or_default();
            let reason = refusal(&reason, error);
            return Err(Failure::Refused { brokers: self.kafka.brokers.clone(), reason });
        }
        self.say(error, "trouble with Kafka; trying on");
        Ok(())
    }

    /// The client does not say which partition's log lacks what is to be read next: those begin again, and the gap is
    /// found there. A moment later, for what was made of them is still under way.
    fn stall_before_gaps(&mut self) {
        let has_gap = |held: &Held<T::Shard>| {
            let log = self.consumer.fetch_watermarks(&held.partition.topic, held.partition.partition, ANSWER_WAIT);
            log.map_or(true, |log| Gap::before(&held.partition, held.read_to, log).is_some())
        };
        let mut concerned: Vec<bool> = self.held.iter().map(has_gap).collect();
        if !concerned.contains(&true) {
            concerned.fill(true);
        }
        let until = Instant::now() + RETRY_AFTER;
        for (held, _) in self.held.iter_mut().zip(concerned).filter(|(_, is_concerned)| *is_concerned) {
            held.stalled_until.get_or_insert(until);
        }
    }

    fn tick(&mut self) {
        self.commit_what_is_done();
        self.begin_stalled_again();
        self.check_stopped();
        self.task.tick(&self.ours, &self.outlet);
        self.begin_silent_again();
        let ours = |partition: &TopicPartition| self.ours.contains(partition);
        orphans::call_for(&self.orphans, &self.consumer, (T::ROLE, &self.task.topics()), ours);
        if self.counted_at.elapsed() >= COUNTERS_EVERY {
            self.counted_at = Instant::now();
            let (in_flight, stopped, waited) = (self.outlet.in_flight(), self.stopped.len(), self.waited);
            tracing::info!(role = T::ROLE, in_flight, stopped, waited, counters = %self.task.counters(), "counted");
        }
    }

    /// A partition is not read on while too much is under way, or while too many of its records wait.
    fn hold_or_go_on(&mut self) {
        let in_flight = self.outlet.in_flight();
        if in_flight > MOST_IN_FLIGHT {
            self.paused = true;
        } else if in_flight < MOST_IN_FLIGHT / 2 {
            self.paused = false;
        }
        for held in &mut self.held {
            if let Some(hold) = held.backlog.turn(self.paused) {
                // What is held on purpose is not silent.
                held.read_at = Instant::now();
                self.batches.hold(&held.partition.topic, held.partition.partition, hold);
            }
        }
    }

    fn say(&mut self, error: &KafkaError, what: &'static str) {
        if self.trouble.is_due() {
            let reason = self.noted.last_error().map(|(_, reason)| reason).unwrap_or_default();
            tracing::warn!(role = T::ROLE, %error, reason, "{what}");
        }
    }
}

/// Takes a record that was read at `now`, or puts it behind those that wait; whether it waits.
fn take<T: Task>(
    task: &mut T,
    consumer: &EventConsumer,
    held: &mut [Held<T::Shard>],
    outlet: &Outlet,
    record: &Fetched<'_>,
    now: Instant,
) -> bool {
    let is_its = |held: &Held<T::Shard>| {
        held.partition.partition == record.partition() && *held.partition.topic == *record.topic()
    };
    // A record of a partition that was just given up, or that is to be begun again, is read again by whoever begins
    // it.
    let Some(index) = held.iter().position(is_its).filter(|index| held[*index].stalled_until.is_none()) else {
        return false;
    };
    held[index].read_to = record.offset() + 1;
    held[index].read_at = now;
    let timestamp_ms = record.timestamp().to_millis().unwrap_or(i64::MIN);
    let place = Place { partition: &held[index].partition, offset: record.offset(), timestamp_ms };
    let waits = held[index].has_waiting() || !task.may_take(place, held);
    if waits {
        held[index].backlog.push(owned(record), now);
    } else {
        let held = &mut held[index];
        held.taken_ms = held.taken_ms.max(record.timestamp().to_millis());
        suspects::take(task, consumer, record, held, outlet);
    }
    waits
}

/// A copy that may wait.
fn owned(record: &Fetched<'_>) -> OwnedMessage {
    OwnedMessage::new(
        record.payload().map(<[u8]>::to_vec),
        record.key().map(<[u8]>::to_vec),
        record.topic().to_owned(),
        record.timestamp(),
        record.partition(),
        record.offset(),
        record.headers().cloned(),
    )
}
