//! What evidence does: it joins its building's incident, every rule is tried, and what the signal did is published.

use std::sync::Arc;

use fenghuo_model::decision::DecisionKind;
use fenghuo_model::{Decision, Kind};

use super::stage::{Stage, Turn, close_after_ms};
use super::{Region, StatedPlace, Statement};
use crate::Counters;
use crate::evidence::Evidence;
use crate::incident::{Incident, IncidentId, Member, News};
use crate::incidents::is_plain;
use crate::judge::{Joined, View};
use crate::neighbourhoods::Lit;
use crate::window::{Folding, Window};

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
        let registry = Arc::clone(&self.registry);
        let evidence = self.evidence_of(&registry, statement, place, since_ms);
        counters.evidence += 1;
        counters.isolated += u64::from(evidence.voice.isolated);
        let (lit, call) = match self.incidents.lit(place.building) {
            Some(lit) => (lit, self.join(lit, &evidence, clock_ms, counters)),
            None => {
                counters.incidents += 1;
                counters.incidents_closed_early += self.make_room(clock_ms, out);
                (self.open(&evidence, statement.signal.id.as_deref(), clock_ms, out), Call::Nothing)
            }
        };
        let mut turn = Turn::default();
        let is_forgotten = evidence.piece.at_ms < since_ms;
        let mut stage = Stage {
            region: &self.name,
            registry: &self.registry,
            policy: &self.policy,
            devices: &self.devices,
            incidents: &mut self.incidents,
            view: if is_forgotten { View::Alone(&evidence) } else { View::Since(since_ms) },
            most_buildings: self.limits.buildings_per_incident,
            clock_ms,
            turn: &mut turn,
        };
        stage.judge(Joined { lit, at_ms: evidence.piece.at_ms });
        counters.confirmed += turn.confirmed.len() as u64;
        counters.buildings_not_taken_in += turn.not_taken_in;
        self.publish_turn(turn, call, lit, clock_ms, out);
    }

    /// Opens an incident in a building that is in none.
    fn open(
        &mut self,
        evidence: &Evidence<'_>,
        signal_id: Option<&str>,
        clock_ms: i64,
        out: &mut Vec<Decision>,
    ) -> Lit {
        let building = evidence.voice.building;
        let id = IncidentId::of(&self.name, evidence, signal_id, &self.registry);
        let mut incident = Incident::empty(id, building, self.arrivals, clock_ms);
        let window = Window::default();
        incident.join(Member { building, joined_ms: clock_ms, confirmed: false, window }, &self.registry);
        let slot = self.incidents.open(incident);
        let lit = self.incidents.lit(building).expect("its incident has just been opened");
        self.store(lit, evidence, clock_ms);
        let times = &self.policy.incident;
        self.incidents.schedule(slot, |due| {
            due.close_ms = Some(clock_ms + times.close_after_ms);
            due.verify_ms = Some(clock_ms + times.verify_after_ms);
        });
        self.publish(slot, DecisionKind::Suspected, clock_ms, out);
        lit
    }

    /// Adds evidence to the incident of its building.
    fn join(&mut self, lit: Lit, evidence: &Evidence<'_>, clock_ms: i64, counters: &mut Counters) -> Call {
        let slot = self.incidents.of_lit(lit);
        let (news, folded) = self.store(lit, evidence, clock_ms);
        counters.evidence_folded += u64::from(folded);
        let incident = self.incidents.get_mut(slot);
        incident.last_arrival_ms = clock_ms;
        let (confirmed, verified) = (incident.is_confirmed(), incident.verified);
        let close_ms = clock_ms + close_after_ms(&self.policy, confirmed);
        self.incidents.schedule(slot, |due| due.close_ms = Some(close_ms));
        match confirmed {
            true if news.location || news.class || evidence.voice.kind == Kind::Confirm => Call::Update,
            false if verified && news.location => Call::VerifyAgain,
            _ => Call::Nothing,
        }
    }

    /// Puts evidence into its building's window; what it shows that was not shown before, and whether it was folded. A
    /// full window may go without a repeat from less than an eighth of the shortest rule's window after the piece
    /// before, unless a restore lies between them.
    fn store(&mut self, lit: Lit, evidence: &Evidence<'_>, clock_ms: i64) -> (News, bool) {
        let Evidence { voice, piece } = evidence;
        let devices = &self.devices;
        let folding = Folding {
            full_at: self.limits.evidence_per_building,
            within_ms: self.shortest_window_ms / 8,
            since_ms: clock_ms - self.memory_ms,
            is_apart: |after_ms, until_ms| devices.restored_between(voice.device, after_ms, until_ms),
        };
        let (news, folded) = self.incidents.store(lit, evidence, &folding, &self.policy);
        if !folded {
            let is_plain =
                is_plain(&self.registry, voice.device, voice.building) && !self.devices.has_restored(voice.device);
            self.incidents.hear(lit, voice, piece.at_ms, is_plain);
        }
        (news, folded)
    }

    /// Closes suspected incidents early until a new one has room; how many.
    fn make_room(&mut self, clock_ms: i64, out: &mut Vec<Decision>) -> u64 {
        let mut closed = 0;
        while self.incidents.len() >= self.limits.open_incidents
            && let Some(slot) = self.incidents.longest_silent_suspected()
        {
            self.publish(slot, DecisionKind::Closed, clock_ms, out);
            self.incidents.end(slot);
            closed += 1;
        }
        closed
    }

    /// Publishes what one signal did, in the order verify, merged, confirmed, update, and by id within a kind.
    fn publish_turn(&mut self, mut turn: Turn, call: Call, lit: Lit, clock_ms: i64, out: &mut Vec<Decision>) {
        let slot = self.incidents.of_lit(lit);
        if !turn.is_told(slot) {
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
