//! A registry as bytes that are read back in a fraction of the time that its JSON takes.
//!
//! A member that died has its registry back before its partitions. The form is Fenghuo's own and lives beside the JSON
//! of which it is made, never in its place: whatever is not as it was written, or of another version, is refused, and
//! the caller reads the JSON. All numbers are little-endian, a text is its length and its bytes. Whoever changes how
//! JSON is read without changing the release raises the version in the magic: what lies there was read as before.

use std::collections::HashMap;
use std::io::{self, Write};
use std::sync::Arc;

use super::{Building, Device, Registry};
use crate::words::{Premises, Sensor};

/// What a snapshot begins with; the last byte is the form's version. Its last four bytes are the CRC-32 of all before
/// them.
const MAGIC: [u8; 8] = *b"FHREG\0\0\x01";
/// About so many bytes are written at once: five million devices are not to stand twice in memory.
const CHUNK_BYTES: usize = 1 << 16;
/// In the place of a number or a length: there is none.
const NONE: u32 = u32::MAX;

impl Registry {
    /// Writes the registry as bytes; `label` says of what it was made, and is read back by [`label_of`].
    ///
    /// # Errors
    /// Those of `writer`.
    pub fn write_snapshot(&self, label: &str, writer: &mut impl Write) -> io::Result<()> {
        let sum = crc32fast::Hasher::new();
        let mut out = Out { writer, chunk: Vec::with_capacity(2 * CHUNK_BYTES), sum, written: Ok(()) };
        out.chunk.extend_from_slice(&MAGIC);
        out.text(label);
        form().for_each(|word| out.text(word));
        out.list(self.regions(), |out, region| out.text(region));
        // Towns, villages and grids are few.
        let mut shared: Vec<&str> = Vec::new();
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        for text in self.buildings().iter().flat_map(|building| [&building.town, &building.village, &building.grid]) {
            let Some(text) = text.as_deref() else { continue };
            numbers.entry(text).or_insert_with(|| {
                shared.push(text);
                length(shared.len()) - 1
            });
        }
        out.list(&shared, |out, text| out.text(text));
        let number_of = |text: &Option<Arc<str>>| text.as_deref().map_or(NONE, |text| numbers[text]);
        out.list(self.buildings(), |out, building| {
            let Building { id, name, address, contact, lon, lat, region, floors, line, .. } = building;
            out.text(id);
            [name, address, contact].into_iter().for_each(|text| out.text_or_none(text.as_deref()));
            [lon, lat].into_iter().for_each(|degrees| out.chunk.extend_from_slice(&degrees.to_le_bytes()));
            let shared = [&building.town, &building.village, &building.grid].map(number_of);
            [*region, *line].into_iter().chain(shared).for_each(|number| out.u32(number));
            out.chunk.push(building.premises as u8);
            out.integer_or_none(*floors);
        });
        out.u32(length(self.devices().len()));
        for device in self.devices() {
            let Device { id, building, sensor, location, floor, address, line } = device;
            out.text(id);
            [address, location].into_iter().for_each(|text| out.text_or_none(text));
            [building, line].into_iter().for_each(|number| out.u32(number));
            out.chunk.push(sensor as u8);
            out.integer_or_none(floor);
        }
        out.end()
    }

    /// The registry of such bytes.
    ///
    /// # Errors
    /// They are not those that were written, or of another version.
    pub fn from_snapshot(bytes: &[u8]) -> Result<Self, Unusable> {
        let (whole, sum) = bytes.split_last_chunk::<4>().ok_or(Unusable)?;
        let body = whole.strip_prefix(&MAGIC).ok_or(Unusable)?;
        if crc32fast::hash(whole).to_le_bytes() != *sum {
            return Err(Unusable);
        }
        In(body).registry().ok_or(Unusable)
    }
}

/// What has to be the same for a snapshot to say what its JSON says: the release, whose reading of JSON it is, and the
/// words, of which it holds the numbers.
fn form() -> impl Iterator<Item = &'static str> {
    let words = Premises::ALL.iter().map(|word| word.word()).chain(Sensor::ALL.iter().map(|word| word.word()));
    [env!("CARGO_PKG_VERSION")].into_iter().chain(words)
}

/// The label of a snapshot, without looking at the rest of it; nothing if the bytes do not begin as one.
#[must_use]
pub fn label_of(bytes: &[u8]) -> Option<&str> {
    In(bytes.strip_prefix(&MAGIC)?).text()
}

/// Bytes that are no snapshot of this version: damaged, or another Fenghuo's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("damaged, or of another version")]
pub struct Unusable;

struct Out<'w, W> {
    writer: &'w mut W,
    chunk: Vec<u8>,
    sum: crc32fast::Hasher,
    written: io::Result<()>,
}

impl<W: Write> Out<'_, W> {
    /// Writes what has gathered; after an error, nothing any more.
    fn flush(&mut self) {
        self.sum.update(&self.chunk);
        if self.written.is_ok() {
            self.written = self.writer.write_all(&self.chunk);
        }
        self.chunk.clear();
    }

    fn end(mut self) -> io::Result<()> {
        self.flush();
        self.written?;
        self.writer.write_all(&self.sum.finalize().to_le_bytes())
    }

    fn u32(&mut self, number: u32) {
        self.chunk.extend_from_slice(&number.to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.u32(length(text.len()));
        self.chunk.extend_from_slice(text.as_bytes());
        if self.chunk.len() >= CHUNK_BYTES {
            self.flush();
        }
    }

    fn text_or_none(&mut self, text: Option<&str>) {
        match text {
            Some(text) => self.text(text),
            None => self.u32(NONE),
        }
    }

    fn integer_or_none(&mut self, number: Option<i32>) {
        self.chunk.push(u8::from(number.is_some()));
        self.chunk.extend_from_slice(&number.unwrap_or_default().to_le_bytes());
    }

    fn list<T>(&mut self, items: &[T], mut write: impl FnMut(&mut Self, &T)) {
        self.u32(length(items.len()));
        items.iter().for_each(|item| write(self, item));
    }
}

fn length(length: usize) -> u32 {
    u32::try_from(length).expect("a registry counts in 32 bits, and a line of it is far below 4 GiB")
}

/// What is left to read.
struct In<'b>(&'b [u8]);

impl<'b> In<'b> {
    fn registry(mut self) -> Option<Registry> {
        let mut registry = Registry::default();
        self.text()?;
        form().all(|word| self.text() == Some(word)).then_some(())?;
        registry.regions = self.list(|this| this.text().map(Arc::from))?;
        let shared: Vec<Arc<str>> = self.list(|this| this.text().map(Arc::from))?;
        let buildings = self.u32()?;
        registry.expect_buildings(self.room_for(buildings));
        for _ in 0..buildings {
            let building = self.building(registry.regions.len(), &shared)?;
            registry.add_building(building)?;
        }
        let devices = self.u32()?;
        registry.devices.expect_devices(self.room_for(devices), self.0.len());
        for _ in 0..devices {
            let device = self.device(registry.buildings.len())?;
            registry.devices.add(&device)?;
        }
        registry.devices.settle();
        self.0.is_empty().then_some(registry)
    }

    fn building(&mut self, regions: usize, shared: &[Arc<str>]) -> Option<Building> {
        let id = self.text()?.into();
        let [name, address, contact] = [self.text_or_none()?, self.text_or_none()?, self.text_or_none()?];
        let [lon, lat] = [self.f64()?, self.f64()?];
        let region = self.u32().filter(|region| (*region as usize) < regions)?;
        let line = self.u32()?;
        let mut of_shared = || match self.u32()? {
            NONE => Some(None),
            number => shared.get(number as usize).cloned().map(Some),
        };
        let [town, village, grid] = [of_shared()?, of_shared()?, of_shared()?];
        let premises = *Premises::ALL.get(usize::from(self.u8()?))?;
        let floors = self.integer_or_none()?;
        let [name, address, contact] = [name, address, contact].map(|text| text.map(Into::into));
        Some(Building { id, name, address, lon, lat, region, town, village, grid, premises, floors, contact, line })
    }

    fn device(&mut self, buildings: usize) -> Option<Device<'b>> {
        let id = self.text()?;
        let [address, location] = [self.text_or_none()?, self.text_or_none()?];
        let building = self.u32().filter(|building| (*building as usize) < buildings)?;
        let line = self.u32()?;
        let sensor = *Sensor::ALL.get(usize::from(self.u8()?))?;
        let floor = self.integer_or_none()?;
        Some(Device { id, building, sensor, location, floor, address, line })
    }

    /// So many as are said to follow, and no more than there can be: nobody is to make room for what is not there.
    fn room_for(&self, count: u32) -> usize {
        (count as usize).min(self.0.len() / 8)
    }

    fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn u8(&mut self) -> Option<u8> {
        self.bytes().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Option<u32> {
        self.bytes().map(u32::from_le_bytes)
    }

    fn f64(&mut self) -> Option<f64> {
        self.bytes().map(f64::from_le_bytes).filter(|degrees| degrees.is_finite())
    }

    fn integer_or_none(&mut self) -> Option<Option<i32>> {
        let (is_there, number) = (self.u8()?, i32::from_le_bytes(self.bytes()?));
        Some((is_there == 1).then_some(number))
    }

    fn text(&mut self) -> Option<&'b str> {
        self.text_or_none()?
    }

    fn text_or_none(&mut self) -> Option<Option<&'b str>> {
        let length = self.u32()?;
        if length == NONE {
            return Some(None);
        }
        let (text, rest) = self.0.split_at_checked(length as usize)?;
        self.0 = rest;
        str::from_utf8(text).ok().map(Some)
    }

    fn list<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = self.u32()?;
        (0..count).map(|_| read(self)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CITY: &str = r#"{"type":"device","id":"D1","building":"B1","sensor":"smoke","location":"3F/301","floor":3,"address":"gb:000000000379:1.1:0002000a"}
{"type":"building","id":"B1","name":"红畴三巷七号","address":"洪梅","lon":113.75,"lat":23.02,"region":"洪梅","town":"hongmei","village":"hongchou","grid":"G-07","premises":"rental","floors":6,"contact":"0769"}
{"type":"building","id":"B2","lon":-113.75,"lat":-23.02,"village":"hongchou"}

{"type":"device","id":"D2","building":"B2","floor":-1,"address":"D2"}"#;

    fn city() -> Registry {
        Registry::from_json_lines("city", CITY.as_bytes()).unwrap()
    }

    fn snapshot(registry: &Registry, label: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        registry.write_snapshot(label, &mut bytes).unwrap();
        bytes
    }

    /// All that a registry says, whatever its tables look like.
    fn told(registry: &Registry) -> String {
        let devices: Vec<_> = registry.devices().collect();
        let names = ["D1", "gb:000000000379:1.1:0002000a", "D2", "D3"].map(|name| registry.device_by_name(name));
        let ids = ["B1", "B2", "B3"].map(|id| registry.building_by_id(id));
        format!("{:?} {devices:?} {:?} {names:?} {ids:?}", registry.buildings(), registry.regions())
    }

    #[test]
    fn what_is_written_is_read() {
        for registry in [city(), Registry::default()] {
            let bytes = snapshot(&registry, "made of 火");
            assert_eq!(label_of(&bytes), Some("made of 火"));
            let read = Registry::from_snapshot(&bytes).unwrap();
            assert_eq!(told(&read), told(&registry));
            assert_eq!(snapshot(&read, "made of 火"), bytes);
        }
    }

    /// Another release may read the same JSON otherwise.
    #[test]
    fn another_release_reads_the_json() {
        let mut bytes = snapshot(&city(), "city");
        bytes.truncate(bytes.len() - 4);
        let version = env!("CARGO_PKG_VERSION").as_bytes();
        let at = bytes.windows(version.len()).position(|window| window == version).unwrap();
        bytes[at] ^= 1;
        bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
        assert_eq!(Registry::from_snapshot(&bytes).err(), Some(Unusable));
    }

    /// Any bit that differs is noticed, and any missing or further byte.
    #[test]
    fn damage_is_noticed() {
        let whole = snapshot(&city(), "city");
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Registry::from_snapshot(&bytes).err(), Some(Unusable), "bit {bit}");
        }
        for length in 0..whole.len() {
            assert!(Registry::from_snapshot(&whole[..length]).is_err(), "{length} bytes");
        }
        assert!(Registry::from_snapshot(&[&whole[..], b"\0"].concat()).is_err());
    }

    /// With a right sum over wrong bytes nothing panics, and nobody makes room for what is not there.
    #[test]
    fn what_nobody_wrote_is_refused() {
        let mut whole = snapshot(&city(), "city");
        whole.truncate(whole.len() - 4);
        for at in MAGIC.len()..whole.len() {
            for byte in [0, 0x7F, 0xFF] {
                let mut bytes = whole.clone();
                bytes[at] = byte;
                bytes.extend_from_slice(&crc32fast::hash(&bytes).to_le_bytes());
                if let Ok(registry) = Registry::from_snapshot(&bytes) {
                    told(&registry);
                }
            }
        }
    }
}
