//! The ground plan: regions, towns, villages, and houses along lanes.
//!
//! Towns stand on a grid some 12 km apart over the plain of Dongguan, villages 3 km apart within a town, houses 9 to
//! 15 m apart along lanes 15 to 26 m apart. A region is one town, or two when more than 25 000 buildings come on one.

use fenghuo_model::Premises;

use crate::names::{Name, TOWNS, VILLAGE_BEGINNINGS, VILLAGE_ENDINGS};
use crate::random::{Purpose, Random, whole};

/// About this many buildings make a region.
const REGION_BUILDINGS: u32 = 50_000;
/// Fewer buildings than this are one region.
const TWO_REGIONS_FROM: u32 = 100;
const TOWN_BUILDINGS: u32 = 25_000;
const VILLAGE_BUILDINGS: u32 = 2_800;
const VILLAGES_PER_TOWN_MAX: u32 = 9;
/// A grid officer looks after about this many buildings.
const GRID_BUILDINGS: u32 = 180;

const ORIGIN_LON: f64 = 113.60;
const ORIGIN_LAT: f64 = 22.80;
const TOWN_SPACING_M: f64 = 12_000.0;
const TOWNS_PER_ROW: u32 = 6;
const VILLAGE_SPACING_M: f64 = 3_000.0;
const LANES_PER_BLOCK: u32 = 6;
const ROAD_M: f64 = 14.0;
/// A degree of latitude.
const M_PER_DEGREE_LAT: f64 = 111_195.0;
/// A degree of longitude at 22.9 degrees north; constant, so that no machine's cosine shifts a house.
const M_PER_DEGREE_LON: f64 = 102_430.0;

/// A village and where it lies in the administration.
#[derive(Debug, Clone)]
pub(crate) struct Village {
    pub(crate) region: String,
    pub(crate) town: Name,
    pub(crate) spelt: String,
    pub(crate) read: String,
    pub(crate) first_building: u32,
    pub(crate) building_count: u32,
    /// South-west corner.
    lon: f64,
    lat: f64,
    houses_per_lane: u32,
    house_pitch_m: f64,
    lane_pitch_m: f64,
}

impl Village {
    /// Longitude and latitude of the village's house `number` (from 0), to 10⁻⁶ degrees.
    pub(crate) fn place_of(&self, number: u32, random: &mut Random) -> (f64, f64) {
        let (lane, house) = (number / self.houses_per_lane, number % self.houses_per_lane);
        let roads_m = f64::from(lane / LANES_PER_BLOCK) * ROAD_M;
        let east_m = f64::from(house) * self.house_pitch_m + random.unit() * 2.0 - 1.0;
        let north_m = f64::from(lane) * self.lane_pitch_m + roads_m + random.unit() * 2.0 - 1.0;
        let round = |degrees: f64| whole(degrees * 1e6 + 0.5) as f64 / 1e6;
        (round(self.lon + east_m / M_PER_DEGREE_LON), round(self.lat + north_m / M_PER_DEGREE_LAT))
    }

    /// The lane, from 1, and the house number in it, from 1.
    pub(crate) fn lane_and_house(&self, number: u32) -> (u32, u32) {
        (number / self.houses_per_lane + 1, number % self.houses_per_lane + 1)
    }

    /// The grid of the village's house `number`.
    pub(crate) fn grid_of(number: u32) -> String {
        format!("G-{:02}", number / GRID_BUILDINGS + 1)
    }
}

/// The villages of a city, in the order of their buildings.
pub(crate) fn villages(seed: u64, buildings: u32) -> Vec<Village> {
    let regions = match buildings.div_ceil(REGION_BUILDINGS) {
        0 | 1 if buildings < TWO_REGIONS_FROM => 1,
        0 | 1 => 2,
        more => more,
    };
    let towns_per_region = if buildings / regions > TOWN_BUILDINGS { 2 } else { 1 };
    let towns = regions * towns_per_region;
    let mut villages = Vec::new();
    let mut next_building = 0;
    for town in 0..towns {
        let in_town = share(buildings, towns, town);
        let count = in_town.div_ceil(VILLAGE_BUILDINGS).clamp(2, VILLAGES_PER_TOWN_MAX);
        let region = region_name(town / towns_per_region * towns_per_region);
        for number in 0..count {
            let building_count = share(in_town, count, number);
            let key = u64::from(town) << 32 | u64::from(number);
            let mut random = Random::keyed(seed, Purpose::Village, key);
            villages.push(village(town, number, &region, (next_building, building_count), &mut random));
            next_building += building_count;
        }
    }
    villages
}

/// What falls to the part `number` of `parts` when `total` is shared out evenly.
fn share(total: u32, parts: u32, number: u32) -> u32 {
    total / parts + u32::from(number < total % parts)
}

/// Beyond the names that there are, the names again with a number.
fn region_name(town: u32) -> String {
    let (round, town) = (town as usize / TOWNS.len(), TOWNS[town as usize % TOWNS.len()]);
    if round == 0 { format!("dongguan-{}", town.spelt) } else { format!("dongguan-{}-{}", town.spelt, round + 1) }
}

fn village(town: u32, number: u32, region: &str, buildings: (u32, u32), random: &mut Random) -> Village {
    let (first_building, building_count) = buildings;
    let beginning = VILLAGE_BEGINNINGS[(number + town) as usize % VILLAGE_BEGINNINGS.len()];
    let ending = VILLAGE_ENDINGS[(number + town / 3) as usize % VILLAGE_ENDINGS.len()];
    let offset_m = |steps: u32, spacing_m: f64| f64::from(steps) * spacing_m;
    let east_m = offset_m(town % TOWNS_PER_ROW, TOWN_SPACING_M) + offset_m(number % 3, VILLAGE_SPACING_M);
    let north_m = offset_m(town / TOWNS_PER_ROW, TOWN_SPACING_M) + offset_m(number / 3, VILLAGE_SPACING_M);
    // About as many houses a lane as lanes times two, so that the village is about square.
    let houses_per_lane = (1..).find(|side: &u32| side * side >= building_count * 3 / 2).map_or(1, |side| side.max(1));
    Village {
        region: region.to_owned(),
        town: TOWNS[town as usize % TOWNS.len()],
        spelt: format!("{}{}", beginning.spelt, ending.spelt),
        read: format!("{}{}", beginning.read, ending.read),
        first_building,
        building_count,
        lon: ORIGIN_LON + (east_m + random.unit() * 600.0) / M_PER_DEGREE_LON,
        lat: ORIGIN_LAT + (north_m + random.unit() * 600.0) / M_PER_DEGREE_LAT,
        houses_per_lane,
        house_pitch_m: 11.0 + random.unit() * 3.0,
        lane_pitch_m: 17.0 + random.unit() * 8.0,
    }
}

/// What buildings of such villages are used for, in thousandths.
pub(crate) const PREMISES: [(Premises, u32); 17] = [
    (Premises::Rental, 290),
    (Premises::SelfBuilt, 240),
    (Premises::GroupRental, 120),
    (Premises::ThreeSmall, 80),
    (Premises::Residential, 62),
    (Premises::NineSmall, 50),
    (Premises::ThreeInOne, 30),
    (Premises::Other, 25),
    (Premises::Factory, 25),
    (Premises::EbikeShed, 20),
    (Premises::Warehouse, 15),
    (Premises::Crowded, 10),
    (Premises::School, 8),
    (Premises::KeyUnit, 8),
    (Premises::Construction, 7),
    (Premises::Mall, 6),
    (Premises::Hospital, 4),
];

/// How a building of that use is called.
pub(crate) const fn premises_name(premises: Premises) -> &'static str {
    match premises {
        Premises::Rental => "出租屋",
        Premises::GroupRental => "群租房",
        Premises::SelfBuilt => "自建房",
        Premises::ThreeSmall => "小商铺",
        Premises::NineSmall => "小餐馆",
        Premises::ThreeInOne => "三合一作坊",
        Premises::EbikeShed => "电动车棚",
        Premises::Factory => "工厂",
        Premises::Construction => "工地",
        Premises::Crowded => "文化广场",
        Premises::KeyUnit => "重点单位",
        Premises::Residential => "住宅楼",
        Premises::School => "学校",
        Premises::Hospital => "医院",
        Premises::Mall => "商场",
        Premises::Warehouse => "仓库",
        Premises::Other => "公用房",
    }
}

/// The fewest and the most floors of a building of that use.
pub(crate) const fn floors(premises: Premises) -> (u8, u8) {
    match premises {
        Premises::EbikeShed | Premises::Construction | Premises::Other => (1, 2),
        Premises::ThreeSmall | Premises::NineSmall | Premises::Warehouse => (1, 3),
        Premises::ThreeInOne | Premises::Factory | Premises::School | Premises::Crowded => (2, 5),
        Premises::SelfBuilt => (2, 6),
        Premises::Rental | Premises::GroupRental => (3, 8),
        Premises::KeyUnit | Premises::Hospital | Premises::Mall => (3, 9),
        Premises::Residential => (5, 11),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_building_has_its_village_and_names_do_not_repeat_within_a_town() {
        for (buildings, regions) in [(1, 1), (99, 1), (100, 2), (20_000, 2), (120_000, 3), (1_000_000, 20)] {
            let villages = villages(5, buildings);
            let mut next = 0;
            for village in &villages {
                assert_eq!(village.first_building, next);
                next += village.building_count;
            }
            assert_eq!(next, buildings);
            let names: BTreeSet<_> = villages.iter().map(|v| (&v.region, v.town.spelt, &v.spelt)).collect();
            assert_eq!(names.len(), villages.len(), "{buildings}");
            let names: BTreeSet<_> = villages.iter().map(|village| &village.region).collect();
            assert_eq!(names.len(), regions, "{buildings}");
        }
        assert_eq!(PREMISES.iter().map(|(_, weight)| weight).sum::<u32>(), 1_000);
    }

    #[test]
    fn houses_of_a_village_stand_8_to_30_m_apart_and_villages_kilometres() {
        let villages = villages(5, 4_000);
        let mut random = Random::keyed(5, Purpose::Building, 0);
        let metres = |one: (f64, f64), other: (f64, f64)| fenghuo_model::registry::distance_m(one, other);
        for village in &villages {
            let places: Vec<_> =
                (0..village.building_count).map(|house| village.place_of(house, &mut random)).collect();
            for (number, place) in places.iter().enumerate().skip(1) {
                let nearest = places.iter().enumerate().filter(|(other, _)| *other != number);
                let nearest = nearest.map(|(_, other)| metres(*place, *other)).fold(f64::MAX, f64::min);
                assert!((8.0..30.0).contains(&nearest), "{nearest}");
            }
        }
        for (number, village) in villages.iter().enumerate() {
            for other in &villages[..number] {
                assert!(metres((village.lon, village.lat), (other.lon, other.lat)) > 2_000.0);
            }
        }
    }
}
