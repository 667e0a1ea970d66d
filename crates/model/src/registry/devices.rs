//! The devices of a city in little memory: millions of them, each a row of 28 bytes, all texts in one.
//!
//! A device is looked up by its id or address for every signal. One table holds both, as numbers only; the names stand
//! once, in the text; a [`Device`] is put together from its row when somebody asks for it.

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
    /// Where its texts begin: 48 bits, in pieces that need no room between them.
    text_at: (u32, u16),
    id_length: u16,
    /// [`ABSENT`] without one, as the location's.
    address_length: u16,
    location_length: u16,
    building: BuildingIdx,
    line: u32,
    floor: i32,
    has_floor: bool,
    sensor: Sensor,
}

const _: () = assert!(size_of::<Row>() <= 32, "five million of them");

/// So many names are looked up at once.
pub(super) const LOOKED_UP_AT_ONCE: usize = 32;

/// The longest id, address or location, bytes.
pub(super) const LONGEST_NAME: usize = 65_534;

/// The length of a text that is not there.
const ABSENT: u16 = u16::MAX;

impl Row {
    fn text_at(&self) -> usize {
        self.text_at.0 as usize | usize::from(self.text_at.1) << 32
    }

    fn address_at(&self) -> usize {
        self.text_at() + usize::from(self.id_length)
    }
}

/// All devices, by number and name.
#[derive(Debug, Default)]
pub(super) struct Devices {
    rows: Vec<Row>,
    text: String,
    names: HashTable<Name>,
    hasher: foldhash::fast::RandomState,
}

/// A name of a device: twice its number, and one more if it is its address and not its id. No name stands twice.
#[derive(Debug, Clone, Copy)]
struct Name(u32);

impl Name {
    const fn of(device: DeviceIdx, is_address: bool) -> Self {
        Self(device << 1 | is_address as u32)
    }

    const fn device(self) -> DeviceIdx {
        self.0 >> 1
    }

    const fn is_address(self) -> bool {
        self.0 & 1 == 1
    }

    fn text<'t>(self, rows: &[Row], text: &'t str) -> &'t str {
        let row = &rows[self.device() as usize];
        let (at, length) = match self.is_address() {
            false => (row.text_at(), usize::from(row.id_length)),
            true => (row.address_at(), present(row.address_length)),
        };
        &text[at..at + length]
    }
}

impl Devices {
    pub(super) fn get(&self, device: DeviceIdx) -> Device<'_> {
        let row = &self.rows[device as usize];
        let address_at = row.address_at();
        let location_at = address_at + present(row.address_length);
        let text = |at: usize, length: u16| (length != ABSENT).then(|| &self.text[at..at + usize::from(length)]);
        Device {
            id: &self.text[row.text_at()..address_at],
            building: row.building,
            sensor: row.sensor,
            location: text(location_at, row.location_length),
            floor: row.has_floor.then_some(row.floor),
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

    /// Looks up several names at once, in `found`, which is as long: no look-up waits for what the one before fetches
    /// from memory. Each step is taken for all of them before the next.
    pub(super) fn by_names<'n>(&self, names: impl Iterator<Item = &'n str> + Clone, found: &mut [Option<DeviceIdx>]) {
        // Who it is if it is anybody: names that only share a few bits of a hash are rare.
        let mut guesses = [None; LOOKED_UP_AT_ONCE];
        for (name, guess) in names.clone().zip(&mut guesses) {
            *guess = self.names.iter_hash(self.hasher.hash_one(name)).next().copied();
        }
        let mut begins = [0_usize; LOOKED_UP_AT_ONCE];
        for (guess, begin) in guesses.iter().zip(&mut begins) {
            *begin = guess.map_or(0, |known: Name| self.rows[known.device() as usize].text_at());
        }
        let mut sum = 0_u8;
        for at in &begins[..found.len().min(LOOKED_UP_AT_ONCE)] {
            sum ^= self.text.as_bytes().get(*at).copied().unwrap_or(0);
        }
        std::hint::black_box(sum);
        for ((name, guess), found) in names.zip(guesses).zip(found) {
            let is_it = |known: &Name| known.text(&self.rows, &self.text) == name;
            *found = guess.filter(is_it).map(Name::device).or_else(|| self.named(name).map(|(device, _)| device));
        }
    }

    /// The device that goes by that name, and whether the name is its address and not its id.
    pub(super) fn named(&self, name: &str) -> Option<(DeviceIdx, bool)> {
        let is_it = |known: &Name| known.text(&self.rows, &self.text) == name;
        let known = self.names.find(self.hasher.hash_one(name), is_it)?;
        Some((known.device(), known.is_address()))
    }

    /// The device with that address, which may be its id too.
    pub(super) fn by_address(&self, address: &str) -> Option<DeviceIdx> {
        let (device, is_address) = self.named(address)?;
        (is_address || self.get(device).address == Some(address)).then_some(device)
    }

    /// Makes room for so many times as many as there are.
    pub(super) fn expect(&mut self, times: usize) {
        let more = |count: usize| count.saturating_mul(times.saturating_sub(1));
        self.reserve(more(self.rows.len()), more(self.text.len()), more(self.names.len()));
    }

    /// Makes room for so many devices, all of whose texts are no longer than so many bytes.
    pub(super) fn expect_devices(&mut self, count: usize, text_bytes: usize) {
        self.reserve(count, text_bytes, 2 * count);
    }

    fn reserve(&mut self, devices: usize, text_bytes: usize, names_more: usize) {
        self.rows.reserve(devices);
        self.text.reserve(text_bytes);
        let Self { rows, text, names, hasher } = self;
        names.reserve(names_more, |name| hasher.hash_one(name.text(rows, text)));
    }

    /// Adds a device whose id and address no other has, and none of whose texts is longer than [`LONGEST_NAME`];
    /// nothing if there is no room for it.
    pub(super) fn add(&mut self, device: &Device<'_>) -> Option<DeviceIdx> {
        let number = dense(self.rows.len())?;
        let length = |text: &str| u16::try_from(text.len()).ok().filter(|length| *length != ABSENT);
        let length_of = |text: Option<&str>| text.map_or(Some(ABSENT), length);
        let text_at = self.text.len() as u64;
        self.rows.push(Row {
            text_at: (u32::try_from(text_at & 0xFFFF_FFFF).ok()?, u16::try_from(text_at >> 32).ok()?),
            id_length: length(device.id)?,
            address_length: length_of(device.address)?,
            location_length: length_of(device.location)?,
            building: device.building,
            line: device.line,
            floor: device.floor.unwrap_or_default(),
            has_floor: device.floor.is_some(),
            sensor: device.sensor,
        });
        self.text.extend([Some(device.id), device.address, device.location].into_iter().flatten());
        let Self { rows, text, names, hasher } = self;
        let hash_of = |name: &Name| hasher.hash_one(name.text(rows, text));
        names.insert_unique(hasher.hash_one(device.id), Name::of(number, false), hash_of);
        // A device may be its own address.
        if let Some(address) = device.address.filter(|address| *address != device.id) {
            names.insert_unique(hasher.hash_one(address), Name::of(number, true), hash_of);
        }
        Some(number)
    }

    /// Gives back the room that growing has taken in advance.
    pub(super) fn settle(&mut self) {
        self.rows.shrink_to_fit();
        self.text.shrink_to_fit();
    }
}

const fn present(length: u16) -> usize {
    if length == ABSENT { 0 } else { length as usize }
}

/// A number of which twice as much is one too.
fn dense(number: usize) -> Option<DeviceIdx> {
    u32::try_from(number).ok().filter(|number| *number <= u32::MAX / 2)
}
