//! Records under other regions: what is kept once the registry puts buildings elsewhere, or regions have other writers.
//!
//! A writer keeps the records of the regions in its care; ticks move the clocks of all regions, so that it also has
//! clocks of regions whose signals never come to it. These lone clocks count for nothing, and stay where they are.
//! Anything else of a region that strayed to another writer (its signals went there for a while) joins what the
//! region's own has.
//!
//! A building's open incident goes with it, under its id, if all buildings of the incident go to the same region. What
//! devices said of themselves goes with them. What was accepted stays: a repeat of it counts as evidence once more in
//! the other region, and no fire is lost by that.

use std::collections::{BTreeMap, BTreeSet};

use fenghuo_model::Registry;
use fenghuo_model::registry::UNPLACED;

use super::key::{self, Kind};
use super::records::{BuildingRecord, DeviceRecord, Name, RegionRecord};
use super::{StateError, envelope, read};

/// The records of one writer.
#[derive(Debug, Clone)]
pub struct Part<'r> {
    /// Which writer.
    pub number: i32,
    /// Key and value, one of each key, in any order.
    pub records: Vec<(&'r [u8], &'r [u8])>,
}

/// A building that goes to another region with its open incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Its id.
    pub building: String,
    /// The region of its incident.
    pub from: String,
    /// The registry's.
    pub to: String,
    /// The incident's id, 16 hexadecimal digits.
    pub incident: String,
}

/// All records, by the region under which they belong.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Regrouped {
    /// Key and value of each region's records.
    pub regions: BTreeMap<String, BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Buildings that go to another region with their open incidents.
    pub moved: Vec<Moved>,
    /// Incidents that strayed, of which a building is in an open incident of the region's own writer: that one goes on
    /// alone.
    pub doubled: Vec<String>,
    /// Number of the writer, and key, of each lone clock; they stay where they are.
    pub lone: BTreeSet<(i32, Vec<u8>)>,
    /// Regions of which nothing is kept, for no building is left in them.
    pub gone: Vec<String>,
}

/// Why records cannot be put under other regions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmovable {
    /// A record cannot be read, or a building of an open incident is not in the registry.
    #[error(transparent)]
    State(#[from] StateError),
    /// The buildings of an open incident would be in several regions.
    #[error(
        "incident {incident} of region {region} is open, and the registry puts its buildings into several regions ({}): \
         wait until it ends, or clear it, under the registry as it was; or move its buildings to one region",
        .buildings.iter().map(|(id, region)| format!("{id} into {region}")).collect::<Vec<_>>().join(", ")
    )]
    Split {
        /// The incident's id, 16 hexadecimal digits.
        incident: String,
        /// Its region.
        region: String,
        /// Its buildings, each with the region that the registry says.
        buildings: Vec<(String, String)>,
    },
}

/// A building's record, and the id of its incident's place.
#[derive(Debug, Clone)]
struct Kept {
    place: String,
    incident: Option<u64>,
    /// The rests of the keys that the records of its voices' devices have.
    devices: Vec<String>,
    value: Vec<u8>,
}

/// One region's records.
#[derive(Debug, Clone, Default)]
struct OfRegion {
    header: Option<RegionRecord>,
    buildings: BTreeMap<String, Kept>,
    /// What devices said, and when an unplaced fire was last decided on.
    devices: BTreeMap<String, Vec<u8>>,
    unplaced: BTreeMap<String, Vec<u8>>,
    accepted: BTreeMap<String, Vec<u8>>,
}

/// The records under the regions that the registry says; `home` is the number of the writer of a region.
///
/// # Errors
/// Everything that is in the way.
pub fn regroup(
    registry: &Registry,
    home: impl Fn(&str) -> i32,
    parts: &[Part<'_>],
) -> Result<Regrouped, Vec<Unmovable>> {
    let mut regrouped = Regrouped::default();
    let mut regions = gathered(home, parts, &mut regrouped).map_err(|error| vec![error.into()])?;
    let mut faults = Vec::new();
    for from in regions.keys().cloned().collect::<Vec<_>>() {
        let found = travelling(&from, &regions[&from], registry);
        for incident in found.into_iter().filter_map(|found| found.map_err(|fault| faults.push(fault)).ok()) {
            regrouped.moved.extend(incident.buildings.iter().map(|building| Moved {
                building: building.clone(),
                from: from.clone(),
                to: incident.to.clone(),
                incident: format!("{:016x}", incident.id),
            }));
            put_elsewhere(&mut regions, &from, &incident);
        }
    }
    devices_follow(&mut regions, registry).map_err(|error| vec![error.into()])?;
    if !faults.is_empty() {
        return Err(faults);
    }
    for (name, region) in regions {
        if name == UNPLACED || registry.regions().iter().any(|known| **known == *name) {
            let records = region.records(&name);
            regrouped.regions.insert(name, records);
        } else {
            regrouped.gone.push(name);
        }
    }
    Ok(regrouped)
}

/// Every region's records: those of its own writer, and what strayed to others.
fn gathered(
    home: impl Fn(&str) -> i32,
    parts: &[Part<'_>],
    regrouped: &mut Regrouped,
) -> Result<BTreeMap<String, OfRegion>, StateError> {
    let mut regions: BTreeMap<String, OfRegion> = BTreeMap::new();
    let mut strays = Vec::new();
    for part in parts {
        let mut of_part: BTreeMap<&str, OfRegion> = BTreeMap::new();
        for (key, value) in part.records.iter().filter(|(key, _)| *key != key::COUNTERS.as_bytes()) {
            let parsed = key::parse(key).ok_or_else(|| damaged(key, "its key is none of ours"))?;
            of_part.entry(parsed.1).or_default().insert(key, value, parsed)?;
        }
        for (name, region) in of_part {
            if home(name) == part.number {
                regions.insert(name.to_owned(), region);
            } else if region.is_lone_clock() {
                regrouped.lone.insert((part.number, Kind::Region.key(name, "")));
            } else {
                strays.push((name.to_owned(), region));
            }
        }
    }
    for (name, stray) in strays {
        regions.entry(name).or_default().join(stray, &mut regrouped.doubled)?;
    }
    Ok(regions)
}

fn damaged(key: &[u8], reason: &str) -> StateError {
    StateError::Damaged { key: String::from_utf8_lossy(key).into_owned(), reason: reason.to_owned() }
}

impl OfRegion {
    fn insert(&mut self, key: &[u8], value: &[u8], (kind, _, rest): (Kind, &str, &str)) -> Result<(), StateError> {
        let (rest, kept) = (rest.to_owned(), value.to_vec());
        match kind {
            Kind::Region => self.header = Some(read::record(key, value)?),
            Kind::Device => drop(self.devices.insert(rest, kept)),
            Kind::Unplaced => drop(self.unplaced.insert(rest, kept)),
            Kind::Accepted => drop(self.accepted.insert(rest, kept)),
            Kind::Building => {
                let record: BuildingRecord<'static> = read::record(key, value)?;
                let incident = record.incident.as_ref().map(|incident| incident.id);
                let devices = record.series.iter().map(|series| rest_of(&series.device)).collect();
                let kept = Kept { place: record.place.into_owned(), incident, devices, value: kept };
                self.buildings.insert(rest, kept);
            }
        }
        Ok(())
    }

    /// Whether nothing but ticks came here.
    fn is_lone_clock(&self) -> bool {
        let Self { header: _, buildings, devices, unplaced, accepted } = self;
        buildings.is_empty() && devices.is_empty() && unplaced.is_empty() && accepted.is_empty()
    }

    /// What strayed joins; of what was accepted there nothing is kept, for it is numbered by another count.
    fn join(&mut self, stray: Self, doubled: &mut Vec<String>) -> Result<(), StateError> {
        self.follow(stray.header);
        for (place, members) in incidents(&stray.buildings) {
            if members.iter().any(|(id, _)| self.buildings.contains_key(*id)) {
                let id = members.iter().find_map(|(_, kept)| kept.incident);
                doubled.push(id.map_or_else(|| place.to_owned(), |id| format!("{id:016x}")));
            } else {
                let members = members.into_iter().map(|(id, kept)| (id.to_owned(), kept.clone()));
                self.buildings.extend(members);
            }
        }
        for (rest, value) in stray.devices {
            self.hear(rest, value)?;
        }
        for (rest, value) in stray.unplaced {
            self.unplaced.entry(rest).or_insert(value);
        }
        Ok(())
    }

    /// Numbers of arrivals that come from elsewhere stay below those that are still to come.
    fn follow(&mut self, other: Option<RegionRecord>) {
        let Some(other) = other else { return };
        match &mut self.header {
            Some(own) => own.arrivals = own.arrivals.max(other.arrivals),
            None => self.header = Some(RegionRecord { first_accepted: 0, sweep_devices_at: 0, ..other }),
        }
    }

    /// What a device said elsewhere joins what it said here.
    fn hear(&mut self, rest: String, value: Vec<u8>) -> Result<(), StateError> {
        let Some(own) = self.devices.get_mut(&rest) else {
            self.devices.insert(rest, value);
            return Ok(());
        };
        let mut all: DeviceRecord = read::record(rest.as_bytes(), own)?;
        let other: DeviceRecord = read::record(rest.as_bytes(), &value)?;
        all.restores_ms.extend(other.restores_ms);
        all.restores_ms.sort_unstable();
        all.restores_ms.dedup();
        let fresh = other.isolations.into_iter().filter(|isolation| !all.isolations.contains(isolation));
        let fresh: Vec<_> = fresh.collect();
        all.isolations.extend(fresh);
        all.isolations.sort_by_key(|(at_ms, _)| *at_ms);
        *own = envelope::write(&all);
        Ok(())
    }

    fn records(self, name: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let header = self.header.map(|header| (Kind::Region.key(name, ""), envelope::write(&header)));
        let buildings = self.buildings.into_iter().map(|(id, kept)| (Kind::Building.key(name, &id), kept.value));
        let under = |kind: Kind, records: BTreeMap<String, Vec<u8>>| {
            records.into_iter().map(move |(rest, value)| (kind.key(name, &rest), value))
        };
        let others = under(Kind::Device, self.devices)
            .chain(under(Kind::Unplaced, self.unplaced))
            .chain(under(Kind::Accepted, self.accepted));
        header.into_iter().chain(buildings).chain(others).collect()
    }
}

fn rest_of(device: &Name<'_>) -> String {
    match device {
        Name::Registered(id) => format!("r/{id}"),
        Name::Stranger(name) => format!("s/{name}"),
    }
}

/// Buildings by the place of their incident.
fn incidents(buildings: &BTreeMap<String, Kept>) -> BTreeMap<&str, Vec<(&str, &Kept)>> {
    let mut incidents: BTreeMap<&str, Vec<(&str, &Kept)>> = BTreeMap::new();
    for (id, kept) in buildings {
        incidents.entry(&kept.place).or_default().push((id, kept));
    }
    incidents
}

/// An open incident that goes to another region.
struct Travelling {
    id: u64,
    to: String,
    buildings: Vec<String>,
}

/// The incidents of a region that go to another one, and what keeps others from it.
fn travelling(from: &str, region: &OfRegion, registry: &Registry) -> Vec<Result<Travelling, Unmovable>> {
    let one = |(place, members): (&str, Vec<(&str, &Kept)>)| {
        let mut buildings = Vec::new();
        for (id, _) in &members {
            let unknown = || StateError::UnknownBuilding { building: (*id).to_owned() };
            let building = registry.building_by_id(id).ok_or_else(unknown)?;
            buildings.push(((*id).to_owned(), registry.region_of(building).to_string()));
        }
        let orphaned = || damaged(&Kind::Building.key(from, place), "no incident is at the place that it names");
        let id = members.iter().find_map(|(_, kept)| kept.incident).ok_or_else(orphaned)?;
        let targets: BTreeSet<&str> = buildings.iter().map(|(_, region)| region.as_str()).collect();
        match targets.into_iter().collect::<Vec<_>>().as_slice() {
            [to] if *to == from => Ok(None),
            [to] => {
                let to = (*to).to_owned();
                Ok(Some(Travelling { id, to, buildings: buildings.into_iter().map(|(id, _)| id).collect() }))
            }
            _ => Err(Unmovable::Split { incident: format!("{id:016x}"), region: from.to_owned(), buildings }),
        }
    };
    incidents(&region.buildings).into_iter().map(one).filter_map(Result::transpose).collect()
}

/// Puts an incident's buildings under another region, with what devices said that speak in it.
fn put_elsewhere(regions: &mut BTreeMap<String, OfRegion>, from: &str, incident: &Travelling) {
    let Some(region) = regions.get_mut(from) else { return };
    let header = region.header;
    let buildings: Vec<_> =
        incident.buildings.iter().filter_map(|id| Some((id.clone(), region.buildings.remove(id)?))).collect();
    let voices = buildings.iter().flat_map(|(_, kept)| &kept.devices);
    let said: Vec<_> =
        voices.filter_map(|device| Some((device.clone(), region.devices.get(device)?.clone()))).collect();
    let target = regions.entry(incident.to.clone()).or_default();
    target.follow(header);
    target.buildings.extend(buildings);
    for (rest, value) in said {
        target.devices.entry(rest).or_insert(value);
    }
}

/// What a registered device said of itself stands under its building's region.
fn devices_follow(regions: &mut BTreeMap<String, OfRegion>, registry: &Registry) -> Result<(), StateError> {
    let mut travelling = Vec::new();
    for (from, region) in regions.iter_mut() {
        let now = |rest: &str| {
            let name = rest.strip_prefix("r/").or_else(|| rest.strip_prefix("s/"))?;
            let device = registry.device(registry.device_by_name(name)?);
            Some(registry.region_of(device.building).to_string()).filter(|to| to != from)
        };
        let leaving: Vec<_> = region.devices.keys().filter_map(|rest| Some((rest.clone(), now(rest)?))).collect();
        for (rest, to) in leaving {
            let value = region.devices.remove(&rest);
            travelling.extend(value.map(|value| (rest, to, value, region.header)));
        }
    }
    for (rest, to, value, header) in travelling {
        let target = regions.entry(to).or_default();
        target.follow(header.filter(|_| target.header.is_none()));
        target.hear(rest, value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
