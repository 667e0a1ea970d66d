//! A member dies at once (SIGKILL) and its supervisor starts it again: at any time, or at a named point of its code.

use std::time::{Duration, Instant};

use fenghuo_tests::trouble::Trouble;

use super::{Fault, Struck, night, turn};
use crate::crew::Seat;
use crate::round::{Round, Setting};

/// The switch of test builds: the point, and optionally `:` and at the how-manieth time.
const SWITCH: &str = "FENGHUO_KILL_AT";
/// The points at which a member of a test build can be made to die.
const POINTS: [&str; 6] =
    ["before-produce", "after-produce", "offsets-sent", "commit-sent", "committed", "state-restored"];
const WITHIN: Duration = Duration::from_secs(60);

/// At any time.
pub struct Kill;

impl Fault for Kill {
    fn name(&self) -> &'static str {
        "kill"
    }

    fn does(&self) -> &'static str {
        "a member dies (SIGKILL) at any time and starts again at once"
    }

    fn rounds(&self, long: bool) -> u64 {
        if long { 200 } else { 10 }
    }

    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble> {
        round.until_any_share()?;
        let names = round.crew.names();
        let name = round.random.one_of(&names).clone();
        round.mark();
        let seat = round.crew.kill(&name)?;
        round.crew.start(&seat)?;
        Ok(Struck::Done)
    }
}

/// At a named point.
pub struct AtPoint;

impl Fault for AtPoint {
    fn name(&self) -> &'static str {
        "point"
    }

    fn does(&self) -> &'static str {
        "a member dies (SIGKILL) at a named point of its code and starts again at once"
    }

    fn rounds(&self, long: bool) -> u64 {
        POINTS.len() as u64 * if long { 10 } else { 1 }
    }

    fn setting(&self, seed: u64, _long: bool) -> Setting {
        let point = *turn(&POINTS, seed);
        // The first pass takes each point's first time, later ones a later time; a restore happens once.
        let pass = seed.wrapping_sub(1) / POINTS.len() as u64;
        let time = if point == "state-restored" { 1 } else { 1 + pass };
        let environment = vec![(SWITCH, format!("{point}:{time}"))];
        let seats = vec![Seat { environment, ..Seat::fixed("a") }, Seat::fixed("b")];
        Setting { plan: night(seed), seats, proxied: false }
    }

    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble> {
        let point = self.setting(round.seed, round.long).seats[0].environment[0].1.clone();
        let deadline = Instant::now() + WITHIN;
        while !round.crew.killed_itself("a")? {
            if round.is_settled() || Instant::now() >= deadline {
                return Ok(Struck::NotHit(format!("the point {point} was never reached")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        round.notes.push(format!("died at {point}"));
        round.mark();
        // The supervisor starts it again, without the switch.
        round.crew.supervise()?;
        Ok(Struck::Done)
    }
}
