//! The disk of a broker is full: it stops, and starts again when there is room.

use std::time::{Duration, Instant};

use fenghuo_tests::trouble::Trouble;

use super::{Fault, Struck};
use crate::cluster::{Cluster, NODES};
use crate::round::Round;

const WITHIN: Duration = Duration::from_secs(15);

/// A full disk.
pub struct Disk;

impl Fault for Disk {
    fn name(&self) -> &'static str {
        "disk"
    }

    fn does(&self) -> &'static str {
        "the disk of a broker is full, until there is room again"
    }

    fn rounds(&self, long: bool) -> u64 {
        if long { 10 } else { 1 }
    }

    fn impossible(&self, cluster: &Cluster) -> Option<String> {
        (!cluster.has_disk()).then(|| "not possible here: no right to mount a small disk".to_owned())
    }

    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble> {
        // Early, so that there is much to write yet.
        round.until_share(50)?;
        round.mark();
        let deadline = Instant::now() + WITHIN;
        while round.cluster.answers(NODES) && Instant::now() < deadline {
            // Again and again: the topics of earlier rounds, which were deleted, leave room when it is their time.
            round.cluster.fill_disk(true)?;
            round.pause(Duration::from_millis(100))?;
        }
        let stopped = !round.cluster.answers(NODES);
        round.notes.push(format!("the broker stopped: {stopped}"));
        round.pause(Duration::from_secs(1))?;
        round.cluster.fill_disk(false)?;
        round.cluster.start_all()?;
        if stopped { Ok(Struck::Done) } else { Ok(Struck::NotHit("the broker never met the full disk".to_owned())) }
    }
}
