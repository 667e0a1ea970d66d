//! Where rules take effect: each is tried until it changes nothing, and what it changes is kept for publication.

use fenghuo_model::decision::DecisionKind;
use fenghuo_model::policy::Rule;
use fenghuo_model::registry::{BuildingIdx, Registry};
use fenghuo_model::{Decision, Policy};

use crate::describe::{Before, Scribe};
use crate::devices::Devices;
use crate::evidence::Evidence;
use crate::incident::{Confirmation, IncidentId, Member};
use crate::incidents::{Incidents, Slot};
use crate::judge::{Bench, Holding, View};
use crate::neighbourhoods::Neighbourhoods;

/// The most suspected incidents that are asked how far they are before it is looked who is near.
const MOST_ASKED: usize = 64;

/// What one signal did, until it is published: to each incident one decision.
#[derive(Default)]
pub(super) struct Turn {
    pub(super) merged: Vec<(IncidentId, Decision)>,
    pub(super) confirmed: Vec<Slot>,
    pub(super) updated: Vec<Slot>,
    /// Buildings for which their incident had no room.
    pub(super) not_taken_in: u64,
    before: Vec<Before>,
}

/// What a neighbourhood rule that holds would change.
struct Plan {
    /// The incident that takes buildings in.
    slot: Slot,
    takes: Vec<BuildingIdx>,
    /// Whether it is confirmed thereby.
    confirms: bool,
    /// Buildings for which it has no room.
    left_out: usize,
}

/// Where rules take effect.
pub(super) struct Stage<'s> {
    pub(super) region: &'s str,
    pub(super) registry: &'s Registry,
    pub(super) policy: &'s Policy,
    pub(super) largest_radius_m: Option<f64>,
    pub(super) devices: &'s Devices,
    pub(super) incidents: &'s mut Incidents,
    pub(super) neighbourhoods: &'s mut Neighbourhoods,
    pub(super) view: View<'s>,
    pub(super) most_buildings: usize,
    pub(super) clock_ms: i64,
    pub(super) turn: &'s mut Turn,
}

impl Stage<'_> {
    /// Tries every rule in the policy's order, each until it changes nothing.
    pub(super) fn judge(&mut self, joined: &Evidence) {
        let building = joined.voice.building;
        let policy = self.policy;
        for (number, rule) in policy.rules.iter().enumerate() {
            if let Some(radius_m) = rule.radius_m {
                while self.could_take_in(building, radius_m)
                    && self.try_neighbourhood_rule(number, rule, joined, radius_m)
                {}
            } else if self.is_open_to_building_rules(building)
                && let Some(holding) = self.bench().building_rule(rule, joined)
            {
                self.apply_building_rule(number, building, &holding);
            }
        }
    }

    fn bench(&self) -> Bench<'_> {
        Bench {
            registry: self.registry,
            policy: self.policy,
            devices: self.devices,
            incidents: self.incidents,
            view: self.view,
        }
    }

    /// Whether a building rule that holds for the building would change something.
    fn is_open_to_building_rules(&self, building: BuildingIdx) -> bool {
        self.incidents.member(building).is_some_and(|member| !member.confirmed)
    }

    /// A building rule that holds confirms the suspected incident of its building, or adds the building to those
    /// confirmed.
    fn apply_building_rule(&mut self, rule: usize, building: BuildingIdx, holding: &Holding) {
        let Some(slot) = self.incidents.of_building(building) else { return };
        if self.incidents.get(slot).is_confirmed() {
            self.remember(slot);
            self.turn.updated.extend((!self.turn.is_told(slot)).then_some(slot));
        } else {
            self.confirm(slot, rule, holding);
            self.mark_counted(slot, rule, holding);
        }
        if let Some(member) = self.incidents.member_mut(slot, building) {
            member.confirmed = true;
        }
    }

    /// Whether a neighbourhood rule around a building could change anything: only a building with evidence that is in
    /// no confirmed incident can be taken in or confirmed, and it would have to lie within the radius of an origin that
    /// lies within it. In a quarter that burns all over, none is left, and this is all that a repeat costs.
    fn could_take_in(&self, building: BuildingIdx, radius_m: f64) -> bool {
        let suspected = self.incidents.suspected();
        // Beyond so many it is cheaper to look than to ask each how far it is.
        if suspected.len() > MOST_ASKED {
            return true;
        }
        // A hair more than what three distances that are each rounded can be off.
        let farthest_m = 2.0 * radius_m * (1.0 + 1e-9) + 1e-3;
        suspected
            .flat_map(|incident| &incident.members)
            .any(|member| self.registry.distance_m(building, member.building) <= farthest_m)
    }

    /// The buildings with evidence within the radius, by number.
    fn lit(&mut self, building: BuildingIdx, radius_m: f64) -> Vec<BuildingIdx> {
        let largest_radius_m = self.largest_radius_m.unwrap_or(radius_m);
        let near = self.neighbourhoods.of(self.registry, building, largest_radius_m);
        lit(self.incidents, &near, radius_m)
    }

    /// Lets a neighbourhood rule take effect once; whether it did. Its origins are the buildings with evidence within
    /// the radius.
    fn try_neighbourhood_rule(&mut self, number: usize, rule: &Rule, joined: &Evidence, radius_m: f64) -> bool {
        let origins = self.lit(joined.voice.building, radius_m);
        for origin in &origins {
            self.neighbourhoods.of(self.registry, *origin, self.largest_radius_m.unwrap_or(radius_m));
        }
        let reach = |origin| {
            let near = self.neighbourhoods.known(origin).expect("every origin's was looked up above");
            lit(self.incidents, near, radius_m)
        };
        let plan = |origin, holding: &Holding| self.plan(rule, origin, holding);
        let found = self.bench().neighbourhood_rule(rule, joined, &origins, reach, plan);
        let Some((holding, plan)) = found else { return false };
        let Plan { slot, takes, confirms, left_out } = plan;
        self.turn.not_taken_in += left_out as u64;
        self.remember(slot);
        if confirms {
            self.confirm(slot, number, &holding);
        }
        takes.into_iter().for_each(|building| self.take_in(slot, building));
        if confirms {
            self.mark_counted(slot, number, &holding);
        }
        self.turn.updated.extend((!self.turn.is_told(slot)).then_some(slot));
        true
    }

    /// The first confirmed incident among the supporting buildings that can takes in those near its place; else the
    /// origin's is confirmed and takes in all that are free.
    fn plan(&self, rule: &Rule, origin: BuildingIdx, holding: &Holding) -> Option<Plan> {
        let radius_m = rule.radius_m.unwrap_or(0.0);
        let supporting = holding.buildings.iter().copied();
        let free: Vec<BuildingIdx> = supporting.clone().filter(|building| self.incidents.is_free(*building)).collect();
        let mut confirmed: Vec<_> = supporting
            .filter_map(|building| self.incidents.of_building(building))
            .filter_map(|slot| {
                let incident = self.incidents.get(slot);
                incident
                    .confirmation
                    .as_ref()
                    .map(|confirmation| (confirmation.clock_ms, incident.id, incident.opened, slot))
            })
            .collect();
        confirmed.sort_unstable();
        confirmed.dedup();
        let within = |place, building| self.registry.distance_m(place, building) <= radius_m;
        let mut can = confirmed.into_iter().filter_map(|(_, _, _, slot)| {
            let place = self.incidents.get(slot).place;
            let takes = free.iter().copied().filter(|building| within(place, *building)).collect();
            Some(self.plan_for(slot, takes, false)).filter(|plan| !plan.takes.is_empty())
        });
        can.next().or_else(|| {
            let slot = self.incidents.of_building(origin).filter(|_| free.contains(&origin))?;
            let others = free.iter().copied().filter(|building| *building != origin).collect();
            Some(self.plan_for(slot, others, true))
        })
    }

    /// A plan that takes in as many of the buildings as there is room for.
    fn plan_for(&self, slot: Slot, mut takes: Vec<BuildingIdx>, confirms: bool) -> Plan {
        let room = self.most_buildings.saturating_sub(self.incidents.get(slot).members.len());
        let left_out = takes.len().saturating_sub(room);
        takes.truncate(room);
        Plan { slot, takes, confirms, left_out }
    }

    fn confirm(&mut self, slot: Slot, rule: usize, holding: &Holding) {
        self.remember(slot);
        let rule = self.policy.rules[rule].id.as_str().into();
        let satisfied_ms = holding.instant_ms;
        self.incidents.confirm(slot, Confirmation { rule, satisfied_ms, clock_ms: self.clock_ms });
        let close_ms = self.incidents.get(slot).last_arrival_ms + close_after_ms(self.policy, true);
        self.incidents.schedule(slot, |due| {
            due.close_ms = Some(close_ms);
            due.verify_ms = None;
            due.escalate_ms = None;
        });
        self.turn.confirmed.push(slot);
    }

    /// Marks the supporting set in the incident's evidence.
    fn mark_counted(&mut self, slot: Slot, rule: usize, holding: &Holding) {
        let rule = &self.policy.rules[rule];
        let bench = self.bench();
        let counts = |series, piece| bench.counts(rule, series, piece, holding.instant_ms);
        let series = self.incidents.get(slot).series();
        let counted: Vec<u64> = series
            .flat_map(|series| series.pieces.iter().filter(move |piece| counts(series, piece)))
            .map(|piece| piece.arrival)
            .collect();
        let members = self.incidents.members_mut(slot).iter_mut();
        for piece in members.flat_map(|member| member.window.series_mut()).flat_map(|series| &mut series.pieces) {
            piece.counted = counted.contains(&piece.arrival);
        }
    }

    /// Takes a building in; a suspected incident there ends.
    fn take_in(&mut self, slot: Slot, building: BuildingIdx) {
        let Some(other) = self.incidents.of_building(building) else { return };
        let (kind, clock_ms) = (DecisionKind::Merged, self.clock_ms);
        let scribe = Scribe {
            region: self.region,
            registry: self.registry,
            policy: self.policy,
            largest_radius_m: self.largest_radius_m,
            neighbourhoods: self.neighbourhoods,
        };
        let mut decision = scribe.decision_before(self.incidents, other, kind, clock_ms, &self.turn.before);
        if let Some(state) = &mut decision.state {
            state.into = Some(self.incidents.get(slot).id.to_string());
        }
        let ended = self.incidents.end(other);
        self.turn.merged.push((ended.id, decision));
        for member in ended.members {
            self.incidents.join(slot, Member { joined_ms: clock_ms, confirmed: false, ..member });
        }
        let incident = self.incidents.get_mut(slot);
        incident.duplicates += ended.duplicates;
        incident.last_arrival_ms = incident.last_arrival_ms.max(ended.last_arrival_ms);
        let close_ms = incident.last_arrival_ms + close_after_ms(self.policy, true);
        self.incidents.schedule(slot, |due| due.close_ms = Some(close_ms));
    }

    /// Keeps an incident as it was before the signal, for decisions that describe that.
    fn remember(&mut self, slot: Slot) {
        if !self.turn.before.iter().any(|before| before.slot == slot) {
            let incident = self.incidents.get(slot);
            let buildings = incident.members.iter().map(|member| member.building).collect();
            self.turn.before.push(Before { slot, was_confirmed: incident.is_confirmed(), buildings });
        }
    }
}

/// Those of a building's neighbours within a radius that have evidence.
fn lit(incidents: &Incidents, near: &[(BuildingIdx, f64)], radius_m: f64) -> Vec<BuildingIdx> {
    let within = near.iter().filter(|(_, distance_m)| *distance_m <= radius_m).map(|(building, _)| *building);
    within.filter(|building| incidents.of_building(*building).is_some()).collect()
}

impl Turn {
    /// Whether a decision about the incident is due anyway.
    pub(super) fn is_told(&self, slot: Slot) -> bool {
        self.confirmed.contains(&slot) || self.updated.contains(&slot)
    }
}

/// From the last evidence to the end.
pub(super) fn close_after_ms(policy: &Policy, confirmed: bool) -> i64 {
    if confirmed { policy.incident.close_confirmed_after_ms } else { policy.incident.close_after_ms }
}
