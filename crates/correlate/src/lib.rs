//! Signals in order of arrival to decisions about fires.
//!
//! # The idea
//!
//! Of what a city's detectors report as fire, one in a thousand is. Steam, dust and fog trip one detector, or two of
//! one flat; a fire trips one room after the other. So a single alarm only makes its building **suspected**, and a
//! person of the grid is asked to look. It is **confirmed** when independent evidence agrees within a window of a
//! minute or two: two rooms, two principles, a button pressed by a person, or the houses next door. Each such reason
//! is a rule of the policy, and the decision says which one held, when, and by which evidence.
//!
//! Time is the signals' own. A rule is judged at event times, the moments when it happened; timers run on the
//! region's clock, the largest time of receipt so far. Nothing here asks what time it is, so that the decisions are
//! a function of the sequence of signals, the registry and the policy alone: replayed in a year, they are the same to
//! the byte.
//!
//! # The door
//!
//! [`Correlator`] takes one input after the other and appends the decisions that it causes. Inside, each region is a
//! world of its own (`region.rs`): the clock moves, due timers fire, then the signal takes effect. Evidence joins its
//! building's window (`window.rs`) and incident (`incident.rs`), every rule is tried (`judge.rs`) by counting as the
//! rules count (`tally.rs`), and what that did is described (`describe.rs`).
//!
//! Whoever only wants to look, a console or a metric, never touches any of that. Windows have one writer, the owner of
//! the [`Correlator`]; it takes a [`Snapshot`] now and then and publishes it, and readers on other threads see the
//! newest without making it wait ([`publication`]):
//!
//! ```
//! use std::sync::Arc;
//! use fenghuo_correlate::{Snapshot, publication::Publisher};
//!
//! let mut publisher = Publisher::new(Arc::new(Snapshot::default()));
//! let mut reader = publisher.subscribe(); // One for each thread that looks.
//! # let correlator = fenghuo_correlate::Correlator::new(
//! #     Arc::new(fenghuo_model::Registry::from_json_lines("none", b"").unwrap()),
//! #     Arc::new(fenghuo_model::Policy::default()),
//! # );
//! publisher.publish(Arc::new(correlator.snapshot())); // After a batch; never waits for a reader.
//! assert_eq!(reader.latest().sizes.incidents, 0); // Any time; never waits for the writer.
//! ```
//!
//! # What is absent
//!
//! Clocks, threads, logs, I/O, randomness, and any result that depends on a hash's order. Nothing is shared, locked or
//! atomic but the mailboxes of the publication, which hold finished snapshots and decide nothing.

mod count;
mod describe;
mod devices;
mod duplicates;
mod evidence;
mod examine;
mod incident;
mod incidents;
mod judge;
mod limits;
mod neighbourhoods;
pub mod publication;
mod region;
mod shown;
mod shows;
mod snapshot;
pub mod state;
mod tally;
mod window;

use std::sync::Arc;

use fenghuo_model::registry::{DeviceIdx, UNPLACED};
use fenghuo_model::{Decision, Input, Kind, Policy, Registry, Sensor, Signal, Tick};
use serde::{Deserialize, Serialize};

use evidence::DeviceKey;
pub use examine::{Examination, ExaminedEvidence, ExaminedRule, Minimum, OneMore};
pub use limits::{Limits, LimitsContradict};
use region::{Region, StatedPlace, Statement};
pub use snapshot::{OpenIncident, RegionSnapshot, Snapshot};
pub use state::{StateChange, StateError};

/// Of a list of inputs so many are looked up together.
const TAKEN_AT_ONCE: usize = 256;

/// Why a signal was rejected; it changed nothing, not even a clock.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Nobody can say when it happened.
    #[error("neither \"at\" nor \"received_at\" is a time that can be read")]
    NoTime,
    /// It is about a building that nobody knows.
    #[error("a {0} must name a registered building")]
    NoBuilding(Kind),
    /// The registry that is to be put in force is not here.
    #[error("the registry {0} is to be put in force, and is not at hand here")]
    RegistryElsewhere(String),
}

/// What was counted since the beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Signals taken, duplicates included; rejected ones are not.
    pub signals: u64,
    /// Signals dropped as duplicates.
    pub duplicates: u64,
    /// Signals rejected.
    pub rejected: u64,
    /// Ticks taken.
    pub ticks: u64,
    /// Signals that are part of a test or drill.
    pub tests: u64,
    /// Signals, neither fire nor by people, whose building nobody knows.
    pub without_building: u64,
    /// Fires and confirms whose building nobody knows.
    pub unplaced: u64,
    /// Pieces of evidence.
    pub evidence: u64,
    /// Evidence of isolated devices.
    pub isolated: u64,
    /// Incidents opened.
    pub incidents: u64,
    /// Incidents confirmed.
    pub confirmed: u64,
    /// Limit: repeats of a device that were folded into an earlier one of an incident.
    pub evidence_folded: u64,
    /// Limit: accepted signals forgotten before their horizon.
    pub duplicates_forgotten: u64,
    /// Limit: suspected incidents closed early, to make room.
    pub incidents_closed_early: u64,
    /// Limit: buildings that an incident could not take in any more.
    pub buildings_not_taken_in: u64,
    /// Event times that gave way to the time of receipt, missing or not to be believed.
    pub times_distrusted: u64,
    /// Times that could not be read.
    pub times_unreadable: u64,
    /// Sensor words that are not in the list.
    pub sensors_unknown: u64,
    /// Optional fields of a wrong type.
    pub fields_mistyped: u64,
}

/// What is held at a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Open incidents.
    pub incidents: usize,
    /// Pieces of evidence stored, folded repeats not counted.
    pub evidence: usize,
    /// Devices with a restore or isolation that is remembered.
    pub devices: usize,
    /// Accepted signals that are remembered for duplicates.
    pub accepted: usize,
}

/// Takes the signals of one or more regions in their order of arrival; see the crate's documentation.
pub struct Correlator {
    registry: Arc<Registry>,
    policy: Arc<Policy>,
    /// In the order of their names, `unplaced` among them.
    regions: Vec<(Arc<str>, Region)>,
    /// For each building where its region stands in that list; dense, for every signal asks.
    region_of: Vec<u32>,
    counters: Counters,
    /// What of the counters was written as state, if anybody asks for it.
    counters_written: Option<Option<Counters>>,
    /// What has become something else by another registry, since state was last asked for.
    pending: Vec<StateChange>,
    limits: Limits,
}

/// Device, building and region of a signal, as the registry knows them; see [`Correlator::find`].
pub struct Found {
    device: DeviceKey,
    sensor: Sensor,
    place: Option<StatedPlace>,
    region: Option<usize>,
}

impl Found {
    /// The number of the only region that the signal can change: its place in [`Correlator::regions`]. Without one,
    /// the signal is rejected or only counted, by whichever correlator it is given to.
    #[must_use]
    pub const fn region(&self) -> Option<usize> {
        self.region
    }
}

impl Correlator {
    /// Nothing heard yet; the default limits.
    #[must_use]
    pub fn new(registry: Arc<Registry>, policy: Arc<Policy>) -> Self {
        Self::with_limits(registry, policy, &Limits::default()).expect("a test holds that the default limits agree")
    }

    /// Nothing heard yet.
    ///
    /// # Errors
    /// Limits that contradict each other.
    pub fn with_limits(
        registry: Arc<Registry>,
        policy: Arc<Policy>,
        limits: &Limits,
    ) -> Result<Self, LimitsContradict> {
        limits.check()?;
        let mut names: Vec<Arc<str>> = registry.regions().to_vec();
        names.push(UNPLACED.into());
        names.sort_unstable();
        names.dedup();
        let region = |name: Arc<str>| {
            (Arc::clone(&name), Region::new(name, Arc::clone(&registry), Arc::clone(&policy), limits.clone()))
        };
        let number = |name: &Arc<str>| {
            let place = names.binary_search(name).expect("every region is in the list");
            u32::try_from(place).expect("regions are counted in 32 bits")
        };
        let numbers: Vec<u32> = registry.regions().iter().map(number).collect();
        let region_of = registry.buildings().iter().map(|building| numbers[building.region as usize]).collect();
        let regions = names.into_iter().map(region).collect();
        Ok(Self {
            registry,
            policy,
            regions,
            region_of,
            counters: Counters::default(),
            counters_written: None,
            pending: Vec::new(),
            limits: limits.clone(),
        })
    }

    /// Takes one input and appends the decisions that it causes, in their order.
    ///
    /// A change of the registry is none of these: its text is not here, so that whoever has it calls
    /// [`Correlator::change_registry`].
    ///
    /// # Errors
    /// Why an input is rejected; it then changed nothing.
    pub fn take(&mut self, input: &Input, out: &mut Vec<Decision>) -> Result<(), Rejected> {
        match input {
            Input::Tick(tick) => {
                self.take_tick(tick, out);
                Ok(())
            }
            Input::Signal(signal) => self.take_found(signal, self.find(signal), out),
            Input::Policy(change) => {
                self.put_in_force(&change.policy);
                Ok(())
            }
            Input::Registry(change) => Err(Rejected::RegistryElsewhere(change.version.clone())),
        }
    }

    /// [`Self::take`] for one input after the other; `told` hears of each, by its place among them, what became of it
    /// and how many decisions there were then. Their devices are looked up together, which is faster where the registry
    /// is larger than the processor's caches.
    pub fn take_all(
        &mut self,
        inputs: &[Input],
        out: &mut Vec<Decision>,
        mut told: impl FnMut(usize, Result<(), Rejected>, usize),
    ) {
        let mut found = Vec::with_capacity(TAKEN_AT_ONCE);
        for (number, some) in inputs.chunks(TAKEN_AT_ONCE).enumerate() {
            let names = some.iter().map(|input| match input {
                Input::Signal(signal) => signal.device.as_str(),
                Input::Tick(_) | Input::Policy(_) | Input::Registry(_) => "",
            });
            found.clear();
            self.registry.devices_by_names(names, &mut found);
            for (place, (input, device)) in some.iter().zip(&found).enumerate() {
                let taken = match input {
                    Input::Signal(signal) => self.take_found(signal, self.find_of(signal, *device), out),
                    other => self.take(other, out),
                };
                told(number * TAKEN_AT_ONCE + place, taken, out.len());
            }
        }
    }

    /// The names of the regions in their order; a region's number is its place here.
    pub fn regions(&self) -> impl ExactSizeIterator<Item = &str> {
        self.regions.iter().map(|(name, _)| name.as_ref())
    }

    /// Looks up device, building and region of a signal, without taking it.
    ///
    /// Regions share nothing. So correlators of the same registry and policy may divide a sequence among them: each
    /// region's inputs to one of them, ticks of all regions to every one, the rest to any. Their decisions, put
    /// together in the order of the inputs and, within a tick, of the regions' names, are those of one alone.
    #[must_use]
    pub fn find(&self, signal: &Signal) -> Found {
        self.find_of(signal, self.registry.device_by_name(&signal.device))
    }

    fn find_of(&self, signal: &Signal, device: Option<DeviceIdx>) -> Found {
        let place = self.registry.building_of(signal, device);
        let region = match (&place, signal.kind) {
            (Some((building, _)), _) => Some(self.region_of[*building as usize] as usize),
            (None, Kind::Fire | Kind::Confirm) => self.region_number(UNPLACED),
            (None, _) => None,
        };
        Found {
            device: match device {
                Some(device) => DeviceKey::Registered(device),
                None => DeviceKey::Stranger(signal.device.as_str().into()),
            },
            sensor: self.registry.sensor_of(signal, device),
            place: place.map(|(building, unregistered)| StatedPlace { building, unregistered }),
            region,
        }
    }

    /// [`Correlator::take`] for a signal that this correlator, or one of the same registry, has already looked up.
    ///
    /// # Errors
    /// Why the signal is rejected; it then changed nothing.
    pub fn take_found(&mut self, signal: &Signal, found: Found, out: &mut Vec<Decision>) -> Result<(), Rejected> {
        let taken = self.take_signal(signal, found, out);
        match taken {
            Ok(()) => self.counters.signals += 1,
            Err(_) => self.counters.rejected += 1,
        }
        taken
    }

    /// Lets every region's clock run, in the order of their names, until no timer is left.
    pub fn drain(&mut self, out: &mut Vec<Decision>) {
        for (_, region) in &mut self.regions {
            region.drain(out);
        }
    }

    /// What was counted so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What every rule sees around a building at an instant (Unix milliseconds), by what was taken so far; nothing if
    /// the building is not registered.
    #[must_use]
    pub fn examine(&self, building: &str, instant_ms: i64) -> Option<Examination> {
        let building = self.registry.building_by_id(building)?;
        let name = self.registry.region_of(building);
        let found = self.regions.binary_search_by(|(other, _)| other.cmp(name)).ok()?;
        Some(self.regions[found].1.examine(building, instant_ms))
    }

    /// What is held now.
    #[must_use]
    pub fn sizes(&self) -> Sizes {
        self.regions.iter().map(|(_, region)| region.sizes()).fold(Sizes::default(), |sum, sizes| Sizes {
            incidents: sum.incidents + sizes.incidents,
            evidence: sum.evidence + sizes.evidence,
            devices: sum.devices + sizes.devices,
            accepted: sum.accepted + sizes.accepted,
        })
    }

    /// Puts a policy in force: what is held stays as it is, timers that run keep their times, and what arrives from now
    /// on is judged by the new rules, together with the evidence that is there.
    fn put_in_force(&mut self, policy: &Arc<Policy>) {
        self.policy = Arc::clone(policy);
        self.regions.iter_mut().for_each(|(_, region)| region.put_in_force(policy));
    }

    fn take_tick(&mut self, tick: &Tick, out: &mut Vec<Decision>) {
        self.counters.ticks += 1;
        match &tick.region {
            Some(name) => {
                if let Some(number) = self.region_number(name) {
                    self.regions[number].1.tick(tick.at_ms, out);
                }
            }
            None => self.regions.iter_mut().for_each(|(_, region)| region.tick(tick.at_ms, out)),
        }
    }

    fn take_signal(&mut self, signal: &Signal, found: Found, out: &mut Vec<Decision>) -> Result<(), Rejected> {
        let (at_ms, clock_ms, time_is_receipt) = self.times(signal).ok_or(Rejected::NoTime)?;
        let Found { device, sensor, place, region } = found;
        let number = match (region, signal.kind) {
            (Some(number), _) => number,
            (None, kind @ (Kind::Clear | Kind::Acknowledge)) => return Err(Rejected::NoBuilding(kind)),
            (None, _) => {
                self.counters.without_building += 1;
                return Ok(());
            }
        };
        self.counters.times_distrusted += u64::from(time_is_receipt);
        self.counters.times_unreadable += u64::from(signal.flaws.times);
        self.counters.sensors_unknown += u64::from(signal.flaws.sensors);
        self.counters.fields_mistyped += u64::from(signal.flaws.types);
        let statement = Statement { signal, device, sensor, at_ms, time_is_receipt, place };
        let (_, region) = &mut self.regions[number];
        region.take(&statement, clock_ms, &mut self.counters, out);
        Ok(())
    }

    /// Event time, the time to which the clock moves, and whether the time of receipt had to stand in; nothing if
    /// neither is known.
    fn times(&self, signal: &Signal) -> Option<(i64, i64, bool)> {
        match (signal.at_ms, signal.received_at_ms) {
            (Some(at_ms), Some(received_at_ms)) => {
                let trusted = self.policy.trusts(at_ms, received_at_ms);
                Some((if trusted { at_ms } else { received_at_ms }, received_at_ms, !trusted))
            }
            (None, Some(received_at_ms)) => Some((received_at_ms, received_at_ms, true)),
            (Some(at_ms), None) => Some((at_ms, at_ms, false)),
            (None, None) => None,
        }
    }

    /// The number of the region with that name: its place in [`Correlator::regions`].
    #[must_use]
    pub fn region_number(&self, name: &str) -> Option<usize> {
        self.regions.binary_search_by(|(other, _)| other.as_ref().cmp(name)).ok()
    }
}
