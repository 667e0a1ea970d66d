//! The faults: each a small file that says with what it is tried, and how it strikes.

mod answers;
mod brokers;
mod clock;
mod disk;
mod kill;
mod load;
mod memory;
mod network;
mod nothing;
mod rebalance;
mod stuck;
mod takeover;
mod zombie;

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

    /// Whether all members end in order, so that what they counted is known.
    fn leaves_counters(&self) -> bool {
        false
    }

    /// Strikes while the members carry the night, and mends what no supervisor would.
    ///
    /// # Errors
    /// It does not come to that.
    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble>;
}

/// All faults, in the order in which they are tried.
pub fn all() -> Vec<Box<dyn Fault>> {
    vec![
        Box::new(nothing::Nothing),
        Box::new(kill::Kill),
        Box::new(kill::AtPoint),
        Box::new(stuck::Stuck),
        Box::new(takeover::Takeover),
        Box::new(zombie::Zombie),
        Box::new(brokers::Brokers),
        Box::new(rebalance::Rebalance),
        Box::new(answers::Answers),
        Box::new(network::Network),
        Box::new(disk::Disk),
        Box::new(clock::Clock),
        Box::new(load::Garbage),
        Box::new(load::Storm),
        Box::new(memory::Memory),
    ]
}

/// The one of several whose turn it is: seeds from 1 on go through them all.
pub fn turn<T>(all: &[T], seed: u64) -> &T {
    let number = seed.wrapping_sub(1) % all.len() as u64;
    &all[usize::try_from(number).expect("it is less than a length")]
}

/// Half an hour of a small city whose fires are beyond doubt: all must be dispatched. No more hours, because the
/// decode role's alignment makes a round last by its night's hours more than by its records; of these there are so many
/// that the night is not over before a fault strikes.
pub fn night(seed: u64) -> Plan {
    let gateway_heartbeat_ms = (5_000, 8_000);
    Plan {
        hours: 0.6,
        buildings: 2_500,
        fires: Some(40),
        garbage_share: 0.01,
        gateway_heartbeat_ms,
        ..Plan::clear_cut(seed)
    }
}
