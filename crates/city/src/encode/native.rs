//! Electrical monitors, e-bike cabinets and people: signals in the native JSON form.

use fenghuo_model::{Kind, Sensor, Signal};
use serde_json::Number;

use crate::city::{City, building_id, device_id};
use crate::device::Make;
use crate::encode::gb26875::clock_error_ms;
use crate::night::Speech;
use crate::random::{Purpose, Random};

/// Key and bytes of a monitor's statement. Every second one goes by its id, the others by their address.
pub(super) fn of_device(city: &City, number: u32, speech: &Speech) -> (String, Vec<u8>) {
    let device = city.device(number);
    let name = if number.is_multiple_of(2) { device_id(number) } else { city.address_of(number) };
    let kind = speech.statement.kind;
    let at_ms = speech.at_ms + clock_error_ms(&city.plan, 1 << 40 | u64::from(number));
    let mut signal = Signal::new(name.clone(), kind);
    signal.sensor = Some(device.sensor());
    signal.at_ms = Some(at_ms);
    signal.test = speech.statement.in_drill;
    if kind == Kind::Reading {
        let mut random = Random::keyed(city.plan.seed, Purpose::Speech, speech.at_ms.unsigned_abs());
        let (range, unit) = match device.make {
            Make::Electrical if number.is_multiple_of(3) => ((50, 2_500), "mA"),
            _ => ((240, 620), "Cel"),
        };
        signal.value = tenths(random.within(range));
        signal.unit = Some(unit.to_owned());
    } else {
        signal.id = Some(format!("{name}-{at_ms}"));
    }
    (name, signal.to_json().into_bytes())
}

/// Key and bytes of what a grid officer or resident says of a building.
pub(super) fn of_person(city: &City, building: u32, cause: &str, speech: &Speech) -> (String, Vec<u8>) {
    let village = city.village_of(building);
    let officer = format!("officer:{}-{}-{}", village.region, village.spelt, city.grid_of(building));
    let mut signal = Signal::new(officer.clone(), speech.statement.kind);
    signal.id = Some(format!("{}-{}", building_id(building), speech.at_ms));
    signal.sensor = Some(Sensor::Operator);
    signal.at_ms = Some(speech.at_ms);
    signal.building = Some(building_id(building));
    signal.by = Some(officer.clone());
    signal.cause = (!cause.is_empty()).then(|| cause.to_owned());
    (officer, signal.to_json().into_bytes())
}

/// A number of tenths, written with its point.
pub(super) fn tenths(value: i64) -> Option<Number> {
    Number::from_f64(value as f64 / 10.0)
}
