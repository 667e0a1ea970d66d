//! Evidence: a signal that speaks for a fire, as windows and incidents hold it.

use std::sync::Arc;

use fenghuo_model::registry::{BuildingIdx, DeviceIdx, Registry};
use fenghuo_model::{Kind, Sensor};

/// Who states something: a registered device by its number, anybody else by the name that the signal gave.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum DeviceKey {
    Registered(DeviceIdx),
    Stranger(Arc<str>),
}

impl DeviceKey {
    /// The registry's id, or the name that the signal gave: what is published.
    pub(crate) fn id<'a>(&'a self, registry: &'a Registry) -> &'a str {
        match self {
            Self::Registered(device) => &registry.device(*device).id,
            Self::Stranger(name) => name,
        }
    }

    /// The address by which panels and their components are told: the registry's, else the name the signal came under
    /// (a registered device without an address can only have come under its id).
    pub(crate) fn address<'a>(&'a self, registry: &'a Registry) -> &'a str {
        match self {
            Self::Registered(device) => {
                let device = registry.device(*device);
                device.address.as_deref().unwrap_or(&device.id)
            }
            Self::Stranger(name) => name,
        }
    }
}

/// An accepted, placed signal of kind fire, confirm or (if some rule lists it) prealarm, that is no test.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) device: DeviceKey,
    pub(crate) building: BuildingIdx,
    pub(crate) location: Arc<str>,
    pub(crate) sensor: Sensor,
    pub(crate) kind: Kind,
    /// Event time.
    pub(crate) at_ms: i64,
    pub(crate) received_at_ms: Option<i64>,
    /// Its place in the order of arrival within the region.
    pub(crate) arrival: u64,
    /// Settled when it arrived: shown, opens incidents, and counts for no rule.
    pub(crate) isolated: bool,
    pub(crate) unregistered: bool,
    /// Whether the time of receipt had to stand in for the device's.
    pub(crate) time_is_receipt: bool,
    pub(crate) source: Option<Box<str>>,
}

impl Evidence {
    /// Whether both are the same spot: the same name in two buildings is two.
    pub(crate) fn spot(&self) -> (BuildingIdx, &str) {
        (self.building, &self.location)
    }
}
