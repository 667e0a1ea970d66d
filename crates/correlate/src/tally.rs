//! Counting as the rules count: devices, locations, sensors, buildings, score and span of a set of evidence.

use std::collections::{HashMap, HashSet};

use fenghuo_model::policy::Rule;
use fenghuo_model::registry::{BuildingIdx, Registry};
use fenghuo_model::{Policy, Sensor};

use crate::evidence::{DeviceKey, Voice};
use crate::window::Series;

/// A location: a spot of its building.
pub(crate) type Spot<'e> = (BuildingIdx, &'e str);

/// What one voice contributes to a set of evidence.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share<'e> {
    pub(crate) voice: &'e Voice,
    pub(crate) earliest_ms: i64,
    pub(crate) latest_ms: i64,
}

impl<'e> Share<'e> {
    /// Everything that a voice said.
    pub(crate) fn of(series: &'e Series) -> Self {
        let (earliest_ms, latest_ms) = series.span_ms();
        Self { voice: &series.voice, earliest_ms, latest_ms }
    }
}

/// What a set of evidence amounts to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally<'e> {
    pub(crate) devices: usize,
    /// By location: the largest weight, the earliest and the latest event time.
    pub(crate) locations: HashMap<Spot<'e>, (u32, i64, i64), foldhash::fast::RandomState>,
    /// Sorted by word; panel and unknown only where there is nothing else, together as one `unknown`.
    pub(crate) classes: Vec<Sensor>,
    pub(crate) buildings: usize,
}

impl<'e> Tally<'e> {
    /// Counts a set. A panel beside one of its own components repeats what the component said: it adds no device,
    /// location, score or span.
    pub(crate) fn of(set: &[Share<'e>], registry: &'e Registry, policy: &Policy) -> Self {
        let mut devices: HashSet<&DeviceKey, foldhash::fast::RandomState> = HashSet::default();
        let mut panels: HashSet<&str, foldhash::fast::RandomState> = HashSet::default();
        for Share { voice, .. } in set {
            if devices.insert(&voice.device) {
                let address = voice.device.address(registry);
                let colons = address.bytes().enumerate().filter(|(_, byte)| *byte == b':');
                panels.extend(colons.map(|(at, _)| &address[..at]));
            }
        }
        let repeats = |device: &DeviceKey| !panels.is_empty() && panels.contains(device.address(registry));
        let mut tally = Self { devices: devices.iter().filter(|device| !repeats(device)).count(), ..Self::default() };
        let mut sensors: Vec<Sensor> = Vec::new();
        let mut buildings: Vec<BuildingIdx> = Vec::with_capacity(set.len());
        for Share { voice, earliest_ms, latest_ms } in set {
            buildings.push(voice.building);
            if !sensors.contains(&voice.sensor) {
                sensors.push(voice.sensor);
            }
            if repeats(&voice.device) {
                continue;
            }
            let weight = policy.weight(voice.sensor);
            let location = tally.locations.entry(voice.spot()).or_insert((weight, *earliest_ms, *latest_ms));
            *location = (weight.max(location.0), location.1.min(*earliest_ms), location.2.max(*latest_ms));
        }
        buildings.sort_unstable();
        buildings.dedup();
        tally.buildings = buildings.len();
        sensors.sort_unstable_by_key(|sensor| sensor.word());
        tally.classes = sensors.iter().copied().filter(|sensor| !sensor.is_unspecific()).collect();
        if tally.classes.is_empty() && !sensors.is_empty() {
            tally.classes.push(Sensor::Unknown);
        }
        tally
    }

    /// Whether every minimum of the rule is reached.
    pub(crate) fn reaches(&self, rule: &Rule) -> bool {
        let reached = |count: usize, minimum: u32| count >= minimum as usize;
        reached(self.devices, rule.min_devices)
            && reached(self.locations.len(), rule.min_locations)
            && reached(self.classes.len(), rule.min_classes)
            && reached(self.buildings, rule.min_buildings)
            && self.score() >= u64::from(rule.min_score)
            && self.span_ms() >= rule.min_span_ms
    }

    /// The sum over the locations of the largest weight there, thousandths.
    pub(crate) fn score(&self) -> u64 {
        self.locations.values().map(|(largest, _, _)| u64::from(*largest)).sum()
    }

    /// The longest time that one location has spoken, milliseconds.
    pub(crate) fn span_ms(&self) -> i64 {
        self.locations.values().map(|(_, earliest_ms, latest_ms)| latest_ms - earliest_ms).max().unwrap_or(0)
    }
}
