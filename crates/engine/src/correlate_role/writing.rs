//! A transaction's records on their way to the client, a portion at a time, until all are in the logs.
//!
//! A portion is about what the client puts into one request for each partition. More would wait in its queue for the
//! answer, and while messages wait there its thread does not sleep (`outlet/lanes.rs`): in a storm these threads took
//! the processors from the broker whose answer they awaited.

use std::iter::Peekable;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use super::kafka_ledger::{STEP_WAIT, trouble};
use super::ledger::{self, Message, Target, Transaction, Trouble};
use crate::config::Topics;
use crate::partitioner::partition_of;

/// A portion of state, which goes to one partition: below the limit of a request (`crate::kafka`).
const STATE_BYTES: usize = 350_000;
/// A portion of decisions, which go to the partitions of two topics.
const DECISION_BYTES: usize = 2 * STATE_BYTES;
/// All of a transaction is in the logs within this time, or it is begun anew: the broker ends it after ten seconds.
const WRITE_WAIT: Duration = Duration::from_secs(8);
/// How long it is between two looks at the producer's queue. The client's own wait, which counts in milliseconds, would
/// spin on a core that the broker could use.
const LOOK_EVERY: Duration = Duration::from_micros(250);
/// Who has waited long looks less often: it is later by this part of what it has waited, and never by more than this.
const LATER_BY: u32 = 8;
const LATEST_BY: Duration = Duration::from_millis(20);

/// Counts the messages that a producer gave up.
#[derive(Default)]
pub struct GivenUp {
    messages: AtomicU64,
}

impl ClientContext for GivenUp {}

impl ProducerContext for GivenUp {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        self.messages.fetch_add(u64::from(result.is_err()), Ordering::Relaxed);
    }
}

/// A producer of transactions.
pub type TransactionalProducer = BaseProducer<GivenUp>;

/// Hands over what a transaction of a partition writes, the last portion without waiting for it; until when all of it
/// has to have arrived. Where a decision goes aside, `of_dispatch` says how many partitions the dispatch topic has.
///
/// # Errors
/// The client does not take it, or what it took did not arrive.
pub fn write(
    producer: &TransactionalProducer,
    topics: &Topics,
    (partition, of_dispatch): (i32, Option<i32>),
    transaction: &Transaction,
) -> Result<Instant, Trouble> {
    let deadline = Instant::now() + WRITE_WAIT;
    let messages = transaction.messages.iter();
    let mut messages = messages.map(|message| Outgoing::of_message(message, topics, of_dispatch)).peekable();
    let state = transaction.state.iter();
    let mut state = state.map(|(key, value)| Outgoing::of_state(key, value.as_deref(), topics, partition)).peekable();
    loop {
        send_portion(producer, &mut messages, DECISION_BYTES)?;
        send_portion(producer, &mut state, STATE_BYTES)?;
        if messages.peek().is_none() && state.peek().is_none() {
            return Ok(deadline);
        }
        settle(producer, deadline)?;
    }
}

fn send_portion<'m>(
    producer: &TransactionalProducer,
    records: &mut Peekable<impl Iterator<Item = Outgoing<'m>>>,
    most_bytes: usize,
) -> Result<(), Trouble> {
    let mut bytes = 0;
    while let Some(record) = records.next_if(|record| bytes == 0 || bytes + record.bytes() <= most_bytes) {
        bytes += record.bytes();
        send(producer, &record)?;
    }
    Ok(())
}

/// Hands a record over; again while the producer's queue is full.
fn send(producer: &TransactionalProducer, outgoing: &Outgoing<'_>) -> Result<(), Trouble> {
    let began = Instant::now();
    let mut record = outgoing.record();
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) if began.elapsed() < STEP_WAIT => {
                look(producer, began);
                record = back;
            }
            Err((error, _)) => return Err(trouble(&error, &format!("topic {}: write", outgoing.topic))),
        }
    }
}

/// Waits until everything that was handed over is in the logs.
///
/// # Errors
/// It is not, or not by the deadline.
pub fn settle(producer: &TransactionalProducer, deadline: Instant) -> Result<(), Trouble> {
    let began = Instant::now();
    producer.poll(Duration::ZERO);
    while producer.in_flight_count() > 0 {
        if Instant::now() >= deadline {
            return Err(Trouble::Anew("messages of the transaction are not acknowledged in time".to_owned()));
        }
        look(producer, began);
    }
    match producer.context().messages.load(Ordering::Relaxed) {
        0 => Ok(()),
        given_up => Err(Trouble::Anew(format!("{given_up} messages of the transaction were given up"))),
    }
}

/// Lets the client report, and gives it a moment.
fn look(producer: &TransactionalProducer, began: Instant) {
    producer.poll(Duration::ZERO);
    thread::sleep((began.elapsed() / LATER_BY).clamp(LOOK_EVERY, LATEST_BY));
}

/// The partition that lies so many further than a key's own.
fn aside_of(key: &[u8], aside: u32, count: i32) -> i32 {
    let count = count.max(1);
    let further = i32::try_from(aside % count.unsigned_abs()).unwrap_or(0);
    (partition_of(key, count) + further) % count
}

/// A record on its way to a producer.
struct Outgoing<'m> {
    topic: &'m str,
    partition: Option<i32>,
    key: Option<&'m [u8]>,
    payload: Option<&'m [u8]>,
    headers: &'m [ledger::Header],
}

impl<'m> Outgoing<'m> {
    fn of_message(message: &'m Message, topics: &'m Topics, of_dispatch: Option<i32>) -> Self {
        let topic = match message.target {
            Target::Dispatch => &topics.decisions.dispatch,
            Target::Watch => &topics.decisions.watch,
            Target::DeadLetter => &topics.dead_letter,
        };
        let Message { key, payload, headers, aside, .. } = message;
        let key = key.as_deref();
        let of_dispatch = of_dispatch.filter(|_| message.target == Target::Dispatch && *aside > 0);
        let partition = of_dispatch.map(|count| aside_of(key.unwrap_or_default(), *aside, count));
        Self { topic, partition, key, payload: Some(payload), headers }
    }

    fn of_state(key: &'m [u8], value: Option<&'m [u8]>, topics: &'m Topics, partition: i32) -> Self {
        Self { topic: &topics.state, partition: Some(partition), key: Some(key), payload: value, headers: &[] }
    }

    /// As the client counts them where it asks whether a request is full: without headers.
    fn bytes(&self) -> usize {
        self.key.map_or(0, <[u8]>::len) + self.payload.map_or(0, <[u8]>::len)
    }

    fn record(&self) -> BaseRecord<'_, [u8], [u8]> {
        let mut record = BaseRecord::to(self.topic);
        record.partition = self.partition;
        record.key = self.key;
        record.payload = self.payload;
        if !self.headers.is_empty() {
            let empty = OwnedHeaders::new_with_capacity(self.headers.len());
            let all = self
                .headers
                .iter()
                .fold(empty, |all, (key, text)| all.insert(Header { key, value: Some(text.as_bytes()) }));
            record.headers = Some(all);
        }
        record
    }
}
