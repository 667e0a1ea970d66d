//! What evidence does: it joins its building's incident, every rule is tried, and what the signal did is published.

use std::sync::Arc;

use fenghuo_model::decision::DecisionKind;
use fenghuo_model::registry::BuildingIdx;
use fenghuo_model::{Decision, Kind, Policy, Registry};

use super::{Region, StatedPlace, Statement};
use crate::Counters;
use crate::describe::{Before, Scribe};
use crate::evidence::Evidence;
use crate::incident::{Confirmation, Held, Incident, IncidentId, Member};
use crate::incidents::{Incidents, Slot};
use crate::judge::{Bench, Holding, Near};
use crate::windows::View;

/// What one signal did, until it is published: to each incident one decision.
#[derive(Default)]
struct Turn {
    merged: Vec<(IncidentId, Decision)>,
    confirmed: Vec<Slot>,
    updated: Vec<Slot>,
    before: Vec<Before>,
}

/// What joining an incident calls for, unless the rules do more to it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Call {
    Nothing,
    /// A suspected incident whose grid was asked to look shows a new location.
    VerifyAgain,
    /// A confirmed incident shows something new.
    Update,
}

impl Region {
    /// Evidence joins the incident of its building, is judged, and what it did is published.
    pub(super) fn take_evidence(
        &mut self,
        statement: &Statement<'_>,
        place: &StatedPlace,
        clock_ms: i64,
        counters: &mut Counters,
        out: &mut Vec<Decision>,
    ) {
        let since_ms = clock_ms - self.memory_ms;
        let evidence = self.evidence_of(statement, place, since_ms);
        counters.evidence += 1;
        counters.isolated += u64::from(evidence.isolated);
        let call = match self.incidents.of_building(evidence.building) {
            Some(slot) => self.join(slot, &evidence, clock_ms),
            None => {
                counters.incidents += 1;
                self.open(&evidence, statement.signal.id.as_deref(), clock_ms, out);
                Call::Nothing
            }
        };
        let alone = [Arc::clone(&evidence)];
        let is_forgotten = evidence.at_ms < since_ms;
        if !is_forgotten {
            self.windows.add(Arc::clone(&evidence), since_ms);
        }
        let view = if is_forgotten { View::Alone(&alone) } else { View::Since(&self.windows, since_ms) };
        let mut turn = Turn::default();
        let bench = Bench { registry: &self.registry, policy: &self.policy, devices: &self.devices, view };
        let mut near =
            Near { neighbourhoods: &mut self.neighbourhoods, largest_radius_m: self.largest_radius_m.unwrap_or(0.0) };
        let mut stage = Stage {
            registry: &self.registry,
            policy: &self.policy,
            scribe: Scribe {
                region: &self.name,
                registry: &self.registry,
                policy: &self.policy,
                largest_radius_m: self.largest_radius_m,
            },
            incidents: &mut self.incidents,
            clock_ms,
            turn: &mut turn,
        };
        stage.judge(&bench, &mut near, &evidence);
        counters.confirmed += turn.confirmed.len() as u64;
        self.publish_turn(turn, call, evidence.building, clock_ms, out);
    }

    /// Opens an incident in a building that is in none.
    fn open(&mut self, evidence: &Arc<Evidence>, signal_id: Option<&str>, clock_ms: i64, out: &mut Vec<Decision>) {
        let id = IncidentId::of(&self.name, evidence, signal_id, &self.registry);
        let mut incident = Incident::open(id, evidence.building, clock_ms);
        incident.evidence.push(Held { evidence: Arc::clone(evidence), counted: false });
        let slot = self.incidents.open(incident);
        let times = &self.policy.incident;
        self.incidents.schedule(slot, |due| {
            due.close_ms = Some(clock_ms + times.close_after_ms);
            due.verify_ms = Some(clock_ms + times.verify_after_ms);
        });
        self.publish(slot, DecisionKind::Suspected, clock_ms, out);
    }

    /// Adds evidence to the incident of its building.
    fn join(&mut self, slot: Slot, evidence: &Arc<Evidence>, clock_ms: i64) -> Call {
        let incident = self.incidents.get_mut(slot);
        let news = incident.add(Arc::clone(evidence), &self.registry, &self.policy);
        incident.last_arrival_ms = clock_ms;
        let (confirmed, verified) = (incident.is_confirmed(), incident.verified);
        let close_ms = clock_ms + close_after_ms(&self.policy, confirmed);
        self.incidents.schedule(slot, |due| due.close_ms = Some(close_ms));
        match confirmed {
            true if news.location || news.class || evidence.kind == Kind::Confirm => Call::Update,
            false if verified && news.location => Call::VerifyAgain,
            _ => Call::Nothing,
        }
    }

    /// Publishes what one signal did, in the order verify, merged, confirmed, update, and by id within a kind.
    fn publish_turn(
        &mut self,
        mut turn: Turn,
        call: Call,
        building: BuildingIdx,
        clock_ms: i64,
        out: &mut Vec<Decision>,
    ) {
        if let Some(slot) = self.incidents.of_building(building)
            && !turn.confirmed.contains(&slot)
            && !turn.updated.contains(&slot)
        {
            match call {
                Call::Nothing => {}
                Call::VerifyAgain => self.publish(slot, DecisionKind::Verify, clock_ms, out),
                Call::Update => {
                    let due_ms = self.incidents.get(slot).last_news_ms + self.policy.incident.update_every_ms;
                    if due_ms <= clock_ms {
                        turn.updated.push(slot);
                    } else {
                        self.incidents.schedule(slot, |due| due.update_ms = Some(due_ms));
                    }
                }
            }
        }
        turn.merged.sort_by_key(|(id, _)| *id);
        out.extend(turn.merged.into_iter().map(|(_, decision)| decision));
        for (kind, mut slots) in [(DecisionKind::Confirmed, turn.confirmed), (DecisionKind::Update, turn.updated)] {
            slots.sort_by_key(|slot| self.incidents.get(*slot).id);
            for slot in slots {
                self.publish(slot, kind, clock_ms, out);
            }
        }
    }
}

fn close_after_ms(policy: &Policy, confirmed: bool) -> i64 {
    if confirmed { policy.incident.close_confirmed_after_ms } else { policy.incident.close_after_ms }
}

/// Where rules take effect.
struct Stage<'s> {
    registry: &'s Registry,
    policy: &'s Policy,
    scribe: Scribe<'s>,
    incidents: &'s mut Incidents,
    clock_ms: i64,
    turn: &'s mut Turn,
}

impl Stage<'_> {
    /// Tries every rule in the policy's order, each until it changes nothing.
    fn judge(&mut self, bench: &Bench<'_>, near: &mut Near<'_>, joined: &Evidence) {
        for (number, rule) in self.policy.rules.iter().enumerate() {
            if rule.radius_m.is_some() {
                while bench.neighbourhood_rule(rule, joined, near, |origin, holding| {
                    self.apply_neighbourhood_rule(number, origin, holding)
                }) {}
            } else if self.is_open_to_building_rules(joined.building)
                && let Some(holding) = bench.building_rule(rule, joined)
            {
                self.apply_building_rule(number, joined.building, &holding);
            }
        }
    }

    /// Whether a building rule that holds for the building would change something.
    fn is_open_to_building_rules(&self, building: BuildingIdx) -> bool {
        let slot = self.incidents.of_building(building);
        slot.is_some_and(|slot| !self.incidents.get(slot).has_confirmed(building))
    }

    fn apply_building_rule(&mut self, rule: usize, building: BuildingIdx, holding: &Holding) {
        let Some(slot) = self.incidents.of_building(building) else { return };
        if self.incidents.get(slot).is_confirmed() {
            self.remember(slot);
            self.note_updated(slot);
        } else {
            self.confirm(slot, rule, holding);
            self.mark_counted(slot, holding);
        }
        if let Some(member) = self.incidents.get_mut(slot).member_mut(building) {
            member.confirmed = true;
        }
    }

    /// Lets the first confirmed incident that can take in buildings of the supporting set, else confirms the origin's;
    /// whether anything changed.
    fn apply_neighbourhood_rule(&mut self, rule: usize, origin: BuildingIdx, holding: &Holding) -> bool {
        let radius_m = self.policy.rules[rule].radius_m.unwrap_or(0.0);
        let mut supporting: Vec<BuildingIdx> = holding.supporting.iter().map(|evidence| evidence.building).collect();
        supporting.sort_unstable();
        supporting.dedup();
        let mut confirmed: Vec<_> = supporting
            .iter()
            .filter_map(|building| self.incidents.of_building(*building))
            .filter_map(|slot| {
                let incident = self.incidents.get(slot);
                incident.confirmation.as_ref().map(|confirmation| (confirmation.clock_ms, incident.id, slot))
            })
            .collect();
        confirmed.sort_unstable();
        confirmed.dedup();
        let is_free = |incidents: &Incidents, building: BuildingIdx| {
            incidents.of_building(building).is_none_or(|slot| !incidents.get(slot).is_confirmed())
        };
        let free: Vec<BuildingIdx> =
            supporting.into_iter().filter(|building| is_free(self.incidents, *building)).collect();
        for (_, _, slot) in confirmed {
            let place = self.incidents.get(slot).place;
            let within = |building: &&BuildingIdx| self.registry.distance_m(place, **building) <= radius_m;
            let takes: Vec<BuildingIdx> = free.iter().filter(within).copied().collect();
            if !takes.is_empty() {
                self.remember(slot);
                takes.into_iter().for_each(|building| self.take_in(slot, building));
                self.note_updated(slot);
                return true;
            }
        }
        match self.incidents.of_building(origin) {
            Some(slot) if free.contains(&origin) => {
                self.confirm(slot, rule, holding);
                let others = free.into_iter().filter(|building| *building != origin);
                others.for_each(|building| self.take_in(slot, building));
                self.mark_counted(slot, holding);
                true
            }
            _ => false,
        }
    }

    fn confirm(&mut self, slot: Slot, rule: usize, holding: &Holding) {
        self.remember(slot);
        let incident = self.incidents.get_mut(slot);
        incident.confirmation = Some(Confirmation { rule, satisfied_ms: holding.instant_ms, clock_ms: self.clock_ms });
        let close_ms = incident.last_arrival_ms + close_after_ms(self.policy, true);
        self.incidents.schedule(slot, |due| {
            due.close_ms = Some(close_ms);
            due.verify_ms = None;
            due.escalate_ms = None;
        });
        self.turn.confirmed.push(slot);
    }

    fn mark_counted(&mut self, slot: Slot, holding: &Holding) {
        for held in &mut self.incidents.get_mut(slot).evidence {
            held.counted = holding.supporting.iter().any(|evidence| Arc::ptr_eq(evidence, &held.evidence));
        }
    }

    /// Takes a building in; a suspected incident there ends.
    fn take_in(&mut self, slot: Slot, building: BuildingIdx) {
        if let Some(other) = self.incidents.of_building(building) {
            let kind = DecisionKind::Merged;
            let before = &self.turn.before;
            let mut decision = self.scribe.decision_before(self.incidents, other, kind, self.clock_ms, before);
            if let Some(state) = &mut decision.state {
                state.into = Some(self.incidents.get(slot).id.to_string());
            }
            let ended = self.incidents.end(other);
            self.turn.merged.push((ended.id, decision));
            let incident = self.incidents.get_mut(slot);
            incident.evidence.extend(ended.evidence);
            incident.duplicates += ended.duplicates;
            incident.last_arrival_ms = incident.last_arrival_ms.max(ended.last_arrival_ms);
        }
        self.incidents.join(slot, building);
        let incident = self.incidents.get_mut(slot);
        incident.members.push(Member { building, joined_ms: self.clock_ms, confirmed: false });
        let close_ms = incident.last_arrival_ms + close_after_ms(self.policy, true);
        self.incidents.schedule(slot, |due| due.close_ms = Some(close_ms));
    }

    fn note_updated(&mut self, slot: Slot) {
        if !self.turn.confirmed.contains(&slot) && !self.turn.updated.contains(&slot) {
            self.turn.updated.push(slot);
        }
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
