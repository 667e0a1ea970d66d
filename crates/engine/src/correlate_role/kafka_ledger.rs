//! The ledger of a partition on Kafka: transactions of ids of its own, used strictly in turn, and the state topic.
//!
//! The ids are made of group, topic and partition, so that whoever holds the partition next has the same ones: its
//! `init_transactions` ends what we left open, and from then on the broker takes nothing of ours any more. Several ids
//! in turn let the broker finish one transaction while the next is written; each still ends before the next begins.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{Consumer, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message as _};
use rdkafka::producer::Producer;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::ROLE;
use super::calls::Calls;
use super::hanging::{self, HANGING_AFTER, Hidden};
use super::ledger::{Committed, Ledger, Since, StateRecords, Transaction, Trouble, Visible};
use super::mark;
use super::standby::{Followed, Standby};
use super::tails::Tails;
use super::writing::{self, GivenUp, TransactionalProducer};
use crate::config::{Kafka, Topics};
use crate::events::TopicPartition;
use crate::kafka::{
    ANSWER_WAIT, EventConsumer, committed_texts, is_refusal, partition_count, refusal, transactional, whole_reader,
};
use crate::kill_points;

/// Transactional ids of one partition, used in turn.
const IDS: usize = 4;
/// How long each step of a transaction may take before its outcome counts as unknown.
pub(super) const STEP_WAIT: Duration = Duration::from_secs(10);
/// How long a predecessor's open transaction may take to end.
const FENCE_WAIT: Duration = Duration::from_secs(30);
/// How long a topic may be silent before its end before reading it counts as failed.
const SILENCE_LIMIT: Duration = Duration::from_secs(20);
/// How long the tail of decisions waits for transactions of other partitions to end.
const TAIL_WAIT: Duration = Duration::from_secs(3);
/// How often a long restore says how far it is.
const SAY_EVERY: Duration = Duration::from_secs(5);

/// The ledger of one partition of the signals topic.
pub struct KafkaLedger {
    kafka: Kafka,
    topics: Topics,
    partition: TopicPartition,
    /// The group's consumer: whose offsets are committed, as which member.
    consumer: Arc<EventConsumer>,
    /// Sees uncommitted records too: the ends of logs.
    ends: Arc<EventConsumer>,
    producers: Vec<TransactionalProducer>,
    turn: usize,
    /// Where on the dispatch topic transactions stood open when something was published again: partitions and offsets.
    tried: BTreeSet<(i32, i64)>,
    /// Reads whole logs; one for all that is read, for a new one first has to find the brokers.
    reader: Option<EventConsumer>,
    calls: Calls,
    tails: Tails,
    standby: Standby,
}

impl KafkaLedger {
    /// The ledger of `partition`; the clients that write are made when it is fenced.
    #[must_use]
    pub fn new(
        kafka: &Kafka,
        topics: &Topics,
        partition: &TopicPartition,
        consumer: &Arc<EventConsumer>,
        ends: &Arc<EventConsumer>,
    ) -> Self {
        Self {
            kafka: kafka.clone(),
            topics: topics.clone(),
            partition: partition.clone(),
            consumer: Arc::clone(consumer),
            ends: Arc::clone(ends),
            producers: Vec::new(),
            turn: 0,
            tried: BTreeSet::new(),
            reader: None,
            calls: Calls::none(),
            tails: Tails::default(),
            standby: Standby::default(),
        }
    }

    /// The same, with somebody watching the calls that may not come back.
    #[must_use]
    pub(super) fn watched_by(self, calls: &Calls) -> Self {
        Self { calls: calls.clone(), ..self }
    }

    /// The same, looking decisions through together with others.
    #[must_use]
    pub fn together_with(self, tails: &Tails) -> Self {
        Self { tails: tails.clone(), ..self }
    }

    /// The same, going on from what was read along of its state.
    #[must_use]
    pub fn standing_by(self, standby: &Standby) -> Self {
        Self { standby: standby.clone(), ..self }
    }

    fn transactional_id(&self, number: usize) -> String {
        format!("{}.correlate.{}.{}.{number}", self.kafka.group, self.partition.topic, self.partition.partition)
    }

    fn number(&self) -> i32 {
        self.partition.partition
    }

    /// What is hidden in these partitions by transactions that stay open, after what may hang of our own was ended
    /// ([`hanging`]); `wait` is for them to end, `is_state` says that all of it is our own.
    fn hidden(
        &self,
        reader: &EventConsumer,
        topic: &str,
        partitions: &[i32],
        (wait, is_state): (Duration, bool),
    ) -> Result<Hidden, Trouble> {
        let look = |partitions, wait| hanging::look((reader, &self.ends), topic, partitions, wait);
        let first = look(partitions.to_vec(), Duration::ZERO)?;
        if first.is_empty() {
            return Ok(first);
        }
        let open = look(first.keys().copied().collect(), HANGING_AFTER.min(wait))?;
        let stands = |(partition, span): &(&i32, &RangeInclusive<i64>)| {
            first.get(partition).is_some_and(|first| first.start() == span.start())
        };
        let mut hanging: Vec<i32> = open.iter().filter(stands).map(|(partition, _)| *partition).collect();
        if self.producers.is_empty() {
            // Nothing of it is ours to end: who asks has not fenced anybody.
            hanging.clear();
        } else if !is_state {
            hanging = hanging::writable(&self.ends, topic, &hanging)?;
        }
        for partition in hanging.iter().filter(|_| is_state) {
            if hanging::is_followed(&self.kafka, topic, *partition, &open[partition])? {
                return Err(Trouble::Open(format!(
                    "{topic}/{partition}: a transaction that took place was not ended at {}, and others rest on it: what \
                     it remembers is lost when it is aborted by Kafka's `kafka-transactions` (find-hanging, abort)",
                    open[partition].start()
                )));
            }
        }
        self.end_hanging(topic, &hanging)?;
        look(open.keys().copied().collect(), wait.saturating_sub(HANGING_AFTER))
    }

    fn end_hanging(&self, topic: &str, hanging: &[i32]) -> Result<(), Trouble> {
        if hanging.is_empty() {
            return Ok(());
        }
        tracing::warn!(topic, ?hanging, "transactions stand open; ending what may hang of our own");
        hanging::end(&self.producers, topic, hanging)
    }

    /// Reads partitions of a topic from the offsets given to their ends as they are for a read_committed reader; `wait`
    /// is for transactions that are open there now, and what may hang of our own is ended ([`hanging`]). With
    /// `is_whole`, one that stays open is an error.
    fn read_to_end(
        &mut self,
        topic: &str,
        from: &[(i32, i64)],
        (wait, is_whole): (Duration, bool),
        mut each: impl FnMut(&BorrowedMessage<'_>),
    ) -> Result<(), Trouble> {
        let reader = self.reader()?;
        let partitions: Vec<i32> = from.iter().map(|(partition, _)| *partition).collect();
        let hidden = self.hidden(&reader, topic, &partitions, (wait, is_whole))?;
        if let (true, Some((partition, span))) = (is_whole, hidden.first_key_value()) {
            return Err(Trouble::Open(format!(
                "{topic}/{partition}: a transaction stays open at {}; if it does for minutes, no coordinator knows of it: \
                 find and end it by Kafka's `kafka-transactions` (find-hanging, abort)",
                span.start()
            )));
        }
        let mut list = TopicPartitionList::new();
        // By their numbers: where somebody goes on writing, an end is reached more than once.
        let mut unread = BTreeSet::new();
        for (partition, offset) in from {
            // Behind an open transaction there is nothing for such a reader, not even an end to be reached.
            if hidden.get(partition).is_some_and(|span| span.contains(offset)) {
                continue;
            }
            unread.insert(*partition);
            list.add_partition_offset(topic, *partition, Offset::Offset(*offset))
                .map_err(|error| anew(&error, "assign"))?;
        }
        reader.assign(&list).map_err(|error| anew(&error, "assign"))?;
        let mut heard_at = Instant::now();
        while !unread.is_empty() {
            match reader.poll(Duration::from_millis(100)) {
                Some(Ok(record)) => {
                    heard_at = Instant::now();
                    each(&record);
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    heard_at = Instant::now();
                    unread.remove(&partition);
                }
                Some(Err(error)) if is_refusal(&error) => return Err(trouble(&error, "read")),
                Some(Err(error)) if heard_at.elapsed() >= SILENCE_LIMIT => return Err(anew(&error, "read")),
                None if heard_at.elapsed() >= SILENCE_LIMIT => {
                    return Err(Trouble::Anew("a topic's end was not reached".to_owned()));
                }
                _ => {}
            }
        }
        reader.unassign().map_err(|error| anew(&error, "assign"))?;
        self.reader = Some(reader);
        Ok(())
    }

    /// As whom of the group we commit. With cooperative assignment the generation moves without a poll: it is asked for
    /// anew every time.
    fn member(&self) -> Result<ConsumerGroupMetadata, Trouble> {
        self.consumer.group_metadata().ok_or_else(|| Trouble::Anew("we are no member of the group".to_owned()))
    }

    /// How many partitions the dispatch topic has, if anything goes to another one than its key's own. Something hides
    /// there what was published then: what may hang of our own is ended.
    fn partitions_aside(&mut self, transaction: &Transaction) -> Result<Option<i32>, Trouble> {
        if transaction.messages.iter().all(|message| message.aside == 0) {
            return Ok(None);
        }
        let topic = self.topics.decisions.dispatch.clone();
        let count = partition_count(&self.ends, &topic).map_err(|error| trouble(&error, &topic))?;
        let reader = self.reader()?;
        let look = hanging::look((&reader, &self.ends), &topic, 0..count.unwrap_or(0), Duration::ZERO);
        // What is not known is not in the way of what is published elsewhere.
        let hidden: Vec<(i32, i64)> =
            look.iter().flatten().map(|(partition, span)| (*partition, *span.start())).collect();
        let untried: Vec<i32> =
            hidden.iter().filter(|place| !self.tried.contains(place)).map(|(partition, _)| *partition).collect();
        self.tried = hidden.into_iter().collect();
        self.reader = Some(reader);
        let hanging = hanging::writable(&self.ends, &topic, &untried).unwrap_or_default();
        self.end_hanging(&topic, &hanging)?;
        Ok(count)
    }

    /// The reader of whole logs; where something goes wrong, the next one finds the brokers anew.
    fn reader(&mut self) -> Result<EventConsumer, Trouble> {
        match self.reader.take() {
            Some(reader) => Ok(reader),
            None => whole_reader(&self.kafka).map_err(|failure| Trouble::Unusable(failure.to_string())),
        }
    }

    /// All records of state of a partition, as [`Ledger::state`] gives those of one's own.
    ///
    /// # Errors
    /// The end was not reached.
    pub fn state_of(&mut self, partition: i32) -> Result<StateRecords, Trouble> {
        self.state_from(partition, None)
    }

    /// The same, going on from what is known, if the log still holds what comes behind it.
    fn state_from(&mut self, partition: i32, known: Option<Followed>) -> Result<StateRecords, Trouble> {
        let topic = self.topics.state.clone();
        let (low, high) = watermarks(&self.ends, &topic, partition)?;
        let is_there = |known: &Followed| known.next_offset().is_some_and(|next| (low..=high).contains(&next));
        let mut state = known.filter(is_there).unwrap_or_default();
        let (from, known) = (state.next_offset().unwrap_or(low), state.len());
        let began = Instant::now();
        let mut said_at = began;
        let mut read = 0_u64;
        self.read_to_end(&topic, &[(partition, from)], (FENCE_WAIT, true), |record| {
            read += 1;
            state.add(record.offset(), record.key().unwrap_or_default(), record.payload());
            if said_at.elapsed() >= SAY_EVERY {
                said_at = Instant::now();
                tracing::info!(topic, partition, left = high - record.offset(), "restoring state");
            }
        })?;
        let (alive, took_ms) = (state.len(), began.elapsed().as_millis());
        tracing::info!(topic, partition, known, read, alive, took_ms, "state restored");
        Ok(state.into_records())
    }
}

impl Ledger for KafkaLedger {
    fn fence(&mut self) -> Result<(), Trouble> {
        self.producers.clear();
        let begin = |id: String| {
            let config: ClientConfig = transactional(&self.kafka, &id);
            let made: Result<TransactionalProducer, _> = config.create_with_context(GivenUp::default());
            let producer = made.map_err(|error| Trouble::Unusable(error.to_string()))?;
            producer
                .init_transactions(FENCE_WAIT)
                .map_err(|error| trouble(&error, &format!("transactional id {id}")))?;
            Ok(producer)
        };
        // Side by side: each waits for the broker, and longest where something was left open.
        let begun: Result<Vec<_>, Trouble> = thread::scope(|scope| {
            let ids = (0..IDS).map(|number| self.transactional_id(number));
            let begun: Vec<_> = ids.map(|id| scope.spawn(move || begin(id))).collect();
            let panicked = |_| Err(Trouble::Anew("a transactional id was not begun".to_owned()));
            begun.into_iter().map(|one| one.join().unwrap_or_else(panicked)).collect()
        });
        self.producers = begun?;
        Ok(())
    }

    fn committed(&mut self) -> Result<Option<Committed>, Trouble> {
        let ask = || committed_texts(&self.consumer, [&self.partition]);
        let all = match ask() {
            // What hangs beside it keeps the coordinator from telling.
            Err(error) if !is_refusal(&error) && hanging::hides_offset(&self.kafka, ROLE, &self.partition)? => {
                tracing::warn!(partition = %self.partition, "a transaction holds back the group's offset; ending it");
                hanging::end_offset(&self.producers, &self.partition, &self.member()?, &self.calls)?;
                ask()
            }
            answer => answer,
        };
        let all = all.map_err(|error| trouble(&error, "committed offset"))?;
        let kept = all.get(&self.partition);
        Ok(kept.map(|(offset, metadata)| Committed { next_offset: *offset, mark: mark::read(metadata) }))
    }

    fn state(&mut self) -> Result<StateRecords, Trouble> {
        let known = self.standby.take(self.number());
        let records = self.state_from(self.number(), known)?;
        kill_points::pass("state-restored");
        Ok(records)
    }

    fn tail(&mut self, since: &Since) -> Result<Vec<Arc<Visible>>, Trouble> {
        let began = Instant::now();
        let mut visible = Vec::new();
        let decisions = self.topics.decisions.clone();
        for topic in [&decisions.dispatch, &decisions.watch] {
            let mut asked = TopicPartitionList::new();
            let count = partition_count(&self.ends, topic).map_err(|error| trouble(&error, topic))?;
            for partition in 0..count.unwrap_or(0) {
                let at = Offset::Offset(since.at_ms.max(0));
                asked.add_partition_offset(topic, partition, at).map_err(|error| anew(&error, topic))?;
            }
            let found = self.ends.offsets_for_times(asked, ANSWER_WAIT).map_err(|error| trouble(&error, topic))?;
            let from: Vec<(i32, i64)> = found
                .elements()
                .iter()
                .filter_map(|element| match element.offset() {
                    Offset::Offset(offset) => {
                        let partition = element.partition();
                        let end = since.ends.as_ref().and_then(|ends| mark::end(ends, &decisions, topic, partition));
                        Some((partition, end.map_or(offset, |end| end.max(offset))))
                    }
                    _ => None,
                })
                .collect();
            let ends = Arc::clone(&self.ends);
            let end_of = |partition| watermarks(&ends, topic, partition).map(|(_, end)| end);
            visible.extend(self.tails.clone().of_topic(topic, &from, end_of, |from, each| {
                self.read_to_end(topic, from, (TAIL_WAIT, false), |record| {
                    each(record.partition(), record.offset(), visible_of(record));
                })
            })?);
        }
        let (seen, took_ms) = (visible.len(), began.elapsed().as_millis());
        tracing::info!(partition = %self.partition, seen, took_ms, "decisions looked through");
        Ok(visible)
    }

    fn commit(&mut self, transaction: &Transaction) -> Result<(), Trouble> {
        let turn = self.turn;
        self.turn = (turn + 1) % self.producers.len();
        // Before the transaction's time runs.
        let of_dispatch = self.partitions_aside(transaction)?;
        let producer = &self.producers[turn];
        producer.begin_transaction().map_err(|error| trouble(&error, "begin"))?;
        kill_points::pass("before-produce");
        let deadline = writing::write(producer, &self.topics, (self.number(), of_dispatch), transaction)?;
        kill_points::pass("after-produce");
        let mut offsets = TopicPartitionList::new();
        let next = Offset::Offset(transaction.next_offset);
        let mut element = offsets.add_partition(&self.partition.topic, self.number());
        element.set_offset(next).map_err(|error| anew(&error, "offset"))?;
        if let Some(mark) = &transaction.mark {
            element.set_metadata(mark::text(mark));
        }
        let member = self.member()?;
        let sent = self.calls.make(|| {
            kill_points::stick("offsets");
            producer.send_offsets_to_transaction(&offsets, &member, STEP_WAIT)
        });
        sent.map_err(|error| trouble(&error, "offsets of the transaction"))?;
        kill_points::pass("offsets-sent");
        // Nothing may be under way any more: the client's own flush would sleep for 100 ms.
        writing::settle(producer, deadline)?;
        kill_points::pass_soon("commit-sent");
        let committed = self.calls.make(|| producer.commit_transaction(STEP_WAIT));
        committed.map_err(|error| trouble(&error, "commit"))?;
        kill_points::pass("committed");
        Ok(())
    }
}

/// The decision of a record of dispatch or watch; nothing if it says no id.
pub(super) fn visible_of(record: &BorrowedMessage<'_>) -> Option<Visible> {
    let mut headers = record.headers().into_iter().flat_map(Headers::iter);
    let id = headers.find(|header| header.key == "ce_id")?.value?;
    let payload = record.payload().unwrap_or_default().to_vec();
    Some(Visible { id: str::from_utf8(id).ok()?.to_owned(), payload })
}

pub(super) fn watermarks(reader: &EventConsumer, topic: &str, partition: i32) -> Result<(i64, i64), Trouble> {
    let asked = reader.fetch_watermarks(topic, partition, ANSWER_WAIT);
    asked.map_err(|error| trouble(&error, &format!("ends of {topic}/{partition}")))
}

fn anew(error: &KafkaError, what: &str) -> Trouble {
    Trouble::Anew(format!("{what}: {error}"))
}

/// Refused for good, or to be begun anew.
pub(super) fn trouble(error: &KafkaError, what: &str) -> Trouble {
    if is_refusal(error) { Trouble::Refused(refusal(what, error)) } else { anew(error, what) }
}
