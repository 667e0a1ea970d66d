//! The city as a registry: JSON Lines, buildings with their devices behind them.

use fenghuo_model::registry::wgs84_to_gcj02;
use fenghuo_model::{Premises, Sensor};
use serde::Serialize;

use crate::city::{City, building_id, device_id};
use crate::layout::premises_name;
use crate::names::{chinese_number, contact};
use crate::random::whole;

/// Every so many buildings, one was surveyed with a Chinese map and stands in its datum.
const GCJ02_EVERY: u32 = 97;

#[derive(Serialize)]
struct BuildingLine {
    r#type: &'static str,
    id: String,
    name: String,
    address: String,
    lon: f64,
    lat: f64,
    datum: &'static str,
    region: String,
    town: &'static str,
    village: String,
    grid: String,
    premises: Premises,
    floors: u8,
    contact: String,
}

#[derive(Serialize)]
struct DeviceLine {
    r#type: &'static str,
    id: String,
    building: String,
    sensor: Sensor,
    location: String,
    floor: u8,
    address: String,
}

impl City {
    /// The registry in JSON Lines, without the devices that stand in none.
    #[must_use]
    pub fn registry_json_lines(&self) -> String {
        let mut text = String::with_capacity(self.buildings.len() * 400 + self.devices.len() * 150);
        for line in self.registry_lines() {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    /// The same line by line, for cities whose text would not fit the memory.
    pub fn registry_lines(&self) -> impl Iterator<Item = String> + '_ {
        (0..).zip(&self.buildings).flat_map(move |(number, _)| {
            let devices = self.devices_of(number).filter(|device| !self.device(*device).unregistered);
            std::iter::once(self.building_line(number)).chain(devices.map(|device| self.device_line(device)))
        })
    }

    fn building_line(&self, number: u32) -> String {
        let building = self.building(number);
        let village = self.village_of(number);
        let (lane, house) = village.lane_and_house(number - village.first_building);
        let address = format!("东莞市{}{}{}巷{house}号", village.town.read, village.read, chinese_number(lane));
        let (lon, lat, datum) = if number % GCJ02_EVERY == GCJ02_EVERY - 1 {
            let (lon, lat) = wgs84_to_gcj02((building.lon, building.lat));
            // Seven digits: a centimetre, and beyond what machines' sines differ in.
            let round = |degrees: f64| whole(degrees * 1e7 + 0.5) as f64 / 1e7;
            (round(lon), round(lat), "gcj02")
        } else {
            (building.lon, building.lat, "wgs84")
        };
        to_json(&BuildingLine {
            r#type: "building",
            id: building_id(number),
            name: format!("{}{}巷{house}号{}", village.read, chinese_number(lane), premises_name(building.premises)),
            address,
            lon,
            lat,
            datum,
            region: village.region.clone(),
            town: village.town.spelt,
            village: village.spelt.clone(),
            grid: self.grid_of(number),
            premises: building.premises,
            floors: building.floors,
            contact: contact(number),
        })
    }

    fn device_line(&self, number: u32) -> String {
        let device = self.device(number);
        to_json(&DeviceLine {
            r#type: "device",
            id: device_id(number),
            building: building_id(device.building),
            sensor: device.sensor(),
            location: device.location(),
            floor: device.floor,
            address: self.address_of(number),
        })
    }
}

fn to_json(line: &impl Serialize) -> String {
    serde_json::to_string(line).expect("a line has string keys and finite numbers only")
}
