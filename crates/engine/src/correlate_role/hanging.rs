//! Transactions that hang: no coordinator knows of them, so nobody ends them, and readers of committed records stand.
//!
//! Brokers that died together have left such ones behind. A partition holds one transaction of a producer at a time,
//! and its end marker ends whatever that producer has open there. So a transaction of the same transactional id that
//! writes to the same partition and is aborted takes what hangs with it; committed, it would make it visible.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{Consumer as _, ConsumerGroupMetadata};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::calls::Calls;
use super::header;
use super::kafka_ledger::{STEP_WAIT, trouble, watermarks};
use super::ledger::Trouble;
use super::writing::{self, TransactionalProducer};
use crate::config::Kafka;
use crate::events::TopicPartition;
use crate::kafka::{ANSWER_WAIT, EventConsumer, committed_texts, uncommitted_reader, unsettled_reader};

/// How long a transaction must have stood open to be taken for one that hangs.
pub const HANGING_AFTER: Duration = Duration::from_secs(2);

/// How often a reader looks whether a transaction has ended.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// The key of the records that are never seen: a compacted topic takes none without.
const KEY: &[u8] = b"hanging";

/// What open transactions hide from a reader of committed records, by partition: where it stands, and the end.
pub type Hidden = BTreeMap<i32, RangeInclusive<i64>>;

/// What is hidden in these partitions of a topic by transactions that stand there now, and still do after `wait`.
///
/// # Errors
/// Nobody answered.
pub fn look(
    (committed, all): (&EventConsumer, &EventConsumer),
    topic: &str,
    partitions: impl IntoIterator<Item = i32>,
    wait: Duration,
) -> Result<Hidden, Trouble> {
    let mut hidden = Hidden::new();
    for partition in partitions {
        hidden.insert(partition, i64::MIN..=watermarks(all, topic, partition)?.1);
    }
    let began = Instant::now();
    loop {
        for (partition, span) in &mut hidden {
            // A partition's end for a reader of committed records is the beginning of the first open transaction.
            *span = watermarks(committed, topic, *partition)?.1..=*span.end();
        }
        hidden.retain(|_, span| span.start() < span.end());
        if hidden.is_empty() || began.elapsed() >= wait {
            return Ok(hidden);
        }
        thread::sleep(LOOK_EVERY);
    }
}

/// Those of these partitions that most replicas follow: what is written there is acknowledged, and nobody who begins
/// waits for a partition that others need.
///
/// # Errors
/// Nobody answered.
pub fn writable(asking: &EventConsumer, topic: &str, partitions: &[i32]) -> Result<Vec<i32>, Trouble> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let metadata = asking.fetch_metadata(Some(topic), ANSWER_WAIT).map_err(|error| trouble(&error, topic))?;
    let all = metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions);
    let writable = all.filter(|found| 2 * found.isr().len() > found.replicas().len());
    let writable = writable.map(rdkafka::metadata::MetadataPartition::id);
    Ok(writable.filter(|partition| partitions.contains(partition)).collect())
}

/// Whether the state of a partition goes on behind the first transaction that is hidden. Then that one took place, for
/// its writer began no other before it knew; it must not be aborted, and what follows rests on it.
///
/// # Errors
/// It cannot be read.
pub fn is_followed(kafka: &Kafka, topic: &str, partition: i32, hidden: &RangeInclusive<i64>) -> Result<bool, Trouble> {
    let reader = uncommitted_reader(kafka).map_err(|failure| Trouble::Unusable(failure.to_string()))?;
    let failed = |error| trouble(&error, &format!("topic {topic}: look behind what hangs"));
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition, Offset::Offset(*hidden.start())).map_err(failed)?;
    reader.assign(&list).map_err(failed)?;
    let (began, mut transactions) = (Instant::now(), 0);
    loop {
        match reader.poll(LOOK_EVERY) {
            Some(Ok(record)) if record.offset() >= *hidden.end() => return Ok(false),
            // Each transaction writes one.
            Some(Ok(record)) if record.key() == Some(header::KEY) => {
                transactions += 1;
                if transactions > 1 {
                    return Ok(true);
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(false),
            Some(Err(error)) if began.elapsed() >= STEP_WAIT => return Err(failed(error)),
            None if began.elapsed() >= STEP_WAIT => {
                return Err(Trouble::Anew(format!("topic {topic}: what hangs was not read to its end")));
            }
            _ => {}
        }
    }
}

/// Ends what hangs of these producers in these partitions of a topic.
///
/// # Errors
/// A transaction was not aborted in good order: its producer is of no use any more.
pub fn end(producers: &[TransactionalProducer], topic: &str, partitions: &[i32]) -> Result<(), Trouble> {
    each_aborted(producers, |producer| {
        for partition in partitions {
            let record = BaseRecord::<[u8], [u8]>::to(topic).partition(*partition).key(KEY).payload(&[]);
            let sent = producer.send(record);
            sent.map_err(|(error, _)| trouble(&error, &format!("topic {topic}: end what hangs")))?;
        }
        writing::settle(producer, Instant::now() + STEP_WAIT)
    })
}

/// Whether something hangs beside the group's offset of a partition: the coordinator tells it to those only who do not
/// ask for what is settled.
///
/// # Errors
/// A property that librdkafka does not know.
pub fn hides_offset(kafka: &Kafka, role: &str, partition: &TopicPartition) -> Result<bool, Trouble> {
    let asking = unsettled_reader(kafka, role).map_err(|failure| Trouble::Unusable(failure.to_string()))?;
    Ok(committed_texts(&asking, [partition]).is_ok())
}

/// Ends what hangs of these producers beside the group's offset of a partition: until then nobody is told it.
///
/// # Errors
/// As [`end`].
pub fn end_offset(
    producers: &[TransactionalProducer],
    partition: &TopicPartition,
    member: &ConsumerGroupMetadata,
    calls: &Calls,
) -> Result<(), Trouble> {
    let failed = |error| trouble(&error, "end what hangs of the group's offsets");
    let mut list = TopicPartitionList::new();
    let added = list.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(0));
    added.map_err(failed)?;
    each_aborted(producers, |producer| {
        calls.make(|| producer.send_offsets_to_transaction(&list, member, STEP_WAIT)).map_err(failed)
    })
}

fn each_aborted(
    producers: &[TransactionalProducer],
    write: impl Fn(&TransactionalProducer) -> Result<(), Trouble>,
) -> Result<(), Trouble> {
    let failed = |error| trouble(&error, "end what hangs");
    for producer in producers {
        producer.begin_transaction().map_err(failed)?;
        write(producer)?;
        producer.abort_transaction(STEP_WAIT).map_err(failed)?;
    }
    Ok(())
}
