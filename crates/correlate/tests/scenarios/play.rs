//! Plays a scenario: its inputs one after the other through a correlator, straight or disturbed by what must not
//! matter.

use std::sync::Arc;

use fenghuo_correlate::Correlator;
use fenghuo_model::time::Rfc3339;
use fenghuo_model::{Decision, Input, Policy, Registry};
use serde_json::{Value, json};

use crate::notation::{Act, Entry, Scenario};

/// A region that no scenario speaks of.
const ELSEWHERE: &str = "zz-elsewhere";

/// What is done to a scenario's inputs beside handing them over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disturbance {
    /// Nothing.
    None,
    /// Before each line a device that nobody knows says that it lives, by a clock two days ahead.
    Heartbeats,
    /// Before each line it burns in another region, by another clock.
    FiresElsewhere,
    /// Each input comes twice.
    Repeats,
}

/// What a line of the log led to.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The decisions, as their JSON, in order.
    pub decisions: Vec<Value>,
    /// Why inputs were rejected.
    pub rejected: Vec<String>,
    /// What was counted up to then.
    pub counters: Value,
}

/// The outcome of each line of the log.
///
/// # Errors
/// A registry or policy that cannot be read.
pub fn play(scenario: &Scenario, disturbance: Disturbance) -> Result<Vec<Outcome>, String> {
    let faults = |faults: Vec<fenghuo_model::Fault>| {
        let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
        format!("{}: {}", scenario.at, faults.join("\n"))
    };
    let mut city = scenario.registry.clone();
    if disturbance == Disturbance::FiresElsewhere {
        for line in [
            json!({"type": "building", "id": "Elsewhere", "lon": 113.75, "lat": 23.02, "region": ELSEWHERE}),
            json!({"type": "device", "id": "far-1", "building": "Elsewhere", "sensor": "smoke", "location": "1"}),
            json!({"type": "device", "id": "far-2", "building": "Elsewhere", "sensor": "heat", "location": "2"}),
        ] {
            city.push_str(&format!("{line}\n"));
        }
    }
    let registry = Registry::from_json_lines("registry", city.as_bytes()).map_err(faults)?;
    let policy = Policy::from_toml("policy", &scenario.policy).map_err(faults)?;
    let mut correlator = Correlator::new(Arc::new(registry), Arc::new(policy));
    let mut outcomes = Vec::new();
    for (number, entry) in (1..).zip(&scenario.entries) {
        let mut outcome = Outcome::default();
        let mut decisions = Vec::new();
        play_entry(entry, number, disturbance, &mut correlator, &mut decisions, &mut outcome);
        let here = decisions.iter().filter(|decision| decision.region != ELSEWHERE);
        outcome.decisions = here.map(as_json).collect();
        outcome.counters = serde_json::to_value(correlator.counters()).expect("counters are plain numbers");
        outcomes.push(outcome);
    }
    Ok(outcomes)
}

fn play_entry(
    entry: &Entry,
    number: i64,
    disturbance: Disturbance,
    correlator: &mut Correlator,
    decisions: &mut Vec<Decision>,
    outcome: &mut Outcome,
) {
    let mut say = |line: &str, outcome: &mut Outcome| {
        let taken = Input::from_json(line.as_bytes())
            .map_err(|error| error.to_string())
            .and_then(|input| correlator.take(&input, decisions).map_err(|error| error.to_string()));
        outcome.rejected.extend(taken.err());
    };
    let noise = match disturbance {
        Disturbance::Heartbeats => Some(("nobody-knows-me", "heartbeat", 2 * 86_400_000)),
        Disturbance::FiresElsewhere => Some((if number % 2 == 0 { "far-1" } else { "far-2" }, "fire", number * 40_000)),
        Disturbance::None | Disturbance::Repeats => None,
    };
    if let Some((device, kind, ahead_ms)) = noise {
        let time_ms = entry.time_ms.unwrap_or(crate::clock_face::MIDNIGHT_MS) + ahead_ms;
        let line = json!({"device": device, "kind": kind, "received_at": Rfc3339(time_ms).to_string()});
        say(&line.to_string(), &mut Outcome::default());
    }
    match &entry.act {
        Act::Say(lines) => {
            for line in lines {
                say(line, outcome);
                if disturbance == Disturbance::Repeats {
                    say(line, outcome);
                }
            }
        }
        Act::Drain => correlator.drain(decisions),
        Act::Count(_) => {}
    }
}

fn as_json(decision: &Decision) -> Value {
    serde_json::from_str(&decision.to_json()).expect("a decision is written as JSON")
}
