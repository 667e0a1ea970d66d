//! An incident's life apart from evidence: timers, acknowledgements, clears, and what is published about it.

use fenghuo_model::Decision;
use fenghuo_model::decision::DecisionKind;
use fenghuo_model::registry::BuildingIdx;

use super::{Region, Statement};
use crate::describe::Scribe;
use crate::evidence::{Piece, Voice};
use crate::incidents::{Alarm, Slot, Timer};
use crate::neighbourhoods::Lit;
use crate::window::Series;

impl Region {
    /// Moves the clock to `clock_ms` if that is later, and fires every timer due by then, each at its due time; the
    /// clock as it then stands.
    pub(super) fn advance(&mut self, clock_ms: i64, out: &mut Vec<Decision>) -> i64 {
        let clock_ms = self.clock_ms.map_or(clock_ms, |before_ms| before_ms.max(clock_ms));
        self.clock_ms = Some(clock_ms);
        while let Some(timer) = self.incidents.next_due(clock_ms) {
            self.fire(timer, out);
        }
        clock_ms
    }

    fn fire(&mut self, timer: Timer, out: &mut Vec<Decision>) {
        let Timer { due_ms, alarm, slot, .. } = timer;
        match alarm {
            Alarm::Close => {
                self.publish(slot, DecisionKind::Closed, due_ms, out);
                self.incidents.end(slot);
            }
            Alarm::Verify => {
                self.publish(slot, DecisionKind::Verify, due_ms, out);
                self.incidents.get_mut(slot).verified = true;
                let escalate_ms = due_ms + self.policy.incident.escalate_after_ms;
                self.incidents.schedule(slot, |due| {
                    due.verify_ms = None;
                    due.escalate_ms = Some(escalate_ms);
                });
            }
            Alarm::Escalate => {
                if !self.incidents.get(slot).acknowledged {
                    self.publish(slot, DecisionKind::Escalated, due_ms, out);
                }
                self.incidents.schedule(slot, |due| due.escalate_ms = None);
            }
            Alarm::Update => self.publish(slot, DecisionKind::Update, due_ms, out),
        }
    }

    /// Publishes a decision about an incident as it stands.
    pub(super) fn publish(&mut self, slot: Slot, kind: DecisionKind, decided_ms: i64, out: &mut Vec<Decision>) {
        let scribe = Scribe { region: &self.name, registry: &self.registry, policy: &self.policy };
        let decision = scribe.decision(&mut self.incidents, slot, kind, decided_ms);
        self.note_published(slot, kind, decided_ms);
        out.push(decision);
    }

    /// Counts a decision; a `confirmed` or `update` carries all that came before, so that a waiting one is needless.
    fn note_published(&mut self, slot: Slot, kind: DecisionKind, decided_ms: i64) {
        let incident = self.incidents.get_mut(slot);
        incident.revision += 1;
        if matches!(kind, DecisionKind::Confirmed | DecisionKind::Update) {
            incident.last_news_ms = decided_ms;
            self.incidents.schedule(slot, |due| due.update_ms = None);
        }
    }

    /// Somebody is on the way to look at the building.
    pub(super) fn acknowledge(&mut self, building: BuildingIdx) {
        if let Some(slot) = self.incidents.of_building(building) {
            self.incidents.get_mut(slot).acknowledged = true;
        }
    }

    /// Wipes a building's evidence up to the clear's event time; a building without evidence leaves its incident, and
    /// an incident without buildings ends.
    pub(super) fn clear(
        &mut self,
        statement: &Statement<'_>,
        building: BuildingIdx,
        clock_ms: i64,
        out: &mut Vec<Decision>,
    ) {
        let Some(lit) = self.incidents.lit(building) else { return };
        let slot = self.incidents.of_lit(lit);
        let location = statement.signal.location.as_deref();
        let is_wiped = |voice: &Voice, piece: &Piece| {
            piece.at_ms <= statement.at_ms && location.is_none_or(|location| location == &*voice.location)
        };
        let remains = |series: &Series| series.pieces.iter().any(|piece| !is_wiped(&series.voice, piece));
        let incident = self.incidents.get(slot);
        let leaves = !self.incidents.member(lit).window.series().iter().any(remains);
        if leaves && incident.members.len() == 1 {
            let confirmed = incident.is_confirmed();
            let kind = if confirmed { DecisionKind::Cancelled } else { DecisionKind::Rejected };
            let scribe = Scribe { region: &self.name, registry: &self.registry, policy: &self.policy };
            let mut decision = scribe.decision(&mut self.incidents, slot, kind, clock_ms);
            if let Some(state) = &mut decision.state {
                state.by.clone_from(&statement.signal.by);
                state.cause.clone_from(&statement.signal.cause);
            }
            out.push(decision);
            self.incidents.end(slot);
            return;
        }
        if leaves {
            self.leave(slot, lit);
            self.publish(slot, DecisionKind::Update, clock_ms, out);
            return;
        }
        self.incidents.member_mut(lit).window.wipe(is_wiped, &self.registry);
        self.incidents.beside_state(slot).look_anew();
        self.incidents.tell_neighbourhood(lit, |device| self.devices.has_restored(device));
    }

    /// Takes a building without evidence out of an incident that has others; if it was the place, that moves to the
    /// remaining building that joined first.
    fn leave(&mut self, slot: Slot, lit: Lit) {
        let building = self.incidents.building(lit);
        self.incidents.leave(lit);
        let registry = &self.registry;
        let incident = self.incidents.get(slot);
        let first = incident.members.iter().min_by_key(|m| (m.joined_ms, &registry.building(m.building).id));
        if incident.place == building {
            let place = first.expect("an incident whose last building leaves ends instead").building;
            self.incidents.move_to(slot, place);
        }
    }
}
