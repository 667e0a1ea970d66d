//! What the correlate role had not taken when it was stopped: taken to the end as the service would have taken it, by
//! the same shard, in the same transactions.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::Desk;
use crate::correlate_role::kafka_ledger::KafkaLedger;
use crate::correlate_role::ledger::Trouble;
use crate::correlate_role::pace::{Moment, Pace, Room};
use crate::correlate_role::shard::{Beginning, Incoming, Shard};
use crate::gaps::{self, Gap};
use crate::kafka::{ANSWER_WAIT, whole_reader};
use crate::time_of_day;

/// How long a partition may be silent before its end before reading it counts as failed.
const SILENCE_LIMIT: Duration = Duration::from_secs(20);

impl Desk<'_> {
    /// Takes what a partition still holds; `before` is the number of partitions that its state was written for.
    pub(super) fn take_rest(&self, number: i32, before: i32) -> Result<(), Trouble> {
        let partition = self.partition(number);
        let log = self.ends.fetch_watermarks(&partition.topic, number, ANSWER_WAIT);
        let log = log.map_err(|error| Trouble::Anew(format!("ends of {partition}: {error}")))?;
        let mut beginning = Beginning {
            deployment: self.config.kafka.group.clone(),
            partitions: before,
            partition: partition.to_string(),
            log,
            accepted_gap_to: None,
            now_ms: 0,
        };
        let mut ledger = self.ledger(number);
        let mut shard = match Shard::begin(&mut ledger, &self.rules, &beginning) {
            Err(Trouble::Gap { next, low, high }) => {
                let gap = Gap { partition, next, low, high };
                let accepted = gaps::accepted(&self.config.kafka, &self.config.topics.state, &gap);
                beginning.accepted_gap_to = accepted.map_err(Trouble::Anew)?;
                let begun = Shard::begin(&mut ledger, &self.rules, &beginning);
                begun.map_err(|trouble| match trouble {
                    Trouble::Gap { .. } => Trouble::Unusable(format!("{gap}; accept it first by {}", gap.command())),
                    other => other,
                })?
            }
            begun => begun?,
        };
        tracing::info!(partition = number, from = shard.next_offset(), "taking what was not taken");
        let mut pace = Pace::new(0, Room::default());
        self.read_to_end(number, &mut pace, &mut shard, &mut ledger)?;
        shard.let_go();
        pace.write(&mut shard, &mut ledger, &moment(0, true))
    }

    fn read_to_end(
        &self,
        number: i32,
        pace: &mut Pace,
        shard: &mut Shard,
        ledger: &mut KafkaLedger,
    ) -> Result<(), Trouble> {
        let topic = &self.config.topics.signals;
        let failed = |error: KafkaError| Trouble::Anew(format!("{topic}/{number}: {error}"));
        let reader = whole_reader(&self.config.kafka).map_err(|failure| Trouble::Unusable(failure.to_string()))?;
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, number, Offset::Offset(shard.next_offset())).map_err(failed)?;
        reader.assign(&list).map_err(failed)?;
        let mut heard_at = Instant::now();
        loop {
            match reader.poll(Duration::from_millis(100)) {
                Some(Ok(record)) => {
                    heard_at = Instant::now();
                    let payload = record.payload().unwrap_or_default();
                    shard.take(&Incoming { offset: record.offset(), payload, key: record.key() });
                    pace.write(shard, ledger, &moment(1, false))?;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(()),
                Some(Err(error)) if heard_at.elapsed() >= SILENCE_LIMIT => return Err(failed(error)),
                None if heard_at.elapsed() >= SILENCE_LIMIT => {
                    return Err(Trouble::Anew(format!("{topic}/{number}: its end was not reached")));
                }
                Some(Err(_)) | None => {}
            }
        }
    }
}

/// So many were taken; no time passes, for nobody waits for these decisions more than for the others.
fn moment(taken: usize, is_last: bool) -> Moment {
    Moment { now_ms: 0, time_of_day_ms: time_of_day::now_ms(), taken, is_last }
}
