//! Nothing strikes, and nobody else comes: what the members counted must be what the topics hold.

use fenghuo_tests::trouble::Trouble;

use super::{Fault, Struck, night};
use crate::crew::Seat;
use crate::round::{Round, Setting};

/// No fault at all.
pub struct Nothing;

impl Fault for Nothing {
    fn name(&self) -> &'static str {
        "nothing"
    }

    fn does(&self) -> &'static str {
        "nothing strikes: the sums of what members counted must be what the topics hold"
    }

    fn rounds(&self, long: bool) -> u64 {
        if long { 5 } else { 1 }
    }

    fn setting(&self, seed: u64, _long: bool) -> Setting {
        // A second member would move partitions, and a transaction may be caught by that.
        Setting { plan: night(seed), seats: vec![Seat::fixed("a")], proxied: false }
    }

    fn leaves_counters(&self) -> bool {
        true
    }

    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble> {
        round.until_any_share()?;
        round.mark();
        Ok(Struck::Done)
    }
}
