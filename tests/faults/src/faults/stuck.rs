//! A call of the client never comes back, as one did in a round of `brokers`: the partition must go on all the same.

use std::time::{Duration, Instant};

use fenghuo_tests::trouble::Trouble;

use super::{Fault, Struck, night};
use crate::crew::Seat;
use crate::round::{Round, Setting};

/// The switch of test builds: the call, `:`, and at the how-manieth time.
const SWITCH: &str = "FENGHUO_STICK_AT";
/// What the member says once it has left the call to itself: amid its work, or when the partition is to go to another.
const SAID: [&str; 2] = ["does not come back", "a shard did not end in time"];
const WITHIN: Duration = Duration::from_secs(60);

/// The call that does not come back.
pub struct Stuck;

impl Fault for Stuck {
    fn name(&self) -> &'static str {
        "stuck"
    }

    fn does(&self) -> &'static str {
        "a call of the client, which sends a transaction's offsets, never comes back"
    }

    fn rounds(&self, long: bool) -> u64 {
        if long { 10 } else { 1 }
    }

    fn setting(&self, seed: u64, _long: bool) -> Setting {
        let environment = vec![(SWITCH, format!("offsets:{}", 3 + seed))];
        let seats = vec![Seat { environment, ..Seat::fixed("a") }, Seat::fixed("b")];
        Setting { plan: night(seed), seats, proxied: false }
    }

    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble> {
        let deadline = Instant::now() + WITHIN;
        while !(round.crew.has_said("a", SAID[0])? || round.crew.has_said("a", SAID[1])?) {
            if Instant::now() >= deadline {
                return Ok(Struck::NotHit("no call was left, or nobody said so".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        round.mark();
        Ok(Struck::Done)
    }
}
