//! What was taken of every raw partition, so that a replay of the decode role leaves no trace.
//!
//! A signal carries where it came from: `topic/partition/offset`, with `/index` for those after the first of a record.
//! Along one raw partition these only rise, so that a signal that is not above the highest taken was taken before; it
//! is dropped before the clock moves. A raw topic that was deleted and made again begins at offset 0: there signals are
//! received later than anything taken, which no replay is, and are taken, for no fire may be lost.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};

/// Where a signal came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'s> {
    /// The raw topic.
    pub topic: &'s str,
    /// Its partition.
    pub partition: i32,
    /// The raw record.
    pub offset: i64,
    /// Which of its signals.
    pub index: u32,
}

impl<'s> Source<'s> {
    /// Reads `topic/partition/offset` or `topic/partition/offset/index`; nothing if it is neither.
    #[must_use]
    pub fn parse(text: &'s str) -> Option<Self> {
        let mut parts = text.split('/');
        let (topic, partition, offset) = (parts.next()?, parts.next()?, parts.next()?);
        let index = parts.next().map_or(Some(0), |index| index.parse().ok())?;
        let is_whole = parts.next().is_none() && !topic.is_empty();
        is_whole.then_some(Self { topic, partition: partition.parse().ok()?, offset: offset.parse().ok()?, index })
    }
}

/// The highest signal taken of a raw partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    offset: i64,
    index: u32,
    /// The latest time of receipt of any signal taken, Unix milliseconds.
    received_ms: i64,
}

/// The mark that holds for all of several shards: at or below it everything was taken, by whichever of them it was for.
///
/// `all`: whether each of them has taken anything of the raw partition. `forwarded`: the offset before which the decode
/// role has sent everything, all of which was taken; from there on it may send again what some of them have and some
/// have not. Nothing if nothing can be said: all counts as new then.
#[must_use]
pub fn lowest(marks: &[Mark], all: bool, forwarded: Option<i64>) -> Option<Mark> {
    let place = |mark: &Mark| (mark.offset, mark.index);
    let highest = marks.iter().map(place).max()?;
    let taken_by_all = marks.iter().map(place).min().filter(|_| all);
    let sent = forwarded.map(|offset| (offset - 1, u32::MAX));
    let (offset, index) = taken_by_all.max(sent)?.min(highest);
    let received_ms = marks.iter().map(|mark| mark.received_ms).max()?;
    Some(Mark { offset, index, received_ms })
}

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is new.
    New,
    /// It is new, and its raw partition begins again: the topic is another one of the same name.
    NewTopic,
    /// It was taken before.
    Replayed,
}

/// The highest signal taken of every raw partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Replays {
    topics: HashMap<Arc<str>, HashMap<i32, Mark, RandomState>, RandomState>,
}

impl Replays {
    /// Whether a signal is new; if so it is now the highest. `received_ms` is its time of receipt, if it has one.
    pub fn take(&mut self, source: Source<'_>, received_ms: Option<i64>) -> Fate {
        let received_ms = received_ms.unwrap_or(i64::MIN);
        if !self.topics.contains_key(source.topic) {
            self.topics.insert(source.topic.into(), HashMap::default());
        }
        let partitions = self.topics.get_mut(source.topic).expect("it was put there if it was not");
        let Some(mark) = partitions.get_mut(&source.partition) else {
            partitions.insert(source.partition, Mark { offset: source.offset, index: source.index, received_ms });
            return Fate::New;
        };
        let is_above = (source.offset, source.index) > (mark.offset, mark.index);
        if !is_above && received_ms <= mark.received_ms {
            return Fate::Replayed;
        }
        let received_ms = received_ms.max(mark.received_ms);
        *mark = Mark { offset: source.offset, index: source.index, received_ms };
        if is_above { Fate::New } else { Fate::NewTopic }
    }

    /// Every raw partition with its mark, in order.
    #[must_use]
    pub fn marks(&self) -> Vec<(String, i32, Mark)> {
        let all = self.topics.iter().flat_map(|(topic, partitions)| {
            partitions.iter().map(move |(partition, mark)| (topic.to_string(), *partition, *mark))
        });
        let mut marks: Vec<_> = all.collect();
        marks.sort_unstable_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1)));
        marks
    }

    /// Those marks again.
    #[must_use]
    pub fn from_marks(marks: Vec<(String, i32, Mark)>) -> Self {
        let mut replays = Self::default();
        for (topic, partition, mark) in marks {
            replays.topics.entry(topic.into()).or_default().insert(partition, mark);
        }
        replays
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source<'_> {
        Source::parse(text).unwrap()
    }

    #[test]
    fn sources_are_read() {
        let expected = |index| Source { topic: "raw.x", partition: 3, offset: 1042, index };
        for (text, read) in [
            ("raw.x/3/1042", Some(expected(0))),
            ("raw.x/3/1042/7", Some(expected(7))),
            ("raw.x/3", None),
            ("raw.x/3/1042/7/1", None),
            ("raw.x/3/x", None),
            ("/3/1", None),
            ("", None),
        ] {
            assert_eq!(Source::parse(text), read, "{text}");
        }
    }

    #[test]
    fn the_lowest_mark_loses_nothing() {
        let marks = |offsets: &[(i64, u32)]| -> Vec<Mark> {
            offsets
                .iter()
                .map(|(offset, index)| Mark { offset: *offset, index: *index, received_ms: *offset })
                .collect()
        };
        for (taken, all, forwarded, expected) in [
            (&[][..], true, Some(9), None),
            // Ended in good order: everything that was sent was taken.
            (&[(5, 0), (8, 2)], true, Some(9), Some((8, 2))),
            (&[(5, 0), (8, 2)], false, Some(9), Some((8, 2))),
            // Ended by a crash: from 6 on it is sent again, and what has not been sent to one is above its mark.
            (&[(5, 0), (8, 2)], true, Some(6), Some((5, u32::MAX))),
            (&[(7, 1), (8, 2)], true, Some(6), Some((7, 1))),
            (&[(7, 1), (8, 2)], false, Some(6), Some((5, u32::MAX))),
            (&[(7, 1), (8, 2)], true, None, Some((7, 1))),
            (&[(7, 1)], false, None, None),
        ] {
            let found = lowest(&marks(taken), all, forwarded);
            assert_eq!(found.map(|mark| (mark.offset, mark.index)), expected, "{taken:?} {all} {forwarded:?}");
            assert!(found.is_none_or(|mark| mark.received_ms == 8));
        }
    }

    #[test]
    fn what_is_not_above_was_taken_before() {
        let mut replays = Replays::default();
        for (text, received_ms, fate) in [
            ("raw.x/0/5", Some(10), Fate::New),
            ("raw.x/0/5/1", Some(10), Fate::New),
            ("raw.x/0/5/1", Some(10), Fate::Replayed),
            ("raw.x/0/5", Some(10), Fate::Replayed),
            ("raw.x/0/4", Some(9), Fate::Replayed),
            ("raw.x/1/4", Some(9), Fate::New),
            ("raw.y/0/1", None, Fate::New),
            ("raw.y/0/1", None, Fate::Replayed),
            // Out of order in time, in order in the log.
            ("raw.x/0/6", Some(8), Fate::New),
            ("raw.x/0/5", Some(10), Fate::Replayed),
            // The topic was made again.
            ("raw.x/0/0", Some(11), Fate::NewTopic),
            ("raw.x/0/0", Some(11), Fate::Replayed),
            ("raw.x/0/1", Some(11), Fate::New),
        ] {
            assert_eq!(replays.take(source(text), received_ms), fate, "{text}");
        }
        assert_eq!(Replays::from_marks(replays.marks()), replays);
    }
}
