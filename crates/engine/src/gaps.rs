//! Gaps: a log that does not hold what was to be read next, because it aged out, was deleted or was cut.
//!
//! Nobody passes over a gap by himself: the partition stands still, the others go on, and an operator accepts the loss by
//! `fenghuo accept-gap`. That writes a record of who did so, when, and of which offsets, into partition 0 of the state
//! topic, where whoever stands before the gap finds it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::producer::BaseRecord;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

use crate::config::{Config, Kafka};
use crate::events::{Event, Noted, TopicPartition};
use crate::failure::Failure;
use crate::kafka::{ANSWER_WAIT, Committed, committed, connect, group_reader, producer, whole_reader};
use crate::service::{Shutdown, failure_of_question};

/// What the keys of the records of acceptance begin with: `gap/<topic>/<partition>/<offset>`.
pub const KEY_PREFIX: &str = "gap/";

/// Where they stand in the state topic, whichever partition they are about.
const PARTITION: i32 = 0;

/// How long a topic may be silent before its end before reading it counts as failed.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);
/// How long a record of acceptance may take to be acknowledged.
const WRITE_WAIT: Duration = Duration::from_secs(30);

/// A partition whose log does not hold what is to be read next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// Which.
    pub partition: TopicPartition,
    /// The offset that is to be read next.
    pub next: i64,
    /// The first offset that is there.
    pub low: i64,
    /// The offset after the last.
    pub high: i64,
}

impl Gap {
    /// The gap, if there is one; `log`: the first offset that is there and that after the last.
    #[must_use]
    pub fn before(partition: &TopicPartition, next: i64, log: (i64, i64)) -> Option<Self> {
        let (low, high) = log;
        (!(low..=high).contains(&next)).then(|| Self { partition: partition.clone(), next, low, high })
    }

    /// How many offsets are gone; nothing if that cannot be known, for the log ends before what was to be read.
    #[must_use]
    pub const fn lost(&self) -> Option<i64> {
        if self.next < self.low { Some(self.low - self.next) } else { None }
    }

    /// What an operator types to accept it; the configuration's file is his to name.
    #[must_use]
    pub fn command(&self) -> String {
        let TopicPartition { topic, partition } = &self.partition;
        format!("fenghuo accept-gap --config FILE --topic {topic} --partition {partition}")
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { partition, next, low, high } = self;
        write!(f, "{partition} holds offsets {low} to {high}, and {next} is to be read next: ")?;
        match self.lost() {
            Some(lost) => write!(f, "{lost} are gone"),
            None => f.write_str("the log was cut, or is another of that name"),
        }
    }
}

/// The record that somebody accepted a gap.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acceptance {
    /// The topic with the gap.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// The offset that was to be read next.
    pub from: i64,
    /// The offset to go on at: the first that was there then.
    pub to: i64,
    /// Who accepted it.
    pub by: String,
    /// When, RFC 3339.
    pub at: String,
}

impl Acceptance {
    /// The key of its record.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{KEY_PREFIX}{}/{}/{}", self.topic, self.partition, self.from)
    }
}

/// Every record of acceptance for one partition, by the offset that was to be read next.
type Acceptances = BTreeMap<i64, Acceptance>;

/// The last of the acceptances that lead from what is to be read next to something that is there.
fn leading_over<'a>(gap: &Gap, acceptances: &'a Acceptances) -> Option<&'a Acceptance> {
    let mut next = gap.next;
    // One that was accepted may have grown since, and was accepted again; each counts once.
    for _ in 0..acceptances.len() {
        let acceptance = acceptances.get(&next)?;
        next = acceptance.to;
        if (gap.low..=gap.high).contains(&next) {
            return Some(acceptance);
        }
    }
    None
}

/// The offset to go on at, if the gap was accepted.
///
/// # Errors
/// The records of acceptance could not be read.
pub fn accepted(kafka: &Kafka, state_topic: &str, gap: &Gap) -> Result<Option<i64>, String> {
    let acceptances = acceptances(kafka, state_topic, &gap.partition)?;
    let Some(acceptance) = leading_over(gap, &acceptances) else { return Ok(None) };
    let Acceptance { to, by, at, .. } = acceptance;
    tracing::warn!(%gap, to, by, at, "the gap was accepted; going on behind it");
    Ok(Some(*to))
}

/// Reads the state topic's partition 0 as a whole: this is done only where there is a gap.
fn acceptances(kafka: &Kafka, state_topic: &str, partition: &TopicPartition) -> Result<Acceptances, String> {
    let reader = whole_reader(kafka).map_err(|failure| failure.to_string())?;
    let mut list = TopicPartitionList::new();
    let assigned = list.add_partition_offset(state_topic, PARTITION, Offset::Beginning);
    assigned.and_then(|()| reader.assign(&list)).map_err(|error| format!("{state_topic}: {error}"))?;
    let mut acceptances = Acceptances::new();
    let mut heard_at = Instant::now();
    loop {
        match reader.poll(Duration::from_millis(100)) {
            Some(Ok(record)) => {
                heard_at = Instant::now();
                let acceptance = acceptance_of(&record);
                let is_its = |it: &Acceptance| it.topic == *partition.topic && it.partition == partition.partition;
                if let Some(acceptance) = acceptance.filter(is_its) {
                    acceptances.insert(acceptance.from, acceptance);
                }
            }
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(acceptances),
            Some(Err(error)) if heard_at.elapsed() > SILENCE_LIMIT => return Err(format!("{state_topic}: {error}")),
            None if heard_at.elapsed() > SILENCE_LIMIT => {
                return Err(format!("{state_topic} could not be read to its end"));
            }
            Some(Err(_)) | None => {}
        }
    }
}

fn acceptance_of(record: &BorrowedMessage<'_>) -> Option<Acceptance> {
    let is_one = record.key().is_some_and(|key| key.starts_with(KEY_PREFIX.as_bytes()));
    let payload = record.payload().filter(|_| is_one)?;
    let acceptance = serde_json::from_slice(payload);
    if let Err(error) = &acceptance {
        tracing::error!(offset = record.offset(), %error, "a record of an accepted gap cannot be read");
    }
    acceptance.ok()
}

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
    let reason = noted.last_error().map_or_else(String::new, |(_, reason)| reason);
    Err(Failure::Unavailable { brokers: config.kafka.brokers.clone(), waited: "30s".to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw() -> TopicPartition {
        TopicPartition { topic: "raw.x".into(), partition: 3 }
    }

    #[test]
    fn a_gap_is_where_the_log_does_not_hold_what_comes_next() {
        for (next, log, lost) in [
            (5, (5, 9), None),
            (9, (5, 9), None),
            (5, (5, 5), None),
            (4, (5, 9), Some(Some(1))),
            (0, (5, 5), Some(Some(5))),
            (10, (5, 9), Some(None)),
        ] {
            assert_eq!(Gap::before(&raw(), next, log).map(|gap| gap.lost()), lost, "{next} {log:?}");
        }
    }

    #[test]
    fn acceptances_lead_over_a_gap() {
        for (accepted, next, log, expected) in [
            (&[][..], 5, (8, 20), None),
            (&[(5, 8)], 5, (8, 20), Some(8)),
            (&[(5, 8)], 4, (8, 20), None),
            (&[(5, 8)], 5, (9, 20), None),
            (&[(5, 8), (8, 9)], 5, (9, 20), Some(9)),
            (&[(500, 0)], 500, (0, 20), Some(0)),
            // Accepted in another life of the topic: round in circles, and nowhere.
            (&[(500, 0), (0, 500)], 0, (600, 700), None),
        ] {
            let acceptance = |(from, to): &(i64, i64)| {
                let (topic, by, at) = ("raw.x".to_owned(), "w".to_owned(), String::new());
                (*from, Acceptance { topic, partition: 3, from: *from, to: *to, by, at })
            };
            let acceptances: Acceptances = accepted.iter().map(acceptance).collect();
            let gap = Gap::before(&raw(), next, log).expect("the rows are gaps");
            assert_eq!(leading_over(&gap, &acceptances).map(|it| it.to), expected, "{accepted:?} {next} {log:?}");
        }
    }

    #[test]
    fn a_record_of_acceptance_is_plain_json() {
        let text =
            r#"{"topic":"raw.x","partition":3,"from":5,"to":8,"by":"wang@duty-1","at":"2026-11-22T01:58:40.000Z"}"#;
        let acceptance: Acceptance = serde_json::from_str(text).unwrap();
        assert_eq!(acceptance.key(), "gap/raw.x/3/5");
        assert_eq!(serde_json::to_string(&acceptance).unwrap(), text);
    }
}
