//! Planted fires: where, when, what each detector and person will say of it, and the truth about it.
//!
//! Rooms follow each other as in home fire tests (FORMATS.md, section 4): the second room's detector after 4 to 60 s,
//! median 27, all rooms within 76 to 115 s. A building that burns is left alone by drills and nuisance, so that the
//! truth is never in doubt; neither its neighbours along the lane.

use std::collections::BTreeSet;

use fenghuo_model::{Kind, Premises};
use serde::Serialize;

use crate::city::{City, building_id};
use crate::device::{Make, component};
use crate::plan::{MINUTE_MS, SECOND_MS};
use crate::random::{Purpose, Random};

/// One planted fire, as it was; times are Unix milliseconds at the place of the fire, not of arrival.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlantedFire {
    /// Its number, in the order of ignition.
    pub id: String,
    /// The building where it began.
    pub building: String,
    /// The building's village.
    pub village: String,
    /// The building's region.
    pub region: String,
    /// The building's use.
    pub premises: Premises,
    /// When it began to burn.
    pub ignition_ms: i64,
    /// The locations of the first building whose detectors alarmed, in order.
    pub rooms: Vec<String>,
    /// When the first detector alarmed.
    pub first_alarm_ms: i64,
    /// When a detector in a second room of the building alarmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_room_ms: Option<i64>,
    /// When a call point was pressed or a person confirmed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stated_ms: Option<i64>,
    /// The neighbouring buildings that it spread to and whose detectors alarmed.
    pub spread_to: Vec<String>,
}

/// What is said of one fire.
#[derive(Debug)]
pub(crate) struct Script {
    pub(crate) ignition_ms: i64,
    pub(crate) lines: Vec<Line>,
}

/// One statement of a script.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Line {
    pub(crate) at_ms: i64,
    pub(crate) kind: Kind,
    pub(crate) speaker: Speaker,
}

#[derive(Debug, Clone, Copy)]
pub(crate) enum Speaker {
    Device(u32),
    /// A person, of that building.
    Person(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    /// Several rooms, one after the other.
    Rooms,
    /// A person or a call point states it.
    Stated,
    /// It reaches the house next door.
    Spreading,
    /// An e-bike battery: the charging cabinet and the smoke detectors agree.
    Charging,
    /// One detector, and nobody says anything.
    Single,
}

/// Distance along the lane within which nothing else may happen.
const QUIET_HOUSES: u32 = 3;
/// Farther apart than this, houses do not set each other on fire.
const SPREAD_M: f64 = 30.0;
const ATTEMPTS: u32 = 4_000;

/// Plants the fires of a city's plan.
pub(crate) fn plant(city: &City) -> (Vec<Script>, Vec<PlantedFire>) {
    let plan = &city.plan;
    let mut taken = BTreeSet::new();
    let mut planted = Vec::new();
    let length_ms = plan.length_ms();
    let first_ms = plan.start_ms + length_ms / 20;
    let last_ms = first_ms.max(plan.end_ms() - (length_ms / 5).min(25 * MINUTE_MS));
    for number in 0..plan.fire_count() {
        let mut random = Random::keyed(plan.seed, Purpose::Fire, number.into());
        let ignition_ms = random.within((first_ms, last_ms));
        let course = if random.chance(plan.single_room_share) {
            Course::Single
        } else {
            random.weighted(&[
                (Course::Rooms, 58),
                (Course::Stated, 20),
                (Course::Spreading, 12),
                (Course::Charging, 10),
            ])
        };
        let mut place = |course| place_for(city, course, &taken, &mut random).map(|place| (course, place));
        // A small city may have no house for every course.
        if let Some((course, (building, neighbour))) = place(course).or_else(|| place(Course::Rooms)) {
            let around = building.saturating_sub(QUIET_HOUSES)..=building.saturating_add(QUIET_HOUSES);
            taken.extend(around);
            planted.push(Writer::new(city, building, ignition_ms, random).write(course, neighbour));
        }
    }
    planted.sort_by_key(|(script, _)| script.ignition_ms);
    let numbered = (1..).zip(planted).map(|(number, (script, mut fire)): (u32, _)| {
        fire.id = format!("F{number:04}");
        (script, fire)
    });
    numbered.unzip()
}

/// A building for a fire of that course, and the house next door if it spreads.
fn place_for(city: &City, course: Course, taken: &BTreeSet<u32>, random: &mut Random) -> Option<(u32, Option<u32>)> {
    (0..ATTEMPTS).find_map(|_| {
        let building = u32::try_from(random.index(city.buildings.len())).ok()?;
        if taken.contains(&building) {
            return None;
        }
        let rooms = rooms_of(city, building);
        let neighbour = building + 1;
        let fits = match course {
            Course::Single => !rooms.is_empty(),
            Course::Stated => rooms.len() == 1 || rooms.len() > 1 && city.building(building).gateway.is_some(),
            Course::Rooms => rooms.len() > 1,
            Course::Charging => !rooms.is_empty() && cabinet_of(city, building).is_some(),
            Course::Spreading => rooms.len() > 1 && !taken.contains(&neighbour) && reaches(city, building, neighbour),
        };
        fits.then_some((building, (course == Course::Spreading).then_some(neighbour)))
    })
}

fn reaches(city: &City, building: u32, neighbour: u32) -> bool {
    let (Some(one), Some(other)) = (city.buildings.get(building as usize), city.buildings.get(neighbour as usize))
    else {
        return false;
    };
    let metres = fenghuo_model::registry::distance_m((one.lon, one.lat), (other.lon, other.lat));
    metres < SPREAD_M && rooms_of(city, neighbour).len() > 1
}

/// One registered fire detector for each location of a building.
fn rooms_of(city: &City, building: u32) -> Vec<u32> {
    let mut seen = BTreeSet::new();
    city.devices_of(building)
        .filter(|device| {
            let device = city.device(*device);
            device.detects_fire() && !device.unregistered && seen.insert((device.floor, device.spot))
        })
        .collect()
}

fn cabinet_of(city: &City, building: u32) -> Option<u32> {
    city.devices_of(building).find(|device| city.device(*device).make == Make::Ebike)
}

fn call_point_of(city: &City, building: u32) -> Option<u32> {
    city.devices_of(building).find(|device| city.device(*device).make == Make::Component(component::CALL_POINT))
}

/// Writes one fire's script and truth.
struct Writer<'c> {
    city: &'c City,
    building: u32,
    ignition_ms: i64,
    random: Random,
    lines: Vec<Line>,
}

impl<'c> Writer<'c> {
    fn new(city: &'c City, building: u32, ignition_ms: i64, random: Random) -> Self {
        Self { city, building, ignition_ms, random, lines: Vec::new() }
    }

    fn write(mut self, course: Course, neighbour: Option<u32>) -> (Script, PlantedFire) {
        let smouldering_ms = self.random.within((15 * SECOND_MS, 3 * MINUTE_MS));
        let first_alarm_ms = self.ignition_ms + smouldering_ms;
        let most_rooms = match course {
            Course::Single => 1,
            Course::Rooms | Course::Stated | Course::Spreading | Course::Charging => 5,
        };
        let mut burning = self.burn(self.building, first_alarm_ms, most_rooms);
        if course == Course::Charging {
            let cabinet = cabinet_of(self.city, self.building).expect("the place was chosen for its cabinet");
            let at_ms = first_alarm_ms - self.random.within((5 * SECOND_MS, smouldering_ms.min(40 * SECOND_MS)));
            self.say(at_ms - 5 * SECOND_MS, Kind::Prealarm, cabinet);
            self.say(at_ms, Kind::Fire, cabinet);
            burning.insert(0, (cabinet, at_ms));
        }
        let mut rooms: Vec<String> = Vec::new();
        let mut second_room_ms = None;
        for (device, at_ms) in &burning {
            let location = self.city.device(*device).location();
            if !rooms.contains(&location) {
                rooms.push(location);
                second_room_ms = second_room_ms.or((rooms.len() == 2).then_some(*at_ms));
            }
        }
        let stated_ms = (course == Course::Stated).then(|| self.state(first_alarm_ms));
        if course != Course::Single && course != Course::Stated && self.random.chance(0.6) {
            let at_ms = first_alarm_ms + self.random.within((90 * SECOND_MS, 4 * MINUTE_MS));
            self.lines.push(Line { at_ms, kind: Kind::Acknowledge, speaker: Speaker::Person(self.building) });
        }
        if let Some(neighbour) = neighbour {
            let after_ms = self.random.within((3 * MINUTE_MS, 11 * MINUTE_MS));
            self.burn(neighbour, first_alarm_ms + after_ms, 3);
        }
        self.lines.sort_by_key(|line| line.at_ms);
        let village = self.city.village_of(self.building);
        let truth = PlantedFire {
            id: String::new(),
            building: building_id(self.building),
            village: village.spelt.clone(),
            region: village.region.clone(),
            premises: self.city.building(self.building).premises,
            ignition_ms: self.ignition_ms,
            rooms,
            first_alarm_ms: burning[0].1,
            second_room_ms,
            stated_ms,
            spread_to: neighbour.map(building_id).into_iter().collect(),
        };
        (Script { ignition_ms: self.ignition_ms, lines: self.lines }, truth)
    }

    /// Lets a building's detectors alarm room by room from the first on; which, and when.
    fn burn(&mut self, building: u32, first_ms: i64, most: usize) -> Vec<(u32, i64)> {
        let mut rooms = rooms_of(self.city, building);
        let origin = rooms[self.random.index(rooms.len())];
        // Smoke goes along the floor first, then up, then down.
        let origin_floor = self.city.device(origin).floor;
        rooms.sort_by_key(|device| {
            let floor = self.city.device(*device).floor;
            let storeys = if floor < origin_floor { 100 + origin_floor - floor } else { floor - origin_floor };
            (*device != origin, storeys, *device)
        });
        let reached = if most < 2 { 1 } else { 2 + self.random.index(most - 1) };
        rooms.truncate(reached);
        let second_ms = first_ms + self.random.around(4 * SECOND_MS, 27 * SECOND_MS, 60 * SECOND_MS);
        let all_ms = first_ms + self.random.within((76 * SECOND_MS, 115 * SECOND_MS));
        let mut times = vec![first_ms, second_ms];
        times.extend((3..rooms.len()).map(|_| self.random.within((second_ms, all_ms))));
        times.push(all_ms);
        times[2..].sort_unstable();
        let burning: Vec<_> = rooms.into_iter().zip(times).collect();
        for (device, at_ms) in &burning {
            self.alarm(*device, *at_ms);
        }
        if let (Some(panel), true) = (self.panel_of(building), self.random.chance(0.8)) {
            self.say(first_ms + 2 * SECOND_MS, Kind::Fire, panel);
        }
        burning
    }

    /// A detector's alarm, its repeat, and how it ends: it restores after the fire, or it burns and falls silent.
    fn alarm(&mut self, device: u32, at_ms: i64) {
        self.say(at_ms, Kind::Fire, device);
        if self.random.chance(0.5) {
            let repeat_ms = at_ms + self.random.within((100 * SECOND_MS, 3 * MINUTE_MS));
            self.say(repeat_ms, Kind::Fire, device);
        }
        if self.random.chance(0.6) {
            let end_ms = at_ms + self.random.within((20 * MINUTE_MS, 50 * MINUTE_MS));
            self.say(end_ms, Kind::Restore, device);
        }
    }

    /// A call point is pressed where there is one, else a person confirms; when.
    fn state(&mut self, first_alarm_ms: i64) -> i64 {
        if let Some(call_point) = call_point_of(self.city, self.building) {
            let at_ms = first_alarm_ms + self.random.within((20 * SECOND_MS, 2 * MINUTE_MS));
            self.say(at_ms, Kind::Fire, call_point);
            return at_ms;
        }
        let at_ms = first_alarm_ms + self.random.within((MINUTE_MS, 4 * MINUTE_MS));
        self.lines.push(Line { at_ms, kind: Kind::Confirm, speaker: Speaker::Person(self.building) });
        at_ms
    }

    fn panel_of(&self, building: u32) -> Option<u32> {
        self.city.devices_of(building).find(|device| self.city.device(*device).make == Make::Panel)
    }

    fn say(&mut self, at_ms: i64, kind: Kind, device: u32) {
        self.lines.push(Line { at_ms, kind, speaker: Speaker::Device(device) });
    }
}
