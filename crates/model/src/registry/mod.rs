//! The registry: the buildings and devices of the city, dense numbers inside, ids only at the rim.
//!
//! Ids become integers once, when the file is read. Whoever works with a building or device holds its [`BuildingIdx`]
//! or [`DeviceIdx`]; strings come back only in what is published.

mod ahead;
mod datum;
mod devices;
mod line;
mod panels;
mod place;
mod read;
pub mod snapshot;
mod spatial;
mod version;

use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock};

use hashbrown::HashTable;

use crate::words::Premises;

pub use datum::{bd09_to_wgs84, gcj02_to_wgs84, wgs84_to_bd09, wgs84_to_gcj02};
pub use devices::Device;
pub use place::Place;
pub use spatial::{EARTH_RADIUS_M, distance_m};
pub use version::{VERSION_DIGITS, version_of};

/// The region of fire signals whose building nobody knows.
pub const UNPLACED: &str = "unplaced";

/// A building's number: its place in the registry's list.
pub type BuildingIdx = u32;
/// A device's number: its place in the registry's list.
pub type DeviceIdx = u32;
/// A region's number: its place among the registry's regions in the order of their names.
pub type RegionIdx = u32;

/// A building as the registry knows it.
#[derive(Debug, Clone, PartialEq)]
pub struct Building {
    /// The city's id.
    pub id: Box<str>,
    /// Its name.
    pub name: Option<Box<str>>,
    /// Its postal address.
    pub address: Option<Box<str>>,
    /// Degrees east, WGS 84.
    pub lon: f64,
    /// Degrees north, WGS 84.
    pub lat: f64,
    /// The unit of correlation.
    pub region: RegionIdx,
    /// Its town.
    pub town: Option<Arc<str>>,
    /// Its village.
    pub village: Option<Arc<str>>,
    /// Its grid.
    pub grid: Option<Arc<str>>,
    /// What it is used for.
    pub premises: Premises,
    /// Number of floors.
    pub floors: Option<i32>,
    /// Whom to call.
    pub contact: Option<Box<str>>,
    /// The line of the file that says so, from 1.
    pub line: u32,
}

/// The buildings and devices of the city; read-only, shared by all who work with it.
#[derive(Debug, Default)]
pub struct Registry {
    buildings: Vec<Building>,
    devices: devices::Devices,
    regions: Vec<Arc<str>>,
    /// By id; the ids stand in the buildings.
    building_numbers: HashTable<BuildingIdx>,
    hasher: foldhash::fast::RandomState,
    spatial: OnceLock<spatial::SpatialIndex>,
    panels: OnceLock<panels::Panels>,
}

impl Registry {
    /// Every building; a building's number is its place here.
    #[must_use]
    pub fn buildings(&self) -> &[Building] {
        &self.buildings
    }

    /// Every device; a device's number is its place here.
    pub fn devices(&self) -> impl ExactSizeIterator<Item = Device<'_>> {
        self.devices.iter()
    }

    /// The names of all regions, sorted; a region's number is its place here.
    #[must_use]
    pub fn regions(&self) -> &[Arc<str>] {
        &self.regions
    }

    /// The building with that number.
    #[must_use]
    pub fn building(&self, building: BuildingIdx) -> &Building {
        &self.buildings[building as usize]
    }

    /// The device with that number.
    #[must_use]
    pub fn device(&self, device: DeviceIdx) -> Device<'_> {
        self.devices.get(device)
    }

    /// The building of the device with that number.
    #[must_use]
    pub fn building_of_device(&self, device: DeviceIdx) -> BuildingIdx {
        self.devices.building(device)
    }

    /// The building with that id.
    #[must_use]
    pub fn building_by_id(&self, id: &str) -> Option<BuildingIdx> {
        let is_it = |building: &BuildingIdx| *self.building(*building).id == *id;
        self.building_numbers.find(self.hasher.hash_one(id), is_it).copied()
    }

    /// The device that goes by that name: its id, else its address.
    #[must_use]
    pub fn device_by_name(&self, name: &str) -> Option<DeviceIdx> {
        self.devices.named(name).map(|(device, _)| device)
    }

    /// [`Self::device_by_name`] for several names, each appended to `found`: where the registry is larger than the
    /// processor's caches, they wait for memory together instead of one after the other.
    pub fn devices_by_names<'n>(
        &self,
        names: impl Iterator<Item = &'n str> + Clone,
        found: &mut Vec<Option<DeviceIdx>>,
    ) {
        let mut rest = names.peekable();
        while rest.peek().is_some() {
            let some: Vec<&str> = rest.by_ref().take(devices::LOOKED_UP_AT_ONCE).collect();
            let from = found.len();
            found.resize(from + some.len(), None);
            self.devices.by_names(some.iter().copied(), &mut found[from..]);
        }
    }

    /// Makes room for so many buildings.
    fn expect_buildings(&mut self, count: usize) {
        let Self { buildings, building_numbers, hasher, .. } = self;
        let hash_of = |other: &BuildingIdx| hasher.hash_one(&*buildings[*other as usize].id);
        building_numbers.reserve(count, hash_of);
        buildings.reserve(count);
    }

    /// Adds a building whose id no other has; nothing if there is no room for it.
    fn add_building(&mut self, building: Building) -> Option<()> {
        let number = BuildingIdx::try_from(self.buildings.len()).ok()?;
        let Self { buildings, building_numbers, hasher, .. } = self;
        let hash_of = |other: &BuildingIdx| hasher.hash_one(&*buildings[*other as usize].id);
        building_numbers.insert_unique(hasher.hash_one(&*building.id), number, hash_of);
        buildings.push(building);
        Some(())
    }

    /// The name of a building's region.
    #[must_use]
    pub fn region_of(&self, building: BuildingIdx) -> &Arc<str> {
        &self.regions[self.building(building).region as usize]
    }

    /// The buildings of the same region at most `radius_m` from `building`, itself included, by number, with their
    /// great-circle distances in metres.
    #[must_use]
    pub fn neighbours(&self, building: BuildingIdx, radius_m: f64) -> Vec<(BuildingIdx, f64)> {
        let index = self.spatial.get_or_init(|| spatial::SpatialIndex::new(&self.buildings));
        let centre = self.building(building);
        let mut near: Vec<(BuildingIdx, f64)> = index
            .within((centre.lon, centre.lat), radius_m)
            .filter(|other| self.building(*other).region == centre.region)
            .map(|other| (other, self.distance_m(building, other)))
            .filter(|(_, distance)| *distance <= radius_m)
            .collect();
        near.sort_unstable_by_key(|(other, _)| *other);
        near
    }

    /// The great-circle distance of two buildings in metres.
    #[must_use]
    pub fn distance_m(&self, one: BuildingIdx, other: BuildingIdx) -> f64 {
        let (one, other) = (self.building(one), self.building(other));
        distance_m((one.lon, one.lat), (other.lon, other.lat))
    }
}
