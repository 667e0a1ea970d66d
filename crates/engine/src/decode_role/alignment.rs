//! Keeps raw partitions side by side while a backlog is read: nobody runs far ahead of who still has work left.
//!
//! A region's clock follows the latest record of any raw partition. If one partition were read hours ahead of another,
//! the other's alarms would come too old to be judged together, and a fire that two of them show would be missed. So a
//! record waits while some partition with work left is more than `ahead_ms` behind it. In ordinary times nobody has
//! work left, and nothing waits.
//!
//! Work is left until its signals are acknowledged. So whatever lies in anybody's producer, perhaps behind a broken
//! network and of partitions that others have gone on with, is not further ahead than that when it comes after all.

use std::collections::BTreeMap;

use crate::events::TopicPartition;

/// The limit as it was computed last, and whether it rises because those behind come forward.
#[derive(Debug)]
pub struct Limit {
    ms: i64,
    /// What was reached before a partition was begun again where it was.
    furthest_ms: i64,
    begun: BTreeMap<TopicPartition, i64>,
}

impl Default for Limit {
    fn default() -> Self {
        Self { ms: i64::MIN, furthest_ms: i64::MIN, begun: BTreeMap::new() }
    }
}

impl Limit {
    /// The latest timestamp that may be taken now.
    #[must_use]
    pub const fn ms(&self) -> i64 {
        self.ms
    }

    /// A partition begins at an offset: it may stand further back than those that set the limit. One that is begun
    /// again and again where it was, for something of it is refused, does not come forward by that.
    pub fn begin(&mut self, partition: &TopicPartition, next: i64) {
        let is_again = self.begun.insert(partition.clone(), next) == Some(next);
        self.furthest_ms = if is_again { self.furthest_ms.max(self.ms) } else { i64::MIN };
        self.ms = i64::MIN;
    }

    /// It is this now; whether those behind came forward.
    pub fn set(&mut self, ms: i64) -> bool {
        let came_forward = ms > self.ms.max(self.furthest_ms);
        self.ms = ms;
        came_forward
    }
}

/// One partition of this member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Own {
    /// The time of the first record that was read and is not forwarded.
    pub head_ms: Option<i64>,
    /// The largest timestamp taken.
    pub taken_ms: Option<i64>,
    /// Whether the log holds records that were not even read.
    pub unread: bool,
}

/// The latest timestamp that may be taken now.
///
/// `own`: this member's partitions; `others_ms`: of those partitions of other members that have work left, the time
/// of what waits there first, or of what was done last (nothing, if neither is known).
#[must_use]
pub fn limit_ms(own: impl Iterator<Item = Own>, others_ms: impl Iterator<Item = Option<i64>>, ahead_ms: i64) -> i64 {
    // What never progressed holds everything back until its first record is seen.
    let floor_of = |own: Own| match own {
        Own { head_ms: Some(head_ms), .. } => Some(head_ms),
        Own { taken_ms, unread: true, .. } => Some(taken_ms.unwrap_or(i64::MIN)),
        Own { .. } => None,
    };
    let others = others_ms.map(|progress_ms| progress_ms.unwrap_or(i64::MIN));
    own.filter_map(floor_of).chain(others).min().map_or(i64::MAX, |floor_ms| floor_ms.saturating_add(ahead_ms))
}

#[cfg(test)]
mod tests;
