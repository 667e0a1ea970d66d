//! What holds whom; and a group whose members read, send, hand over and are cut off, in which nothing comes too late.

use std::collections::{BTreeMap, VecDeque};

use proptest::prelude::*;

use super::*;
use crate::progress::{Position, Progress};

#[test]
fn the_slowest_with_work_left_holds_the_others() {
    let head = |head_ms| Own { head_ms: Some(head_ms), taken_ms: Some(1), unread: true };
    let reading = |taken_ms| Own { head_ms: None, taken_ms, unread: true };
    let done = |taken_ms| Own { head_ms: None, taken_ms, unread: false };
    for (own, others, expected) in [
        (vec![], vec![], i64::MAX),
        (vec![done(Some(5)), done(None)], vec![], i64::MAX),
        (vec![head(50), head(70)], vec![], 60),
        (vec![head(50), reading(Some(20))], vec![], 30),
        (vec![head(50), reading(None)], vec![], i64::MIN + 10),
        (vec![head(50), done(Some(20))], vec![], 60),
        (vec![head(50)], vec![Some(15), Some(90)], 25),
        (vec![head(50)], vec![None], i64::MIN + 10),
    ] {
        let limit = limit_ms(own.iter().copied(), others.iter().copied(), 10);
        assert_eq!(limit, expected, "{own:?} {others:?}");
    }
}

/// Patience lasts while those behind come forward: who is begun again and again does not.
#[test]
fn who_is_begun_again_where_it_was_does_not_come_forward() {
    let partition = |partition| TopicPartition { topic: "raw".into(), partition };
    let mut limit = Limit::default();
    limit.begin(&partition(0), 7);
    assert_eq!(
        [limit.set(50), limit.set(50), limit.set(60), limit.set(40), limit.set(60)],
        [true, false, true, false, true]
    );
    for _ in 0..3 {
        limit.begin(&partition(0), 7);
        assert_eq!((limit.ms(), limit.set(60)), (i64::MIN, false));
    }
    assert!(limit.set(61));
    // One that comes from elsewhere, or has come further, may be far behind, and comes forward from there.
    limit.begin(&partition(1), 7);
    assert!(limit.set(10));
    limit.begin(&partition(0), 8);
    assert!(limit.set(5));
}

const AHEAD_MS: i64 = 100;
const MEMBERS: usize = 3;

/// A signal that lies in a member's producer.
struct Sent {
    partition: usize,
    offset: usize,
    at_ms: i64,
    slot: u64,
    number: u64,
}

/// What a member holds of a partition.
struct Held {
    slot: u64,
    progress: Progress,
    taken_ms: Option<i64>,
    next: usize,
    read_to: usize,
}

impl Held {
    fn undone_ms(&self, log: &[i64]) -> Option<i64> {
        let head_ms = (self.next < self.read_to).then(|| log[self.next]);
        self.progress.undone_ms(head_ms)
    }
}

/// What is committed of a partition: how far it is done, and the time of what is read and not forwarded.
type Committed = (Position, Option<i64>);

#[derive(Default)]
struct Member {
    held: BTreeMap<usize, Held>,
    /// What was committed of every partition when the member asked last.
    surveyed: Option<Vec<Committed>>,
    producer: VecDeque<Sent>,
}

/// A group that reads partitions which lie there as a whole; no patience ends.
struct Group {
    logs: Vec<Vec<i64>>,
    members: [Member; MEMBERS],
    committed: Vec<Committed>,
    slots: u64,
    /// The time of the latest signal that arrived, and how many records of each partition have.
    clock_ms: i64,
    arrived: Vec<usize>,
    /// How far behind the clock a new signal was at most.
    latest_ms: i64,
}

impl Group {
    fn over(logs: Vec<Vec<i64>>) -> Self {
        let never = Position { offset: 0, mark_ms: None };
        let mut group = Self {
            committed: vec![(never, None); logs.len()],
            arrived: vec![0; logs.len()],
            logs,
            members: Default::default(),
            slots: 0,
            clock_ms: 0,
            latest_ms: 0,
        };
        (0..group.logs.len()).for_each(|partition| group.hand_over(partition % MEMBERS, partition));
        group
    }

    /// Whoever had the partition has it no more; what it sent stays under way.
    fn hand_over(&mut self, to: usize, partition: usize) {
        self.members.iter_mut().for_each(|member| drop(member.held.remove(&partition)));
        let (done, _) = self.committed[partition];
        let next = usize::try_from(done.offset).unwrap();
        self.slots += 1;
        let held =
            Held { slot: self.slots, progress: Progress::from(done), taken_ms: done.mark_ms, next, read_to: next };
        self.members[to].held.insert(partition, held);
    }

    fn read(&mut self, member: usize) {
        for (partition, held) in &mut self.members[member].held {
            held.read_to = self.logs[*partition].len().min(held.read_to + 3);
        }
    }

    fn commit(&mut self, member: usize) {
        for (partition, held) in &mut self.members[member].held {
            let next_ms = held.undone_ms(&self.logs[*partition]);
            self.committed[*partition] = (held.progress.position(), next_ms);
        }
    }

    fn survey(&mut self, member: usize) {
        self.members[member].surveyed = Some(self.committed.clone());
    }

    fn take(&mut self, member: usize) {
        let logs = &self.logs;
        let Member { held, surveyed: Some(surveyed), producer } = &mut self.members[member] else { return };
        let heads = held.iter().filter(|(_, held)| held.next < held.read_to);
        let first = heads.map(|(partition, held)| (logs[*partition][held.next], *partition)).min();
        let Some((candidate_ms, partition)) = first else { return };
        let own = held.iter().map(|(partition, held)| Own {
            head_ms: held.undone_ms(&logs[*partition]),
            taken_ms: held.taken_ms,
            unread: held.read_to < logs[*partition].len(),
        });
        let others = surveyed.iter().enumerate().filter(|(partition, _)| !held.contains_key(partition));
        let waiting = others.filter(|(partition, (done, _))| done.offset < logs[*partition].len() as i64);
        let others_ms = waiting.map(|(_, (done, next_ms))| next_ms.or(done.mark_ms));
        if candidate_ms > limit_ms(own, others_ms, AHEAD_MS) {
            return;
        }
        let held = held.get_mut(&partition).unwrap();
        let number = held.progress.take(held.next as i64, Some(candidate_ms));
        held.progress.expect_acknowledgement(number);
        held.taken_ms = held.taken_ms.max(Some(candidate_ms));
        producer.push_back(Sent { partition, offset: held.next, at_ms: candidate_ms, slot: held.slot, number });
        held.next += 1;
    }

    /// The first signal of a member's producer comes to the log, and its answer to the member.
    fn arrive(&mut self, member: usize) {
        let Member { held, producer, .. } = &mut self.members[member];
        let Some(Sent { partition, offset, at_ms, slot, number }) = producer.pop_front() else { return };
        if let Some(held) = held.get_mut(&partition).filter(|held| held.slot == slot) {
            held.progress.acknowledge(number);
        }
        // What came before is a replay, and moves no clock.
        if offset >= self.arrived[partition] {
            self.arrived[partition] = offset + 1;
            self.latest_ms = self.latest_ms.max(self.clock_ms - at_ms);
            self.clock_ms = self.clock_ms.max(at_ms);
        }
    }

    fn is_done(&self) -> bool {
        self.logs.iter().zip(&self.arrived).all(|(log, arrived)| log.len() == *arrived)
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Read,
    Take,
    Arrive,
    Commit,
    Survey,
    HandOver(prop::sample::Index),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Read),
        12 => Just(Step::Take),
        6 => Just(Step::Arrive),
        4 => Just(Step::Commit),
        4 => Just(Step::Survey),
        1 => any::<prop::sample::Index>().prop_map(Step::HandOver),
    ]
}

proptest! {
    /// Whoever reads, however old what they know of each other, whatever lies in the producer of one that is cut off
    /// and was long replaced: no signal is further behind the latest than a record may be taken ahead.
    #[test]
    fn nothing_arrives_too_late(
        gaps in prop::collection::vec(prop::collection::vec(0_i64..60, 0..40), 1..6),
        steps in prop::collection::vec((0..MEMBERS, step()), 0..600),
    ) {
        let sums = |gaps: Vec<i64>| gaps.iter().scan(0, |at, gap| { *at += gap; Some(*at) }).collect();
        let mut group = Group::over(gaps.into_iter().map(sums).collect());
        for (member, step) in steps {
            match step {
                Step::Read => group.read(member),
                Step::Take => group.take(member),
                Step::Arrive => group.arrive(member),
                Step::Commit => group.commit(member),
                Step::Survey => group.survey(member),
                Step::HandOver(partition) => group.hand_over(member, partition.index(group.logs.len())),
            }
            prop_assert!(group.latest_ms <= AHEAD_MS, "{} ms", group.latest_ms);
        }
        // Undisturbed it comes to its end: nobody waits for ever.
        for _ in 0..1_000 {
            for member in 0..MEMBERS {
                group.read(member);
                group.survey(member);
                group.take(member);
                group.arrive(member);
                group.commit(member);
            }
        }
        prop_assert!(group.is_done());
        prop_assert!(group.latest_ms <= AHEAD_MS, "{} ms", group.latest_ms);
    }
}
