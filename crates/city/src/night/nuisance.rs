//! Nuisance: alarms that are no fire, at the rates of FORMATS.md section 4.
//!
//! A detector that is well kept errs once in 50 to 100 years, one over a bad stove twice a year; a wok sets off two
//! detectors of one flat together, fogging against mosquitoes a whole building.

use fenghuo_model::Kind;

use super::Episodes;
use crate::city::City;
use crate::device::{Make, Spot};
use crate::names::NUISANCE_CAUSES;
use crate::plan::{MINUTE_MS, SECOND_MS};
use crate::random::Random;

const WELL_KEPT_PER_YEAR: f64 = 1.0 / 75.0;
const BAD_KITCHEN_PER_YEAR: f64 = 2.0;
/// How often cooking that sets off one detector of a flat sets off its second one too.
const BOTH_DETECTORS_CHANCE: f64 = 0.25;
/// A building is fogged unannounced about once in so many years.
const FOGGING_PER_BUILDING_YEAR: f64 = 1.0 / 400.0;
const ACKNOWLEDGED_CHANCE: f64 = 0.4;
const CLEARED_CHANCE: f64 = 0.6;

/// The detectors that may err.
pub(super) struct Nuisance {
    well_kept: Vec<u32>,
    bad_kitchens: Vec<u32>,
}

impl Nuisance {
    pub(super) fn new(city: &City) -> Self {
        let detectors = (0..).zip(&city.devices).filter(|(_, device)| device.detects_fire());
        let (bad_kitchens, well_kept): (Vec<_>, Vec<_>) = detectors.partition(|(_, device)| device.bad_kitchen);
        let numbers = |list: Vec<(u32, _)>| list.into_iter().map(|(number, _)| number).collect();
        Self { well_kept: numbers(well_kept), bad_kitchens: numbers(bad_kitchens) }
    }

    /// The nuisance of one minute.
    pub(super) fn plan(&self, episodes: &mut Episodes<'_>, random: &mut Random) {
        let scale = episodes.city.plan.nuisance_scale;
        for (detectors, per_year) in [(&self.well_kept, WELL_KEPT_PER_YEAR), (&self.bad_kitchens, BAD_KITCHEN_PER_YEAR)]
        {
            for _ in 0..Episodes::count(random, detectors.len() as f64 * per_year * scale) {
                let device = random.pick(detectors);
                if !episodes.burning.contains(&episodes.city.device(device).building) {
                    err(episodes, device, random);
                }
            }
        }
        let foggings = episodes.city.buildings.len() as f64 * FOGGING_PER_BUILDING_YEAR * scale;
        for _ in 0..Episodes::count(random, foggings * episodes.city.plan.correlated_scale) {
            if let Some(building) = episodes.quiet_building(random) {
                fog(episodes, building, random);
            }
        }
    }
}

/// One detector errs, and perhaps the other one of its flat.
fn err(episodes: &mut Episodes<'_>, device: u32, random: &mut Random) {
    let at_ms = episodes.moment_ms(random);
    alarm(episodes, device, at_ms, random);
    let both = BOTH_DETECTORS_CHANCE * episodes.city.plan.correlated_scale;
    if let Some(other) = other_of_flat(episodes.city, device)
        && random.chance(both)
    {
        alarm(episodes, other, at_ms + random.within((5 * SECOND_MS, 70 * SECOND_MS)), random);
    }
    look(episodes, episodes.city.device(device).building, at_ms, random);
}

fn alarm(episodes: &mut Episodes<'_>, device: u32, at_ms: i64, random: &mut Random) {
    episodes.device(at_ms, device, Kind::Fire);
    let over_ms = at_ms + random.skewed((40 * SECOND_MS, 15 * MINUTE_MS));
    let is_nb = episodes.city.device(device).make == Make::NbSmoke;
    let repeat_ms = at_ms + random.within((60 * SECOND_MS, 150 * SECOND_MS));
    if repeat_ms < over_ms {
        episodes.device(repeat_ms, device, Kind::Fire);
    }
    if is_nb && random.chance(0.3) {
        episodes.device((at_ms + over_ms) / 2, device, Kind::Silence);
    }
    episodes.device(over_ms, device, Kind::Restore);
    if let (false, Some(panel)) = (is_nb, panel_beside(episodes.city, device)) {
        episodes.device(at_ms + 2 * SECOND_MS, panel, Kind::Fire);
        episodes.device(over_ms + 20 * SECOND_MS, panel, Kind::Restore);
    }
}

/// A grid officer may go and look, and may find that it is nothing.
fn look(episodes: &mut Episodes<'_>, building: u32, at_ms: i64, random: &mut Random) {
    if !random.chance(ACKNOWLEDGED_CHANCE) {
        return;
    }
    let acknowledged_ms = at_ms + random.within((100 * SECOND_MS, 4 * MINUTE_MS));
    episodes.person(acknowledged_ms, building, Kind::Acknowledge, "");
    if random.chance(CLEARED_CHANCE) {
        let cleared_ms = acknowledged_ms + random.within((3 * MINUTE_MS, 9 * MINUTE_MS));
        episodes.person(cleared_ms, building, Kind::Clear, random.pick(&NUISANCE_CAUSES));
    }
}

/// Fog reaches most detectors of a building within minutes.
fn fog(episodes: &mut Episodes<'_>, building: u32, random: &mut Random) {
    let at_ms = episodes.moment_ms(random);
    for device in episodes.city.devices_of(building) {
        if episodes.city.device(device).detects_fire() && random.chance(0.8) {
            let alarm_ms = at_ms + random.within((0, 3 * MINUTE_MS));
            episodes.device(alarm_ms, device, Kind::Fire);
            episodes.device(alarm_ms + random.within((5 * MINUTE_MS, 20 * MINUTE_MS)), device, Kind::Restore);
        }
    }
    episodes.person(at_ms + 10 * MINUTE_MS, building, Kind::Clear, "灭蚊喷雾");
}

fn other_of_flat(city: &City, device: u32) -> Option<u32> {
    let erring = city.device(device);
    let wanted = match erring.spot {
        Spot::Flat(flat) => Spot::Kitchen(flat),
        Spot::Kitchen(flat) => Spot::Flat(flat),
        _ => return None,
    };
    city.devices_of(erring.building).find(|other| {
        let other = city.device(*other);
        other.floor == erring.floor && other.spot == wanted && other.make == Make::NbSmoke
    })
}

fn panel_beside(city: &City, device: u32) -> Option<u32> {
    city.devices_of(city.device(device).building).find(|other| city.device(*other).make == Make::Panel)
}
