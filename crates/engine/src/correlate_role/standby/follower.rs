//! The reader that follows the state of partitions that others hold.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::{Change, FRESH, Moment, Standby};
use crate::config::Kafka;
use crate::failure::Failure;
use crate::kafka::{EventConsumer, following_reader, partition_count_within};

/// How long one poll waits, and any answer may take; the end of the process waits for what is asked.
const POLL_WAIT: Duration = Duration::from_millis(200);
const ANSWER_WAIT: Duration = Duration::from_secs(1);
/// How often it looks what is to be followed.
const CHOOSE_EVERY: Duration = Duration::from_millis(500);
/// How often it asks how many partitions there are, and how far those are written that it follows.
const ASK_EVERY: Duration = Duration::from_secs(20);
/// How long it waits after trouble.
const PAUSE: Duration = Duration::from_secs(5);

/// The reader.
pub struct Follower {
    reader: EventConsumer,
    topic: String,
    standby: Standby,
    assigned: BTreeSet<i32>,
    partitions: i32,
    asked_at: Option<Instant>,
    chosen_at: Option<Instant>,
    /// When it last did anything.
    awake_at: Moment,
}

impl Follower {
    /// A reader that follows what `standby` wants.
    ///
    /// # Errors
    /// A property that the client does not know.
    pub fn new(kafka: &Kafka, topic: &str, standby: &Standby) -> Result<Self, Failure> {
        Ok(Self {
            reader: following_reader(kafka)?,
            topic: topic.to_owned(),
            standby: standby.clone(),
            assigned: BTreeSet::new(),
            partitions: 0,
            asked_at: None,
            chosen_at: None,
            awake_at: Moment::now(),
        })
    }

    /// Reads until told to end; trouble costs the help that this is, and nothing else.
    pub fn run(mut self, ended: &AtomicBool) {
        while !ended.load(Ordering::Acquire) {
            let Err(error) = self.step() else { continue };
            tracing::info!(topic = self.topic, %error, "following others' state begins anew");
            self.standby.forget();
            self.assigned.clear();
            if let Err(error) = self.reader.unassign() {
                tracing::debug!(topic = self.topic, %error, "reading was not ended");
            }
            let began = Instant::now();
            while began.elapsed() < PAUSE && !ended.load(Ordering::Acquire) {
                // What comes is of partitions that are not followed.
                drop(self.reader.poll(POLL_WAIT));
            }
        }
    }

    fn step(&mut self) -> KafkaResult<()> {
        let before = std::mem::replace(&mut self.awake_at, Moment::now());
        if !before.is_within(FRESH / 2, &self.awake_at) {
            // The process stood still, or a clock was set: what waits to be read is of before.
            return Err(KafkaError::Canceled);
        }
        if self.asked_at.is_none_or(|at| at.elapsed() >= ASK_EVERY) {
            self.asked_at = Some(Instant::now());
            self.ask();
        }
        if self.chosen_at.is_none_or(|at| at.elapsed() >= CHOOSE_EVERY) {
            self.chosen_at = Some(Instant::now());
            self.choose()?;
        }
        match self.reader.poll(POLL_WAIT) {
            Some(Ok(record)) => {
                let key = record.key().unwrap_or_default();
                self.standby.add(record.partition(), record.offset(), key, record.payload());
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                self.standby.at_end(partition);
            }
            Some(Err(error)) if has_lost_its_place(&error) => return Err(error),
            // The client goes on by itself.
            Some(Err(error)) => tracing::debug!(topic = self.topic, %error, "trouble with following; trying on"),
            None => {}
        }
        Ok(())
    }

    /// Without an answer it is asked again another time.
    fn ask(&mut self) {
        if let Ok(Some(count)) = partition_count_within(&self.reader, &self.topic, ANSWER_WAIT) {
            self.partitions = count;
        }
        for partition in self.standby.unchecked() {
            let at = Moment::now();
            let Ok((_, end)) = self.reader.fetch_watermarks(&self.topic, partition, ANSWER_WAIT) else { return };
            self.standby.check(partition, at, end);
        }
    }

    fn choose(&mut self) -> KafkaResult<()> {
        let Change { leave, begin } = self.standby.choose(self.partitions, &self.assigned);
        if !leave.is_empty() {
            let mut list = TopicPartitionList::new();
            for partition in &leave {
                list.add_partition(&self.topic, *partition);
                self.assigned.remove(partition);
            }
            self.reader.incremental_unassign(&list)?;
        }
        if let Some(partition) = begin {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(&self.topic, partition, Offset::Beginning)?;
            self.reader.incremental_assign(&list)?;
            self.assigned.insert(partition);
            self.asked_at = None;
        }
        Ok(())
    }
}

/// Whether what is to be read next is not there: the log is another one, or was cut off.
fn has_lost_its_place(error: &KafkaError) -> bool {
    matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange))
}
