//! A member dies and stays away: when its session is over, the other takes its partitions over.

use fenghuo_tests::trouble::Trouble;

use super::{Fault, Struck, night};
use crate::crew::Seat;
use crate::round::{Round, Setting};

/// The takeover by another member.
pub struct Takeover;

impl Fault for Takeover {
    fn name(&self) -> &'static str {
        "takeover"
    }

    fn does(&self) -> &'static str {
        "a member dies (SIGKILL) for good; another takes over what it had"
    }

    fn rounds(&self, long: bool) -> u64 {
        if long { 40 } else { 3 }
    }

    fn setting(&self, seed: u64, _long: bool) -> Setting {
        Setting { plan: night(seed), seats: vec![Seat::loose("a"), Seat::loose("b")], proxied: false }
    }

    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble> {
        round.until_any_share()?;
        let names = round.crew.names();
        let name = round.random.one_of(&names).clone();
        round.mark();
        round.crew.kill(&name)?;
        Ok(Struck::Done)
    }
}
