//! What a group keeps for a partition: its offset and, as the offset's metadata, the times that whoever reads it next
//! needs.

use std::collections::BTreeMap;

use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::{ANSWER_WAIT, EventConsumer, list_of};
use crate::attempts::Attempt;
use crate::decode_role::passage::Passage;
use crate::events::TopicPartition;
use crate::progress::Position;

/// What a group keeps for a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Committed {
    /// How far everything is done.
    pub position: Position,
    /// The time of the first record that is read and not forwarded, under way or waiting, Unix milliseconds.
    pub next_ms: Option<i64>,
    /// Of the partition whose holder writes the ticks: how far it has come with them.
    pub passage: Option<Passage>,
    /// Since nothing was committed any more: how often the partition was begun, and at which record it may have ended.
    pub attempt: Option<Attempt>,
}

/// What is committed of partitions; nothing where nothing ever was.
///
/// # Errors
/// The group's coordinator did not answer.
pub fn committed<'p>(
    consumer: &EventConsumer,
    partitions: impl IntoIterator<Item = &'p TopicPartition>,
) -> KafkaResult<BTreeMap<TopicPartition, Committed>> {
    let all = committed_texts(consumer, partitions)?;
    Ok(all.into_iter().map(|(partition, (offset, metadata))| (partition, read(offset, &metadata))).collect())
}

/// The offsets committed of partitions, with their metadata; nothing where nothing ever was.
///
/// # Errors
/// The group's coordinator did not answer.
pub fn committed_texts<'p>(
    consumer: &EventConsumer,
    partitions: impl IntoIterator<Item = &'p TopicPartition>,
) -> KafkaResult<BTreeMap<TopicPartition, (i64, String)>> {
    let answer = consumer.committed_offsets(list_of(partitions), ANSWER_WAIT)?;
    let mut all = BTreeMap::new();
    for element in answer.elements() {
        element.error()?;
        if let Offset::Offset(offset) = element.offset() {
            let partition = TopicPartition { topic: element.topic().into(), partition: element.partition() };
            all.insert(partition, (offset, element.metadata().to_owned()));
        }
    }
    Ok(all)
}

/// What is to be committed, its times as metadata.
///
/// # Errors
/// An offset that librdkafka does not take.
pub fn committable<'p>(
    all: impl IntoIterator<Item = (&'p TopicPartition, Committed)>,
) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for (partition, committed) in all {
        let mut element = list.add_partition(&partition.topic, partition.partition);
        element.set_offset(Offset::Offset(committed.position.offset))?;
        element.set_metadata(metadata(&committed));
    }
    Ok(list)
}

/// The metadata of a committed offset, such as `mark_ms=1795312690000 next_ms=1795312691000`; what is not known is
/// left out.
fn metadata(committed: &Committed) -> String {
    let passage = committed.passage.unwrap_or_default();
    let attempt = committed.attempt.unwrap_or_default();
    let times = [
        ("mark_ms", committed.position.mark_ms),
        ("next_ms", committed.next_ms),
        ("reached_ms", passage.reached_ms),
        ("heard_ms", passage.heard_ms),
        ("tick_ms", passage.tick_ms),
        ("begun", (attempt.begun > 0).then_some(i64::from(attempt.begun))),
        ("at", attempt.at.map(|(offset, _)| offset)),
        ("count", attempt.at.map(|(_, count)| count)),
    ];
    let known = times.into_iter().filter_map(|(key, ms)| Some(format!("{key}={}", ms?)));
    known.collect::<Vec<_>>().join(" ")
}

fn read(offset: i64, metadata: &str) -> Committed {
    let times: BTreeMap<&str, i64> = metadata
        .split(' ')
        .filter_map(|word| word.split_once('='))
        .filter_map(|(key, ms)| Some((key, ms.parse().ok()?)))
        .collect();
    let time = |key: &str| times.get(key).copied();
    let passage = Passage { reached_ms: time("reached_ms"), heard_ms: time("heard_ms"), tick_ms: time("tick_ms") };
    let begun = time("begun").and_then(|begun| u32::try_from(begun).ok());
    let attempt = Attempt { from: offset, begun: begun.unwrap_or(0), at: time("at").zip(time("count")) };
    Committed {
        position: Position { offset, mark_ms: time("mark_ms") },
        next_ms: time("next_ms"),
        passage: (passage != Passage::default()).then_some(passage),
        attempt: (attempt.begun > 0).then_some(attempt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_survives_its_metadata() {
        let passage = |reached_ms, heard_ms, tick_ms| Some(Passage { reached_ms, heard_ms, tick_ms });
        for (mark_ms, next_ms, passage) in [
            (None, None, None),
            (Some(0), None, None),
            (None, Some(-1), passage(Some(5), None, None)),
            (Some(1_795_312_690_000), Some(1), passage(Some(2), Some(3), Some(4))),
        ] {
            let attempt = next_ms.map(|_| Attempt { from: 7, begun: 2, at: mark_ms.map(|_| (9, 1)) });
            let committed = Committed { position: Position { offset: 7, mark_ms }, next_ms, passage, attempt };
            assert_eq!(read(7, &metadata(&committed)), committed);
        }
        let position = Position { offset: 7, mark_ms: None };
        let nothing = Committed { position, next_ms: None, passage: None, attempt: None };
        for others in ["", "somebody else's", "mark_ms=x", "a=b=c"] {
            assert_eq!(read(7, others), nothing, "{others}");
        }
    }

    #[test]
    fn what_is_committed_carries_offset_and_times() {
        let partition = TopicPartition { topic: "t".into(), partition: 3 };
        let position = Position { offset: 7, mark_ms: Some(9) };
        let committed = Committed { position, next_ms: Some(11), passage: None, attempt: None };
        let list = committable([(&partition, committed)]).unwrap();
        let element = list.find_partition("t", 3).unwrap();
        assert_eq!((element.offset(), element.metadata()), (Offset::Offset(7), "mark_ms=9 next_ms=11"));
    }
}
