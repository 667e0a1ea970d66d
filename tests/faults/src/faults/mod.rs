//! The faults: each a small file that says with what it is tried, and how it strikes.

mod kill;
mod takeover;

use fenghuo_city::Plan;
use fenghuo_tests::trouble::Trouble;

use crate::cluster::Cluster;
use crate::crew::Seat;
use crate::round::{Round, Setting};

/// Whether a fault happened.
pub enum Struck {
    /// It did.
    Done,
    /// It did not, and why: the round has tried nothing.
    NotHit(String),
}

/// One kind of fault.
pub trait Fault {
    /// Its name on the command line and in the table.
    fn name(&self) -> &'static str;

    /// What it does, in a line.
    fn does(&self) -> &'static str;

    /// How many rounds there are in the short or the long form.
    fn rounds(&self, long: bool) -> u64;

    /// What a round is tried with.
    fn setting(&self, seed: u64, _long: bool) -> Setting {
        Setting { plan: night(seed), seats: vec![Seat::fixed("a"), Seat::fixed("b")], proxied: false }
    }

    /// Why it cannot be tried here, if it cannot.
    fn impossible(&self, _cluster: &Cluster) -> Option<String> {
        None
    }

    /// Strikes while the members carry the night, and mends what no supervisor would.
    ///
    /// # Errors
    /// It does not come to that.
    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble>;
}

/// All faults, in the order in which they are tried.
pub fn all() -> Vec<Box<dyn Fault>> {
    vec![Box::new(kill::Kill), Box::new(kill::AtPoint), Box::new(takeover::Takeover)]
}

/// A night of a small city whose fires are beyond doubt: everything planted must be dispatched.
pub fn night(seed: u64) -> Plan {
    Plan { hours: 3.0, buildings: 700, fires: Some(12), garbage_share: 0.01, ..Plan::clear_cut(seed) }
}
