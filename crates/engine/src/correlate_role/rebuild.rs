//! From where a signals partition is read again, so that its windows come out as they were.
//!
//! The commit carries the last tick before it: every region's clock stood there at least. Whatever can still matter
//! then is younger than the span before it: windows, duplicates, isolations, open incidents. An incident kept open by
//! new evidence for longer than the span begins anew after a restart; the state topic will remember it.

use fenghuo_model::Policy;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::events::TopicPartition;
use crate::kafka::{ANSWER_WAIT, EventConsumer};
use crate::progress::Position;

/// The span that covers what a policy remembers: isolations, confirmed incidents, and the windows beneath.
pub(super) fn default_span_ms(policy: &Policy) -> i64 {
    policy.isolate_max_ms + policy.incident.close_confirmed_after_ms + policy.memory_ms()
}

/// The first offset to read; the partition's beginning where no tick was ever committed.
pub(super) fn start(
    consumer: &EventConsumer,
    partition: &TopicPartition,
    done: Position,
    span_ms: i64,
) -> KafkaResult<i64> {
    let Some(tick_ms) = done.mark_ms else { return Ok(0) };
    let mut list = TopicPartitionList::new();
    let since_ms = tick_ms.saturating_sub(span_ms).max(0);
    list.add_partition_offset(&partition.topic, partition.partition, Offset::Offset(since_ms))?;
    let answer = consumer.offsets_for_times(list, ANSWER_WAIT)?;
    let element = answer.find_partition(&partition.topic, partition.partition);
    let element = element.expect("the answer holds what was asked");
    element.error()?;
    // No record so young: nothing before what is done matters any more.
    Ok(match element.offset() {
        Offset::Offset(offset) => offset,
        _ => done.offset,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_span_is_made_of_the_policy() {
        // 24 h isolation, 6 h confirmed, 3 min window + 2 · 2 min + 1 min.
        assert_eq!(default_span_ms(&Policy::default()), (30 * 60 + 3 + 4 + 1) * 60_000);
    }
}
