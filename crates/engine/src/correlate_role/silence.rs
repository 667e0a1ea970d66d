//! A partition from which nothing comes though its log holds more: its shard begins anew, and with it its reading.
//!
//! Seen after brokers died: the group had the partition, the log went on, and the client asked for none of it any more.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;

use super::ledger::Trouble;
use crate::events::TopicPartition;
use crate::kafka::{ANSWER_WAIT, EventConsumer};

/// After so long without a record the log is asked; ticks come every second.
const SILENT_FOR: Duration = Duration::from_secs(8);

/// And so long after it said that there is more, it is asked again: what came meanwhile was on its way.
const ON_ITS_WAY: Duration = Duration::from_secs(2);

/// When a record came last, or the log was asked.
#[derive(Debug)]
pub(super) struct Silence {
    heard_at: Instant,
    /// The log held more when it was asked, and nothing came since.
    is_missed: bool,
}

impl Silence {
    /// Nothing was waited for yet.
    pub(super) fn new() -> Self {
        Self { heard_at: Instant::now(), is_missed: false }
    }

    /// A look at the queue took so many records; `next` is the offset of the first that did not come.
    ///
    /// # Errors
    /// The log holds it for so long already that it will not come.
    pub(super) fn listen(
        &mut self,
        taken: usize,
        next: i64,
        ends: &EventConsumer,
        partition: &TopicPartition,
    ) -> Result<(), Trouble> {
        if taken > 0 {
            *self = Self::new();
        }
        if self.heard_at.elapsed() < if self.is_missed { ON_ITS_WAY } else { SILENT_FOR } {
            return Ok(());
        }
        self.heard_at = Instant::now();
        let was_missed = std::mem::take(&mut self.is_missed);
        // Who does not answer now is asked again.
        match ends.fetch_watermarks(&partition.topic, partition.partition, ANSWER_WAIT) {
            Ok((_, end)) if end > next && was_missed => {
                Err(Trouble::Anew(format!("the log holds {next} to {end}, and nothing of it comes")))
            }
            Ok((_, end)) => {
                self.is_missed = end > next;
                Ok(())
            }
            Err(error) => {
                tracing::warn!(%partition, next, %error, "nothing comes, and where its log ends is not known");
                Ok(())
            }
        }
    }
}
