//! Partitions that stand before a gap: said loudly, looked at again and again, and begun once somebody accepted the
//! gap.
//!
//! The records of acceptance are read on a thread of its own, for they stand in a topic that may be long: the alarms
//! of the other partitions do not wait for that.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::limits::Rarely;
use super::{Task, Worker};
use crate::events::Event;
use crate::gaps::{Gap, accepted};

/// How often the records of acceptance are read while a partition stands.
const CHECK_EVERY: Duration = Duration::from_secs(10);
/// How often it is said that it stands.
const ALARM_EVERY: Duration = Duration::from_secs(60);

/// A partition that stands before a gap.
pub(super) struct Stopped {
    pub(super) gap: Gap,
    since: Instant,
    /// When the records of acceptance are to be read; nothing while they are being read.
    check_at: Option<Instant>,
    alarm: Rarely,
}

/// A gap that somebody accepted.
pub(super) struct Passed {
    pub(super) gap: Gap,
    /// The offset to go on at.
    pub(super) to: i64,
}

impl Stopped {
    pub(super) fn before(gap: Gap) -> Self {
        let now = Instant::now();
        Self { gap, since: now, check_at: Some(now), alarm: Rarely::every(ALARM_EVERY) }
    }
}

impl<T: Task> Worker<'_, T> {
    /// Has the records of acceptance read where it is time for that.
    pub(super) fn check_stopped(&mut self) {
        let now = Instant::now();
        for stopped in self.stopped.iter_mut().filter(|stopped| stopped.check_at.is_some_and(|at| at <= now)) {
            stopped.check_at = None;
            let (kafka, state_topic, gap) = (self.kafka.clone(), self.state_topic.clone(), stopped.gap.clone());
            let noted = Arc::clone(&self.noted);
            let check = move || {
                let accepted = accepted(&kafka, &state_topic, &gap);
                noted.push(Event::GapChecked { gap, accepted });
            };
            if let Err(error) = std::thread::Builder::new().name("gap check".to_owned()).spawn(check) {
                tracing::warn!(%error, "whether a gap was accepted is not known; asking again");
                stopped.check_at = Some(now + CHECK_EVERY);
            }
        }
    }

    /// Begins behind the gap, or says that the partition stands; the log may meanwhile have changed.
    pub(super) fn gap_checked(&mut self, gap: Gap, accepted: Result<Option<i64>, String>) {
        let is_its = |stopped: &Stopped| stopped.gap.partition == gap.partition && stopped.check_at.is_none();
        let Some(index) = self.stopped.iter().position(is_its) else { return };
        match accepted {
            Ok(Some(to)) => {
                self.stopped.swap_remove(index);
                self.waiting.push(gap.partition.clone());
                self.wait_until = Instant::now();
                self.passed.push(Passed { gap, to });
                return;
            }
            Ok(None) => {}
            Err(reason) => {
                tracing::warn!(partition = %gap.partition, reason, "whether the gap was accepted is not known");
            }
        }
        let stopped = &mut self.stopped[index];
        stopped.check_at = Some(Instant::now() + CHECK_EVERY);
        if stopped.alarm.is_due() {
            let for_s = stopped.since.elapsed().as_secs();
            tracing::error!(
                role = T::ROLE,
                for_s,
                "ALARM: {gap}; this partition is stopped and holds back the clocks of all regions, the others go on. \
                 To go on without what is gone: {}",
                gap.command()
            );
        }
    }
}
