//! Who holds the time back: raw partitions that lag, or that nobody reads, for longer than an operator would want.
//!
//! In ordinary times records wait for a moment, and in a backlog for as long as it takes to read on. A partition holds
//! the time back when it does not reach, within [`LIMIT`], the time that the others had reached when it fell behind.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::survey::Standing;
use crate::events::TopicPartition;

/// How long a raw partition may hold the ticks back before it is an alarm for the operator.
pub const LIMIT: Duration = Duration::from_secs(60);

/// A partition that is behind.
#[derive(Debug, Clone, Copy)]
struct Behind {
    /// What the others had reached.
    target_ms: i64,
    since: Instant,
    is_said: bool,
}

/// A partition that holds the time back beyond the limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    /// Which.
    pub partition: TopicPartition,
    /// For how long.
    pub duration: Duration,
    /// Whether this is the first time that it is found so.
    pub is_new: bool,
}

/// Every partition that is behind.
#[derive(Debug, Default)]
pub struct HeldBack {
    behind: BTreeMap<TopicPartition, Behind>,
}

impl HeldBack {
    /// Looks at all partitions; `free_ms` is the time that would have passed if none of their records waited. Those
    /// that hold it back for longer than the limit.
    pub fn look<'s>(
        &mut self,
        standings: impl Iterator<Item = (&'s TopicPartition, &'s Standing)>,
        free_ms: Option<i64>,
        now: Instant,
    ) -> Vec<Late> {
        let mut before = std::mem::take(&mut self.behind);
        let mut late = Vec::new();
        for (partition, standing) in standings.filter(|(_, standing)| standing.waits) {
            let known = before.remove(partition).filter(|behind| standing.progress_ms < Some(behind.target_ms));
            let new = || free_ms.filter(|free_ms| standing.progress_ms < Some(*free_ms));
            let new = || new().map(|target_ms| Behind { target_ms, since: now, is_said: false });
            let Some(mut behind) = known.or_else(new) else { continue };
            let duration = now.duration_since(behind.since);
            if duration >= LIMIT {
                late.push(Late { partition: partition.clone(), duration, is_new: !behind.is_said });
                behind.is_said = true;
            }
            self.behind.insert(partition.clone(), behind);
        }
        late
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds, progress and whether records wait, the time without them, and the seconds that it is late, if newly.
    type Row = (u64, Option<i64>, bool, i64, Option<(u64, bool)>);

    #[test]
    fn who_does_not_reach_what_the_others_had_is_late() {
        let began = Instant::now();
        let partition = TopicPartition { topic: "raw".into(), partition: 3 };
        let rows: [(&str, &[Row]); 4] = [
            ("nothing waits", &[(0, Some(1), false, 9, None), (90, Some(1), false, 9, None)]),
            (
                "it goes on",
                &[(0, Some(1), true, 9, None), (50, Some(9), true, 20, None), (100, Some(20), true, 30, None)],
            ),
            (
                "it reads, too slowly",
                &[
                    (0, Some(1), true, 9, None),
                    (59, Some(5), true, 70, None),
                    (60, Some(6), true, 71, Some((60, true))),
                    (61, Some(7), true, 72, Some((61, false))),
                    (62, Some(9), true, 73, None),
                    (63, Some(9), true, 74, None),
                ],
            ),
            (
                "it never began",
                &[(0, None, true, 9, None), (60, None, true, 9, Some((60, true))), (61, None, false, 9, None)],
            ),
        ];
        for (what, looks) in rows {
            let mut held_back = HeldBack::default();
            for (seconds, progress_ms, waits, free_ms, expected) in looks {
                let standing = Standing {
                    progress_ms: *progress_ms,
                    next_ms: None,
                    next: None,
                    end: 9,
                    waits: *waits,
                    has_gap: false,
                };
                let now = began + Duration::from_secs(*seconds);
                let late = held_back.look([(&partition, &standing)].into_iter(), Some(*free_ms), now);
                let late: Vec<_> = late.iter().map(|late| (late.duration.as_secs(), late.is_new)).collect();
                assert_eq!(late, expected.iter().copied().collect::<Vec<_>>(), "{what}, after {seconds} s");
            }
        }
    }
}
