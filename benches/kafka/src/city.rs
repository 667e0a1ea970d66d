//! The city that everything is measured on: a registry of many regions, so that all partitions have work.
//!
//! The synthetic city makes a region of some fifty thousand buildings. Here its buildings are dealt out, fifty in a
//! row, to [`REGIONS`] regions; nothing else is changed.

use std::sync::Arc;

use fenghuo_benches::load::{Draw, device_names, registry_text};
use fenghuo_decode::gb26875::address::{Component, System};
use fenghuo_model::Registry;
use fenghuo_tests::trouble::Trouble;
use serde_json::Value;

/// How many regions there are.
pub const REGIONS: u64 = 64;

/// A wired component and the transmission device that it stands behind.
#[derive(Debug, Clone, Copy)]
pub struct Wired {
    /// The transmission device's number.
    pub source: u64,
    /// The component.
    pub component: Component,
}

/// Two devices of one building, each in a place of its own: their fires confirm it.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The building's id.
    pub building: String,
    /// The devices' ids.
    pub devices: [String; 2],
}

/// The registry, and what of it speaks.
pub struct City {
    /// The registry's text.
    pub text: String,
    /// The registry.
    pub registry: Arc<Registry>,
    /// Names under which devices speak.
    pub names: Vec<String>,
    /// The region of each of these.
    pub regions: Vec<String>,
    /// Those that speak in frames.
    pub wired: Vec<Wired>,
    /// Buildings of which two devices can confirm a fire, in no order.
    pub pairs: Vec<Pair>,
}

impl City {
    /// A city of so many buildings.
    ///
    /// # Errors
    /// The synthetic city writes a registry that cannot be read.
    pub fn new(buildings: u32) -> Result<Self, Trouble> {
        let text = dealt_out(&registry_text(buildings))?;
        let registry = Registry::from_json_lines("city.jsonl", text.as_bytes());
        let registry = Arc::new(registry.map_err(|faults| Trouble::from(format!("the registry: {faults:?}")))?);
        let names = device_names(&registry);
        let regions = registry.devices().map(|device| registry.region_of(device.building).to_string()).collect();
        let wired = registry.devices().filter_map(|device| wired(device.address?)).collect();
        let pairs = pairs(&registry);
        Ok(Self { text, registry, names, regions, wired, pairs })
    }
}

/// Gives every building one of [`REGIONS`] regions.
fn dealt_out(text: &str) -> Result<String, Trouble> {
    let mut number = 0_u64;
    let mut dealt = String::with_capacity(text.len());
    for line in text.lines() {
        if line.contains("\"region\"") {
            let mut building: Value = serde_json::from_str(line).map_err(|error| Trouble::from(error.to_string()))?;
            // Neighbours stay together: fifty buildings in a row.
            building["region"] = Value::from(format!("region-{:02}", number / 50 % REGIONS));
            number += 1;
            dealt += &building.to_string();
        } else {
            dealt += line;
        }
        dealt.push('\n');
    }
    Ok(dealt)
}

/// `gb:<source>:<system type>.<system address>:<component address>`, all but the system in hexadecimal.
fn wired(address: &str) -> Option<Wired> {
    let mut parts = address.strip_prefix("gb:")?.split(':');
    let source = u64::from_str_radix(parts.next()?, 16).ok()?;
    let (system_type, system) = parts.next()?.split_once('.')?;
    let system = System { system_type: system_type.parse().ok()?, address: system.parse().ok()? };
    let address = u32::from_str_radix(parts.next()?, 16).ok()?;
    Some(Wired { source, component: Component { system, component_type: 40, address } })
}

fn pairs(registry: &Registry) -> Vec<Pair> {
    let mut pairs: Vec<Pair> = Vec::new();
    let mut open: Option<(u32, &str, &str)> = None;
    let mut done = None;
    // A panel and a transmission device repeat what is behind them.
    let repeats = |address: &str| address.starts_with("gb:") && address.matches(':').count() < 3;
    let own = registry.devices().filter(|device| !device.address.is_some_and(repeats));
    for (device, location) in own.filter_map(|device| Some((device, device.location?))) {
        let building = device.building;
        match open {
            _ if done == Some(building) => {}
            Some((known, _, other)) if known == building && other == location => {}
            Some((known, first, _)) if known == building => {
                let place = registry.buildings()[building as usize].id.to_string();
                pairs.push(Pair { building: place, devices: [first.to_owned(), device.id.to_owned()] });
                done = Some(building);
            }
            _ => open = Some((building, device.id, location)),
        }
    }
    let mut draw = Draw(5);
    for place in (1..pairs.len()).rev() {
        let other = usize::try_from(draw.below(place as u64 + 1)).expect("it is below the list's length");
        pairs.swap(place, other);
    }
    pairs
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_city_has_regions_frames_and_pairs() {
        let city = City::new(4_000).unwrap();
        assert_eq!(city.registry.regions().len(), usize::try_from(REGIONS).unwrap());
        assert_eq!(city.names.len(), city.regions.len());
        assert!(!city.wired.is_empty());
        let buildings: BTreeSet<&str> = city.pairs.iter().map(|pair| pair.building.as_str()).collect();
        assert_eq!(buildings.len(), city.pairs.len(), "a building is in one pair");
        assert!(city.pairs.len() > 2_000, "{}", city.pairs.len());
        for Wired { source, component } in city.wired.iter().take(100) {
            let name = fenghuo_decode::gb26875::address::component(*source, *component);
            assert!(city.registry.device_by_name(&name).is_some(), "{name}");
        }
    }
}
