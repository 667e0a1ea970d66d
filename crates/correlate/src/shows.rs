//! What evidence shows, kept as it comes: devices, locations and sensors of a building's window, and their sums.
//!
//! A decision tells how many devices and locations speak for it, and news is what was not shown before. To count all
//! evidence each time would make an incident's next alarm dearer with every one before it. So a window counts what each
//! new voice adds, and an incident adds up its windows. That is exact as long as what makes a device count or not lies
//! in its own window. Where it may not, [`Shows::is_odd`] says so, and all is counted as the rules count ([`Tally`]):
//! voices of people and strangers, of devices that speak outside their building, and of components whose panel is
//! registered in another one.
//!
//! [`Tally`]: crate::tally::Tally

use fenghuo_model::Sensor;
use fenghuo_model::registry::{DeviceIdx, Registry};

use crate::evidence::{DeviceKey, Voice};
use crate::window::Series;

/// What a set of evidence that is not isolated shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shows {
    pub(crate) devices: usize,
    pub(crate) locations: usize,
    /// A bit for each sensor, by its place in [`Sensor::ALL`].
    sensors: u32,
    /// Whether the counts are not to be relied upon.
    pub(crate) is_odd: bool,
}

impl Shows {
    /// The sum with what another building shows.
    pub(crate) fn add(&mut self, other: &Self) {
        self.devices += other.devices;
        self.locations += other.locations;
        self.sensors |= other.sensors;
        self.is_odd |= other.is_odd;
    }

    /// What one building shows, of which `before` is part of the sum, is `now` something else; nothing was lost of it
    /// but what a panel repeats.
    pub(crate) fn replace(&mut self, before: &Self, now: &Self) {
        self.devices = self.devices + now.devices - before.devices;
        self.locations = self.locations + now.locations - before.locations;
        self.sensors |= now.sensors;
        self.is_odd |= now.is_odd;
    }

    /// As a tally has them: panel and unknown only where there is nothing else, together as one `unknown`.
    pub(crate) fn classes(&self) -> Vec<Sensor> {
        let shown = Sensor::ALL.iter().copied().filter(|sensor| self.sensors & bit(*sensor) != 0);
        let mut classes: Vec<Sensor> = shown.clone().filter(|sensor| !sensor.is_unspecific()).collect();
        classes.sort_unstable_by_key(|sensor| sensor.word());
        if classes.is_empty() && shown.count() > 0 {
            classes.push(Sensor::Unknown);
        }
        classes
    }

    /// Whether a sensor would be a class that is not shown.
    pub(crate) fn lacks_class(&self, sensor: Sensor) -> bool {
        if sensor.is_unspecific() { self.sensors == 0 } else { self.sensors & bit(sensor) == 0 }
    }

    /// A voice that has not spoken joins those of its building, which do not hold it yet. Whether it is a new location
    /// there; of odd voices that means nothing.
    pub(crate) fn take(&mut self, voice: &Voice, others: &[Series], registry: &Registry) -> bool {
        if voice.isolated {
            return false;
        }
        self.sensors |= bit(voice.sensor);
        let Some(device) = settled_device(voice, registry) else {
            self.is_odd = true;
            return false;
        };
        let heard = || others.iter().filter(|series| !series.voice.isolated);
        let of = |series: &Series| settled_device(&series.voice, registry);
        let repeats = |panel: DeviceIdx| {
            registry.has_components(panel)
                && heard().filter_map(of).any(|component| has_panel(registry, component, panel))
        };
        let is_shown = heard()
            .filter(|series| series.voice.location == voice.location)
            .any(|series| of(series).is_some_and(|other| !repeats(other)));
        let speaks = |device: DeviceIdx| heard().any(|series| series.voice.device == DeviceKey::Registered(device));
        let has_spoken = speaks(device);
        let is_new = !is_shown && !repeats(device);
        // A component may make its panel one that only repeats; then all of the building is counted anew.
        let silences = panels(registry, device).any(speaks);
        if silences && !has_spoken {
            let is_odd = self.is_odd;
            let all = || heard().map(|series| &series.voice).chain([voice]);
            *self = Self { is_odd, sensors: self.sensors, ..counted(all, registry) };
        } else {
            self.devices += usize::from(!has_spoken && !repeats(device));
            self.locations += usize::from(is_new);
        }
        is_new
    }

    /// What all voices of a window show.
    pub(crate) fn of(series: &[Series], registry: &Registry) -> Self {
        let mut shows = Self::default();
        for number in 0..series.len() {
            shows.take(&series[number].voice, &series[..number], registry);
        }
        shows
    }
}

fn bit(sensor: Sensor) -> u32 {
    1 << sensor as u32
}

/// Whether a voice's part in the counts is not settled by its own window.
pub(crate) fn is_odd(voice: &Voice, registry: &Registry) -> bool {
    !voice.isolated && settled_device(voice, registry).is_none()
}

/// The device of a voice, if all that can make it count or not is in its building's window.
fn settled_device(voice: &Voice, registry: &Registry) -> Option<DeviceIdx> {
    let DeviceKey::Registered(device) = voice.device else { return None };
    let at_home = |device: DeviceIdx| registry.building_of_device(device) == voice.building;
    (at_home(device) && panels(registry, device).all(at_home)).then_some(device)
}

/// Its panels, the nearest first.
fn panels(registry: &Registry, device: DeviceIdx) -> impl Iterator<Item = DeviceIdx> + '_ {
    std::iter::successors(registry.panel_of(device), |panel| registry.panel_of(*panel))
}

fn has_panel(registry: &Registry, component: DeviceIdx, panel: DeviceIdx) -> bool {
    panels(registry, component).any(|other| other == panel)
}

/// Devices and locations of settled voices of one building, counted from the beginning.
fn counted<'v, V: Iterator<Item = &'v Voice>>(all: impl Fn() -> V, registry: &Registry) -> Shows {
    let settled = || all().filter_map(|voice| Some((settled_device(voice, registry)?, voice)));
    let repeats = |panel: DeviceIdx| {
        registry.has_components(panel) && settled().any(|(component, _)| has_panel(registry, component, panel))
    };
    let counting: Vec<(DeviceIdx, &Voice)> = settled().filter(|(device, _)| !repeats(*device)).collect();
    let mut devices: Vec<DeviceIdx> = counting.iter().map(|(device, _)| *device).collect();
    devices.sort_unstable();
    devices.dedup();
    let mut locations: Vec<&str> = counting.iter().map(|(_, voice)| &*voice.location).collect();
    locations.sort_unstable();
    locations.dedup();
    Shows { devices: devices.len(), locations: locations.len(), ..Shows::default() }
}
