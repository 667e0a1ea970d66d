//! Judging: at which instant, and around which origin, a rule holds.
//!
//! When evidence joins a building, a rule's candidate instants are that evidence's event time and the event times of
//! evidence up to a window later: late evidence may complete what was seen after it. Nothing here changes anything.

use std::sync::Arc;

use fenghuo_model::Policy;
use fenghuo_model::policy::Rule;
use fenghuo_model::registry::{BuildingIdx, Registry};

use crate::devices::Devices;
use crate::evidence::Evidence;
use crate::neighbourhoods::Neighbourhoods;
use crate::tally::Tally;
use crate::windows::View;

/// What judging looks at.
pub(crate) struct Bench<'j> {
    pub(crate) registry: &'j Registry,
    pub(crate) policy: &'j Policy,
    pub(crate) devices: &'j Devices,
    pub(crate) view: View<'j>,
}

/// A rule that holds: when, and by which evidence.
#[derive(Debug)]
pub(crate) struct Holding {
    pub(crate) instant_ms: i64,
    pub(crate) supporting: Vec<Arc<Evidence>>,
}

/// An origin that is tried, with the evidence within its reach that passes the rule's filters.
struct Origin<'j> {
    building: BuildingIdx,
    pool: Vec<&'j Arc<Evidence>>,
}

impl<'j> Bench<'j> {
    /// The first candidate instant at which a building rule holds for the building that `joined` joined.
    pub(crate) fn building_rule(&self, rule: &Rule, joined: &Evidence) -> Option<Holding> {
        if !self.allows_premises(rule, joined.building) {
            return None;
        }
        let window = self.view.of(joined.building);
        let pool: Vec<_> = window.iter().filter(|evidence| passes(rule, evidence)).collect();
        if !could_suffice(rule, &pool) {
            return None;
        }
        let instants = candidate_instants(rule, joined, pool.iter().copied());
        instants.into_iter().find_map(|instant_ms| {
            let alive = self.alive(rule, &pool, instant_ms);
            self.holds(rule, &alive).then(|| Holding { instant_ms, supporting: alive.into_iter().cloned().collect() })
        })
    }

    /// Tries a neighbourhood rule at every candidate instant and origin, in their order, until `take_effect` says that
    /// it changed something.
    pub(crate) fn neighbourhood_rule(
        &self,
        rule: &Rule,
        joined: &Evidence,
        near: &mut Near<'_>,
        mut take_effect: impl FnMut(BuildingIdx, &Holding) -> bool,
    ) -> bool {
        let mut origins = Vec::new();
        let mut seen = Vec::new();
        for origin in near.within(self.registry, joined.building, rule) {
            if self.view.of(origin).is_empty() || !self.allows_premises(rule, origin) {
                continue;
            }
            let reach = near.within(self.registry, origin, rule);
            let evidence = reach.iter().flat_map(|building| self.view.of(*building));
            let pool: Vec<_> = evidence.filter(|evidence| passes(rule, evidence)).collect();
            seen.extend(pool.iter().copied());
            if could_suffice(rule, &pool) {
                origins.push(Origin { building: origin, pool });
            }
        }
        if origins.is_empty() {
            return false;
        }
        candidate_instants(rule, joined, seen.into_iter()).into_iter().any(|instant_ms| {
            let mut alive: Vec<_> = origins
                .iter()
                .filter_map(|origin| {
                    let alive = self.alive(rule, &origin.pool, instant_ms);
                    let own = alive.iter().filter(|evidence| evidence.building == origin.building);
                    let earliest_ms = own.map(|evidence| evidence.at_ms).min()?;
                    let id = &self.registry.building(origin.building).id;
                    Some(((earliest_ms, id), origin.building, alive))
                })
                .collect();
            alive.sort_by(|one, other| one.0.cmp(&other.0));
            alive.into_iter().any(|(_, origin, alive)| {
                self.holds(rule, &alive) && {
                    let supporting = alive.into_iter().cloned().collect();
                    take_effect(origin, &Holding { instant_ms, supporting })
                }
            })
        })
    }

    fn alive(&self, rule: &Rule, pool: &[&'j Arc<Evidence>], instant_ms: i64) -> Vec<&'j Arc<Evidence>> {
        let hold_ms = self.policy.hold_ms;
        let is_alive = |evidence: &Evidence| self.devices.is_alive(evidence, instant_ms, rule.window_ms, hold_ms);
        pool.iter().copied().filter(|evidence| is_alive(evidence)).collect()
    }

    fn holds(&self, rule: &Rule, alive: &[&Arc<Evidence>]) -> bool {
        if alive.is_empty() {
            return false;
        }
        let set: Vec<&Evidence> = alive.iter().map(|evidence| &***evidence).collect();
        Tally::of(&set, self.registry, self.policy).reaches(rule)
    }

    fn allows_premises(&self, rule: &Rule, building: BuildingIdx) -> bool {
        let premises = self.registry.building(building).premises;
        rule.premises.as_ref().is_none_or(|allowed| allowed.contains(&premises))
    }
}

/// The neighbourhoods that a rule looks into.
pub(crate) struct Near<'n> {
    pub(crate) neighbourhoods: &'n mut Neighbourhoods,
    /// The policy's largest radius, metres.
    pub(crate) largest_radius_m: f64,
}

impl Near<'_> {
    /// The buildings within the rule's radius of `building`, itself included.
    fn within(&mut self, registry: &Registry, building: BuildingIdx, rule: &Rule) -> Vec<BuildingIdx> {
        let radius_m = rule.radius_m.unwrap_or(0.0);
        let near = self.neighbourhoods.of(registry, building, self.largest_radius_m);
        near.iter().filter(|(_, distance_m)| *distance_m <= radius_m).map(|(building, _)| *building).collect()
    }
}

/// Whether evidence passes the rule's filters and counts at all; premises are asked of a building, not of evidence.
fn passes(rule: &Rule, evidence: &Evidence) -> bool {
    !evidence.isolated
        && rule.kinds.contains(&evidence.kind)
        && rule.sensors.as_ref().is_none_or(|sensors| sensors.contains(&evidence.sensor))
}

/// Whether so much evidence could reach the rule's minima at all: each piece is at most one of each.
fn could_suffice(rule: &Rule, pool: &[&Arc<Evidence>]) -> bool {
    let least = rule.min_devices.max(rule.min_locations).max(rule.min_classes).max(rule.min_buildings);
    pool.len() >= least as usize
}

/// The event time of what joined and those of the evidence that the rule could count up to a window later, ascending.
fn candidate_instants<'e>(
    rule: &Rule,
    joined: &Evidence,
    evidence: impl Iterator<Item = &'e Arc<Evidence>>,
) -> Vec<i64> {
    let (from_ms, to_ms) = (joined.at_ms, joined.at_ms + rule.window_ms);
    let later = evidence.map(|evidence| evidence.at_ms).filter(|at_ms| *at_ms > from_ms && *at_ms <= to_ms);
    let mut instants: Vec<i64> = std::iter::once(from_ms).chain(later).collect();
    instants.sort_unstable();
    instants.dedup();
    instants
}
