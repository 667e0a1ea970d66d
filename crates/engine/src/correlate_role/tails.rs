//! The decisions that shards look through when they begin, read once for all shards of a process.
//!
//! After a death each shard compares what stands on dispatch and watch behind its mark. All of a process begin at the
//! same time, their marks are seconds apart, and what they read is the same; read by each for itself, it was most of
//! what a restart amid a storm took. So who comes second waits for the first, and only reads what came since: up to the
//! ends as they are then, as if alone.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::ledger::{Trouble, Visible};

/// What was read is kept so long for whoever begins next.
const KEPT: Duration = Duration::from_secs(10);

/// A partition of a topic.
type Place = (String, i32);

/// What shards of a process have read.
#[derive(Clone, Default)]
pub struct Tails {
    read: Arc<Mutex<Option<Read>>>,
}

struct Read {
    at: Instant,
    /// From where on and up to where each partition was read.
    spans: BTreeMap<Place, Range<i64>>,
    /// By where they stand.
    decisions: BTreeMap<(Place, i64), Arc<Visible>>,
}

impl Read {
    fn new() -> Self {
        Self { at: Instant::now(), spans: BTreeMap::new(), decisions: BTreeMap::new() }
    }

    /// From where on a topic is to be read, so that nothing is missing from `from` on.
    fn missing(&mut self, topic: &str, from: &[(i32, i64)]) -> Vec<(i32, i64)> {
        let place = |partition: i32| (topic.to_owned(), partition);
        let begins_earlier =
            |(partition, from): &(i32, i64)| self.spans.get(&place(*partition)).is_none_or(|span| *from < span.start);
        if from.iter().any(begins_earlier) {
            self.spans.retain(|(known, _), _| known != topic);
            self.decisions.retain(|((known, _), _), _| known != topic);
        }
        let next = |(partition, from): &(i32, i64)| {
            let span = self.spans.entry(place(*partition)).or_insert(*from..*from);
            (*partition, span.end)
        };
        from.iter().map(next).collect()
    }

    fn add(&mut self, topic: &str, partition: i32, offset: i64, decision: Option<Visible>) {
        let place = (topic.to_owned(), partition);
        if let Some(span) = self.spans.get_mut(&place) {
            span.end = span.end.max(offset + 1);
        }
        if let Some(decision) = decision {
            self.decisions.insert((place, offset), Arc::new(decision));
        }
    }

    fn from(&self, topic: &str, from: &[(i32, i64)]) -> Vec<Arc<Visible>> {
        let of_partition = |(partition, from): &(i32, i64)| {
            let place = (topic.to_owned(), *partition);
            let behind = self.decisions.range((place.clone(), *from)..=(place, i64::MAX));
            behind.map(|(_, decision)| Arc::clone(decision)).collect::<Vec<_>>()
        };
        from.iter().flat_map(of_partition).collect()
    }
}

impl Tails {
    /// The decisions of a topic from these offsets on, up to its end as it is now. `read` reads what nobody has read
    /// yet: from the offsets that it is given to the ends of their partitions, telling partition and offset of each
    /// record and the decision that it is, if any.
    ///
    /// # Errors
    /// Those of `read`; what was read until then is kept.
    pub fn of_topic(
        &self,
        topic: &str,
        from: &[(i32, i64)],
        read: impl FnOnce(&[(i32, i64)], &mut dyn FnMut(i32, i64, Option<Visible>)) -> Result<(), Trouble>,
    ) -> Result<Vec<Arc<Visible>>, Trouble> {
        // Held while it is read: who wants the same meanwhile waits instead of reading it too.
        let mut held = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        let known = held.take().filter(|known| known.at.elapsed() < KEPT).unwrap_or_else(Read::new);
        let known = held.insert(known);
        let missing = known.missing(topic, from);
        read(&missing, &mut |partition, offset, decision| known.add(topic, partition, offset, decision))?;
        known.at = Instant::now();
        Ok(known.from(topic, from))
    }

    /// Forgets what was read: nobody is beginning.
    pub fn forget(&self) {
        // Who reads right now is beginning.
        if let Ok(mut held) = self.read.try_lock() {
            *held = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(offset: i64) -> Visible {
        Visible { id: format!("{offset}"), payload: Vec::new() }
    }

    /// Whatever was read before, each gets what stands there from its offset on, and reads only what nobody has read.
    #[test]
    fn each_gets_what_it_would_have_read_alone() {
        let tails = Tails::default();
        // (from where on, the log's end then, from where on it is read)
        for (from, end, read_from) in [(10, 20, 10), (10, 20, 20), (15, 25, 20), (5, 25, 5), (12, 30, 25), (30, 30, 30)]
        {
            let mut reads = Vec::new();
            let seen = tails.of_topic("dispatch", &[(0, from), (1, from)], |missing, each| {
                reads.extend(missing.iter().copied());
                for (partition, missing) in missing {
                    // Every third record is none of ours.
                    (*missing..end).for_each(|at| each(*partition, at, (at % 3 != 0).then(|| decision(at))));
                }
                Ok(())
            });
            let expected: Vec<String> =
                [0, 1].iter().flat_map(|_| (from..end).filter(|at| at % 3 != 0).map(|at| at.to_string())).collect();
            assert_eq!(seen.unwrap().iter().map(|seen| seen.id.clone()).collect::<Vec<_>>(), expected);
            assert_eq!(reads, [(0, read_from), (1, read_from)], "from {from} to {end}");
        }
        tails.forget();
        let fresh = tails.of_topic("dispatch", &[(0, 10)], |missing, _| {
            assert_eq!(missing, [(0, 10)]);
            Ok(())
        });
        assert!(fresh.unwrap().is_empty());
    }

    #[test]
    fn topics_are_apart_and_trouble_loses_nothing() {
        let tails = Tails::default();
        let read = |topic: &str, fails: bool| {
            tails.of_topic(topic, &[(0, 0)], |missing, each| {
                (missing[0].1..4).for_each(|at| each(0, at, Some(decision(at))));
                if fails { Err(Trouble::Anew("no answer".to_owned())) } else { Ok(()) }
            })
        };
        assert!(read("dispatch", true).is_err());
        assert_eq!(read("watch", false).unwrap().len(), 4);
        assert_eq!(read("dispatch", false).unwrap().len(), 4);
    }
}
