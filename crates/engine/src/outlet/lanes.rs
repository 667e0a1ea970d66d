//! Messages that wait for those before them in their partition, here rather than in the client.
//!
//! librdkafka's idempotent producer sends nothing more to a partition while five messages of it are under way (it
//! counts messages where five requests are meant). While some that are older than its linger time wait for that, its
//! thread does not sleep: it looks again and again, a whole core, until the answer comes. So it is given the next
//! messages of a partition when it may send them, which is no later, and all that came meanwhile go in one request.

use std::collections::VecDeque;

/// So few messages of a partition may be under way when more are handed over: as many as the client would wait for.
const FEW: u32 = 5;
/// What is handed over at once at most, less than the client puts into one request: of more messages some would be
/// handed over only when the first ones, a linger time old, are on their way, and wait for those in the client.
const MOST_MESSAGES: usize = 1_000;
const MOST_BYTES: usize = 800_000;

/// One partition's.
struct Lane<M> {
    under_way: u32,
    waiting: VecDeque<(M, usize)>,
}

/// The messages of all partitions of a topic, in the order of each.
pub struct Lanes<M> {
    lanes: Vec<Lane<M>>,
    waiting: usize,
}

impl<M> Default for Lanes<M> {
    fn default() -> Self {
        Self { lanes: Vec::new(), waiting: 0 }
    }
}

impl<M> Lanes<M> {
    /// How many messages wait.
    pub const fn waiting(&self) -> usize {
        self.waiting
    }

    /// Takes a message of so many bytes; it comes back if it is to be handed over at once.
    pub fn enter(&mut self, partition: usize, message: M, bytes: usize) -> Option<M> {
        let missing = (partition + 1).saturating_sub(self.lanes.len());
        self.lanes.extend((0..missing).map(|_| Lane { under_way: 0, waiting: VecDeque::new() }));
        let lane = &mut self.lanes[partition];
        if lane.waiting.is_empty() && lane.under_way < FEW {
            lane.under_way += 1;
            return Some(message);
        }
        lane.waiting.push_back((message, bytes));
        self.waiting += 1;
        None
    }

    /// A message that was handed over is under way no longer; what is to be handed over now.
    pub fn arrived(&mut self, partition: usize) -> Vec<M> {
        let lane = &mut self.lanes[partition];
        lane.under_way = lane.under_way.checked_sub(1).expect("a message arrives once");
        let mut next = Vec::new();
        let mut sum = 0;
        while lane.under_way < FEW
            && next.len() < MOST_MESSAGES
            && (next.is_empty() || sum < MOST_BYTES)
            && let Some((message, bytes)) = lane.waiting.pop_front()
        {
            sum += bytes;
            next.push(message);
        }
        lane.under_way += u32::try_from(next.len()).expect("it is below the most");
        self.waiting -= next.len();
        next
    }

    /// Drops of what waits all but these.
    pub fn retain(&mut self, is_kept: impl Fn(&M) -> bool) {
        for lane in &mut self.lanes {
            lane.waiting.retain(|(message, _)| is_kept(message));
        }
        self.waiting = self.lanes.iter().map(|lane| lane.waiting.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_few_go_at_once_and_the_rest_when_those_have_arrived() {
        let mut lanes = Lanes::default();
        let entered: Vec<_> = (0..8).map(|number| lanes.enter(0, number, 10)).collect();
        assert_eq!(entered, [Some(0), Some(1), Some(2), Some(3), Some(4), None, None, None]);
        assert_eq!(lanes.enter(1, 100, 10), Some(100), "another partition waits for nothing of this one");
        assert_eq!((lanes.waiting(), lanes.arrived(0), lanes.waiting()), (3, vec![5, 6, 7], 0));
        assert_eq!(lanes.enter(0, 8, 10), None);
        for _ in 0..2 {
            assert_eq!(lanes.arrived(0), Vec::<i32>::new());
        }
        lanes.retain(|message| *message != 8);
        assert_eq!((lanes.arrived(0), lanes.waiting()), (vec![], 0));
    }

    #[test]
    fn what_goes_at_once_fits_into_a_request() {
        let mut lanes = Lanes::default();
        (0..5).for_each(|_| assert!(lanes.enter(0, 0, 0).is_some()));
        (0..3).for_each(|number| assert_eq!(lanes.enter(0, number, MOST_BYTES - 1), None));
        assert_eq!(lanes.arrived(0), [0, 1]);
        for number in 0..2 * MOST_MESSAGES {
            lanes.enter(1, number, 1);
        }
        assert_eq!(lanes.arrived(1).len(), MOST_MESSAGES);
    }

    proptest! {
        /// Each message is handed over once, in its partition's order, and none waits where nothing is under way.
        #[test]
        fn none_is_lost_exchanged_or_forgotten(steps in prop::collection::vec((0_usize..3, any::<bool>()), 0..300)) {
            let mut lanes = Lanes::default();
            let mut handed: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            let mut under_way = [0_usize; 3];
            let mut entered: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
            for (number, (partition, is_new)) in steps.into_iter().enumerate() {
                let next = if is_new {
                    entered.entry(partition).or_default().push(number);
                    lanes.enter(partition, number, 300_000).into_iter().collect()
                } else if under_way[partition] > 0 {
                    under_way[partition] -= 1;
                    lanes.arrived(partition)
                } else {
                    Vec::new()
                };
                under_way[partition] += next.len();
                handed.entry(partition).or_default().extend(next);
                let waiting: usize = (0..3)
                    .map(|at| entered.get(&at).map_or(0, Vec::len) - handed.get(&at).map_or(0, Vec::len))
                    .sum();
                prop_assert_eq!(lanes.waiting(), waiting);
            }
            for (partition, under_way) in under_way.iter_mut().enumerate() {
                while *under_way > 0 {
                    let next = lanes.arrived(partition);
                    *under_way = *under_way - 1 + next.len();
                    handed.entry(partition).or_default().extend(next);
                }
            }
            prop_assert_eq!(lanes.waiting(), 0);
            handed.retain(|_, handed| !handed.is_empty());
            prop_assert_eq!(handed, entered);
        }
    }
}
