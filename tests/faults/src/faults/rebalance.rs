//! A storm of rebalances: for a minute members come and go every two seconds, in order or by death.

use std::time::{Duration, Instant};

use fenghuo_city::Plan;
use fenghuo_tests::trouble::Trouble;

use super::{Fault, Struck, night};
use crate::crew::Seat;
use crate::round::{Round, Setting};

const LASTS: Duration = Duration::from_secs(60);
const EVERY: Duration = Duration::from_secs(2);
/// So many members there may be at once; two stay throughout.
const MOST: usize = 4;
const STAY: usize = 2;

/// Members that come and go.
pub struct Rebalance;

impl Fault for Rebalance {
    fn name(&self) -> &'static str {
        "rebalance"
    }

    fn does(&self) -> &'static str {
        "members come and go every 2 s, in order or by death"
    }

    fn rounds(&self, long: bool) -> u64 {
        if long { 20 } else { 1 }
    }

    fn setting(&self, seed: u64, long: bool) -> Setting {
        // The night has to outlast the storm; the long form is for a release build, which is faster.
        let plan = Plan { hours: if long { 5.0 } else { 4.0 }, ..night(seed) };
        Setting { plan, seats: vec![Seat::loose("a"), Seat::loose("b")], proxied: false }
    }

    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble> {
        round.until_share(20)?;
        let until = Instant::now() + LASTS;
        round.mark();
        let (mut came, mut went, mut died) = (0, 0, 0);
        while Instant::now() < until {
            let names = round.crew.names();
            let may_come = names.len() < MOST;
            let may_go = names.len() > STAY;
            if may_come && (!may_go || round.random.between(0, 1) == 0) {
                came += 1;
                round.crew.start(&Seat::loose(&format!("c{came}")))?;
            } else {
                let name = round.random.one_of(&names[STAY..]).clone();
                if round.random.between(0, 1) == 0 {
                    round.crew.end(&name)?;
                    went += 1;
                } else {
                    round.crew.kill(&name)?;
                    died += 1;
                }
            }
            round.pause(EVERY)?;
        }
        let outlasted = !round.is_settled();
        round.notes.push(format!("{came} came, {went} went, {died} died; the night outlasted it: {outlasted}"));
        Ok(Struck::Done)
    }
}
