//! A partition that is ours: one thread that begins its shard, reads its queue and writes its transactions.
//!
//! A transaction with a decision in it is written at once ([`pace`](super::pace)); what arrives while it is being
//! written joins the next one. Seats share the clients of the group, what they looked through when they began, what was
//! read along of others' state, and what records the process has survived.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message as _;

use super::calls::Calls;
use super::counters::Counters;
use super::header;
use super::kafka_ledger::KafkaLedger;
use super::ledger::Trouble;
use super::pace::{Moment, Pace, Room};
use super::read_back::News;
use super::shard::{Beginning, Incoming, Shard, other_number};
use super::silence::Silence;
use super::standby::Standby;
use super::tails::Tails;
use crate::attempts::{self, Attempt, Attempts, Entry, Survived};
use crate::batches::Batches;
use crate::config::{Kafka, Topics};
use crate::events::{Context, TopicPartition};
use crate::gaps::{self, Gap};
use crate::kafka::{ANSWER_WAIT, EventConsumer, partition_count};
use crate::kill_points;
use crate::notes::Notes;
use crate::sources::Rules;
use crate::time_of_day;

/// How long the queue is waited for while nothing else is to be done; orders wait as long.
const QUEUE_WAIT: Duration = Duration::from_millis(20);
/// How long after trouble a shard begins anew.
const ANEW_AFTER: Duration = Duration::from_millis(500);
/// How often a seat says what was counted.
const TELL_EVERY: Duration = Duration::from_secs(1);

/// What every seat of a process needs.
#[derive(Clone)]
pub struct Office {
    /// The connection.
    pub kafka: Kafka,
    /// The topics.
    pub topics: Topics,
    /// Registry and policy.
    pub rules: Rules,
    /// The group's consumer.
    pub consumer: Arc<EventConsumer>,
    /// Sees the ends of logs.
    pub ends: Arc<EventConsumer>,
    /// Where seats say what became of them.
    pub reports: Sender<Report>,
    /// When the process began: its monotonic clock.
    pub began: Instant,
    /// Where partitions were begun here.
    pub survived: Arc<Survived>,
    /// What its shards have looked through.
    pub tails: Tails,
    /// What was read along of others' state.
    pub standby: Standby,
}

impl Office {
    fn now_ms(&self) -> i64 {
        i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX)
    }
}

/// What a seat says.
#[derive(Debug)]
pub enum Report {
    /// Its shard has begun: its queue is to be filled from this offset on.
    Begun {
        /// Which assignment of the partition.
        seat: u64,
        /// The offset of the next signal.
        offset: i64,
    },
    /// What was counted so far.
    Counted {
        /// Which assignment of the partition.
        seat: u64,
        /// What was counted since it began.
        counters: Box<Counters>,
    },
    /// It ended, as it was told or in trouble.
    Ended {
        /// Which assignment of the partition.
        seat: u64,
        /// Why, if not as it was told.
        trouble: Option<Trouble>,
        /// What was counted.
        counters: Box<Counters>,
        /// How much is to go into the next one's transactions.
        room: Room,
    },
}

const GO_ON: u8 = 0;
const FINISH: u8 = 1;
const LET_GO: u8 = 2;

/// A seat as the role's loop sees it.
pub struct Seat {
    /// Its number: another assignment of the partition has another.
    pub number: u64,
    /// Its partition.
    pub partition: TopicPartition,
    /// Whether its queue is being filled.
    pub is_reading: bool,
    /// What its shard last said that it had counted.
    pub counters: Counters,
    /// The calls of its thread that may not come back.
    pub calls: Calls,
    orders: Arc<AtomicU8>,
    news: Sender<News>,
    thread: JoinHandle<()>,
}

impl Seat {
    /// Begins the shard of a partition on a thread of its own, after `wait`; its first transactions hold as much as
    /// `room` says.
    ///
    /// # Errors
    /// The client has no queue for it, or the system no thread.
    pub fn take(
        number: u64,
        partition: TopicPartition,
        office: &Office,
        wait: Duration,
        room: Room,
    ) -> Result<Self, String> {
        // Before the partition is assigned, so that none of its records goes to the group's own queue.
        let mut queue = Batches::of(&office.consumer);
        if !queue.add(&partition.topic, partition.partition) {
            return Err(format!("{partition} has no queue"));
        }
        let orders = Arc::new(AtomicU8::new(GO_ON));
        let (news, of_read_back) = channel();
        let calls = Calls::none();
        let mut holder = Holder {
            number,
            partition: partition.clone(),
            office: office.clone(),
            orders: Arc::clone(&orders),
            calls: calls.clone(),
            of_read_back,
            counters: Counters::default(),
            told_at: Instant::now(),
            room,
        };
        let run = move || holder.run(queue, wait);
        let name = format!("shard {}", partition.partition);
        let thread = std::thread::Builder::new().name(name).spawn(run).map_err(|error| error.to_string())?;
        let counters = Counters::default();
        Ok(Self { number, partition, is_reading: false, counters, calls, orders, news, thread })
    }

    /// Tells it to write what it has taken, and to end.
    pub fn finish(&self) {
        self.orders.fetch_max(FINISH, Ordering::Release);
    }

    /// Tells it to end at once: somebody else has the partition already.
    pub fn let_go(&self) {
        self.orders.fetch_max(LET_GO, Ordering::Release);
    }

    /// Tells it what was seen.
    pub fn tell(&self, news: &News) {
        // A seat that has ended needs no news.
        let _ = self.news.send(news.clone());
    }

    /// Whether its thread has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.thread.is_finished()
    }
}

/// The thread's own side.
struct Holder {
    number: u64,
    partition: TopicPartition,
    office: Office,
    orders: Arc<AtomicU8>,
    calls: Calls,
    of_read_back: Receiver<News>,
    counters: Counters,
    told_at: Instant,
    room: Room,
}

impl Holder {
    fn run(&mut self, mut queue: Batches<Context>, wait: Duration) {
        let began = Instant::now();
        while began.elapsed() < wait && self.ordered() == GO_ON {
            std::thread::sleep(QUEUE_WAIT.min(wait));
        }
        let trouble = self.hold(&mut queue).err();
        // Before anybody takes the seat again, with the same queue.
        drop(queue);
        // The loop may have ended before us.
        let (counters, room) = (Box::new(self.counters), self.room);
        let _ = self.office.reports.send(Report::Ended { seat: self.number, trouble, counters, room });
    }

    /// Says now and then what was counted.
    fn tell(&mut self, shard: &Shard) {
        if self.told_at.elapsed() >= TELL_EVERY {
            self.told_at = Instant::now();
            let counted = Report::Counted { seat: self.number, counters: Box::new(*shard.counters()) };
            // The loop may have ended before us.
            let _ = self.office.reports.send(counted);
        }
    }

    fn ordered(&self) -> u8 {
        self.orders.load(Ordering::Acquire)
    }

    fn hold(&mut self, queue: &mut Batches<Context>) -> Result<(), Trouble> {
        if self.ordered() != GO_ON {
            return Ok(());
        }
        let Office { kafka, topics, consumer, ends, .. } = &self.office;
        let mut ledger = KafkaLedger::new(kafka, topics, &self.partition, consumer, ends)
            .watched_by(&self.calls)
            .together_with(&self.office.tails)
            .standing_by(&self.office.standby);
        let rules = &self.office.rules;
        // Made early: it finds the brokers while the state is read.
        let notes = Notes::new(kafka, &topics.state, self.partition.partition);
        let notes = notes.map_err(|failure| Trouble::Unusable(failure.to_string()))?;
        let mut beginning = self.beginning()?;
        self.require_number(beginning.partitions, &mut ledger)?;
        let mut shard = match Shard::begin(&mut ledger, rules, &beginning) {
            Err(Trouble::Gap { next, low, high }) => {
                beginning.accepted_gap_to = self.accepted(next, (low, high))?;
                Shard::begin(&mut ledger, rules, &beginning)?
            }
            begun => begun?,
        };
        // It took as long as the state is large; what is to be seen in time is counted from here on.
        shard.begun(self.office.now_ms());
        let mut watch = self.watch(&mut shard, beginning.log.1, notes)?;
        let begun = Report::Begun { seat: self.number, offset: shard.next_offset() };
        if self.office.reports.send(begun).is_err() {
            return Ok(());
        }
        let result = self.work(queue, &mut shard, &mut ledger, &mut watch);
        self.counters = *shard.counters();
        result
    }

    fn beginning(&self) -> Result<Beginning, Trouble> {
        let TopicPartition { topic, partition } = &self.partition;
        let log = self.office.ends.fetch_watermarks(topic, *partition, ANSWER_WAIT);
        let log = log.map_err(|error| Trouble::Anew(format!("ends of {}: {error}", self.partition)))?;
        Ok(Beginning {
            deployment: self.office.kafka.group.clone(),
            partitions: self.partitions()?,
            partition: self.partition.to_string(),
            log,
            accepted_gap_to: None,
            now_ms: self.office.now_ms(),
        })
    }

    /// A partition without any state may be one that was added: its regions' records stand elsewhere then, and it must
    /// not begin without them. The first partition knows.
    fn require_number(&self, partitions: i32, ledger: &mut KafkaLedger) -> Result<(), Trouble> {
        let Office { topics, ends, .. } = &self.office;
        let own = ends.fetch_watermarks(&topics.state, self.partition.partition, ANSWER_WAIT);
        let (low, high) = own.map_err(|error| Trouble::Anew(format!("ends of {}: {error}", topics.state)))?;
        if self.partition.partition == 0 || low < high {
            return Ok(());
        }
        match header::read(&ledger.state_of(0)?)? {
            Some(header) if header.partitions != partitions => {
                Err(other_number(&self.partition.to_string(), header.partitions, partitions))
            }
            _ => Ok(()),
        }
    }

    /// Where to go on behind a gap, if somebody accepted it.
    fn accepted(&self, next: i64, log: (i64, i64)) -> Result<Option<i64>, Trouble> {
        let Some(gap) = Gap::before(&self.partition, next, log) else { return Ok(None) };
        gaps::accepted(&self.office.kafka, &self.office.topics.state, &gap).map_err(Trouble::Anew)
    }

    fn partitions(&self) -> Result<i32, Trouble> {
        let topic = &self.partition.topic;
        let count = partition_count(&self.office.ends, topic);
        let count = count.map_err(|error| Trouble::Anew(format!("partitions of {topic}: {error}")))?;
        count.ok_or_else(|| Trouble::Anew(format!("{topic} is not there")))
    }

    /// Writes down that the partition begins here, before any of its records can end the process.
    /// `end`: that of the log when the shard was begun, which is all that an attempt before it can have taken.
    fn watch(&self, shard: &mut Shard, end: i64, notes: Notes) -> Result<Watch, Trouble> {
        let (from, before) = (shard.next_offset(), shard.take_attempt().and_then(|bytes| Attempt::read(&bytes)));
        let before = self.office.survived.sort_out(&self.partition, from, before);
        let attempts = Attempts::after(before, from, end);
        notes.write(attempts::KEY, &attempts.record()).map_err(Trouble::Anew)?;
        let notes = attempts.suspects_any().then_some(notes);
        if notes.is_some() {
            tracing::warn!(partition = %self.partition, "the last attempt came no further: records are taken a few at a time");
        }
        Ok(Watch { attempts, notes })
    }

    fn work(
        &mut self,
        queue: &mut Batches<Context>,
        shard: &mut Shard,
        ledger: &mut KafkaLedger,
        watch: &mut Watch,
    ) -> Result<(), Trouble> {
        let mut pace = Pace::new(self.office.now_ms(), self.room);
        let mut silence = Silence::new();
        loop {
            let wait = pace.wait(shard, self.office.now_ms(), QUEUE_WAIT);
            let (taken, alone) =
                if self.ordered() == GO_ON { self.take(queue, shard, watch, (wait, &pace))? } else { (0, false) };
            while let Ok(news) = self.of_read_back.try_recv() {
                match news {
                    News::Seen(decision) => shard.seen(&decision),
                    News::Looked(ends) => shard.looked(&ends),
                }
            }
            silence.listen(taken, shard.next_offset(), &self.office.ends, &self.partition)?;
            let ordered = self.ordered();
            if ordered == LET_GO {
                return Ok(());
            }
            let is_last = ordered == FINISH;
            if is_last {
                shard.let_go();
            }
            self.tell(shard);
            let is_last_for_now = is_last || alone;
            let (now_ms, time_of_day_ms) = (self.office.now_ms(), time_of_day::now_ms());
            let moment = Moment { now_ms, time_of_day_ms, taken, is_last: is_last_for_now };
            let written = pace.write(shard, ledger, &moment);
            self.room = pace.room();
            written?;
            if is_last {
                return Ok(());
            }
        }
    }

    /// Takes what is there, as many as there is room for; how many records, and whether the last of them is to be alone
    /// in its transaction.
    fn take(
        &self,
        queue: &mut Batches<Context>,
        shard: &mut Shard,
        watch: &mut Watch,
        (mut wait, pace): (Duration, &Pace),
    ) -> Result<(usize, bool), Trouble> {
        let mut taken = 0;
        // Who was let go leaves the queue to another.
        while self.ordered() != LET_GO
            && let Some(read) = queue.next(wait)
        {
            wait = Duration::ZERO;
            match read {
                Ok(record) => {
                    let payload = record.payload().unwrap_or_default();
                    let incoming = Incoming { offset: record.offset(), payload, key: record.key() };
                    taken += 1;
                    let entry = watch.attempts.enter(incoming.offset);
                    if entry != Entry::Free {
                        self.take_suspect(&incoming, entry, shard, watch)?;
                        if entry == Entry::Condemned || watch.attempts.ends_with(incoming.offset) {
                            return Ok((taken, true));
                        }
                    } else {
                        kill_points::taking(payload);
                        shard.take(&incoming);
                    }
                }
                Err(failed) if failed.code == RDKafkaErrorCode::AutoOffsetReset => {
                    let (low, high) = self.beginning()?.log;
                    return Err(Trouble::Gap { next: shard.next_offset(), low, high });
                }
                Err(failed) => {
                    let (partition, code) = (&self.partition, failed.code);
                    tracing::debug!(%partition, %code, "trouble with reading; trying on");
                }
            }
            if pace.has_no_room(shard, taken) {
                break;
            }
        }
        Ok((taken, false))
    }

    /// Takes a record that may have ended the process, unless nobody survives it.
    fn take_suspect(
        &self,
        record: &Incoming<'_>,
        entry: Entry,
        shard: &mut Shard,
        watch: &Watch,
    ) -> Result<(), Trouble> {
        if entry == Entry::Condemned {
            let (partition, offset) = (&self.partition, record.offset);
            tracing::error!(%partition, offset, "ALARM: a record that nobody survives goes to the dead letters");
            shard.condemn(record);
            return Ok(());
        }
        if let (Entry::WriteDown, Some(notes)) = (entry, &watch.notes) {
            notes.write(attempts::KEY, &watch.attempts.record()).map_err(Trouble::Anew)?;
        }
        kill_points::taking(record.payload);
        shard.take(record);
        Ok(())
    }
}

/// What is written down of attempts, while any record is suspect.
struct Watch {
    attempts: Attempts,
    notes: Option<Notes>,
}

/// How long after trouble a seat is to be taken again.
#[must_use]
pub const fn pause_after(trouble: &Trouble) -> Duration {
    match trouble {
        Trouble::Anew(_) => ANEW_AFTER,
        // Somebody has to do something first.
        Trouble::Gap { .. } | Trouble::Open(_) | Trouble::Refused(_) | Trouble::Unusable(_) => Duration::from_secs(10),
    }
}
