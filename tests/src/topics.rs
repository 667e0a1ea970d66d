//! Whole topics read back, as a read_committed reader sees them, and how far a group is.
//!
//! A topic that was written in transactions holds markers too: its records are fewer than its offsets. Reading
//! therefore ends where the partition says so, never at a count.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::Timestamp;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::trouble::Trouble;

const WAIT: Duration = Duration::from_secs(10);
/// How long a broker is asked again where it does not answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// How long a whole topic may take to be read.
const READ_WITHIN: Duration = Duration::from_secs(300);

/// Whether what no transaction has committed counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// It does not.
    Committed,
    /// It does.
    Uncommitted,
}

/// One record as it stands in a topic.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Its offset there.
    pub offset: i64,
    /// Its timestamp, Unix milliseconds.
    pub timestamp_ms: Option<i64>,
    /// Its key; empty without one.
    pub key: Vec<u8>,
    /// Its value; empty without one.
    pub bytes: Vec<u8>,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
}

impl Stored {
    /// The record of a message.
    #[must_use]
    pub fn of(message: &BorrowedMessage<'_>) -> Self {
        let headers = message.headers().into_iter().flat_map(Headers::iter);
        let text = |value: Option<&[u8]>| String::from_utf8_lossy(value.unwrap_or_default()).into_owned();
        Self {
            topic: message.topic().to_owned(),
            partition: message.partition(),
            offset: message.offset(),
            timestamp_ms: match message.timestamp() {
                Timestamp::NotAvailable => None,
                other => other.to_millis(),
            },
            key: message.key().unwrap_or_default().to_vec(),
            bytes: message.payload().unwrap_or_default().to_vec(),
            headers: headers.map(|header| (header.key.to_owned(), text(header.value))).collect(),
        }
    }
}

/// A consumer that joins no group, for whoever reads by assignment; partitions say when they are at their end.
///
/// # Errors
/// A property that librdkafka does not know.
pub fn consumer(brokers: &str, group: &str, isolation: Isolation) -> Result<BaseConsumer, Trouble> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", brokers).set("group.id", group).set("enable.auto.commit", "false");
    config.set("enable.partition.eof", "true").set("fetch.wait.max.ms", "10").set("fetch.queue.backoff.ms", "5");
    let level = if isolation == Isolation::Committed { "read_committed" } else { "read_uncommitted" };
    Ok(config.set("isolation.level", level).create()?)
}

/// The topics of a cluster, to look at.
pub struct Topics {
    brokers: String,
    committed: BaseConsumer,
    uncommitted: BaseConsumer,
}

impl Topics {
    /// Those of these brokers (host:port, separated by commas).
    ///
    /// # Errors
    /// A property that librdkafka does not know.
    pub fn new(brokers: &str) -> Result<Self, Trouble> {
        let looking = |isolation| consumer(brokers, "unused", isolation);
        let (committed, uncommitted) = (looking(Isolation::Committed)?, looking(Isolation::Uncommitted)?);
        Ok(Self { brokers: brokers.to_owned(), committed, uncommitted })
    }

    /// The first and the next offset of every partition of a topic; the next is the last stable one for `Committed`.
    ///
    /// # Errors
    /// No such topic, or no answer.
    pub fn ends(&self, topic: &str, isolation: Isolation) -> Result<Vec<(i64, i64)>, Trouble> {
        let consumer = if isolation == Isolation::Committed { &self.committed } else { &self.uncommitted };
        let metadata = answered(|| consumer.fetch_metadata(Some(topic), WAIT))?;
        let found = metadata.topics().first().ok_or_else(|| Trouble::from(format!("{topic}: no answer")))?;
        let partitions = i32::try_from(found.partitions().len()).unwrap_or_default();
        if partitions == 0 {
            return Err(Trouble::from(format!("{topic}: no partitions")));
        }
        let ends = (0..partitions).map(|partition| answered(|| consumer.fetch_watermarks(topic, partition, WAIT)));
        Ok(ends.collect::<Result<_, _>>()?)
    }

    /// How many offsets a topic holds.
    ///
    /// # Errors
    /// No such topic, or no answer.
    pub fn length(&self, topic: &str) -> Result<i64, Trouble> {
        Ok(self.ends(topic, Isolation::Uncommitted)?.iter().map(|(low, high)| high - low).sum())
    }

    /// Everything committed that a topic holds, by partition and offset.
    ///
    /// # Errors
    /// No such topic, no answer, or not within five minutes.
    pub fn read(&self, topic: &str) -> Result<Vec<Stored>, Trouble> {
        let consumer = consumer(&self.brokers, "unused", Isolation::Committed)?;
        let ends = self.ends(topic, Isolation::Committed)?;
        let mut list = TopicPartitionList::new();
        let mut unread = BTreeSet::new();
        for (partition, (low, high)) in (0..).zip(&ends) {
            if low < high {
                list.add_partition_offset(topic, partition, Offset::Offset(*low))?;
                unread.insert(partition);
            }
        }
        consumer.assign(&list)?;
        let mut stored = Vec::new();
        let deadline = Instant::now() + READ_WITHIN;
        while !unread.is_empty() {
            if Instant::now() >= deadline {
                return Err(Trouble::from(format!("{topic}: no end within {READ_WITHIN:?} in {unread:?}")));
            }
            match consumer.poll(Duration::from_millis(100)) {
                Some(Ok(message)) => stored.push(Stored::of(&message)),
                Some(Err(KafkaError::PartitionEOF(partition))) => drop(unread.remove(&partition)),
                Some(Err(error)) if passes(&error) => {}
                Some(Err(error)) => return Err(error.into()),
                None => {}
            }
        }
        stored.sort_by_key(|record| (record.partition, record.offset));
        Ok(stored)
    }

    /// What a group has committed of every partition of a topic; nothing where it never did.
    ///
    /// # Errors
    /// No such topic, or no answer.
    pub fn committed(&self, group: &str, topic: &str) -> Result<Vec<Option<i64>>, Trouble> {
        let consumer = consumer(&self.brokers, group, Isolation::Committed)?;
        let mut list = TopicPartitionList::new();
        let partitions = self.ends(topic, Isolation::Uncommitted)?.len();
        list.add_partition_range(topic, 0, i32::try_from(partitions).unwrap_or(i32::MAX) - 1);
        let committed = consumer.committed_offsets(list, WAIT)?;
        let offset = |offset| if let Offset::Offset(offset) = offset { Some(offset) } else { None };
        Ok(committed.elements().iter().map(|element| offset(element.offset())).collect())
    }

    /// Whether a group has committed up to `ends` (as [`Self::ends`] gave them) wherever a topic holds anything.
    ///
    /// # Errors
    /// No such topic, or no answer.
    pub fn reached(&self, group: &str, topic: &str, ends: &[(i64, i64)]) -> Result<bool, Trouble> {
        let committed = self.committed(group, topic)?;
        let reached = |(low, high): &(i64, i64), at: &Option<i64>| low == high || at.is_some_and(|at| at >= *high);
        Ok(ends.iter().zip(&committed).all(|(ends, at)| reached(ends, at)))
    }
}

/// The answer to a question that a busy broker may leave unanswered for a while.
///
/// # Errors
/// It is not answered within half a minute: the last error.
pub fn answered<T, E>(ask: impl Fn() -> Result<T, E>) -> Result<T, E> {
    let deadline = Instant::now() + ANSWER_WITHIN;
    loop {
        match ask() {
            Err(_) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(200)),
            answer => return answer,
        }
    }
}

/// Whether a reader only has to wait: a broker is away, and the client will find it or another.
#[must_use]
pub fn passes(error: &KafkaError) -> bool {
    use rdkafka::types::RDKafkaErrorCode as Code;
    let passing = [
        Code::BrokerTransportFailure,
        Code::AllBrokersDown,
        Code::OperationTimedOut,
        Code::NotLeaderForPartition,
        Code::LeaderNotAvailable,
        Code::UnknownTopicOrPartition,
    ];
    error.rdkafka_error_code().is_some_and(|code| passing.contains(&code))
}
