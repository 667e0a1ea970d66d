//! SPEC.md 3: what happens because time passes. Every timer is worked out anew from the incident as it stands.

use fenghuo_model::Policy;
use serde_json::Value;

use crate::publish::{City, Extra, decision};
use crate::region::note_published;
use crate::world::{Incident, Standing, World};

/// Fires the timers due at or before `until_ms`, "in order of (due time, incident id, `closed` first), each decision
/// stamped with its due time".
pub fn fire(city: City<'_>, world: &mut World, until_ms: i64) -> Vec<Value> {
    let mut decisions = Vec::new();
    while let Some((due_ms, incident, word)) = first_due(city, world).filter(|(due_ms, ..)| *due_ms <= until_ms) {
        let state = &mut world.incidents[incident];
        match word {
            "closed" => {}
            // The second and later `verify` come with a signal.
            "verify" => state.first_verify_ms = Some(due_ms),
            "escalated" => state.escalated = true,
            _ => state.update_waits = false,
        }
        let revision = note_published(world, incident, word, due_ms);
        decisions.push(decision(city, world, incident, word, due_ms, revision, &Extra::default()));
        // "One that ends … as it was before the timer."
        if word == "closed" {
            world.incidents[incident].standing = Standing::Ended;
        }
    }
    decisions
}

/// The timer that fires next: due time, incident, and the decision's word.
fn first_due(city: City<'_>, world: &World) -> Option<(i64, usize, &'static str)> {
    let mut all = Vec::new();
    for (index, incident) in world.incidents.iter().enumerate() {
        for (due_ms, rank, word) in timers_of(city.policy, world, incident) {
            all.push(((due_ms, &incident.id, rank), index, word));
        }
    }
    all.into_iter().min().map(|((due_ms, ..), incident, word)| (due_ms, incident, word))
}

fn timers_of(policy: &Policy, world: &World, incident: &Incident) -> Vec<(i64, u8, &'static str)> {
    let times = &policy.incident;
    let mut timers = Vec::new();
    match incident.standing {
        Standing::Ended => {}
        Standing::Suspected => {
            // "`close_after` … of C since the arrival of its last evidence: `closed`."
            timers.push((incident.last_evidence_ms + times.close_after_ms, 0, "closed"));
            match incident.first_verify_ms {
                // "Still suspected when `verify_after` has passed on the clock since it opened: decision `verify`."
                None => timers.push((incident.opened_ms + times.verify_after_ms, 1, "verify")),
                // "`escalate_after` after its first `verify`, still suspected and no `acknowledge` of its building
                // having arrived since it opened: decision `escalated`, once."
                Some(first_verify_ms) => {
                    let is_acknowledged = world.acknowledged.iter().any(|(arrival, building)| {
                        *arrival > incident.opened_by && incident.buildings.iter().any(|(_, member)| member == building)
                    });
                    if !incident.escalated && !is_acknowledged {
                        timers.push((first_verify_ms + times.escalate_after_ms, 2, "escalated"));
                    }
                }
            }
        }
        Standing::Confirmed => {
            timers.push((incident.last_evidence_ms + times.close_confirmed_after_ms, 0, "closed"));
            // "… else at that time."
            if incident.update_waits {
                timers.push((incident.published_ms + times.update_every_ms, 1, "update"));
            }
        }
    }
    timers
}
