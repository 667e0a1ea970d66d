//! Evidence: a signal that speaks for a fire; who says what from where, and when.

use std::sync::Arc;

use fenghuo_model::registry::{BuildingIdx, DeviceIdx, Registry};
use fenghuo_model::{Kind, Sensor};
use smol_str::SmolStr;

/// Who states something: a registered device by its number, anybody else by the name that the signal gave.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum DeviceKey {
    Registered(DeviceIdx),
    Stranger(Arc<str>),
}

impl DeviceKey {
    /// The registry's id, or the name that the signal gave: what is published.
    pub(crate) fn id<'a>(&'a self, registry: &'a Registry) -> &'a str {
        match self {
            Self::Registered(device) => registry.device(*device).id,
            Self::Stranger(name) => name,
        }
    }

    /// The address by which panels and their components are told: the registry's, else the name the signal came under
    /// (a registered device without an address can only have come under its id).
    pub(crate) fn address<'a>(&'a self, registry: &'a Registry) -> &'a str {
        match self {
            Self::Registered(device) => {
                let device = registry.device(*device);
                device.address.unwrap_or(device.id)
            }
            Self::Stranger(name) => name,
        }
    }
}

/// Who says what from where: what repeated evidence of one device has in common.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Voice {
    pub(crate) device: DeviceKey,
    pub(crate) building: BuildingIdx,
    pub(crate) location: SmolStr,
    pub(crate) sensor: Sensor,
    pub(crate) kind: Kind,
    /// Settled when it arrived: shown, opens incidents, and counts for no rule.
    pub(crate) isolated: bool,
    pub(crate) unregistered: bool,
}

impl Voice {
    /// Its location: the same name in two buildings is two.
    pub(crate) fn spot(&self) -> (BuildingIdx, &str) {
        (self.building, &self.location)
    }
}

/// One time that a voice spoke.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    /// Event time.
    pub(crate) at_ms: i64,
    pub(crate) received_at_ms: Option<i64>,
    /// Its place in the order of arrival within the region.
    pub(crate) arrival: u64,
    /// Whether the time of receipt had to stand in for the device's.
    pub(crate) time_is_receipt: bool,
    pub(crate) source: Option<SmolStr>,
    /// Whether it is in the supporting set of its incident's confirmation.
    pub(crate) counted: bool,
    /// Repeats of the voice that are folded into this piece rather than stored.
    pub(crate) repeats: usize,
}

/// A voice that speaks, borrowed from its signal: most have spoken before, and need not be stored again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Heard<'s> {
    pub(crate) device: &'s DeviceKey,
    pub(crate) building: BuildingIdx,
    pub(crate) location: &'s str,
    pub(crate) sensor: Sensor,
    pub(crate) kind: Kind,
    pub(crate) isolated: bool,
    pub(crate) unregistered: bool,
}

impl<'s> Heard<'s> {
    pub(crate) fn of(voice: &'s Voice) -> Self {
        Self {
            device: &voice.device,
            building: voice.building,
            location: &voice.location,
            sensor: voice.sensor,
            kind: voice.kind,
            isolated: voice.isolated,
            unregistered: voice.unregistered,
        }
    }

    /// Whether it is that voice.
    pub(crate) fn is(&self, voice: &Voice) -> bool {
        *self == Heard::of(voice)
    }

    /// The voice, to be stored.
    pub(crate) fn voice(&self) -> Voice {
        Voice {
            device: self.device.clone(),
            building: self.building,
            location: self.location.into(),
            sensor: self.sensor,
            kind: self.kind,
            isolated: self.isolated,
            unregistered: self.unregistered,
        }
    }
}

/// An accepted, placed signal of kind fire, confirm or (if some rule lists it) prealarm, that is no test.
#[derive(Debug, Clone)]
pub(crate) struct Evidence<'s> {
    pub(crate) voice: Heard<'s>,
    pub(crate) piece: Piece,
}
