//! How far every raw partition is, whoever reads it: learned from what the group has committed and from the logs' ends.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::config::Config;
use crate::events::TopicPartition;
use crate::kafka::{ANSWER_WAIT, Committed, EventConsumer, committed, partition_count};

/// How often the numbers of partitions are asked for again.
const COUNT_EVERY: Duration = Duration::from_secs(30);

/// How far one raw partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The largest timestamp up to which everything is forwarded, if anything was.
    pub progress_ms: Option<i64>,
    /// The time of the first record that is read and not forwarded.
    pub next_ms: Option<i64>,
    /// The offset of the next record to be forwarded, if any ever was.
    pub next: Option<i64>,
    /// The offset of the next record that will be written.
    pub end: i64,
    /// Whether records wait to be forwarded.
    pub waits: bool,
    /// Whether the log does not hold the next of them: the partition stands until somebody accepts that.
    pub has_gap: bool,
}

/// How far all raw partitions are.
#[derive(Clone)]
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

    /// What is known of a partition.
    #[must_use]
    pub fn standing(&self, partition: &TopicPartition) -> Option<Standing> {
        *self.standings.get(partition)?
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
        let ends = offsets_at(consumer, &partitions, Offset::End)?;
        let mut standings = BTreeMap::new();
        for (partition, end) in partitions.into_iter().zip(ends) {
            // An unreadable end counts as one that was never reached.
            let end = end.unwrap_or(i64::MAX);
            let standing = match committed.get(&partition) {
                Some(Committed { position, next_ms, .. }) => Standing {
                    progress_ms: position.mark_ms,
                    next_ms: *next_ms,
                    next: Some(position.offset),
                    end,
                    // Beyond the end: the log was cut, and what is there now was never forwarded.
                    waits: position.offset != end,
                    has_gap: position.offset > end,
                },
                None => {
                    let (low, high) = consumer.fetch_watermarks(&partition.topic, partition.partition, ANSWER_WAIT)?;
                    Standing { progress_ms: None, next_ms: None, next: None, end, waits: low < high, has_gap: false }
                }
            };
            standings.insert(partition, Some(standing));
        }
        self.find_gaps(consumer, &mut standings)?;
        self.standings = standings;
        Ok(())
    }

    /// Asks for the beginnings of the logs of which something is to be forwarded.
    fn find_gaps(
        &self,
        consumer: &EventConsumer,
        standings: &mut BTreeMap<TopicPartition, Option<Standing>>,
    ) -> KafkaResult<()> {
        let waiting: Vec<(&TopicPartition, &mut Standing)> = standings
            .iter_mut()
            .filter_map(|(partition, standing)| Some((partition, standing.as_mut()?)))
            .filter(|(_, standing)| standing.waits && standing.next.is_some())
            .collect();
        if waiting.is_empty() {
            return Ok(());
        }
        let partitions: Vec<TopicPartition> = waiting.iter().map(|(partition, _)| (*partition).clone()).collect();
        let lows = offsets_at(consumer, &partitions, Offset::Beginning)?;
        for ((_, standing), low) in waiting.into_iter().zip(lows) {
            standing.has_gap |= low.is_some_and(|low| standing.next < Some(low));
        }
        Ok(())
    }

    fn count_partitions(&mut self, consumer: &EventConsumer) -> KafkaResult<()> {
        let mut standings = BTreeMap::new();
        for topic in &self.raw_topics {
            // A topic that is gone holds the ticks back: nobody knows what of it was never forwarded.
            let known = self.standings.keys().filter(|known| *known.topic == **topic).count();
            let known = i32::try_from(known).unwrap_or(i32::MAX);
            for partition in 0..partition_count(consumer, topic)?.unwrap_or(known) {
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

/// The first or the next offset of each partition, by one question: that at the timestamp -2 or -1.
fn offsets_at(consumer: &EventConsumer, partitions: &[TopicPartition], at: Offset) -> KafkaResult<Vec<Option<i64>>> {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition_offset(&partition.topic, partition.partition, at)?;
    }
    let answer = consumer.offsets_for_times(list, ANSWER_WAIT)?;
    let mut offsets = Vec::with_capacity(partitions.len());
    for partition in partitions {
        let element = answer.find_partition(&partition.topic, partition.partition);
        let element = element.expect("the answer holds what was asked");
        element.error()?;
        offsets.push(element.offset().to_raw().filter(|offset| *offset >= 0));
    }
    Ok(offsets)
}
