//! The oracle: SPEC.md sections 3 and 4 as they are written, slow and plain, to hold the correlator against.
//!
//! It shares with the correlator the reading of registry, policy and signals, and nothing else: lists, no indices, and
//! everything worked out anew at each signal. Where the text allows two readings, the code says which one it follows.

use std::collections::BTreeMap;

use fenghuo_model::{Input, Kind, Policy, Registry};
use serde_json::Value;

use crate::intake::{Reason, arrive};
use crate::publish::City;
use crate::world::World;
use crate::{region, timers};

/// "Fire signals without a known building form the region `unplaced`."
const UNPLACED: &str = "unplaced";

/// Every region of one sequence.
pub struct Oracle<'c> {
    registry: &'c Registry,
    policy: &'c Policy,
    worlds: BTreeMap<String, World>,
    arrivals: usize,
}

impl<'c> Oracle<'c> {
    /// Nothing heard yet.
    pub fn new(registry: &'c Registry, policy: &'c Policy) -> Self {
        let names = registry.regions().iter().map(ToString::to_string).chain([UNPLACED.to_owned()]);
        Self { registry, policy, worlds: names.map(|name| (name, World::new())).collect(), arrivals: 0 }
    }

    /// Takes one input in the order of arrival.
    pub fn take(&mut self, input: &Input) -> Result<Vec<Value>, Reason> {
        let (registry, policy) = (self.registry, self.policy);
        let signal = match input {
            // "Moves C and fires timers, nothing else"; "no region: all, in the order of their names, those not heard
            // yet too".
            Input::Tick(tick) => {
                let is_meant = |name: &str| tick.region.as_deref().is_none_or(|region| region == name);
                let meant = self.worlds.iter_mut().filter(|(name, _)| is_meant(name));
                return Ok(meant
                    .flat_map(|(region, world)| {
                        region::move_clock(City { registry, policy, region }, world, tick.at_ms)
                    })
                    .collect());
            }
            Input::Signal(signal) => signal,
            // The contract knows one policy and one registry for a sequence; `tests/policy.rs` and `tests/registry.rs`
            // hold what a change of them does.
            Input::Policy(_) | Input::Registry(_) => return Ok(Vec::new()),
        };
        // "A rejected line does not even move C."
        let arrived = arrive(registry, policy, signal)?;
        let region = match &arrived.spot {
            Some(spot) => {
                let number = registry.buildings()[spot.building].region;
                registry.regions()[number as usize].to_string()
            }
            None if matches!(signal.kind, Kind::Fire | Kind::Confirm) => UNPLACED.to_owned(),
            // "Any other signal without one is counted, without effect."
            None => return Ok(Vec::new()),
        };
        self.arrivals += 1;
        let world = self.worlds.get_mut(&region).expect("every region of the registry has its world");
        Ok(region::take(City { registry, policy, region: &region }, world, &arrived, self.arrivals))
    }

    /// "At the end of input, let the clock run until no timer is left", "at `--drain` by region name".
    pub fn drain(&mut self) -> Vec<Value> {
        let (registry, policy) = (self.registry, self.policy);
        let fire =
            |(region, world): (&String, &mut World)| timers::fire(City { registry, policy, region }, world, i64::MAX);
        self.worlds.iter_mut().flat_map(fire).collect()
    }
}
