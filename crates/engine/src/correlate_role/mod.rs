//! The correlate role: signals in, decisions out, exactly once; one shard for each partition, which nobody else writes.
//!
//! Here is the group's side: partitions come and go, and each that is ours has a seat ([`seat`]), a thread that holds
//! its shard. A shard ([`shard`]) goes on from the state that its predecessor wrote, and writes by transactions what it
//! consumed, decided and remembers ([`ledger`]), on Kafka ([`kafka_ledger`]). Whatever goes wrong, the seat is left and
//! taken again from what the log says. A reader of its own ([`read_back`]) sees to it that what was published is there.

mod calls;
pub mod counters;
mod hanging;
pub mod header;
pub mod kafka_ledger;
pub mod ledger;
pub mod mark;
pub mod outbox;
pub mod pace;
pub mod read_back;
pub mod replays;
pub mod seat;
pub mod shard;
mod silence;
pub mod standby;
pub mod tails;
mod writing;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::config::Config;
use crate::events::{Answering, Event, Noted, TopicPartition};
use crate::failure::Failure;
use crate::gaps::Gap;
use crate::kafka::{EventConsumer, consumer, ends_reader, is_refusal, list_of, refusal};
use crate::kill_points;
use crate::orphans::{self, Orphans};
use crate::service::Shutdown;
use crate::sources::Rules;
use crate::worker::Rarely;

use counters::Counters;
use kafka_ledger::STEP_WAIT;
use ledger::Trouble;
use pace::Room;
use read_back::{News, ReadBack};
use seat::{Office, Report, Seat, pause_after};
use standby::Standby;
use standby::follower::Follower;
use tails::Tails;

/// The role's word: its group is `<group>.correlate`.
pub const ROLE: &str = "correlate";

/// How long a poll of the group waits: assignments and the beginnings of shards wait as long.
const POLL_WAIT: Duration = Duration::from_millis(5);
/// How often the counters are logged.
const COUNTERS_EVERY: Duration = Duration::from_secs(20);

/// How long beyond its own limit a call of the client may take before it counts as never coming back.
const OVERDUE: Duration = Duration::from_secs(2);
/// So many threads may sit in such calls; with more, the process ends, and its supervisor starts a whole one.
const MOST_STUCK: usize = 8;

/// The role at work.
struct Correlation<'a> {
    // Dropped in this order.
    answering: Answering,
    office: Office,
    noted: Arc<Noted>,
    reports: Receiver<Report>,
    news: Receiver<News>,
    orphans: Receiver<Orphans>,
    seats: Vec<Seat>,
    /// Seats whose thread does not come back from a call of the client; their partitions have others.
    stuck: Vec<Seat>,
    /// When the loop last looked for such, and since when it looks without a pause.
    looked_at: Instant,
    went_on_at: Instant,
    next_seat: u64,
    counters: Counters,
    drain_wait: Duration,
    counted_at: Instant,
    trouble: Rarely,
    shutdown: &'a Shutdown,
}

/// Correlates until the shutdown is asked for; what was counted.
///
/// # Errors
/// It cannot start, or cannot go on.
pub fn run(config: &Config, rules: Rules, shutdown: &Shutdown) -> Result<serde_json::Value, Failure> {
    let read_back = ReadBack::at_end(&config.kafka, &config.topics.decisions)?;
    let standby = Standby::with_room(config.standby_bytes);
    let follow = || Follower::new(&config.kafka, &config.topics.state, &standby);
    let follower = standby.has_room().then(follow).transpose()?;
    let ended = AtomicBool::new(false);
    let (tell, news) = channel();
    thread::scope(|scope| {
        let _end = End(&ended);
        scope.spawn(|| read_back.run(&tell, &ended));
        if let Some(follower) = follower {
            scope.spawn(|| follower.run(&ended));
        }
        Correlation::join(config, rules, news, standby, shutdown).and_then(Correlation::run)
    })
}

/// Ends the readers beside the role with it, however it ends: a panic too waits for them.
struct End<'e>(&'e AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

impl<'a> Correlation<'a> {
    fn join(
        config: &Config,
        rules: Rules,
        news: Receiver<News>,
        standby: Standby,
        shutdown: &'a Shutdown,
    ) -> Result<Self, Failure> {
        let noted = Arc::new(Noted::default());
        let consumer = Arc::new(consumer(&config.kafka, ROLE, &noted)?);
        let topic = config.topics.signals.as_str();
        consumer.subscribe(&[topic]).map_err(|error| Failure::of_client(ROLE, &error))?;
        let (report, reports) = channel();
        let office = Office {
            kafka: config.kafka.clone(),
            topics: config.topics.clone(),
            rules,
            consumer,
            ends: Arc::new(ends_reader(&config.kafka)?),
            reports: report,
            began: Instant::now(),
            survived: Arc::default(),
            tails: Tails::default(),
            standby,
        };
        Ok(Self {
            answering: Answering(Arc::clone(&noted)),
            office,
            noted,
            reports,
            news,
            orphans: orphans::watch(&config.kafka, ROLE, vec![topic.to_owned()])?,
            seats: Vec::new(),
            stuck: Vec::new(),
            looked_at: Instant::now(),
            went_on_at: Instant::now(),
            next_seat: 0,
            counters: Counters::default(),
            drain_wait: Duration::from_millis(config.kafka.drain_wait_ms.unsigned_abs()),
            counted_at: Instant::now(),
            trouble: Rarely::default(),
            shutdown,
        })
    }

    fn consumer(&self) -> &EventConsumer {
        &self.office.consumer
    }

    fn run(mut self) -> Result<serde_json::Value, Failure> {
        while !self.shutdown.is_asked() {
            match self.next_event() {
                Event::Assigned(partitions) => self.assigned(partitions),
                Event::Revoked { partitions, lost } => self.revoked(&partitions, lost),
                Event::Trouble(error) => self.say(&error)?,
                // Records come by the queues of the seats; offsets go by their transactions.
                _ => {}
            }
            while let Ok(report) = self.reports.try_recv() {
                self.reported(report)?;
            }
            while let Ok(news) = self.news.try_recv() {
                self.seats.iter().for_each(|seat| seat.tell(&news));
            }
            self.leave_stuck()?;
            let is_ours = |first: &TopicPartition| self.seats.iter().any(|seat| seat.partition == *first);
            let topics = [self.office.topics.signals.clone()];
            orphans::call_for(&self.orphans, self.consumer(), (ROLE, &topics), is_ours);
            if self.counted_at.elapsed() >= COUNTERS_EVERY {
                self.counted_at = Instant::now();
                tracing::info!(role = ROLE, seats = self.seats.len(), counters = %self.counted(), "counted");
                // Where a partition cannot begin, nobody else would.
                self.office.tails.forget();
            }
        }
        self.leave()
    }

    fn next_event(&self) -> Event {
        if let Some(event) = self.noted.next() {
            return event;
        }
        match self.consumer().poll(POLL_WAIT) {
            Some(Err(error)) => Event::Trouble(error),
            Some(Ok(record)) => {
                // Its partition's queue was split before it was assigned.
                tracing::error!(topic = record.topic(), "a record came by the group's own queue");
                Event::Quiet
            }
            // What the poll itself noted comes before anything that touches the assignment.
            None => self.noted.next().unwrap_or(Event::Quiet),
        }
    }

    /// The handover is answered at once; each partition is read as soon as its shard has begun.
    fn assigned(&mut self, partitions: Vec<TopicPartition>) {
        tracing::info!(role = ROLE, partitions = %names(&partitions), "assigned");
        self.answer(self.consumer().incremental_assign(&TopicPartitionList::new()));
        let held = self.seats.iter().map(|seat| &seat.partition);
        self.office.standby.own(held.chain(&partitions).map(|held| held.partition));
        for partition in partitions {
            self.take_seat(partition, Duration::ZERO, Room::default());
        }
    }

    fn take_seat(&mut self, partition: TopicPartition, wait: Duration, room: Room) {
        self.next_seat += 1;
        match Seat::take(self.next_seat, partition, &self.office, wait, room) {
            Ok(seat) => self.seats.push(seat),
            // The supervisor starts the process anew.
            Err(reason) => panic!("a partition cannot be held: {reason}"),
        }
    }

    /// Leaves seats to the threads that do not come back, and takes new ones for their partitions.
    fn leave_stuck(&mut self) -> Result<(), Failure> {
        let (before, now) = (std::mem::replace(&mut self.looked_at, Instant::now()), Instant::now());
        if now - before > OVERDUE / 2 {
            // The process stood still, and so did every call.
            self.went_on_at = now;
        }
        if self.went_on_at.elapsed() < OVERDUE {
            return Ok(());
        }
        let is_stuck = |seat: &Seat| seat.calls.under_way() > STEP_WAIT + OVERDUE;
        while let Some(place) = self.seats.iter().position(is_stuck) {
            let seat = self.seats.swap_remove(place);
            // Before anything else: it may come back any moment, and must not read what another one reads.
            seat.let_go();
            let (partition, after) = (seat.partition.clone(), seat.calls.under_way());
            tracing::error!(%partition, ?after, "ALARM: a call of the client does not come back; another shard begins");
            if seat.is_reading {
                self.answer(self.consumer().incremental_unassign(&list_of([&partition])));
            }
            self.counters.add(&seat.counters);
            self.stuck.push(seat);
            if self.stuck.len() > MOST_STUCK {
                let reason = format!("{} shards sit in calls that do not come back", self.stuck.len());
                return Err(Failure::Client { role: ROLE, reason });
            }
            self.take_seat(partition, Duration::ZERO, Room::default());
        }
        Ok(())
    }

    fn revoked(&mut self, partitions: &[TopicPartition], lost: bool) {
        tracing::info!(role = ROLE, partitions = %names(partitions), lost, "revoked");
        let (leaving, staying): (Vec<Seat>, _) =
            std::mem::take(&mut self.seats).into_iter().partition(|seat| partitions.contains(&seat.partition));
        self.seats = staying;
        self.close(&leaving, lost);
        self.office.standby.own(self.seats.iter().map(|seat| seat.partition.partition));
        kill_points::pass("given-up");
    }

    /// Lets seats write what they have taken, within the configured time; then their partitions are let go.
    fn close(&self, leaving: &[Seat], lost: bool) {
        for seat in leaving {
            if lost { seat.let_go() } else { seat.finish() }
        }
        let deadline = Instant::now() + self.drain_wait;
        while leaving.iter().any(|seat| !seat.has_ended()) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(1));
        }
        for seat in leaving.iter().filter(|seat| !seat.has_ended()) {
            // It can do no harm: whoever holds the partition next ends its transaction before reading anything.
            tracing::warn!(partition = %seat.partition, "a shard did not end in time; its last transaction is left to the next member");
            seat.let_go();
        }
        let read = leaving.iter().filter(|seat| seat.is_reading).map(|seat| &seat.partition);
        self.answer(self.consumer().incremental_unassign(&list_of(read)));
    }

    fn answer(&self, result: Result<(), KafkaError>) {
        if let Err(error) = result {
            // The group takes the partitions from us after the session's time, and the next member begins them.
            tracing::error!(role = ROLE, %error, "a handover was not answered");
        }
    }

    fn reported(&mut self, report: Report) -> Result<(), Failure> {
        match report {
            Report::Begun { seat, offset } => {
                let Some(seat) = self.seats.iter_mut().find(|held| held.number == seat) else { return Ok(()) };
                tracing::info!(role = ROLE, partition = %seat.partition, offset, "begun");
                seat.is_reading = true;
                let mut list = TopicPartitionList::new();
                let TopicPartition { topic, partition } = &seat.partition;
                let added = list.add_partition_offset(topic, *partition, Offset::Offset(offset));
                let assigned = added.and_then(|()| self.office.consumer.incremental_assign(&list));
                self.answer(assigned);
                if self.seats.iter().all(|seat| seat.is_reading) {
                    self.office.tails.forget();
                }
            }
            Report::Counted { seat, counters } => {
                if let Some(seat) = self.seats.iter_mut().find(|held| held.number == seat) {
                    seat.counters = *counters;
                }
            }
            Report::Ended { seat, trouble, counters, room } => {
                if let Some(place) = self.stuck.iter().position(|stuck| stuck.number == seat) {
                    // Its counters were added when it was left.
                    self.stuck.swap_remove(place);
                    return Ok(());
                }
                self.counters.add(&counters);
                let Some(place) = self.seats.iter().position(|held| held.number == seat) else { return Ok(()) };
                let seat = self.seats.swap_remove(place);
                let trouble = trouble.unwrap_or_else(|| Trouble::Anew("it ended by itself".to_owned()));
                if seat.is_reading {
                    self.answer(self.consumer().incremental_unassign(&list_of([&seat.partition])));
                }
                self.troubled(&seat.partition, &trouble)?;
                self.take_seat(seat.partition, pause_after(&trouble), room);
            }
        }
        Ok(())
    }

    /// What keeps a partition from going on is said loudly; what keeps all of them ends the process.
    fn troubled(&self, partition: &TopicPartition, trouble: &Trouble) -> Result<(), Failure> {
        match trouble {
            Trouble::Anew(reason) => tracing::warn!(%partition, reason, "the shard begins anew from the log"),
            Trouble::Gap { next, low, high } => {
                let command = Gap::before(partition, *next, (*low, *high)).map(|gap| gap.command()).unwrap_or_default();
                tracing::error!(%partition, command, "ALARM: stopped, the others go on: {trouble}");
            }
            Trouble::Open(_) => tracing::error!(%partition, "ALARM: stopped, the others go on: {trouble}"),
            Trouble::Refused(reason) => {
                let (brokers, reason) = (self.office.kafka.brokers.clone(), reason.clone());
                return Err(Failure::Refused { brokers, reason });
            }
            Trouble::Unusable(reason) => return Err(Failure::of_configuration("state", reason.clone())),
        }
        Ok(())
    }

    fn say(&mut self, error: &KafkaError) -> Result<(), Failure> {
        if let Some((code, reason)) = self.consumer().client().fatal_error() {
            return Err(Failure::Client { role: ROLE, reason: format!("{code}: {reason}") });
        }
        let reason = self.noted.last_error().map(|(_, reason)| reason).unwrap_or_default();
        if is_refusal(error) {
            return Err(Failure::Refused {
                brokers: self.office.kafka.brokers.clone(),
                reason: refusal(&reason, error),
            });
        }
        if self.trouble.is_due() {
            tracing::warn!(role = ROLE, %error, reason, "trouble with Kafka; trying on");
        }
        Ok(())
    }

    fn counted(&self) -> serde_json::Value {
        let mut all = self.counters;
        self.seats.iter().for_each(|seat| all.add(&seat.counters));
        serde_json::to_value(all).expect("counters are plain numbers")
    }

    fn leave(mut self) -> Result<serde_json::Value, Failure> {
        tracing::info!(role = ROLE, "ending: what was taken is written");
        let seats = std::mem::take(&mut self.seats);
        self.close(&seats, false);
        drop(seats);
        while let Ok(report) = self.reports.try_recv() {
            if let Report::Ended { counters, .. } = report {
                self.counters.add(&counters);
            }
        }
        let counters = self.counted();
        drop(self.answering);
        // A handover that came meanwhile is answered by letting go.
        while let Some(event) = self.noted.next() {
            match event {
                Event::Assigned(_) => {
                    let _ = self.office.consumer.incremental_assign(&TopicPartitionList::new());
                }
                Event::Revoked { .. } => {
                    let _ = self.office.consumer.incremental_unassign(&TopicPartitionList::new());
                }
                _ => {}
            }
        }
        // The last one to hold the consumer leaves the group: the others need not wait for the session's time.
        drop(self.office);
        tracing::info!(role = ROLE, counters = %counters, "ended");
        Ok(counters)
    }
}

fn names(partitions: &[TopicPartition]) -> String {
    partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
