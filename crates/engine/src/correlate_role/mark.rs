//! Where decisions stand that a state does not settle: how far their topics are written, and its form beside an offset.
//!
//! It is kept as the metadata of the group's offset, so that the Fenghuo before this one can go on from it, and so that
//! nobody needs it: without it the decisions of the last minute are looked through, which in a storm are hundreds of
//! thousands.

use std::sync::Arc;
use std::time::Duration;

use fenghuo_sinks::DecisionTopics;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::ledger::{Ends, Mark};
use crate::kafka::EventConsumer;

/// Brokers take 4,096 bytes of metadata (`offset.metadata.max.bytes`); some hundred partitions fit.
const LONGEST_TEXT: usize = 4_000;

/// Asks how far the topics of decisions are written, in partitions as many as given.
///
/// # Errors
/// Not all partitions answered.
pub fn look(
    reader: &EventConsumer,
    decisions: &DecisionTopics,
    (dispatch, watch): (usize, usize),
    within: Duration,
) -> KafkaResult<Ends> {
    let mut asked = TopicPartitionList::new();
    for (topic, count) in [(&decisions.dispatch, dispatch), (&decisions.watch, watch)] {
        for partition in (0..).take(count) {
            // In a question for times this is the time after all records.
            asked.add_partition_offset(topic, partition, Offset::End)?;
        }
    }
    let mut ends = Ends { dispatch: vec![0; dispatch], watch: vec![0; watch] };
    for element in reader.offsets_for_times(asked, within)?.elements() {
        element.error()?;
        let of_topic = if element.topic() == decisions.dispatch { &mut ends.dispatch } else { &mut ends.watch };
        let place = usize::try_from(element.partition()).ok().and_then(|partition| of_topic.get_mut(partition));
        if let (Some(place), Offset::Offset(offset)) = (place, element.offset()) {
            *place = offset;
        }
    }
    Ok(ends)
}

/// The end of one partition, if it is known.
#[must_use]
pub fn end(ends: &Ends, decisions: &DecisionTopics, topic: &str, partition: i32) -> Option<i64> {
    let of_topic = if *topic == decisions.dispatch { &ends.dispatch } else { &ends.watch };
    of_topic.get(usize::try_from(partition).ok()?).copied()
}

/// The form beside an offset, such as `written_ms=1795312690000 dispatch=12,0,7 watch=40`; empty if it were too long.
#[must_use]
pub fn text(mark: &Mark) -> String {
    let list = |ends: &[i64]| ends.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let Ends { dispatch, watch } = &*mark.ends;
    let text = format!("written_ms={} dispatch={} watch={}", mark.written_ms, list(dispatch), list(watch));
    if text.len() > LONGEST_TEXT { String::new() } else { text }
}

/// What stands beside an offset, if it is a mark.
#[must_use]
pub fn read(text: &str) -> Option<Mark> {
    let value = |key| text.split(' ').filter_map(|word| word.split_once('=')).find(|(found, _)| *found == key);
    let list = |key| -> Option<Vec<i64>> {
        value(key)?.1.split(',').filter(|end| !end.is_empty()).map(|end| end.parse().ok()).collect()
    };
    let ends = Ends { dispatch: list("dispatch")?, watch: list("watch")? };
    Some(Mark { written_ms: value("written_ms")?.1.parse().ok()?, ends: Arc::new(ends) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_its_form() {
        let mark = |dispatch, watch| Mark { written_ms: 9, ends: Arc::new(Ends { dispatch, watch }) };
        for (mark, expected) in [
            (mark(vec![], vec![]), "written_ms=9 dispatch= watch="),
            (mark(vec![12, 0, 7], vec![40]), "written_ms=9 dispatch=12,0,7 watch=40"),
        ] {
            assert_eq!(text(&mark), expected);
            assert_eq!(read(expected), Some(mark));
        }
        assert_eq!(text(&mark(vec![1_000_000_000; 400], vec![])), "");
        for others in ["", "mark_ms=7", "written_ms=9 dispatch=x watch=", "written_ms=9 dispatch=1"] {
            assert_eq!(read(others), None, "{others}");
        }
    }
}
