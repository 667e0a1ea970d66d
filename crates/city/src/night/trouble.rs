//! Trouble that is neither fire nor nuisance: faults, low batteries, tampering, prealarms, power dips, outages.
//!
//! A power dip or the outage of a carrier hits the devices of a whole village at once.

use fenghuo_model::Kind;

use super::Episodes;
use crate::device::Make;
use crate::plan::{MINUTE_MS, SECOND_MS};
use crate::random::Random;

/// A device is faulty about once in so many years.
const FAULTS_PER_DEVICE_YEAR: f64 = 1.0 / 2.0;
/// A village's power dips, or its carrier fails, about so often a year; more than in life, so that a night has some.
const DIPS_PER_VILLAGE_YEAR: f64 = 200.0;
const OUTAGES_PER_VILLAGE_YEAR: f64 = 200.0;
/// The part of a village that an outage reaches.
const OUTAGE_SHARE: f64 = 0.05;

/// The trouble of one minute.
pub(super) fn plan(episodes: &mut Episodes<'_>, random: &mut Random) {
    let city = episodes.city;
    let scale = city.plan.trouble_scale;
    for _ in 0..Episodes::count(random, city.devices.len() as f64 * FAULTS_PER_DEVICE_YEAR * scale) {
        let Some(building) = episodes.quiet_building(random) else { continue };
        let devices = city.devices_of(building);
        if !devices.is_empty() {
            let device = devices.start + u32::try_from(random.index(devices.len())).expect("devices count in 32 bits");
            fault(episodes, device, random);
        }
    }
    let villages = city.villages.len() as f64;
    for _ in 0..Episodes::count(random, villages * DIPS_PER_VILLAGE_YEAR * scale) {
        dip(episodes, random);
    }
    for _ in 0..Episodes::count(random, villages * OUTAGES_PER_VILLAGE_YEAR * scale) {
        outage(episodes, random);
    }
}

fn fault(episodes: &mut Episodes<'_>, device: u32, random: &mut Random) {
    let at_ms = episodes.moment_ms(random);
    let later_ms = at_ms + random.within((2 * MINUTE_MS, 40 * MINUTE_MS));
    match episodes.city.device(device).make {
        Make::NbSmoke => {
            let kinds = [(Kind::LowBattery, 5), (Kind::Fault, 4), (Kind::Tamper, 2), (Kind::Supervisory, 2)];
            episodes.device(at_ms, device, random.weighted(&kinds));
        }
        Make::Ebike | Make::Electrical => {
            let prealarm = random.chance(0.5);
            let (begins, ends) =
                if prealarm { (Kind::Prealarm, Kind::Restore) } else { (Kind::Fault, Kind::FaultRestore) };
            episodes.device(at_ms, device, begins);
            episodes.device(later_ms, device, ends);
        }
        Make::Gateway | Make::Panel | Make::Component(_) => {
            episodes.device(at_ms, device, Kind::Fault);
            episodes.device(later_ms, device, Kind::FaultRestore);
        }
    }
}

/// The gateways of a village lose mains power, and get it back.
fn dip(episodes: &mut Episodes<'_>, random: &mut Random) {
    let (city, at_ms) = (episodes.city, episodes.moment_ms(random));
    let back_ms = at_ms + random.within((20 * SECOND_MS, 20 * MINUTE_MS));
    for device in village_devices(episodes, random) {
        if city.device(device).make == Make::Gateway && !episodes.burning.contains(&city.device(device).building) {
            episodes.device(at_ms + random.within((0, 5 * SECOND_MS)), device, Kind::Fault);
            episodes.device(back_ms + random.within((0, 20 * SECOND_MS)), device, Kind::FaultRestore);
        }
    }
}

/// Some battery detectors of a village are out of reach for a while.
fn outage(episodes: &mut Episodes<'_>, random: &mut Random) {
    let (city, at_ms) = (episodes.city, episodes.moment_ms(random));
    let back_ms = at_ms + random.within((3 * MINUTE_MS, 50 * MINUTE_MS));
    for device in village_devices(episodes, random) {
        let is_hit = city.device(device).make == Make::NbSmoke && random.chance(OUTAGE_SHARE);
        if is_hit && !episodes.burning.contains(&city.device(device).building) {
            episodes.device(at_ms + random.within((0, MINUTE_MS)), device, Kind::Offline);
            episodes.device(back_ms + random.within((0, 3 * MINUTE_MS)), device, Kind::Online);
        }
    }
}

/// The numbers of a village's devices; villages stand together in the city's lists.
fn village_devices(episodes: &Episodes<'_>, random: &mut Random) -> std::ops::Range<u32> {
    let city = episodes.city;
    let village = &city.villages[random.index(city.villages.len())];
    if village.building_count == 0 {
        return 0..0;
    }
    let last = village.first_building + village.building_count - 1;
    city.devices_of(village.first_building).start..city.devices_of(last).end
}
