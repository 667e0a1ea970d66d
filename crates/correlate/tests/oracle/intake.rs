//! SPEC.md 2.2 and the clauses "Place" and "Event time": what a signal says once the registry has been asked.

use fenghuo_model::registry::{Building, Device};
use fenghuo_model::{Kind, Policy, Registry, Sensor, Signal};

/// Why a signal was rejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Neither `at` nor `received_at`.
    NoTime,
    /// A clear or acknowledge without a known building.
    NoBuilding,
}

/// A building and a spot of it.
#[derive(Debug, Clone)]
pub struct Spot {
    /// The building's place in the registry's list.
    pub building: usize,
    /// The spot's name.
    pub location: String,
    /// Whether the device is in no registry; a person never is.
    pub unregistered: bool,
}

/// A signal that is not rejected, and what the registry makes of it.
#[derive(Debug, Clone)]
pub struct Arrived {
    /// As it came.
    pub signal: Signal,
    /// The device's registry id, else what the signal said.
    pub device: String,
    /// The registry's address, else the one the signal came under.
    pub address: String,
    /// The registered device's floor and building.
    pub registered: Option<(Option<i32>, usize)>,
    /// Where it belongs, if its building is known.
    pub spot: Option<Spot>,
    /// What senses.
    pub sensor: Sensor,
    /// Event time t.
    pub at_ms: i64,
    /// Whether t is the time of receipt.
    pub time_received: bool,
    /// What moves the clock: `received_at`, or `at` where there is none.
    pub clock_ms: i64,
}

/// Places the signal and settles its event time.
pub fn arrive(registry: &Registry, policy: &Policy, signal: &Signal) -> Result<Arrived, Reason> {
    let (at_ms, time_received) = event_time(policy, signal).ok_or(Reason::NoTime)?;
    // "Building and location come from the registry by device id or address, and a device is from then on known by its
    // registry id."
    let by_id = registry.devices().find(|device| *device.id == *signal.device);
    let by_address = || registry.devices().find(|device| device.address == Some(&*signal.device));
    let device = by_id.or_else(by_address);
    let spot = spot(registry, signal, device);
    // "A `clear` or `acknowledge` without a known building is rejected."
    if spot.is_none() && matches!(signal.kind, Kind::Clear | Kind::Acknowledge) {
        return Err(Reason::NoBuilding);
    }
    Ok(Arrived {
        device: device.map_or_else(|| signal.device.clone(), |device| device.id.to_string()),
        address: device.and_then(|device| device.address).map_or_else(|| signal.device.clone(), str::to_owned),
        registered: device.map(|device| (device.floor, device.building as usize)),
        spot,
        sensor: sensor(signal, device),
        at_ms,
        time_received,
        // "C = the largest `received_at` so far (`at` where there is none)."
        clock_ms: signal.received_at_ms.unwrap_or(at_ms),
        signal: signal.clone(),
    })
}

fn event_time(policy: &Policy, signal: &Signal) -> Option<(i64, bool)> {
    match (signal.at_ms, signal.received_at_ms) {
        // "Without either, the signal is rejected."
        (None, None) => None,
        // "Without `received_at`, it equals `at`."
        (Some(at_ms), None) => Some((at_ms, false)),
        // "`at`, unless it is missing, more than `clock.max_behind` before or more than `clock.max_ahead` after
        // `received_at`; then t = `received_at`, and the evidence carries `"time":"received"`."
        (None, Some(received_at_ms)) => Some((received_at_ms, true)),
        (Some(at_ms), Some(received_at_ms)) => {
            let too_old = received_at_ms - at_ms > policy.clock.max_behind_ms;
            let too_new = at_ms - received_at_ms > policy.clock.max_ahead_ms;
            if too_old || too_new { Some((received_at_ms, true)) } else { Some((at_ms, false)) }
        }
    }
}

fn sensor(signal: &Signal, device: Option<Device<'_>>) -> Sensor {
    // "`acknowledge`, `confirm` and `clear` come from people …; their sensor is operator."
    if matches!(signal.kind, Kind::Acknowledge | Kind::Confirm | Kind::Clear) {
        return Sensor::Operator;
    }
    // "The signal's own value wins over the registry's, which wins over unknown; an `unknown` of the signal's own …
    // gives way to the registry's."
    match signal.sensor {
        Some(own) if own != Sensor::Unknown => own,
        _ => device.map_or(Sensor::Unknown, |device| device.sensor),
    }
}

fn building_named(registry: &Registry, id: &str) -> Option<usize> {
    registry.buildings().iter().position(|building: &Building| *building.id == *id)
}

fn spot(registry: &Registry, signal: &Signal, device: Option<Device<'_>>) -> Option<Spot> {
    let by_people = matches!(signal.kind, Kind::Acknowledge | Kind::Confirm | Kind::Clear);
    let own_location = signal.location.clone();
    let device_id = device.map_or(&*signal.device, |device| device.id).to_owned();
    // "For `acknowledge`, `confirm` and `clear` the building that they name comes first (location then: the signal's
    // own, else the device's id). … A `confirm` that names an unregistered building has none." Nor has a clear: one
    // letter wrong must not wipe the evidence of the house where the device happens to hang.
    if by_people && let Some(named) = &signal.building {
        let building = building_named(registry, named)?;
        return Some(Spot { building, location: own_location.unwrap_or(device_id), unregistered: false });
    }
    // "A signal's own `location` serves where the registry has none"; "a device without one is its own location".
    if let Some(device) = device {
        let location = device.location.map(str::to_owned).or(own_location).unwrap_or(device_id);
        return Some(Spot { building: device.building as usize, location, unregistered: false });
    }
    // "Failing that the building is that of the longest registered address that, followed by ':', begins the device's;
    // failing that the signal's own `building`, which must be registered (location in both cases: the signal's own,
    // else the device's id; marked `unregistered`, people apart)."
    let panel = registry
        .devices()
        .filter(|panel| panel.address.as_ref().is_some_and(|address| signal.device.starts_with(&format!("{address}:"))))
        .max_by_key(|panel| panel.address.as_ref().map_or(0, |address| address.len()));
    let building = match panel {
        Some(panel) => panel.building as usize,
        None => building_named(registry, signal.building.as_deref()?)?,
    };
    Some(Spot { building, location: own_location.unwrap_or(device_id), unregistered: !by_people })
}
