//! How far every raw partition is, whoever reads it: learned from what the group has committed and from the logs' ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::config::Config;
use crate::events::TopicPartition;
use crate::kafka::{ANSWER_WAIT, EventConsumer, committed, partition_count};

/// How often the numbers of partitions are asked for again.
const COUNT_EVERY: Duration = Duration::from_secs(30);

/// How far one raw partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The largest timestamp up to which everything is forwarded, if anything was.
    pub progress_ms: Option<i64>,
    /// The timestamp of the first record that is read and waits.
    pub next_ms: Option<i64>,
    /// The offset of the next record that will be written.
    pub end: i64,
    /// Whether records wait to be forwarded.
    pub waits: bool,
}

/// How far all raw partitions are.
pub struct Survey {
    raw_topics: Vec<String>,
    signals_topic: String,
    standings: BTreeMap<TopicPartition, Option<Standing>>,
    signals_partitions: i32,
    counted_at: Option<Instant>,
}

impl Survey {
    /// Nothing known yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            raw_topics: config.raw.iter().map(|raw| raw.topic.clone()).collect(),
            signals_topic: config.topics.signals.clone(),
            standings: BTreeMap::new(),
            signals_partitions: 0,
            counted_at: None,
        }
    }

    /// Every partition whose standing is known.
    pub fn partitions(&self) -> impl Iterator<Item = (&TopicPartition, &Standing)> {
        self.standings.iter().filter_map(|(partition, standing)| Some((partition, standing.as_ref()?)))
    }

    /// The end of a partition's log, as far as it is known.
    #[must_use]
    pub fn end(&self, partition: &TopicPartition) -> Option<i64> {
        self.standings.get(partition)?.map(|standing| standing.end)
    }

    /// The number of partitions of the signals topic.
    #[must_use]
    pub const fn signals_partitions(&self) -> i32 {
        self.signals_partitions
    }

    /// Asks the broker.
    ///
    /// # Errors
    /// It did not answer; what was known stays.
    pub fn look(&mut self, consumer: &EventConsumer) -> KafkaResult<()> {
        if self.counted_at.is_none_or(|counted_at| counted_at.elapsed() >= COUNT_EVERY) {
            self.count_partitions(consumer)?;
            self.counted_at = Some(Instant::now());
        }
        let partitions: Vec<TopicPartition> = self.standings.keys().cloned().collect();
        // Committed first: what is written between the two questions counts as waiting, never as forwarded.
        let committed = committed(consumer, &partitions)?;
        let ends = ends_of(consumer, &partitions)?;
        let mut standings = BTreeMap::new();
        for (partition, end) in partitions.into_iter().zip(ends) {
            let (progress_ms, next_ms, waits) = match committed.get(&partition) {
                Some(committed) => (committed.position.mark_ms, committed.next_ms, committed.position.offset < end),
                None => {
                    let (low, high) = consumer.fetch_watermarks(&partition.topic, partition.partition, ANSWER_WAIT)?;
                    (None, None, low < high)
                }
            };
            standings.insert(partition, Some(Standing { progress_ms, next_ms, end, waits }));
        }
        self.standings = standings;
        Ok(())
    }

    fn count_partitions(&mut self, consumer: &EventConsumer) -> KafkaResult<()> {
        let mut standings = BTreeMap::new();
        for topic in &self.raw_topics {
            for partition in 0..partition_count(consumer, topic)?.unwrap_or(0) {
                let partition = TopicPartition { topic: topic.as_str().into(), partition };
                let known = self.standings.get(&partition).copied().flatten();
                standings.insert(partition, known);
            }
        }
        self.standings = standings;
        self.signals_partitions = partition_count(consumer, &self.signals_topic)?.unwrap_or(0);
        Ok(())
    }
}

/// The end of each partition, by one question: the offset at the timestamp -1 is that of the next record.
fn ends_of(consumer: &EventConsumer, partitions: &[TopicPartition]) -> KafkaResult<Vec<i64>> {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition_offset(&partition.topic, partition.partition, Offset::End)?;
    }
    let answer = consumer.offsets_for_times(list, ANSWER_WAIT)?;
    let mut ends = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let element = answer.find_partition(&partition.topic, partition.partition);
        let element = element.expect("the answer holds what was asked");
        element.error()?;
        // An unreadable end counts as one that was never reached.
        ends.push(element.offset().to_raw().filter(|offset| *offset >= 0).unwrap_or(i64::MAX));
    }
    Ok(ends)
}
