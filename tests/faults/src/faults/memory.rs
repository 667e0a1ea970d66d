//! A member starts with far less address space than it had: it must end rather than go on half dead, and its supervisor
//! starts it anew.

use std::time::{Duration, Instant};

use fenghuo_tests::trouble::Trouble;

use super::{Fault, Struck};
use crate::crew::Seat;
use crate::round::Round;

/// How long a limit may take to be reached before a lower one is tried.
const WITHIN: Duration = Duration::from_secs(5);
/// By how much lower, in hundredths of what the member had.
const LOWER: u64 = 5;

/// The limit of memory.
pub struct Memory;

impl Fault for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn does(&self) -> &'static str {
        "a member reaches its limit of memory (RLIMIT_AS, 15 to 30 % of what it had)"
    }

    fn rounds(&self, long: bool) -> u64 {
        if long { 10 } else { 1 }
    }

    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble> {
        round.until_share(50)?;
        let taken = round.crew.address_space("a")?;
        round.mark();
        let mut share = round.random.between(15, 30);
        while share > 0 {
            let seat = round.crew.kill("a")?;
            round.notes.push(format!("{share} % of {} MiB of address space", taken >> 20));
            round.crew.start(&Seat { address_space: Some(taken / 100 * share), ..seat })?;
            let deadline = Instant::now() + WITHIN;
            while round.crew.ends.is_empty() && Instant::now() < deadline {
                round.pause(Duration::from_millis(50))?;
            }
            if !round.crew.ends.is_empty() {
                return Ok(Struck::Done);
            }
            share = share.saturating_sub(LOWER);
        }
        Ok(Struck::NotHit("each was enough for it".to_owned()))
    }
}
