//! A member stands still (SIGSTOP) until its session and its transaction are over, and then goes on as if nothing was.

use std::time::Duration;

use fenghuo_tests::trouble::Trouble;

use super::{Fault, Struck, night};
use crate::crew::{SESSION_MS, Seat};
use crate::round::{Round, Setting};

/// The engine's `transaction.timeout.ms`, and the brokers' time to notice (`transaction.abort.timed.out…` runs each
/// 10 s, but a successor ends the transaction before).
const TRANSACTION: Duration = Duration::from_secs(10);
const BEYOND: Duration = Duration::from_secs(2);

/// The member that comes back from the dead.
pub struct Zombie;

impl Fault for Zombie {
    fn name(&self) -> &'static str {
        "zombie"
    }

    fn does(&self) -> &'static str {
        "a member stands still (SIGSTOP) beyond session and transaction timeout, then goes on (SIGCONT)"
    }

    fn rounds(&self, long: bool) -> u64 {
        if long { 30 } else { 2 }
    }

    fn setting(&self, seed: u64, _long: bool) -> Setting {
        // By turns: static members and others.
        let seat = if seed.is_multiple_of(2) { Seat::fixed } else { Seat::loose };
        Setting { plan: night(seed), seats: vec![seat("a"), seat("b")], proxied: false }
    }

    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble> {
        round.until_any_share()?;
        let names = round.crew.names();
        let name = round.random.one_of(&names).clone();
        round.mark();
        round.crew.signal(&name, "STOP")?;
        let paused = round.pause(TRANSACTION.max(Duration::from_millis(SESSION_MS)) + BEYOND);
        round.crew.signal(&name, "CONT")?;
        paused?;
        Ok(Struck::Done)
    }
}
