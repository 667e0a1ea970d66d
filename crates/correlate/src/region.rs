//! A region: a world of its own, with its own clock and its own incidents, that takes signals one after the other.
//!
//! Read [`Region::take`] first: the clock moves, timers fire, then the signal takes effect.

mod effects;
mod examine;
mod lifecycle;
mod snapshot;
mod stage;

use std::collections::HashMap;
use std::sync::Arc;

use fenghuo_model::decision::EvidenceEntry;
use fenghuo_model::registry::{BuildingIdx, Registry};
use fenghuo_model::time::Rfc3339;
use fenghuo_model::{Decision, Kind, Policy, Sensor, Signal};

use crate::describe::Scribe;
use crate::devices::Devices;
use crate::duplicates::Duplicates;
use crate::evidence::{DeviceKey, Evidence, Heard, Piece};
use crate::incidents::Incidents;
use crate::state::Written;
use crate::{Counters, Limits, Sizes};

/// A signal with its device, time and place found.
pub(crate) struct Statement<'s> {
    pub(crate) signal: &'s Signal,
    pub(crate) device: DeviceKey,
    pub(crate) sensor: Sensor,
    /// Event time.
    pub(crate) at_ms: i64,
    /// Whether the time of receipt had to stand in for the device's.
    pub(crate) time_is_receipt: bool,
    /// Where it belongs; nowhere in the region `unplaced`.
    pub(crate) place: Option<StatedPlace>,
}

/// The building of a statement; its spot is looked up for evidence only.
pub(crate) struct StatedPlace {
    pub(crate) building: BuildingIdx,
    pub(crate) unregistered: bool,
}

/// One region's state.
pub(crate) struct Region {
    pub(crate) name: Arc<str>,
    pub(crate) registry: Arc<Registry>,
    policy: Arc<Policy>,
    /// The policy's memory (H) and shortest window of a rule, reckoned once.
    memory_ms: i64,
    shortest_window_ms: i64,
    limits: Limits,
    prealarms_are_evidence: bool,
    /// The largest time of receipt so far; nothing before the first signal or tick.
    pub(crate) clock_ms: Option<i64>,
    pub(crate) arrivals: u64,
    pub(crate) duplicates: Duplicates,
    pub(crate) devices: Devices,
    pub(crate) incidents: Incidents,
    /// When a device's fire without a building was last decided on.
    pub(crate) unplaced: HashMap<DeviceKey, i64, foldhash::fast::RandomState>,
    /// What of all this was written as state; nothing where nobody asks for it.
    pub(crate) written: Option<Written>,
}

impl Region {
    pub(crate) fn new(name: Arc<str>, registry: Arc<Registry>, policy: Arc<Policy>, limits: Limits) -> Self {
        Self {
            name,
            memory_ms: policy.memory_ms(),
            shortest_window_ms: shortest_window_ms(&policy),
            limits,
            prealarms_are_evidence: policy.counts_prealarms(),
            incidents: Incidents::new(Arc::clone(&registry), Arc::clone(&policy)),
            registry,
            policy,
            clock_ms: None,
            arrivals: 0,
            duplicates: Duplicates::default(),
            devices: Devices::default(),
            unplaced: HashMap::default(),
            written: None,
        }
    }

    /// Takes a signal: the clock moves to `clock_ms` if that is later, due timers fire, then the signal takes effect.
    pub(crate) fn take(
        &mut self,
        statement: &Statement<'_>,
        clock_ms: i64,
        counters: &mut Counters,
        out: &mut Vec<Decision>,
    ) {
        let clock_ms = self.advance(clock_ms, out);
        let Statement { signal, device, at_ms, .. } = statement;
        let is_evidence = self.is_evidence(signal.kind) && !signal.test;
        if self.duplicates.repeats(signal, device, *at_ms, clock_ms, self.policy.dedup_horizon_ms) {
            counters.duplicates += 1;
            self.note_duplicate(statement.place.as_ref().filter(|_| is_evidence));
            return;
        }
        counters.duplicates_forgotten += self.duplicates.forget_beyond(self.limits.tracked_duplicates);
        self.arrivals += 1;
        if signal.test {
            counters.tests += 1;
            return;
        }
        let Some(place) = &statement.place else {
            self.take_unplaced(statement, clock_ms, counters, out);
            return;
        };
        let since_ms = clock_ms - self.memory_ms;
        match signal.kind {
            _ if is_evidence => self.take_evidence(statement, place, clock_ms, counters, out),
            Kind::Restore => {
                self.devices.restore(device, *at_ms, since_ms);
                if let Some(lit) = self.incidents.lit(place.building) {
                    self.incidents.neighbourhoods.is_plain_no_more(lit);
                }
            }
            Kind::Isolate => {
                let until_ms = signal.until_ms.unwrap_or(at_ms + self.policy.isolate_max_ms);
                self.devices.isolate(device, *at_ms, Some(until_ms), since_ms);
            }
            Kind::IsolateRestore => self.devices.isolate(device, *at_ms, None, since_ms),
            Kind::Acknowledge => self.acknowledge(place.building),
            Kind::Clear => self.clear(statement, place.building, clock_ms, out),
            _ => {}
        }
    }

    /// From now on the rules are these.
    pub(crate) fn put_in_force(&mut self, policy: &Arc<Policy>) {
        self.policy = Arc::clone(policy);
        self.memory_ms = policy.memory_ms();
        self.shortest_window_ms = shortest_window_ms(policy);
        self.prealarms_are_evidence = policy.counts_prealarms();
        self.incidents.put_in_force(policy, |device| self.devices.has_restored(device));
    }

    /// Moves the clock and fires what is due.
    pub(crate) fn tick(&mut self, clock_ms: i64, out: &mut Vec<Decision>) {
        self.advance(clock_ms, out);
    }

    /// Lets the clock run until no timer is left.
    pub(crate) fn drain(&mut self, out: &mut Vec<Decision>) {
        while let Some(due_ms) = self.incidents.next_due_ms() {
            self.advance(due_ms, out);
        }
    }

    /// What the region holds now.
    pub(crate) fn sizes(&self) -> Sizes {
        Sizes {
            incidents: self.incidents.len(),
            evidence: self.incidents.evidence_len(),
            devices: self.devices.len(),
            accepted: self.duplicates.len(),
        }
    }

    fn is_evidence(&self, kind: Kind) -> bool {
        match kind {
            Kind::Fire | Kind::Confirm => true,
            Kind::Prealarm => self.prealarms_are_evidence,
            _ => false,
        }
    }

    fn scribe(&self) -> Scribe<'_> {
        Scribe { region: &self.name, registry: &self.registry, policy: &self.policy }
    }

    fn note_duplicate(&mut self, place: Option<&StatedPlace>) {
        if let Some(slot) = place.and_then(|place| self.incidents.of_building(place.building)) {
            self.incidents.get_mut(slot).duplicates += 1;
        }
    }

    /// A fire whose building nobody knows is said aloud, again only after `close_after`.
    fn take_unplaced(
        &mut self,
        statement: &Statement<'_>,
        clock_ms: i64,
        counters: &mut Counters,
        out: &mut Vec<Decision>,
    ) {
        counters.unplaced += 1;
        let silence_ms = self.policy.incident.close_after_ms;
        if self.unplaced.get(&statement.device).is_some_and(|last_ms| clock_ms - last_ms < silence_ms) {
            return;
        }
        if self.unplaced.len() >= 1_024 && self.unplaced.len().is_power_of_two() {
            let written = &mut self.written;
            self.unplaced.retain(|device, last_ms| {
                let stays = clock_ms - *last_ms < silence_ms;
                if let Some(written) = written.as_mut().filter(|_| !stays) {
                    written.unplaced.insert(device.clone());
                }
                stays
            });
        }
        self.unplaced.insert(statement.device.clone(), clock_ms);
        if let Some(written) = &mut self.written {
            written.unplaced.insert(statement.device.clone());
        }
        let signal = statement.signal;
        let device = statement.device.id(&self.registry);
        let evidence = EvidenceEntry {
            device: device.to_owned(),
            building: None,
            location: signal.location.as_deref().unwrap_or(device).to_owned(),
            floor: None,
            sensor: statement.sensor,
            kind: signal.kind,
            at: Rfc3339(statement.at_ms),
            received_at: signal.received_at_ms.map(Rfc3339),
            counted: false,
            isolated: false,
            // It says something about evidence that has a building.
            unregistered: false,
            time: statement.time_is_receipt.then_some("received"),
            source: signal.source.clone(),
        };
        out.push(self.scribe().unplaced(&statement.device, evidence, clock_ms));
    }

    /// The evidence that a statement is; whether it is isolated is settled now.
    fn evidence_of<'s>(
        &mut self,
        registry: &'s Registry,
        statement: &'s Statement<'_>,
        place: &StatedPlace,
        since_ms: i64,
    ) -> Evidence<'s> {
        let device = match statement.device {
            DeviceKey::Registered(device) => Some(device),
            DeviceKey::Stranger(_) => None,
        };
        let voice = Heard {
            isolated: self.devices.is_isolated(&statement.device, statement.at_ms, since_ms),
            device: &statement.device,
            building: place.building,
            location: registry.location_of(statement.signal, device),
            sensor: statement.sensor,
            kind: statement.signal.kind,
            unregistered: place.unregistered,
        };
        let piece = Piece {
            at_ms: statement.at_ms,
            received_at_ms: statement.signal.received_at_ms,
            arrival: self.arrivals,
            time_is_receipt: statement.time_is_receipt,
            source: statement.signal.source.as_deref().map(Into::into),
            counted: false,
            repeats: 0,
        };
        Evidence { voice, piece }
    }
}

fn shortest_window_ms(policy: &Policy) -> i64 {
    policy.rules.iter().map(|rule| rule.window_ms).min().unwrap_or(0)
}
