//! The worker's limits and intervals, each with its reason, and the means to say something only now and then.

use std::time::{Duration, Instant};

/// How long a poll waits for a record: acknowledgements that come meanwhile wait as long for their commit.
pub(super) const POLL_WAIT: Duration = Duration::from_millis(10);
/// And how long where what is under way must become less first.
pub(super) const SHORT_WAIT: Duration = Duration::from_millis(1);
/// How often offsets are committed: what a crash makes again is at most this much.
pub(super) const TICK_EVERY: Duration = Duration::from_millis(100);
/// How long after a failure the same is tried again.
pub(super) const RETRY_AFTER: Duration = Duration::from_secs(1);
/// How often what is committed is committed again, whatever the client says became of it.
pub(super) const COMMIT_AGAIN_EVERY: Duration = Duration::from_secs(3);
/// How long a partition may be silent whose log holds more.
pub(super) const SILENT_FOR: Duration = Duration::from_secs(5);
/// How often the counters are logged.
pub(super) const COUNTERS_EVERY: Duration = Duration::from_secs(20);
/// Messages under way above which nothing more is read; a fiftieth of what librdkafka's queue takes.
pub(super) const MOST_IN_FLIGHT: u32 = 20_000;

/// How many records that waited are taken before other events have their turn.
pub(super) const MOST_AT_ONCE: usize = 256;

/// How often the same trouble is said.
const SAY_EVERY: Duration = Duration::from_secs(10);

/// Lets something be said now and then only: at most every ten seconds, if nothing else is told.
#[derive(Debug)]
pub struct Rarely {
    every: Duration,
    said_at: Option<Instant>,
}

impl Default for Rarely {
    fn default() -> Self {
        Self::every(SAY_EVERY)
    }
}

impl Rarely {
    /// At most that often.
    #[must_use]
    pub const fn every(every: Duration) -> Self {
        Self { every, said_at: None }
    }

    /// Whether it is time to say it again; then it counts as said.
    pub fn is_due(&mut self) -> bool {
        let due = self.said_at.is_none_or(|said_at| said_at.elapsed() >= self.every);
        if due {
            self.said_at = Some(Instant::now());
        }
        due
    }
}
