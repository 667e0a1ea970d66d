//! SPEC.md 3, "Evidence" and how it is counted: alive, isolated, repeated by a panel; devices, locations, classes.

use std::collections::{BTreeMap, BTreeSet};

use fenghuo_model::{Kind, Policy, Sensor};

use crate::world::World;

/// A signal that speaks for a fire.
#[derive(Debug, Clone)]
pub struct Evidence {
    /// Its place in the order of arrival.
    pub arrival: usize,
    /// The device's registry id, else what the signal said.
    pub device: String,
    /// The registry's address, else the one the signal came under.
    pub address: String,
    /// The signal's own id.
    pub signal_id: Option<String>,
    /// fire, confirm or prealarm.
    pub kind: Kind,
    /// What sensed.
    pub sensor: Sensor,
    /// The building's place in the registry's list.
    pub building: usize,
    /// The spot of the building.
    pub location: String,
    /// The registered device's floor, in its own building.
    pub floor: Option<i32>,
    /// Event time t.
    pub at_ms: i64,
    /// When the platform received it.
    pub received_at_ms: Option<i64>,
    /// Whether t is the time of receipt.
    pub time_received: bool,
    /// Whether the device was isolated at t, as known on arrival.
    pub isolated: bool,
    /// Whether the device is in no registry.
    pub unregistered: bool,
    /// Where the signal came from.
    pub source: Option<String>,
    /// Whether a clear has wiped it.
    pub wiped: bool,
    /// The incident that shows it: its place in the world's list.
    pub incident: usize,
}

impl Evidence {
    /// "A location is a spot of its building: the same name in two buildings is two."
    pub fn location(&self) -> (usize, &str) {
        (self.building, &self.location)
    }
}

/// H = the longest window + 2 · max_behind + max_ahead.
pub fn memory_ms(policy: &Policy) -> i64 {
    let longest_ms = policy.rules.iter().map(|rule| rule.window_ms).max().unwrap_or(0);
    longest_ms + 2 * policy.clock.max_behind_ms + policy.clock.max_ahead_ms
}

/// "*isolated* when the latest (by event time, then arrival) isolate or isolate_restore of its device with event
/// time ≤ t that has arrived says isolate, and t lies before its `until` (without one: less than `isolate_max` after
/// it)."
pub fn is_isolated(world: &World, policy: &Policy, device: &str, at_ms: i64) -> bool {
    let of_device = || world.isolations.iter().filter(|isolation| isolation.device == device);
    let is_old = |isolation_at_ms: i64| isolation_at_ms + memory_ms(policy) < world.clock_ms;
    // "Of isolations older than H only each device's latest is remembered."
    let latest_old = of_device().filter(|i| is_old(i.at_ms)).map(|i| (i.at_ms, i.arrival)).max();
    let latest = of_device()
        .filter(|i| !is_old(i.at_ms) || latest_old == Some((i.at_ms, i.arrival)))
        .filter(|i| i.at_ms <= at_ms)
        .max_by_key(|i| (i.at_ms, i.arrival));
    latest.is_some_and(|isolation| {
        isolation.isolates
            && match isolation.until_ms {
                Some(until_ms) => at_ms < until_ms,
                None => at_ms - isolation.at_ms < policy.isolate_max_ms,
            }
    })
}

/// "**alive at T** for a window W when t ≤ T ≤ t + W and (T < r or T < t + `hold`), r being the earliest event time
/// > t of a `restore` of the same device that has arrived."
pub fn is_alive(world: &World, policy: &Policy, evidence: &Evidence, instant_ms: i64, window_ms: i64) -> bool {
    let at_ms = evidence.at_ms;
    let of_device = world.restores.iter().filter(|restore| restore.device == evidence.device);
    let restored_ms = of_device.map(|restore| restore.at_ms).filter(|restored_ms| *restored_ms > at_ms).min();
    let is_in_window = at_ms <= instant_ms && instant_ms <= at_ms + window_ms;
    let is_restored = restored_ms.is_some_and(|restored_ms| instant_ms >= restored_ms);
    is_in_window && (!is_restored || instant_ms < at_ms + policy.hold_ms)
}

/// "Evidence of a device whose address, followed by ':', begins the address of another device counted beside it": a
/// panel repeats what its component said.
pub fn is_repeat(evidence: &Evidence, beside: &[&Evidence]) -> bool {
    let prefix = format!("{}:", evidence.address);
    beside.iter().any(|other| other.device != evidence.device && other.address.starts_with(&prefix))
}

/// What a set of evidence amounts to, as the rules count.
#[derive(Debug)]
pub struct Tally {
    /// Distinct devices.
    pub devices: usize,
    /// Distinct locations, as building and spot.
    pub locations: BTreeSet<(usize, String)>,
    /// Distinct sensors by their words; panel and unknown, alone, as `unknown`.
    pub classes: BTreeSet<&'static str>,
    /// Distinct buildings.
    pub buildings: BTreeSet<usize>,
    /// The sum over the locations of the largest weight there, thousandths.
    pub score: u64,
    /// The largest, over locations, of latest t − earliest t.
    pub span_ms: i64,
}

/// Counts a set of evidence, of which none is isolated.
pub fn tally(policy: &Policy, set: &[&Evidence]) -> Tally {
    // "… adds no device, location, score or span …, though it stays in the supporting set." Class and building it adds.
    let counted: Vec<&Evidence> = set.iter().copied().filter(|evidence| !is_repeat(evidence, set)).collect();
    let devices: BTreeSet<&str> = counted.iter().map(|evidence| &*evidence.device).collect();
    let mut by_location: BTreeMap<(usize, &str), Vec<&Evidence>> = BTreeMap::new();
    for evidence in &counted {
        by_location.entry(evidence.location()).or_default().push(evidence);
    }
    let heaviest = |at: &Vec<&Evidence>| at.iter().map(|evidence| u64::from(policy.weight(evidence.sensor))).max();
    let span_ms = |at: &Vec<&Evidence>| {
        let times_ms = || at.iter().map(|evidence| evidence.at_ms);
        times_ms().max().zip(times_ms().min()).map_or(0, |(latest_ms, earliest_ms)| latest_ms - earliest_ms)
    };
    Tally {
        devices: devices.len(),
        classes: classes(set),
        buildings: set.iter().map(|evidence| evidence.building).collect(),
        score: by_location.values().filter_map(heaviest).sum(),
        span_ms: by_location.values().map(span_ms).max().unwrap_or(0),
        locations: by_location.into_keys().map(|(building, location)| (building, location.to_owned())).collect(),
    }
}

/// "Distinct sensors (panel and unknown count only where there is nothing else, together as one)."
fn classes(set: &[&Evidence]) -> BTreeSet<&'static str> {
    let is_nothing = |sensor: Sensor| matches!(sensor, Sensor::Panel | Sensor::Unknown);
    let words: BTreeSet<&str> = set.iter().filter(|e| !is_nothing(e.sensor)).map(|e| e.sensor.word()).collect();
    if words.is_empty() && !set.is_empty() { BTreeSet::from(["unknown"]) } else { words }
}
