//! How far a partition is done: the longest beginning of its records of which everything made is acknowledged.
//!
//! Only that may be committed: a crash then repeats work and loses none. Deliberately without any Kafka in it.

use std::collections::VecDeque;

/// One record that was taken.
#[derive(Debug)]
struct Taken {
    offset: i64,
    /// The largest mark up to here.
    mark_ms: Option<i64>,
    unacknowledged: u32,
}

/// A position that may be committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The offset of the next record to take.
    pub offset: i64,
    /// The largest mark of any record before it: a time in Unix milliseconds that the reader of the position needs.
    pub mark_ms: Option<i64>,
}

/// The records of one partition that were taken in one assignment.
#[derive(Debug)]
pub struct Progress {
    done: Position,
    /// What is not known to be done; the first of them is under way, unless it was the last to be taken.
    taken: VecDeque<Taken>,
    /// The number of the first of `taken`, counted from the assignment's beginning.
    first_number: u64,
}

impl Progress {
    /// Everything before `position` is done.
    #[must_use]
    pub const fn from(position: Position) -> Self {
        Self { done: position, taken: VecDeque::new(), first_number: 0 }
    }

    /// A record was taken; its number, under which acknowledgements come back.
    ///
    /// `mark_ms` is the time that its completion proves.
    pub fn take(&mut self, offset: i64, mark_ms: Option<i64>) -> u64 {
        let position = self.position();
        let mark_ms = self.taken.back().map_or(position.mark_ms, |last| last.mark_ms).max(mark_ms);
        self.taken.push_back(Taken { offset, mark_ms, unacknowledged: 0 });
        self.first_number + self.taken.len() as u64 - 1
    }

    /// One more message was made of record `number`.
    pub fn expect_acknowledgement(&mut self, number: u64) {
        let taken = self.find(number).expect("only of a record just taken is something made");
        taken.unacknowledged += 1;
    }

    /// One message made of record `number` is acknowledged.
    pub fn acknowledge(&mut self, number: u64) {
        let taken = self.find(number).expect("a record stays until all its messages are acknowledged");
        taken.unacknowledged = taken.unacknowledged.checked_sub(1).expect("a message is acknowledged once");
        self.position();
    }

    /// The position up to which everything is done.
    pub fn position(&mut self) -> Position {
        while let Some(first) = self.taken.front().filter(|taken| taken.unacknowledged == 0) {
            self.done = Position { offset: first.offset + 1, mark_ms: first.mark_ms };
            self.taken.pop_front();
            self.first_number += 1;
        }
        self.done
    }

    /// The time of the first record that is not done: the largest mark up to the first that is under way, or that of
    /// the one that waits to be taken; the earlier of both, lest a mark of tomorrow hides what waits.
    #[must_use]
    pub fn undone_ms(&self, waiting_ms: Option<i64>) -> Option<i64> {
        let under_way = self.taken.iter().find(|taken| taken.unacknowledged > 0);
        let under_way_ms = under_way.and_then(|taken| taken.mark_ms);
        under_way_ms.into_iter().chain(waiting_ms).min()
    }

    /// Whether nothing is under way.
    pub fn is_settled(&mut self) -> bool {
        self.position();
        self.taken.is_empty()
    }

    fn find(&mut self, number: u64) -> Option<&mut Taken> {
        let index = number.checked_sub(self.first_number)?;
        self.taken.get_mut(usize::try_from(index).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_gap_holds_back_what_follows() {
        let mut progress = Progress::from(Position { offset: 10, mark_ms: Some(5) });
        assert_eq!(progress.position(), Position { offset: 10, mark_ms: Some(5) });
        // Offsets may have holes: compaction, transactions' ends.
        let numbers = [(10, 0), (11, 2), (15, 0)].map(|(offset, messages)| {
            let number = progress.take(offset, Some(100 - offset));
            (0..messages).for_each(|_| progress.expect_acknowledgement(number));
            number
        });
        assert_eq!(progress.position(), Position { offset: 11, mark_ms: Some(90) });
        progress.acknowledge(numbers[1]);
        assert!(!progress.is_settled());
        assert_eq!(progress.position().offset, 11);
        progress.acknowledge(numbers[1]);
        assert_eq!(progress.position(), Position { offset: 16, mark_ms: Some(90) });
        assert!(progress.is_settled());
    }

    #[test]
    fn what_is_under_way_is_known_by_the_first_of_it() {
        let mut progress = Progress::from(Position { offset: 10, mark_ms: Some(50) });
        assert_eq!(progress.undone_ms(Some(90)), Some(90));
        progress.take(10, Some(60));
        assert_eq!(progress.undone_ms(None), None, "nothing was made of it");
        // The second one's clock is behind.
        let numbers = [(11, 70), (12, 8), (13, 80)].map(|(offset, mark_ms)| {
            let number = progress.take(offset, Some(mark_ms));
            progress.expect_acknowledgement(number);
            number
        });
        for (number, left_ms) in [(2, Some(70)), (0, Some(70)), (1, Some(90))] {
            assert_eq!(progress.undone_ms(Some(90)), Some(70));
            progress.acknowledge(numbers[number]);
            assert_eq!(progress.undone_ms(Some(90)), left_ms);
        }
        assert_eq!(progress.position(), Position { offset: 14, mark_ms: Some(80) });
    }

    proptest! {
        /// Whatever the order of acknowledgements: the position is the first record with something outstanding.
        #[test]
        fn the_position_is_always_the_first_gap(
            messages in prop::collection::vec(0_u32..4, 1..40),
            seed in any::<u64>(),
        ) {
            let mut progress = Progress::from(Position { offset: 0, mark_ms: None });
            let mut outstanding = Vec::new();
            for (offset, count) in messages.iter().enumerate() {
                let number = progress.take(offset as i64, Some(offset as i64));
                for _ in 0..*count {
                    progress.expect_acknowledgement(number);
                    outstanding.push(number);
                }
            }
            let mut left = messages.clone();
            let mut state = seed;
            while !outstanding.is_empty() {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let number = outstanding.swap_remove((state >> 33) as usize % outstanding.len());
                progress.acknowledge(number);
                left[usize::try_from(number).unwrap()] -= 1;
                let gap = left.iter().position(|count| *count > 0).unwrap_or(left.len());
                let mark_ms = gap.checked_sub(1).map(|last| last as i64);
                prop_assert_eq!(progress.position(), Position { offset: gap as i64, mark_ms });
            }
            prop_assert!(progress.is_settled());
        }
    }
}
