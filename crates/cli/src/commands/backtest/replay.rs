//! One policy over the signals: what it confirmed, and how often it sent people.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fenghuo_correlate::Correlator;
use fenghuo_model::decision::{DecisionKind, IncidentState};
use fenghuo_model::{Decision, Input, Policy, Registry};

use super::truth::{Place, Truth};
use crate::verdict::Verdict;

/// An incident that was confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// The incident's id.
    pub incident: String,
    /// The building where it was when it was confirmed.
    pub place: String,
    /// What that building is counted under.
    pub under: Place,
    /// The rule that confirmed it.
    pub rule: String,
    /// Every building that it ever held while confirmed.
    pub buildings: BTreeSet<String>,
    /// Its earliest evidence, Unix milliseconds.
    pub fire_at_ms: i64,
    /// The clock at its confirmation, Unix milliseconds.
    pub decided_at_ms: i64,
}

/// One policy at work.
pub struct Replay {
    policy: Arc<Policy>,
    correlator: Correlator,
    verdict: Verdict,
    confirmations: Vec<Confirmation>,
    /// Of each confirmed incident, its place among the confirmations.
    confirmation_of: BTreeMap<String, usize>,
    verify: u64,
    escalated: u64,
}

impl Replay {
    /// Nothing heard yet.
    pub fn new(registry: &Arc<Registry>, policy: &Arc<Policy>, truth: Option<&Truth>) -> Self {
        Self {
            policy: Arc::clone(policy),
            correlator: Correlator::new(Arc::clone(registry), Arc::clone(policy)),
            verdict: truth.map(Truth::verdict).unwrap_or_default(),
            confirmations: Vec::new(),
            confirmation_of: BTreeMap::new(),
            verify: 0,
            escalated: 0,
        }
    }

    /// Takes batch after batch, then lets the clock run until no timer is left.
    pub fn take_all(mut self, batches: impl Iterator<Item = Arc<Vec<Input>>>) -> Self {
        let mut decisions = Vec::new();
        for batch in batches {
            // The correlator counts what it rejects; the reason is `correlate`'s to tell.
            self.correlator.take_all(&batch, &mut decisions, |_, _, _| {});
            decisions.drain(..).for_each(|decision| self.see(&decision));
        }
        self.correlator.drain(&mut decisions);
        decisions.drain(..).for_each(|decision| self.see(&decision));
        self.confirmations
            .sort_by(|one, other| (one.decided_at_ms, &one.incident).cmp(&(other.decided_at_ms, &other.incident)));
        self
    }

    fn see(&mut self, decision: &Decision) {
        self.verdict.take(decision);
        let (Some(incident), Some(state)) = (&decision.incident, &decision.state) else { return };
        match decision.decision {
            DecisionKind::Verify => self.verify += 1,
            DecisionKind::Escalated => self.escalated += 1,
            DecisionKind::Confirmed => {
                self.confirmation_of.insert(incident.clone(), self.confirmations.len());
                self.confirmations.push(confirmation(incident, state, decision.decided_at.0));
            }
            DecisionKind::Update => {
                if let Some(place) = self.confirmation_of.get(incident) {
                    self.confirmations[*place].buildings.extend(state.buildings.iter().map(|member| member.id.clone()));
                }
            }
            _ => {}
        }
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The confirmed incidents, by (clock at confirmation, id).
    pub fn confirmations(&self) -> &[Confirmation] {
        &self.confirmations
    }

    /// What the decisions were worth.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Signals taken.
    pub fn signals(&self) -> u64 {
        self.correlator.counters().signals
    }

    /// Signals that the correlator would not take.
    pub fn rejected(&self) -> u64 {
        self.correlator.counters().rejected
    }

    /// Incidents opened.
    pub fn incidents(&self) -> u64 {
        self.correlator.counters().incidents
    }

    /// How often a person was asked to go and look, and how often village and town were told.
    pub fn calls(&self) -> (u64, u64) {
        (self.verify, self.escalated)
    }
}

fn confirmation(incident: &str, state: &IncidentState, decided_at_ms: i64) -> Confirmation {
    Confirmation {
        incident: incident.to_owned(),
        place: state.place.clone(),
        under: Place::new(state.premises.word(), state.town.as_deref(), state.village.as_deref()),
        rule: state.rule.clone().unwrap_or_default(),
        buildings: state.buildings.iter().map(|member| member.id.clone()).collect(),
        fire_at_ms: state.fire_at.0,
        decided_at_ms,
    }
}
