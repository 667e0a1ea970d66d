//! What senses, by the component's type (GB/T 26875.3-2011, table 6).

use fenghuo_model::Sensor;

/// The sensor of a component type; unknown where the type does not say it, as of modules, pumps and doors.
pub(super) const fn sensor(component_type: u8) -> Sensor {
    match component_type {
        1 => Sensor::Panel,
        10..=13 | 74 => Sensor::Gas,
        16..=18 => Sensor::Electrical,
        // A hydrant's button is pressed by a person who sees a fire, as a call point is.
        23 | 24 => Sensor::CallPoint,
        30..=37 => Sensor::Heat,
        40..=44 => Sensor::Smoke,
        50..=53 => Sensor::Multi,
        61 | 62 | 69 => Sensor::Flame,
        78 => Sensor::Video,
        96 | 98 | 99 => Sensor::WaterFlow,
        _ => Sensor::Unknown,
    }
}
