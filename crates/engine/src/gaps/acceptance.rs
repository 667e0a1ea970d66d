//! The operator's side of a gap: what is gone and since when, and the record that somebody accepted it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fenghuo_model::time::write_duration;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::Message;
use rdkafka::producer::BaseRecord;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::{Acceptance, Gap, PARTITION, acceptances, leading_over};
use crate::config::{Config, Kafka};
use crate::events::{Event, Noted, TopicPartition};
use crate::failure::Failure;
use crate::kafka::{ANSWER_WAIT, Committed, committed, connect, group_reader, partition_count, producer, whole_reader};
use crate::service::{Shutdown, failure_of_question};

/// How long a record of acceptance may take to be acknowledged.
const WRITE_WAIT: Duration = Duration::from_secs(30);

/// What is known of a partition that may stand before a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The consumer group that reads it.
    pub group: String,
    /// The offset that is to be read next, if anything ever was read.
    pub next: Option<i64>,
    /// The first offset that is there, and that after the last.
    pub log: (i64, i64),
    /// The gap, if there is one that nobody has accepted.
    pub gap: Option<Gap>,
    /// Who accepted it, if somebody did and nobody has gone on yet.
    pub accepted: Option<Acceptance>,
    /// The time of the latest record that was forwarded, Unix milliseconds.
    pub forwarded_to_ms: Option<i64>,
    /// The time of the first record that is there, Unix milliseconds.
    pub there_from_ms: Option<i64>,
}

/// Looks at a partition of a raw topic or of the signals topic.
///
/// # Errors
/// No such partition, or the broker did not answer.
pub fn look(config: &Config, partition: &TopicPartition, shutdown: &Shutdown) -> Result<Look, Failure> {
    let role = role_of(config, &partition.topic)?;
    drop(connect(&config.kafka, shutdown)?);
    let asked = |error: &KafkaError| failure_of_question(config, &partition.to_string(), error);
    let reader = group_reader(&config.kafka, role)?;
    let count = partition_count(&reader, &partition.topic).map_err(|error| asked(&error))?.unwrap_or(0);
    if !(0..count).contains(&partition.partition) {
        let reason = format!("there is no {partition}: the topic has {count} partitions");
        return Err(Failure::of_configuration("topics", reason));
    }
    let log =
        reader.fetch_watermarks(&partition.topic, partition.partition, ANSWER_WAIT).map_err(|error| asked(&error))?;
    let known = committed(&reader, [partition]).map_err(|error| asked(&error))?;
    let known: Option<Committed> = known.get(partition).copied();
    let mut look = Look {
        group: format!("{}.{role}", config.kafka.group),
        next: known.map(|known| known.position.offset),
        log,
        gap: known.and_then(|known| Gap::before(partition, known.position.offset, log)),
        accepted: None,
        forwarded_to_ms: known.and_then(|known| known.position.mark_ms),
        there_from_ms: None,
    };
    if let Some(gap) = look.gap.take() {
        let state = config.topics.state.as_str();
        let read = acceptances(&config.kafka, state, partition);
        let acceptances = read.map_err(|reason| Failure::Client { role: "gaps", reason })?;
        look.accepted = leading_over(&gap, &acceptances).cloned();
        // One that was accepted in part is accepted from where that part ends.
        let next = acceptances.get(&gap.next).map_or(gap.next, |acceptance| acceptance.to);
        look.gap = look.accepted.is_none().then_some(Gap { next, ..gap });
        look.there_from_ms = first_time_ms(&config.kafka, partition, log).map_err(|error| asked(&error))?;
    }
    Ok(look)
}

/// Which role reads a topic.
fn role_of(config: &Config, topic: &str) -> Result<&'static str, Failure> {
    if topic == config.topics.signals {
        return Ok(crate::correlate_role::ROLE);
    }
    if config.raw.iter().any(|raw| raw.topic == topic) {
        return Ok(crate::decode_role::ROLE);
    }
    let raw: Vec<&str> = config.raw.iter().map(|raw| raw.topic.as_str()).collect();
    let reason = format!("{topic:?} is read by nobody; there are {} and {}", config.topics.signals, raw.join(", "));
    Err(Failure::of_configuration("topics", reason))
}

fn first_time_ms(kafka: &Kafka, partition: &TopicPartition, log: (i64, i64)) -> KafkaResult<Option<i64>> {
    if log.0 == log.1 {
        return Ok(None);
    }
    let reader = whole_reader(kafka).map_err(|_| KafkaError::Canceled)?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(log.0))?;
    reader.assign(&list)?;
    let began = Instant::now();
    while began.elapsed() < ANSWER_WAIT {
        match reader.poll(Duration::from_millis(100)) {
            Some(Ok(record)) => return Ok(record.timestamp().to_millis()),
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(None),
            Some(Err(_)) | None => {}
        }
    }
    Ok(None)
}

/// Writes the record that somebody accepted a gap.
///
/// # Errors
/// It is not known to be written.
pub fn accept(config: &Config, acceptance: &Acceptance) -> Result<(), Failure> {
    let (topic, role) = (config.topics.state.as_str(), "gaps");
    let noted = Arc::new(Noted::default());
    let producer = producer(&config.kafka, role, &noted)?;
    let (key, value) = (acceptance.key(), serde_json::to_string(acceptance).expect("it has string keys only"));
    let record = BaseRecord::with_opaque_to(topic, 0).partition(PARTITION).key(&key).payload(&value);
    producer.send(record).map_err(|(error, _)| failure_of_question(config, topic, &error))?;
    let began = Instant::now();
    while began.elapsed() < WRITE_WAIT {
        producer.poll(Duration::from_millis(20));
        while let Some(event) = noted.next() {
            match event {
                Event::Delivered { .. } => return Ok(()),
                Event::NotDelivered { error, .. } => return Err(failure_of_question(config, topic, &error)),
                _ => {}
            }
        }
    }
    let waited = write_duration(i64::try_from(WRITE_WAIT.as_millis()).unwrap_or(i64::MAX));
    let reason = noted.last_error().map_or_else(String::new, |(_, reason)| reason);
    Err(Failure::Unavailable { brokers: config.kafka.brokers.clone(), waited, reason })
}
