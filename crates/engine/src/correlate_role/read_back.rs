//! An independent reader of the dispatch topic: what it does not see in time is published again.
//!
//! It knows nothing of transactions and offsets of the shards; it reads as a subscriber would, committed records only,
//! and tells every seat of the process which decisions it saw.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::kafka_ledger::visible_of;
use super::ledger::Visible;
use crate::config::Kafka;
use crate::failure::Failure;
use crate::kafka::{ANSWER_WAIT, EventConsumer, partition_count, whole_reader};

/// How long one poll waits; the end of the process waits as long.
const POLL_WAIT: Duration = Duration::from_millis(200);

/// The reader, before it reads: it stands at the end of the topic as it is now.
pub struct ReadBack {
    reader: EventConsumer,
}

impl ReadBack {
    /// Stands at the end of the dispatch topic, before anything of ours can be published.
    ///
    /// # Errors
    /// The topic's ends cannot be learned.
    pub fn at_end(kafka: &Kafka, dispatch: &str) -> Result<Self, Failure> {
        let reader = whole_reader(kafka)?;
        let failed = |error: rdkafka::error::KafkaError| Failure::Client {
            role: "correlate",
            reason: format!("{dispatch}: {error}"),
        };
        let count = partition_count(&reader, dispatch).map_err(failed)?.unwrap_or(0);
        let mut list = TopicPartitionList::new();
        for partition in 0..count {
            let (_, end) = reader.fetch_watermarks(dispatch, partition, ANSWER_WAIT).map_err(failed)?;
            list.add_partition_offset(dispatch, partition, Offset::Offset(end)).map_err(failed)?;
        }
        reader.assign(&list).map_err(failed)?;
        Ok(Self { reader })
    }

    /// Reads until told to end; the decisions go to `seen`.
    pub fn run(&self, seen: &Sender<Arc<Visible>>, ended: &AtomicBool) {
        while !ended.load(Ordering::Acquire) {
            let Some(Ok(record)) = self.reader.poll(POLL_WAIT) else { continue };
            if let Some(decision) = visible_of(&record)
                && seen.send(Arc::new(decision)).is_err()
            {
                return;
            }
        }
    }
}
