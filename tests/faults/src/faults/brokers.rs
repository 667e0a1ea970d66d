//! Brokers die (SIGKILL) and start again: one, two at once, all.

use std::time::Duration;

use fenghuo_tests::trouble::Trouble;

use super::{Fault, Struck};
use crate::cluster::NODES;
use crate::round::Round;

/// How long they stay away at least.
const AWAY: Duration = Duration::from_secs(2);

/// The death of brokers.
pub struct Brokers;

impl Fault for Brokers {
    fn name(&self) -> &'static str {
        "brokers"
    }

    fn does(&self) -> &'static str {
        "one broker, two at once, or all die (SIGKILL) and start again"
    }

    fn rounds(&self, long: bool) -> u64 {
        if long { 40 } else { 3 }
    }

    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble> {
        round.until_any_share()?;
        let dying = u16::try_from(round.seed.wrapping_sub(1) % u64::from(NODES)).unwrap_or_default() + 1;
        let first = u16::try_from(round.random.between(0, u64::from(NODES) - 1)).unwrap_or_default();
        let nodes: Vec<u16> = (first..first + dying).map(|node| node % NODES + 1).collect();
        round.notes.push(format!("brokers {nodes:?} die"));
        round.mark();
        nodes.iter().try_for_each(|node| round.cluster.kill_node(*node))?;
        let away = round.pause(AWAY);
        round.cluster.start_all()?;
        away?;
        Ok(Struck::Done)
    }
}
