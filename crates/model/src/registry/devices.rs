//! The devices of a city in little memory: millions of them, each a row of 40 bytes, all texts in one.
//!
//! A device is looked up by its id or address for every signal. The tables of both hold numbers only, and the names
//! stand once, in the text; a [`Device`] is put together from its row when somebody asks for it.

use std::hash::BuildHasher;

use hashbrown::HashTable;

use super::{BuildingIdx, DeviceIdx};
use crate::words::Sensor;

/// A device as the registry knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Device<'r> {
    /// The city's id.
    pub id: &'r str,
    /// Where it is.
    pub building: BuildingIdx,
    /// What it senses.
    pub sensor: Sensor,
    /// The spot; a device without one is its own.
    pub location: Option<&'r str>,
    /// The floor.
    pub floor: Option<i32>,
    /// The identity under which a protocol names it.
    pub address: Option<&'r str>,
    /// The line of the file that says so, from 1.
    pub line: u32,
}

/// What is stored of a device; its texts stand one behind the other: id, address, location.
#[derive(Debug, Clone, Copy)]
struct Row {
    text_at: usize,
    id_length: u32,
    /// [`ABSENT`] without one, as the location's.
    address_length: u32,
    location_length: u32,
    building: BuildingIdx,
    line: u32,
    floor: Option<i32>,
    sensor: Sensor,
}

impl Row {
    /// Where its id stands in the text.
    fn id(&self) -> Option<(usize, usize)> {
        Some((self.text_at, self.text_at + self.id_length as usize))
    }

    /// Where its address stands, if it has one.
    fn address(&self) -> Option<(usize, usize)> {
        let from = self.text_at + self.id_length as usize;
        (self.address_length != ABSENT).then(|| (from, from + self.address_length as usize))
    }
}

/// So many names are looked up at once.
pub(super) const LOOKED_UP_AT_ONCE: usize = 32;

/// The length of a text that is not there; no line is so long.
const ABSENT: u32 = u32::MAX;

/// All devices, by number, id and address.
#[derive(Debug, Default)]
pub(super) struct Devices {
    rows: Vec<Row>,
    text: String,
    by_id: HashTable<DeviceIdx>,
    by_address: HashTable<DeviceIdx>,
    hasher: foldhash::fast::RandomState,
}

impl Devices {
    pub(super) fn get(&self, device: DeviceIdx) -> Device<'_> {
        let row = &self.rows[device as usize];
        let address_at = row.text_at + row.id_length as usize;
        let location_at = address_at + present(row.address_length);
        let text = |at: usize, length: u32| (length != ABSENT).then(|| &self.text[at..at + length as usize]);
        Device {
            id: &self.text[row.text_at..address_at],
            building: row.building,
            sensor: row.sensor,
            location: text(location_at, row.location_length),
            floor: row.floor,
            address: text(address_at, row.address_length),
            line: row.line,
        }
    }

    pub(super) fn building(&self, device: DeviceIdx) -> BuildingIdx {
        self.rows[device as usize].building
    }

    pub(super) fn set_building(&mut self, device: DeviceIdx, building: BuildingIdx) {
        self.rows[device as usize].building = building;
    }

    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = Device<'_>> {
        (0..self.rows.len()).map(|number| self.get(dense(number).expect("only so many were added")))
    }

    pub(super) fn sensor(&self, device: DeviceIdx) -> Sensor {
        self.rows[device as usize].sensor
    }

    /// The device of that id, else of that address: the name is hashed once.
    pub(super) fn by_name(&self, name: &str) -> Option<DeviceIdx> {
        let hash = self.hasher.hash_one(name);
        let is_id = |device: &DeviceIdx| self.is_text(self.rows[*device as usize].id(), name);
        let is_address = |device: &DeviceIdx| self.is_text(self.rows[*device as usize].address(), name);
        self.by_id.find(hash, is_id).or_else(|| self.by_address.find(hash, is_address)).copied()
    }

    /// Looks up several names at once, in `found`, which is as long: no look-up waits for what the one before fetches
    /// from memory. Each step is taken for all of them before the next.
    pub(super) fn by_names<'n>(&self, names: impl Iterator<Item = &'n str> + Clone, found: &mut [Option<DeviceIdx>]) {
        // Who it is if it is anybody: names that only share a few bits of a hash are rare.
        for (name, found) in names.clone().zip(&mut *found) {
            let hash = self.hasher.hash_one(name);
            *found = self.by_id.iter_hash(hash).chain(self.by_address.iter_hash(hash)).next().copied();
        }
        let mut ends = [0_usize; LOOKED_UP_AT_ONCE];
        for (found, end) in found.iter().zip(&mut ends) {
            *end = found.map_or(0, |device| self.rows[device as usize].text_at);
        }
        let mut sum = 0_u8;
        for at in &ends[..found.len().min(LOOKED_UP_AT_ONCE)] {
            sum ^= self.text.as_bytes().get(*at).copied().unwrap_or(0);
        }
        std::hint::black_box(sum);
        for (name, found) in names.zip(found) {
            let is_it = |device: &DeviceIdx| {
                let row = &self.rows[*device as usize];
                self.is_text(row.id(), name)
            };
            // An address counts only where no device has the name as its id.
            *found = found.filter(is_it).or_else(|| self.by_name(name));
        }
    }

    fn is_text(&self, span: Option<(usize, usize)>, text: &str) -> bool {
        span.is_some_and(|(from, to)| &self.text.as_bytes()[from..to] == text.as_bytes())
    }

    pub(super) fn by_id(&self, id: &str) -> Option<DeviceIdx> {
        self.by_id.find(self.hasher.hash_one(id), |device| self.get(*device).id == id).copied()
    }

    pub(super) fn by_address(&self, address: &str) -> Option<DeviceIdx> {
        let is_it = |device: &DeviceIdx| self.get(*device).address == Some(address);
        self.by_address.find(self.hasher.hash_one(address), is_it).copied()
    }

    /// Adds a device whose id and address no other has; nothing if there is no room for it.
    pub(super) fn add(&mut self, device: &Device<'_>) -> Option<DeviceIdx> {
        let number = dense(self.rows.len())?;
        let length = |text: &str| u32::try_from(text.len()).ok().filter(|length| *length != ABSENT);
        let length_of = |text: Option<&str>| text.map_or(Some(ABSENT), length);
        self.rows.push(Row {
            text_at: self.text.len(),
            id_length: length(device.id)?,
            address_length: length_of(device.address)?,
            location_length: length_of(device.location)?,
            building: device.building,
            line: device.line,
            floor: device.floor,
            sensor: device.sensor,
        });
        self.text.extend([Some(device.id), device.address, device.location].into_iter().flatten());
        let Self { rows, text, by_id, by_address, hasher } = self;
        let id_of = |row: &Row| hasher.hash_one(&text[row.text_at..][..row.id_length as usize]);
        by_id.insert_unique(hasher.hash_one(device.id), number, |other| id_of(&rows[*other as usize]));
        if let Some(address) = device.address {
            let address_of = |row: &Row| {
                let address = &text[row.text_at + row.id_length as usize..][..present(row.address_length)];
                hasher.hash_one(address)
            };
            by_address.insert_unique(hasher.hash_one(address), number, |other| address_of(&rows[*other as usize]));
        }
        Some(number)
    }

    /// Gives back the room that growing has taken in advance.
    pub(super) fn settle(&mut self) {
        self.rows.shrink_to_fit();
        self.text.shrink_to_fit();
    }
}

const fn present(length: u32) -> usize {
    if length == ABSENT { 0 } else { length as usize }
}

fn dense(number: usize) -> Option<DeviceIdx> {
    u32::try_from(number).ok()
}
