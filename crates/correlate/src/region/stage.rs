//! Where rules take effect: each is tried until it changes nothing, and what it changes is kept for publication.

use fenghuo_model::decision::DecisionKind;
use fenghuo_model::policy::Rule;
use fenghuo_model::registry::Registry;
use fenghuo_model::{Decision, Policy};

use crate::describe::{Before, Scribe};
use crate::devices::Devices;
use crate::incident::{Confirmation, IncidentId};
use crate::incidents::{Incidents, Slot};
use crate::judge::{Bench, Holding, Joined, View};
use crate::neighbourhoods::{Lit, Reach};

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
    takes: Vec<Lit>,
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
    pub(super) devices: &'s Devices,
    pub(super) incidents: &'s mut Incidents,
    pub(super) view: View<'s>,
    pub(super) most_buildings: usize,
    pub(super) clock_ms: i64,
    pub(super) turn: &'s mut Turn,
}

impl Stage<'_> {
    /// Tries every rule in the policy's order, each until it changes nothing.
    pub(super) fn judge(&mut self, joined: Joined) {
        let policy = self.policy;
        for (number, rule) in policy.rules.iter().enumerate() {
            if let Some(reach) = self.incidents.neighbourhoods.reach_of(number) {
                while self.try_neighbourhood_rule(number, rule, joined, reach) {}
            } else if self.is_open_to_building_rule(number, joined.lit)
                && let Some(instant_ms) = self.bench().building_rule(rule, joined)
            {
                self.apply_building_rule(number, joined.lit, instant_ms);
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

    /// Whether a building rule could hold for the building, and would then change something.
    fn is_open_to_building_rule(&mut self, rule: usize, lit: Lit) -> bool {
        let member = self.incidents.member(lit);
        if member.confirmed {
            return false;
        }
        let hopeless = member.window.hopeless.unwrap_or_else(|| {
            let bench = self.bench();
            let rules = self.policy.rules.iter().take(64).zip(0..);
            let hopeless = rules.filter(|(rule, _)| rule.radius_m.is_none() && bench.is_hopeless(rule, &member.window));
            hopeless.fold(0, |bits, (_, number)| bits | 1 << number)
        });
        self.incidents.note_hopeless(lit, hopeless);
        rule >= 64 || hopeless >> rule & 1 == 0
    }

    /// A building rule that holds confirms the suspected incident of its building, or adds the building to those
    /// confirmed.
    fn apply_building_rule(&mut self, rule: usize, lit: Lit, instant_ms: i64) {
        let slot = self.incidents.of_lit(lit);
        if self.incidents.get(slot).is_confirmed() {
            self.remember(slot);
            self.turn.updated.extend((!self.turn.is_told(slot)).then_some(slot));
        } else {
            self.confirm(slot, rule, instant_ms);
            self.mark_counted(slot, rule, instant_ms);
        }
        self.incidents.confirm_member(lit);
    }

    /// Lets a neighbourhood rule take effect once; whether it did. Its origins are the buildings with evidence within
    /// the radius.
    ///
    /// It could change something only if a building with evidence that is in no confirmed incident lies within the
    /// radius of an origin that lies within it. In a quarter that burns all over, none is left, and to see that is all
    /// that a repeat costs.
    fn try_neighbourhood_rule(&mut self, number: usize, rule: &Rule, joined: Joined, reach: Reach) -> bool {
        if !self.incidents.neighbourhoods.could_change(joined.lit, joined.at_ms - rule.window_ms) {
            return false;
        }
        let plan = |origin, holding: &Holding| self.plan(reach, origin, holding);
        let found = self.bench().neighbourhood_rule(rule, reach, joined, plan);
        let Some((Holding { instant_ms, .. }, plan)) = found else { return false };
        let Plan { slot, takes, confirms, left_out } = plan;
        self.turn.not_taken_in += left_out as u64;
        self.remember(slot);
        if confirms {
            self.confirm(slot, number, instant_ms);
        }
        takes.into_iter().for_each(|lit| self.take_in(slot, lit));
        if confirms {
            self.mark_counted(slot, number, instant_ms);
        }
        self.turn.updated.extend((!self.turn.is_told(slot)).then_some(slot));
        true
    }

    /// The first confirmed incident among the supporting buildings that can takes in those near its place; else the
    /// origin's is confirmed and takes in all that are free.
    fn plan(&self, reach: Reach, origin: Lit, holding: &Holding) -> Option<Plan> {
        let mut free: Vec<Lit> = Vec::new();
        let mut confirmed: Vec<(i64, IncidentId, u64, Slot)> = Vec::new();
        let mut last = None;
        for lit in &holding.supporting {
            let slot = self.incidents.of_lit(*lit);
            // Neighbours mostly belong to the same few incidents, one after the other.
            if last == Some(slot) {
                continue;
            }
            let incident = self.incidents.get(slot);
            match &incident.confirmation {
                None => free.push(*lit),
                Some(confirmation) => {
                    last = Some(slot);
                    let candidate = (confirmation.clock_ms, incident.id, incident.opened, slot);
                    if !confirmed.contains(&candidate) {
                        confirmed.push(candidate);
                    }
                }
            }
        }
        if free.is_empty() {
            return None;
        }
        free.sort_unstable_by_key(|lit| self.incidents.building(*lit));
        confirmed.sort_unstable();
        let mut can = confirmed.into_iter().filter_map(|(_, _, _, slot)| {
            let place = self.incidents.lit(self.incidents.get(slot).place)?;
            let within = |lit: &Lit| self.incidents.neighbourhoods.are_within(place, *lit, reach);
            let takes = free.iter().copied().filter(within).collect();
            Some(self.plan_for(slot, takes, false)).filter(|plan| !plan.takes.is_empty())
        });
        can.next().or_else(|| {
            let slot = self.incidents.of_lit(origin);
            free.contains(&origin).then_some(())?;
            let others = free.iter().copied().filter(|lit| *lit != origin).collect();
            Some(self.plan_for(slot, others, true))
        })
    }

    /// A plan that takes in as many of the buildings as there is room for.
    fn plan_for(&self, slot: Slot, mut takes: Vec<Lit>, confirms: bool) -> Plan {
        let room = self.most_buildings.saturating_sub(self.incidents.get(slot).members.len());
        let left_out = takes.len().saturating_sub(room);
        takes.truncate(room);
        Plan { slot, takes, confirms, left_out }
    }

    fn confirm(&mut self, slot: Slot, rule: usize, instant_ms: i64) {
        self.remember(slot);
        let rule = self.policy.rules[rule].id.as_str().into();
        self.incidents.confirm(slot, Confirmation { rule, satisfied_ms: instant_ms, clock_ms: self.clock_ms });
        let close_ms = self.incidents.get(slot).last_arrival_ms + close_after_ms(self.policy, true);
        self.incidents.schedule(slot, |due| {
            due.close_ms = Some(close_ms);
            due.verify_ms = None;
            due.escalate_ms = None;
        });
        self.turn.confirmed.push(slot);
    }

    /// Marks the supporting set in the incident's evidence.
    fn mark_counted(&mut self, slot: Slot, rule: usize, instant_ms: i64) {
        let rule = &self.policy.rules[rule];
        let bench = self.bench();
        let counts = |series, piece| bench.counts(rule, series, piece, instant_ms);
        let series = self.incidents.get(slot).series();
        let mut counted: Vec<u64> = series
            .flat_map(|series| series.pieces.iter().filter(move |piece| counts(series, piece)))
            .map(|piece| piece.arrival)
            .collect();
        counted.sort_unstable();
        let members = self.incidents.members_mut(slot).iter_mut();
        for piece in members.flat_map(|member| member.window.series_mut()).flat_map(|series| &mut series.pieces) {
            piece.counted = counted.binary_search(&piece.arrival).is_ok();
        }
        self.incidents.beside_state(slot).shown.recall();
    }

    /// Takes a building in; a suspected incident there ends.
    fn take_in(&mut self, slot: Slot, lit: Lit) {
        let other = self.incidents.of_lit(lit);
        let scribe = Scribe { region: self.region, registry: self.registry, policy: self.policy };
        let (kind, clock_ms) = (DecisionKind::Merged, self.clock_ms);
        let mut decision = scribe.decision_before(self.incidents, other, kind, clock_ms, &self.turn.before);
        if let Some(state) = &mut decision.state {
            state.into = Some(self.incidents.get(slot).id.text());
        }
        scribe.look_at(self.incidents, slot);
        let ended = self.incidents.take_in(slot, other, clock_ms);
        self.turn.merged.push((ended.id, decision));
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
            let adjacent = incident.adjacent.keys().copied().collect();
            self.turn.before.push(Before { slot, was_confirmed: incident.is_confirmed(), adjacent });
        }
    }
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
