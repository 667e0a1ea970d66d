//! The tick: time that has passed in all raw partitions, written into every signals partition by one member.
//!
//! Each member commits, with its offsets, the largest record timestamp up to which everything of the partition was
//! forwarded. The owner of partition 0 of the first raw topic reads these back; their minimum has passed everywhere.
//! No process clock takes part: a replay of last year's records moves last year's clocks.

use crate::config::Config;
use crate::events::TopicPartition;
use crate::outlet::Outlet;
use crate::worker::Rarely;

use super::survey::{Standing, Survey};

/// The time that has passed in all partitions: the least progress of those where records wait, or, where none waits,
/// the largest of all. Nothing if a partition with waiting records was never forwarded.
#[must_use]
pub fn passed_ms(standings: &[Standing]) -> Option<i64> {
    let waiting = standings.iter().filter(|standing| standing.waits).map(|standing| standing.progress_ms);
    // None is less than any time: it holds everything back.
    waiting.min().unwrap_or_else(|| standings.iter().filter_map(|standing| standing.progress_ms).max())
}

/// Writes the ticks, if this member is the one that does.
pub struct TickAuthor {
    first_topic: Option<String>,
    signals_topic: String,
    written_ms: Option<i64>,
    trouble: Rarely,
}

impl TickAuthor {
    /// Nothing written yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        Self {
            first_topic: config.raw.first().map(|raw| raw.topic.clone()),
            signals_topic: config.topics.signals.clone(),
            written_ms: None,
            trouble: Rarely::default(),
        }
    }

    /// Writes a tick if time has passed and this member holds the first partition; whether one was written.
    pub fn write(&mut self, survey: &Survey, holds: impl Fn(&TopicPartition) -> bool, outlet: &Outlet) -> bool {
        let Some(first) = &self.first_topic else { return false };
        if !holds(&TopicPartition { topic: first.as_str().into(), partition: 0 }) {
            self.written_ms = None;
            return false;
        }
        let standings: Vec<Standing> = survey.partitions().map(|(_, standing)| *standing).collect();
        match passed_ms(&standings) {
            Some(passed_ms) if Some(passed_ms) > self.written_ms => {
                self.written_ms = Some(passed_ms);
                self.send(passed_ms, survey.signals_partitions(), outlet);
                true
            }
            _ => false,
        }
    }

    fn send(&mut self, passed_ms: i64, partitions: i32, outlet: &Outlet) {
        let payload = format!("{{\"tick\":{passed_ms}}}");
        for partition in 0..partitions {
            if let Err(error) = outlet.send_untracked(&self.signals_topic, partition, &payload, passed_ms)
                && self.trouble.is_due()
            {
                // The next tick says all that this one would have said.
                tracing::warn!(%error, partition, "a tick was not written");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_with_work_left_sets_the_time() {
        let busy = |progress_ms| Standing { progress_ms, next_ms: None, end: 9, waits: true };
        let quiet = |progress_ms| Standing { progress_ms, next_ms: None, end: 9, waits: false };
        for (standings, expected) in [
            (vec![], None),
            (vec![quiet(None)], None),
            (vec![quiet(None), quiet(Some(5))], Some(5)),
            (vec![quiet(Some(3)), quiet(Some(5))], Some(5)),
            (vec![busy(Some(3)), quiet(Some(5))], Some(3)),
            (vec![busy(Some(9)), quiet(Some(5))], Some(9)),
            (vec![busy(Some(9)), busy(Some(7)), quiet(Some(1))], Some(7)),
            (vec![busy(None), busy(Some(7)), quiet(Some(9))], None),
        ] {
            assert_eq!(passed_ms(&standings), expected, "{standings:?}");
        }
    }
}
