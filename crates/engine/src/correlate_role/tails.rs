//! The decisions that shards look through when they begin, read once for all shards of a process.
//!
//! After a death each shard compares what stands on dispatch and watch behind its mark. All of a process begin at the
//! same time, their marks are seconds apart, and what they read is the same; read by each for itself, it was most of
//! what a restart amid a storm took. So who comes second waits for the first, and only reads what came since: up to the
//! ends as they are then, as if alone.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

use super::ledger::{Trouble, Visible};

/// What was read is kept so long for whoever begins next.
const KEPT: Duration = Duration::from_secs(10);
/// So long one waits for another that reads; then it reads for itself, for that one may wait for something else.
const TURN_WAIT: Duration = Duration::from_millis(if cfg!(test) { 50 } else { 5_000 });
/// How often it looks whether its turn has come.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// A partition of a topic.
type Place = (String, i32);

/// What shards of a process have read.
#[derive(Clone, Default)]
pub struct Tails {
    known: Arc<Mutex<Option<Known>>>,
}

struct Known {
    at: Instant,
    /// From where on and up to where each partition was read.
    spans: BTreeMap<Place, Range<i64>>,
    /// By where they stand.
    decisions: BTreeMap<(Place, i64), Arc<Visible>>,
    /// Partitions whose log is another one than when an offset was noted: it begins before that.
    anew: BTreeSet<Place>,
}

impl Known {
    fn nothing() -> Self {
        Self { at: Instant::now(), spans: BTreeMap::new(), decisions: BTreeMap::new(), anew: BTreeSet::new() }
    }

    fn forget(&mut self, topic: &str) {
        self.spans.retain(|(known, _), _| known != topic);
        self.decisions.retain(|((known, _), _), _| known != topic);
        self.anew.retain(|(known, _)| known != topic);
    }

    /// From where on a topic is to be read, so that nothing is missing from `offsets` on.
    fn next_offsets(&mut self, topic: &str, offsets: &[(i32, i64)]) -> Vec<(i32, i64)> {
        let place = |partition: i32| (topic.to_owned(), partition);
        let first_of = |(partition, offset): &(i32, i64)| {
            self.spans.get(&place(*partition)).map_or(*offset, |span| span.start.min(*offset))
        };
        let firsts: Vec<i64> = offsets.iter().map(first_of).collect();
        let is_known = |((partition, _), first): (&(i32, i64), &i64)| {
            self.spans.get(&place(*partition)).is_some_and(|span| span.start == *first)
        };
        if !offsets.iter().zip(&firsts).all(is_known) {
            self.forget(topic);
        }
        let next = |((partition, _), first): (&(i32, i64), &i64)| {
            (*partition, self.spans.entry(place(*partition)).or_insert(*first..*first).end)
        };
        offsets.iter().zip(&firsts).map(next).collect()
    }

    fn add(&mut self, topic: &str, partition: i32, offset: i64, decision: Option<Visible>) {
        let place = (topic.to_owned(), partition);
        let Some(span) = self.spans.get_mut(&place) else { return };
        if offset < span.end {
            // Nobody asked for it: the log no longer reaches to where it was to be read from, and is read as a whole.
            *span = offset..offset;
            self.decisions.retain(|(known, _), _| *known != place);
            self.anew.insert(place.clone());
        }
        span.end = offset + 1;
        if let Some(decision) = decision {
            self.decisions.insert((place, offset), Arc::new(decision));
        }
    }

    fn decisions_from(&self, topic: &str, offsets: &[(i32, i64)]) -> Vec<Arc<Visible>> {
        let of_partition = |(partition, offset): &(i32, i64)| {
            let place = (topic.to_owned(), *partition);
            let offset = if self.anew.contains(&place) { 0 } else { *offset };
            let behind = self.decisions.range((place.clone(), offset)..=(place, i64::MAX));
            behind.map(|(_, decision)| Arc::clone(decision)).collect::<Vec<_>>()
        };
        offsets.iter().flat_map(of_partition).collect()
    }
}

impl Tails {
    /// The decisions of a topic from these offsets on, up to its end as it is now, which `end_of` tells of a partition.
    /// `fetch` reads what nobody has read yet: from the offsets that it is given to the ends of their partitions,
    /// telling partition and offset of each record and the decision that it is, if any.
    ///
    /// # Errors
    /// Those of `fetch` and `end_of`; what was read until then is kept.
    pub fn of_topic(
        &self,
        topic: &str,
        offsets: &[(i32, i64)],
        end_of: impl Fn(i32) -> Result<i64, Trouble>,
        fetch: impl FnOnce(&[(i32, i64)], &mut dyn FnMut(i32, i64, Option<Visible>)) -> Result<(), Trouble>,
    ) -> Result<Vec<Arc<Visible>>, Trouble> {
        let mut turn = self.turn();
        let mut alone = None;
        let known = match &mut turn {
            Some(held) => &mut **held,
            None => &mut alone,
        };
        let kept = known.take().filter(|known| known.at.elapsed() < KEPT);
        let known = known.insert(kept.unwrap_or_else(Known::nothing));
        for (partition, _) in offsets {
            let end = end_of(*partition)?;
            if known.spans.get(&(topic.to_owned(), *partition)).is_some_and(|span| span.end > end) {
                // The log is shorter than it was: another one, or cut off. What was read of it says nothing any more.
                known.forget(topic);
            }
        }
        let next = known.next_offsets(topic, offsets);
        fetch(&next, &mut |partition, offset, decision| known.add(topic, partition, offset, decision))?;
        known.at = Instant::now();
        Ok(known.decisions_from(topic, offsets))
    }

    /// What is known, for one that reads; nothing if another one reads for too long.
    fn turn(&self) -> Option<MutexGuard<'_, Option<Known>>> {
        let began = Instant::now();
        loop {
            match self.known.try_lock() {
                Ok(held) => return Some(held),
                Err(TryLockError::Poisoned(held)) => return Some(held.into_inner()),
                Err(TryLockError::WouldBlock) if began.elapsed() >= TURN_WAIT => return None,
                Err(TryLockError::WouldBlock) => thread::sleep(LOOK_EVERY),
            }
        }
    }

    /// Forgets what was read: nobody is beginning. Who reads right now is, and keeps it.
    pub fn forget(&self) {
        if let Ok(mut held) = self.known.try_lock() {
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

    /// A log of two partitions that ends at `end`, of which every third record is none of ours; what a shard gets from
    /// `offset` on, and from where on it was read. As a broker does: an offset that the log has not is its beginning.
    fn look(tails: &Tails, offset: i64, end: i64) -> (Vec<i64>, i64) {
        let mut read_from = Vec::new();
        let seen = tails.of_topic(
            "dispatch",
            &[(0, offset), (1, offset)],
            |_| Ok(end),
            |next, each| {
                for (partition, from) in next {
                    read_from.push(*from);
                    let from = if *from > end { 0 } else { *from };
                    (from..end).for_each(|at| each(*partition, at, (at % 3 != 0).then(|| decision(at))));
                }
                Ok(())
            },
        );
        let ids: Vec<i64> = seen.unwrap().iter().map(|seen| seen.id.parse().unwrap()).collect();
        let (first, second) = ids.split_at(ids.len() / 2);
        assert_eq!((first, read_from[0]), (second, read_from[1]));
        (first.to_vec(), read_from[0])
    }

    /// Whatever was read before, each gets what stands there from its offset on, and reads only what nobody has read.
    #[test]
    fn each_gets_what_it_would_have_read_alone() {
        let tails = Tails::default();
        // (from where on, the log's end then, from where on it is read)
        for (offset, end, read_from) in
            [(10, 20, 10), (10, 20, 20), (15, 25, 20), (5, 25, 5), (12, 30, 25), (30, 30, 30)]
        {
            let expected: Vec<i64> = (offset..end).filter(|at| at % 3 != 0).collect();
            assert_eq!(look(&tails, offset, end), (expected, read_from), "from {offset} to {end}");
        }
        tails.forget();
        assert_eq!(look(&tails, 10, 12), (vec![10, 11], 10));
    }

    /// A topic that was made anew, or cut off: what was read before says nothing, and all that is there counts.
    #[test]
    fn of_another_log_all_is_taken() {
        let tails = Tails::default();
        assert_eq!(look(&tails, 10, 12), (vec![10, 11], 10));
        assert_eq!(look(&tails, 10, 5), (vec![1, 2, 4], 10), "an offset of the old log");
        assert_eq!(look(&tails, 10, 8), (vec![1, 2, 4, 5, 7], 5), "and what came since");
        assert_eq!(look(&tails, 3, 0), (vec![], 3));
        assert_eq!(look(&Tails::default(), 10, 5), (vec![1, 2, 4], 10));
    }

    /// Two shards whose offsets cross do not take turns in reading everything.
    #[test]
    fn offsets_that_cross_are_read_from_the_earlier_ones_on() {
        let tails = Tails::default();
        let read = |offsets: [i64; 2]| {
            let mut reads = Vec::new();
            let offsets = [(0, offsets[0]), (1, offsets[1])];
            tails
                .of_topic(
                    "watch",
                    &offsets,
                    |_| Ok(60),
                    |next, each| {
                        reads = next.to_vec();
                        next.iter().for_each(|(at, from)| (*from..60).for_each(|offset| each(*at, offset, None)));
                        Ok(())
                    },
                )
                .unwrap();
            reads
        };
        assert_eq!(read([10, 50]), [(0, 10), (1, 50)]);
        assert_eq!(read([20, 40]), [(0, 10), (1, 40)]);
        assert_eq!(read([10, 50]), [(0, 60), (1, 60)]);
    }

    /// Who is kept waiting too long reads for itself.
    #[test]
    fn nobody_waits_for_ever() {
        let tails = Tails::default();
        assert_eq!(look(&tails, 0, 3), (vec![1, 2], 0));
        let held = tails.known.lock().unwrap();
        assert_eq!(look(&tails, 0, 3), (vec![1, 2], 0));
        drop(held);
        assert_eq!(look(&tails, 0, 3), (vec![1, 2], 3));
    }

    #[test]
    fn topics_are_apart_and_trouble_loses_nothing() {
        let tails = Tails::default();
        let read = |topic: &str, fails: bool| {
            tails.of_topic(
                topic,
                &[(0, 0)],
                |_| Ok(4),
                |next, each| {
                    (next[0].1..4).for_each(|at| each(0, at, Some(decision(at))));
                    if fails { Err(Trouble::Anew("no answer".to_owned())) } else { Ok(()) }
                },
            )
        };
        assert!(read("dispatch", true).is_err());
        assert_eq!(read("watch", false).unwrap().len(), 4);
        assert_eq!(read("dispatch", false).unwrap().len(), 4);
    }
}
