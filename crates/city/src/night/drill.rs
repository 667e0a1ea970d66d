//! Drills: what is announced and never to count; shielded components, tests of panels, cabinets and detectors.

use fenghuo_model::Kind;

use super::Episodes;
use crate::device::{Make, component};
use crate::plan::{MINUTE_MS, SECOND_MS};
use crate::random::Random;

/// A wired building holds a drill about so often a year; scaled up, as fires are, so that a night has some.
const DRILLS_PER_GATEWAY_YEAR: f64 = 3.0;
/// A battery detector's test button is pressed about so often a year.
const SELF_TESTS_PER_DEVICE_YEAR: f64 = 0.3;
/// The test of a charging cabinet.
const CABINET_TESTS_PER_DEVICE_YEAR: f64 = 0.005;

/// The drills of one minute.
pub(super) fn plan(episodes: &mut Episodes<'_>, random: &mut Random) {
    let city = episodes.city;
    let scale = city.plan.trouble_scale;
    let devices = city.devices.len() as f64 * scale;
    for _ in 0..Episodes::count(random, city.gateways.len() as f64 * DRILLS_PER_GATEWAY_YEAR * scale) {
        let gateway = random.pick(&city.gateways);
        if !episodes.burning.contains(&city.device(gateway).building) {
            drill(episodes, city.device(gateway).building, random);
        }
    }
    for (per_year, makes) in [
        (SELF_TESTS_PER_DEVICE_YEAR, &[Make::NbSmoke][..]),
        (CABINET_TESTS_PER_DEVICE_YEAR, &[Make::Ebike, Make::Electrical]),
    ] {
        for _ in 0..Episodes::count(random, devices * per_year) {
            self_test(episodes, makes, random);
        }
    }
}

/// The panel is tested, its detectors and call points are shielded, pressed, reset, and put back into service.
fn drill(episodes: &mut Episodes<'_>, building: u32, random: &mut Random) {
    let city = episodes.city;
    let at_ms = episodes.moment_ms(random);
    let over_ms = at_ms + random.within((12 * MINUTE_MS, 25 * MINUTE_MS));
    for device in city.devices_of(building) {
        match city.device(device).make {
            Make::Panel => episodes.device(at_ms, device, Kind::Test),
            Make::Component(component) if component != component::CABLE_TEMPERATURE => {
                // Shielding has arrived long before anybody presses: a frame takes 8 s at most.
                episodes.device(at_ms + random.within((5 * SECOND_MS, 30 * SECOND_MS)), device, Kind::Isolate);
                if component == component::CALL_POINT || random.chance(0.5) {
                    let pressed_ms = at_ms + random.within((2 * MINUTE_MS, 6 * MINUTE_MS));
                    episodes.drilled(pressed_ms, device, Kind::Fire);
                    episodes.drilled(pressed_ms + random.within((MINUTE_MS, 4 * MINUTE_MS)), device, Kind::Restore);
                }
                episodes.device(over_ms + random.within((0, 30 * SECOND_MS)), device, Kind::IsolateRestore);
            }
            Make::Component(_) | Make::Gateway | Make::NbSmoke | Make::Ebike | Make::Electrical => {}
        }
    }
}

/// A device of one of the makes tests itself, if a few draws find one.
fn self_test(episodes: &mut Episodes<'_>, makes: &[Make], random: &mut Random) {
    let city = episodes.city;
    let at_ms = episodes.moment_ms(random);
    let found = (0..64).find_map(|_| {
        let building = episodes.quiet_building(random)?;
        city.devices_of(building).find(|device| makes.contains(&city.device(*device).make))
    });
    let Some(device) = found else { return };
    if city.device(device).make == Make::NbSmoke {
        episodes.device(at_ms, device, Kind::Test);
    } else {
        episodes.drilled(at_ms, device, Kind::Fire);
        episodes.drilled(at_ms + MINUTE_MS, device, Kind::Restore);
    }
}
