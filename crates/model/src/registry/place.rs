//! Where a signal belongs: its building and spot, by the registry, by a registered panel, or by its own word.

use std::borrow::Cow;

use super::{BuildingIdx, DeviceIdx, Registry};
use crate::signal::Signal;
use crate::words::Sensor;

/// Where a signal belongs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place<'s> {
    /// The building.
    pub building: BuildingIdx,
    /// The spot within it.
    pub location: Cow<'s, str>,
    /// Whether the device is in no registry; a person never is.
    pub unregistered: bool,
}

impl Registry {
    /// Building and spot of a signal, if its building is known; `device` is its [`Registry::device_by_name`].
    ///
    /// What people name comes first, and naming an unknown building is naming none: a mistyped clear must not wipe the
    /// evidence of wherever the device happens to stand. Otherwise: the registered device; the building of the longest
    /// registered address that, followed by `:`, begins the device's; the signal's own building.
    #[must_use]
    pub fn place<'s>(&'s self, signal: &'s Signal, device: Option<DeviceIdx>) -> Option<Place<'s>> {
        let (building, unregistered) = self.building_of(signal, device)?;
        Some(Place { building, location: self.location_of(signal, device).into(), unregistered })
    }

    /// The first half of [`Registry::place`], enough for what only moves a clock: the building, and whether the device
    /// is in no registry.
    #[must_use]
    pub fn building_of(&self, signal: &Signal, device: Option<DeviceIdx>) -> Option<(BuildingIdx, bool)> {
        let by_people = signal.kind.is_by_people();
        match (signal.building.as_deref().filter(|_| by_people), device) {
            (None, Some(device)) => Some((self.devices.building(device), false)),
            (Some(id), _) => Some((self.building_by_id(id)?, !by_people)),
            (None, None) => {
                let panels = self.building_of_longest_prefix(&signal.device);
                let building = panels.or_else(|| self.building_by_id(signal.building.as_deref()?))?;
                Some((building, !by_people))
            }
        }
    }

    /// The other half: the spot within the building, wherever that is.
    #[must_use]
    pub fn location_of<'s>(&'s self, signal: &'s Signal, device: Option<DeviceIdx>) -> &'s str {
        let named = signal.kind.is_by_people() && signal.building.is_some();
        let device = device.map(|device| self.device(device));
        let registered = device.filter(|_| !named).and_then(|device| device.location);
        let device_id = device.map_or(signal.device.as_str(), |device| device.id);
        registered.or(signal.location.as_deref()).unwrap_or(device_id)
    }

    /// The sensor of a signal: its own, else its device's, else unknown; of people always operator.
    #[must_use]
    pub fn sensor_of(&self, signal: &Signal, device: Option<DeviceIdx>) -> Sensor {
        if signal.kind.is_by_people() {
            return Sensor::Operator;
        }
        let own = signal.sensor.filter(|sensor| *sensor != Sensor::Unknown);
        own.or_else(|| device.map(|device| self.devices.sensor(device))).unwrap_or(Sensor::Unknown)
    }

    fn building_of_longest_prefix(&self, device: &str) -> Option<BuildingIdx> {
        let prefixes = device.rmatch_indices(':').map(|(at, _)| &device[..at]);
        let panel = prefixes.into_iter().find_map(|prefix| self.devices.by_address(prefix))?;
        Some(self.devices.building(panel))
    }
}
