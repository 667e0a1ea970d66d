//! Gaps: a log that does not hold what was to be read next, because it aged out, was deleted or was cut.
//!
//! Nobody passes over a gap by himself: the partition stands still, the others go on, and an operator accepts the loss
//! by `fenghuo accept-gap`. That writes a record of who did so, when, and of which offsets, into partition 0 of the
//! state topic, where whoever stands before the gap finds it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use serde::{Deserialize, Serialize};

use crate::config::Kafka;
use crate::events::TopicPartition;
use crate::kafka::whole_reader;

mod acceptance;

pub use acceptance::{Look, accept, look};

/// What the keys of the records of acceptance begin with: `gap/<topic>/<partition>/<offset>`.
pub const KEY_PREFIX: &str = "gap/";

/// Where they stand in the state topic, whichever partition they are about.
const PARTITION: i32 = 0;

/// How long a topic may be silent before its end before reading it counts as failed.
const SILENCE_LIMIT: Duration = Duration::from_secs(30);

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
