//! An independent reader of the dispatch topic: what it does not see in time is published again.
//!
//! It knows nothing of transactions and offsets of the shards; it reads as a subscriber would, committed records only,
//! and tells every seat of the process which decisions it saw; now and then also how far both topics are written
//! ([`mark`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use fenghuo_sinks::DecisionTopics;
use rdkafka::consumer::Consumer as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::kafka_ledger::visible_of;
use super::ledger::{Ends, Visible};
use super::mark;
use crate::config::Kafka;
use crate::failure::Failure;
use crate::kafka::{ANSWER_WAIT, EventConsumer, partition_count, whole_reader};

/// How long one poll waits; the end of the process waits as long.
const POLL_WAIT: Duration = Duration::from_millis(200);

/// How often it looks how far the topics are written, and how long the answer may take.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What it tells.
#[derive(Debug, Clone)]
pub enum News {
    /// A decision stands on the dispatch topic.
    Seen(Arc<Visible>),
    /// So far the topics of decisions were written a moment ago.
    Looked(Arc<Ends>),
}

/// The reader, before it reads: it stands at the end of the topic as it is now.
pub struct ReadBack {
    reader: EventConsumer,
    decisions: DecisionTopics,
    partitions: (usize, usize),
}

impl ReadBack {
    /// Stands at the end of the dispatch topic, before anything of ours can be published.
    ///
    /// # Errors
    /// The topic's ends cannot be learned.
    pub fn at_end(kafka: &Kafka, decisions: &DecisionTopics) -> Result<Self, Failure> {
        let DecisionTopics { dispatch, watch, .. } = decisions;
        let reader = whole_reader(kafka)?;
        let failed = |error: rdkafka::error::KafkaError| Failure::Client {
            role: "correlate",
            reason: format!("{dispatch}: {error}"),
        };
        let count = partition_count(&reader, dispatch).map_err(failed)?.unwrap_or(0);
        let of_watch = partition_count(&reader, watch).map_err(failed)?.unwrap_or(0);
        let mut list = TopicPartitionList::new();
        for partition in 0..count {
            let (_, end) = reader.fetch_watermarks(dispatch, partition, ANSWER_WAIT).map_err(failed)?;
            list.add_partition_offset(dispatch, partition, Offset::Offset(end)).map_err(failed)?;
        }
        reader.assign(&list).map_err(failed)?;
        let partitions = [count, of_watch].map(|count| usize::try_from(count).unwrap_or(0));
        Ok(Self { reader, decisions: decisions.clone(), partitions: partitions.into() })
    }

    /// Reads until told to end.
    pub fn run(&self, tell: &Sender<News>, ended: &AtomicBool) {
        let mut looked_at: Option<Instant> = None;
        while !ended.load(Ordering::Acquire) {
            if looked_at.is_none_or(|at| at.elapsed() >= LOOK_EVERY) {
                looked_at = Some(Instant::now());
                // Who gets no answer keeps to what is known: the tail is longer then.
                if let Ok(ends) = mark::look(&self.reader, &self.decisions, self.partitions, LOOK_EVERY)
                    && tell.send(News::Looked(Arc::new(ends))).is_err()
                {
                    return;
                }
            }
            let Some(Ok(record)) = self.reader.poll(POLL_WAIT) else { continue };
            if let Some(decision) = visible_of(&record)
                && tell.send(News::Seen(Arc::new(decision))).is_err()
            {
                return;
            }
        }
    }
}
