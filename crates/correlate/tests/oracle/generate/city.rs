//! A few buildings, near and far, and their devices: alone, under panels, with and without a spot of their own.

use serde_json::{Map, Value, json};

use crate::random::Random;

/// One metre of latitude, degrees.
const METRE_DEGREES: f64 = 1.0 / 111_195.0;

/// Spots of a building; few, so that devices share them.
pub const SPOTS: [&str; 3] = ["hall", "301", "302"];

/// Premises that the generator uses, and that its rules ask for.
pub const PREMISES: [&str; 3] = ["rental", "factory", "other"];

/// A registry in the making.
pub struct City {
    /// Each building: id, longitude, latitude, region.
    pub buildings: Vec<(String, f64, f64, String)>,
    /// Each device: the names under which it can be called, and its building's id.
    pub devices: Vec<(Vec<String>, String)>,
    /// Addresses that are registered, under which components can be invented.
    pub addresses: Vec<String>,
    /// Whether the first building has a panel whose component has a neighbour.
    pub has_panel: bool,
    building_lines: Vec<String>,
    device_lines: Vec<String>,
}

impl City {
    /// The registry's lines.
    pub fn lines(&self) -> Vec<String> {
        self.building_lines.iter().chain(&self.device_lines).cloned().collect()
    }
}

/// 2 to 8 buildings in 1 to 3 regions, and up to 4 devices in each.
pub fn city(random: &mut Random) -> City {
    let mut city = City {
        buildings: Vec::new(),
        devices: Vec::new(),
        addresses: Vec::new(),
        has_panel: false,
        building_lines: Vec::new(),
        device_lines: Vec::new(),
    };
    let regions = random.between(1, 3);
    for number in 1..=random.between(2, 8) {
        add_building(random, &mut city, number, regions);
    }
    let buildings: Vec<String> = city.buildings.iter().map(|(id, ..)| id.clone()).collect();
    if random.chance(25) {
        add_panel(&mut city, &buildings[0]);
    }
    for building in &buildings {
        for _ in 0..random.pick_weighted(&[(1, 0), (2, 1), (4, 2), (3, 3), (2, 4)]) {
            let home = if random.chance(90) { building } else { random.pick(&buildings) };
            add_device(random, &mut city, home);
        }
    }
    city
}

fn add_building(random: &mut Random, city: &mut City, number: i64, regions: i64) {
    let (mut lon, mut lat, mut region) = (113.75, 23.02, "r1".to_owned());
    if !city.buildings.is_empty() {
        // Steps of 100 to 149 m: A-B-C, where A and C are no neighbours. A step of 0: one above another.
        let (_, last_lon, last_lat, last_region) = random.pick_weighted(&[
            (3, city.buildings.last().expect("there is one")),
            (1, city.buildings.first().expect("there is one")),
        ]);
        let step_m = match random.pick_weighted(&[(5, 0), (3, 1), (1, 2), (1, 3)]) {
            0 => random.between(100, 149),
            1 => random.between(20, 90),
            2 => 0,
            _ => random.between(400, 5_000),
        };
        let step_m = i32::try_from(step_m).map_or(0.0, f64::from);
        (lon, lat, region) = (*last_lon, *last_lat, last_region.clone());
        if random.chance(25) {
            lon += step_m * METRE_DEGREES / lat.to_radians().cos();
        } else {
            lat += step_m * METRE_DEGREES;
        }
        if random.chance(20) {
            region = format!("r{}", random.between(1, regions));
        }
    }
    let id = format!("B{number}");
    let mut line = json!({"type": "building", "id": id, "lon": lon, "lat": lat, "region": region});
    let mut put = |percent: i64, name: &str, value: Value| {
        if random.chance(percent) {
            line[name] = value;
        }
    };
    put(50, "name", json!(format!("House {number}")));
    put(50, "address", json!(format!("{number} Lane")));
    put(30, "grid", json!("G-07"));
    put(20, "town", json!("hongmei"));
    put(20, "village", json!("hongchou"));
    put(20, "contact", json!("110"));
    put(50, "floors", json!(6));
    let premises = *random.pick(&PREMISES);
    if premises != "other" {
        line["premises"] = json!(premises);
    }
    city.building_lines.push(line.to_string());
    city.buildings.push((id, lon, lat, region));
}

/// A panel, its component elsewhere, and a neighbour of the component: with all three speaking it is one location, with
/// the panel and the neighbour it is two. And one more, to be isolated.
fn add_panel(city: &mut City, building: &str) {
    for (address, location) in [("t", SPOTS[0]), ("t:1", SPOTS[1]), ("u", SPOTS[1]), ("v", SPOTS[2])] {
        let id = format!("D{}", city.devices.len() + 1);
        let line = json!({
            "type": "device", "id": id, "building": building, "sensor": "smoke", "location": location,
            "address": address,
        });
        city.device_lines.push(line.to_string());
        city.devices.push((vec![id, address.to_owned()], building.to_owned()));
        city.addresses.push(address.to_owned());
        city.has_panel = true;
    }
}

fn add_device(random: &mut Random, city: &mut City, building: &str) {
    let id = format!("D{}", city.devices.len() + 1);
    let mut line = Map::new();
    for (name, value) in [("type", "device"), ("id", &*id), ("building", building)] {
        line.insert(name.to_owned(), json!(value));
    }
    let sensors =
        ["smoke", "smoke", "smoke", "heat", "heat", "panel", "unknown", "call_point", "water_flow", "operator"];
    if random.chance(85) {
        line.insert("sensor".to_owned(), json!(random.pick(&sensors)));
    }
    if random.chance(65) {
        line.insert("location".to_owned(), json!(random.pick(&SPOTS)));
    }
    if random.chance(50) {
        line.insert("floor".to_owned(), json!(random.between(1, 6)));
    }
    let mut names = vec![id.clone()];
    if let Some(address) = new_address(random, city) {
        line.insert("address".to_owned(), json!(address));
        city.addresses.push(address.clone());
        names.push(address);
    }
    city.device_lines.push(Value::Object(line).to_string());
    city.devices.push((names, building.to_owned()));
}

/// A panel's address, or a component's below an address or id that exists.
fn new_address(random: &mut Random, city: &City) -> Option<String> {
    let above: Vec<String> = city.devices.iter().filter_map(|(names, _)| names.last().cloned()).collect();
    let address = match random.pick_weighted(&[(4, 0), (2, 1), (5, 2)]) {
        0 => return None,
        2 if !above.is_empty() => format!("{}:{}", random.pick(&above), random.between(1, 2)),
        _ => random.pick(&["p", "q", "p1", "s"]).to_string(),
    };
    (!city.addresses.contains(&address)).then_some(address)
}
