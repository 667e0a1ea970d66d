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
