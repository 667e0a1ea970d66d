//! Load as a fault: records of which a fifth is garbage, and a storm of alarms with fires in it. A member dies amid.

use fenghuo_city::Plan;
use fenghuo_tests::trouble::Trouble;

use super::{Fault, Struck, night};
use crate::crew::Seat;
use crate::round::{Round, Setting};

const MINUTE_MS: i64 = 60_000;

/// A fifth of all records is garbage.
pub struct Garbage;

impl Fault for Garbage {
    fn name(&self) -> &'static str {
        "garbage"
    }

    fn does(&self) -> &'static str {
        "a fifth of all records cannot be read, 1 million in the short form, 10 in the long; a member dies amid"
    }

    fn rounds(&self, _long: bool) -> u64 {
        1
    }

    fn setting(&self, seed: u64, long: bool) -> Setting {
        // About 36 records a building and hour at this beat, garbage included.
        let buildings = if long { 275_000 } else { 27_500 };
        let gateway_heartbeat_ms = (9_000, 10_000);
        let plan = Plan { buildings, hours: 1.0, garbage_share: 0.2, gateway_heartbeat_ms, ..night(seed) };
        Setting { plan, seats: vec![Seat::fixed("a"), Seat::fixed("b")], proxied: false }
    }

    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble> {
        die_amid(round)
    }
}

/// Fires in every eighth building and a hundred times the usual alarms, with few heartbeats between: so that a
/// transaction of thousands of records decides in thousands, as when a city burns.
pub struct Storm;

impl Fault for Storm {
    fn name(&self) -> &'static str {
        "storm"
    }

    fn does(&self) -> &'static str {
        "every eighth building burns, and a hundred times the usual alarms; a member dies amid"
    }

    fn rounds(&self, _long: bool) -> u64 {
        1
    }

    fn setting(&self, seed: u64, long: bool) -> Setting {
        let usual = Plan::default();
        let (buildings, minutes) = if long { (240_000, 10.0) } else { (40_000, 10.0) };
        let plan = Plan {
            buildings,
            fires: Some(buildings / 8),
            hours: minutes / 60.0,
            nuisance_scale: usual.nuisance_scale * 100.0,
            gateway_heartbeat_ms: (10 * MINUTE_MS, 20 * MINUTE_MS),
            ..Plan::clear_cut(seed)
        };
        Setting { plan, seats: vec![Seat::fixed("a"), Seat::fixed("b")], proxied: false }
    }

    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble> {
        die_amid(round)
    }
}

fn die_amid(round: &mut Round<'_>) -> Result<Struck, Trouble> {
    round.until_any_share()?;
    round.mark();
    let seat = round.crew.kill("a")?;
    round.crew.start(&seat)?;
    Ok(Struck::Done)
}
