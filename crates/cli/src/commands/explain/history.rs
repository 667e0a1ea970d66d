//! What became of every signal of a building: told from the counters and the evidence before and after it.

use std::sync::Arc;

use fenghuo_correlate::{Correlator, Counters, Examination};
use fenghuo_model::time::Rfc3339;
use fenghuo_model::{Decision, Input, Kind, Registry, Signal};
use serde::Serialize;

/// What became of a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is evidence and held.
    Evidence,
    /// It is evidence, shown, and counts for no rule.
    Isolated,
    /// It was evidence until a clear or the end of its incident.
    Wiped,
    /// It is evidence, and too old to be judged with others.
    Forgotten,
    /// It repeats one accepted before.
    Duplicate,
    /// It is part of a test.
    Test,
    /// It was refused.
    Rejected,
    /// It ended, isolated, acknowledged or cleared something, or is of a kind that does nothing.
    Taken,
}

/// A signal of the building and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Told {
    /// The device as the signal names it.
    pub device: String,
    /// What it states.
    pub kind: Kind,
    /// The device's time, where given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<Rfc3339>,
    /// The time of receipt, where given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Rfc3339>,
    /// What became of it.
    pub fate: Fate,
    /// Of a rejected one: why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The signals of a building so far.
pub struct History {
    registry: Arc<Registry>,
    building: Option<u32>,
    told: Vec<Told>,
}

/// The time to which an input would move its region's clock.
pub fn clock_of(input: &Input) -> i64 {
    match input {
        Input::Tick(tick) => tick.at_ms,
        Input::Signal(signal) => signal.received_at_ms.or(signal.at_ms).unwrap_or(i64::MIN),
        Input::Policy(_) | Input::Registry(_) => i64::MIN,
    }
}

impl History {
    /// Nothing heard yet of the building; of none, nothing is kept.
    pub fn of(registry: &Arc<Registry>, building: Option<&str>) -> Self {
        let building = building.and_then(|id| registry.building_by_id(id));
        Self { registry: Arc::clone(registry), building, told: Vec::new() }
    }

    /// Lets the correlator take an input, and keeps what became of it if it is the building's.
    pub fn take(&mut self, correlator: &mut Correlator, input: &Input, decisions: &mut Vec<Decision>) {
        let before = correlator.counters().clone();
        let taken = correlator.take(input, decisions);
        let Input::Signal(signal) = input else { return };
        if self.building.is_some() && self.place_of(signal) == self.building {
            let (fate, reason) = match taken {
                Ok(()) => (fate(&before, correlator.counters()), None),
                Err(reason) => (Fate::Rejected, Some(reason.to_string())),
            };
            self.told.push(Told {
                device: signal.device.clone(),
                kind: signal.kind,
                at: signal.at_ms.map(Rfc3339),
                received_at: signal.received_at_ms.map(Rfc3339),
                fate,
                reason,
            });
        }
    }

    /// What became of each signal by the time of the examination.
    pub fn told(self, examination: &Examination) -> Vec<Told> {
        let registry = self.registry;
        let mut told = self.told;
        for told in &mut told {
            if matches!(told.fate, Fate::Evidence | Fate::Isolated) {
                let id = registry.device_by_name(&told.device).map(|device| registry.device(device).id.to_string());
                let device = id.as_deref().unwrap_or(&told.device);
                let times = [told.at, told.received_at];
                let held = examination.evidence.iter().find(|held| {
                    held.entry.device == device
                        && held.entry.kind == told.kind
                        && held.entry.received_at == told.received_at
                        && times.contains(&Some(held.entry.at))
                });
                told.fate = match held {
                    None => Fate::Wiped,
                    Some(held) if held.forgotten => Fate::Forgotten,
                    Some(_) => told.fate,
                };
            }
        }
        told
    }

    fn place_of(&self, signal: &Signal) -> Option<u32> {
        let device = self.registry.device_by_name(&signal.device);
        self.registry.place(signal, device).map(|place| place.building)
    }
}

fn fate(before: &Counters, after: &Counters) -> Fate {
    if after.duplicates > before.duplicates {
        Fate::Duplicate
    } else if after.tests > before.tests {
        Fate::Test
    } else if after.isolated > before.isolated {
        Fate::Isolated
    } else if after.evidence > before.evidence {
        Fate::Evidence
    } else {
        Fate::Taken
    }
}
