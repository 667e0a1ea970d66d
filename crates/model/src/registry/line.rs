//! A line of a registry: as it is written, and as what it means by itself.
//!
//! Millions of lines are read at every start, side by side: whatever needs no other line is settled here. Nearly all
//! are plain JSON and read in one pass; the rest goes to the full parser, and a property test holds both to the same.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer};

use super::devices::LONGEST_NAME;
use super::{bd09_to_wgs84, gcj02_to_wgs84};
use crate::plain_json::{Plain, Scan};
use crate::toml_text::did_you_mean;
use crate::words::{Premises, Sensor};

/// One line as it is written; building and device share the names of their fields.
#[derive(Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
struct Line<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    address: Text<'a>,
    lon: Option<f64>,
    lat: Option<f64>,
    #[serde(borrow)]
    datum: Text<'a>,
    #[serde(borrow)]
    region: Text<'a>,
    #[serde(borrow)]
    town: Text<'a>,
    #[serde(borrow)]
    village: Text<'a>,
    #[serde(borrow)]
    grid: Text<'a>,
    #[serde(borrow)]
    premises: Text<'a>,
    floors: Option<i32>,
    #[serde(borrow)]
    contact: Text<'a>,
    #[serde(borrow)]
    building: Text<'a>,
    #[serde(borrow)]
    sensor: Text<'a>,
    #[serde(borrow)]
    location: Text<'a>,
    floor: Option<i32>,
}

/// A text that may be missing; borrowed from its line where it holds no escape.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Text<'a>(Option<Cow<'a, str>>);

impl Text<'_> {
    pub(super) fn get(&self) -> Option<&str> {
        self.0.as_deref()
    }

    pub(super) fn boxed(&self) -> Option<Box<str>> {
        self.get().map(Into::into)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);
        let text: Option<Borrowed<'a>> = Option::deserialize(deserializer)?;
        Ok(Self(text.map(|Borrowed(text)| text)))
    }
}

/// What a line says.
pub(super) enum Entry<'a> {
    Building(Box<BuildingEntry<'a>>),
    Device(DeviceEntry<'a>),
}

/// A building, before it is known whether its id is its own.
pub(super) struct BuildingEntry<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) name: Text<'a>,
    pub(super) address: Text<'a>,
    /// WGS 84.
    pub(super) lon: f64,
    pub(super) lat: f64,
    pub(super) region: Text<'a>,
    pub(super) town: Text<'a>,
    pub(super) village: Text<'a>,
    pub(super) grid: Text<'a>,
    pub(super) premises: Premises,
    pub(super) floors: Option<i32>,
    pub(super) contact: Text<'a>,
}

/// A device, before it is known whether its names are its own, and its building there.
pub(super) struct DeviceEntry<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) building: Cow<'a, str>,
    pub(super) sensor: Sensor,
    pub(super) location: Text<'a>,
    pub(super) floor: Option<i32>,
    pub(super) address: Text<'a>,
}

/// Reads a line that is not blank.
///
/// # Errors
/// Why it is no entry.
pub(super) fn read(line: &[u8]) -> Result<Entry<'_>, String> {
    let line = Line::plain(line).map_or_else(|| Line::any(line), Ok)?;
    match line.kind.get() {
        Some("building") => line.building().map(Box::new).map(Entry::Building),
        Some("device") => line.device().map(Entry::Device),
        Some(other) => Err(format!("unknown type {other:?}{}", did_you_mean(other, &["building", "device"]))),
        None => Err("`type` is missing: building or device".to_owned()),
    }
}

impl<'a> Line<'a> {
    /// Whatever is JSON.
    fn any(line: &'a [u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| {
            format!("not a registry object: {}", error.to_string().replace(" at line 1 column", " at column"))
        })
    }

    /// A plain line without faults; nothing of any other.
    fn plain(line: &'a [u8]) -> Option<Self> {
        let mut scan = Scan::new(line)?;
        let mut fields = Line::default();
        // A field that stands twice is a fault, and the full parser says so.
        let mut seen = 0_u32;
        scan.object(|scan, key| {
            let bit = fields.take(key, scan.value()?)?;
            let is_new = seen & bit == 0;
            seen |= bit;
            is_new.then_some(())
        })?;
        scan.end()?;
        Some(fields)
    }

    /// Takes the value of a key; a bit for each, none for what nobody asks for; nothing if the value is no such one.
    #[inline]
    fn take(&mut self, key: &str, value: Plain<'a>) -> Option<u32> {
        let (text, bit) = match key.as_bytes() {
            b"type" => (&mut self.kind, 0),
            b"id" => (&mut self.id, 1),
            b"name" => (&mut self.name, 2),
            b"address" => (&mut self.address, 3),
            b"datum" => (&mut self.datum, 4),
            b"region" => (&mut self.region, 5),
            b"town" => (&mut self.town, 6),
            b"village" => (&mut self.village, 7),
            b"grid" => (&mut self.grid, 8),
            b"premises" => (&mut self.premises, 9),
            b"contact" => (&mut self.contact, 10),
            b"building" => (&mut self.building, 11),
            b"sensor" => (&mut self.sensor, 12),
            b"location" => (&mut self.location, 13),
            b"lon" => return degrees(value).map(|lon| (self.lon = lon, 1 << 14).1),
            b"lat" => return degrees(value).map(|lat| (self.lat = lat, 1 << 15).1),
            b"floors" => return whole(value).map(|floors| (self.floors = floors, 1 << 16).1),
            b"floor" => return whole(value).map(|floor| (self.floor = floor, 1 << 17).1),
            _ => return Some(0),
        };
        text.0 = value.text_or_null()?.map(Cow::Borrowed);
        Some(1 << bit)
    }

    fn building(self) -> Result<BuildingEntry<'a>, String> {
        let id = self.id.0.filter(|id| !id.is_empty()).ok_or("a building needs `id`, and not an empty one")?;
        let (lon, lat) = self.lon.zip(self.lat).ok_or("a building needs `lon` and `lat` in degrees")?;
        if !(-180.0..=180.0).contains(&lon) || !(-90.0..=90.0).contains(&lat) {
            return Err(format!("`lon` {lon} or `lat` {lat} is out of range (degrees; are they exchanged?)"));
        }
        let (lon, lat) = match self.datum.get() {
            None | Some("wgs84") => (lon, lat),
            Some("gcj02") => gcj02_to_wgs84((lon, lat)),
            Some("bd09") => bd09_to_wgs84((lon, lat)),
            Some(other) => {
                return Err(format!("unknown datum {other:?}{}", did_you_mean(other, &["wgs84", "gcj02", "bd09"])));
            }
        };
        let premises = match self.premises.get() {
            None => Premises::Other,
            Some(word) => Premises::from_word(word).ok_or_else(|| {
                let words: Vec<_> = Premises::ALL.iter().map(|premises| premises.word()).collect();
                format!("unknown premises {word:?}{}", did_you_mean(word, &words))
            })?,
        };
        let Self { name, address, region, town, village, grid, floors, contact, .. } = self;
        Ok(BuildingEntry { id, name, address, lon, lat, region, town, village, grid, premises, floors, contact })
    }

    fn device(self) -> Result<DeviceEntry<'a>, String> {
        let id = self.id.0.filter(|id| !id.is_empty()).ok_or("a device needs `id`, and not an empty one")?;
        let building = self.building.0.ok_or("a device needs `building`")?;
        let sensor = match self.sensor.get() {
            None => Sensor::Unknown,
            Some(word) => Sensor::from_word(word).ok_or_else(|| {
                let words: Vec<_> = Sensor::ALL.iter().map(|sensor| sensor.word()).collect();
                format!("unknown sensor {word:?}{}", did_you_mean(word, &words))
            })?,
        };
        let Self { location, floor, address, .. } = self;
        if [Some(&*id), location.get(), address.get()].into_iter().flatten().any(|name| name.len() > LONGEST_NAME) {
            return Err(format!("`id`, `address` or `location` is longer than {LONGEST_NAME} bytes"));
        }
        Ok(DeviceEntry { id, building, sensor, location, floor, address })
    }
}

fn degrees(value: Plain<'_>) -> Option<Option<f64>> {
    match value {
        Plain::Integer(number) => Some(Some(number as f64)),
        Plain::Fraction(number) => Some(Some(number)),
        Plain::Null => Some(None),
        _ => None,
    }
}

fn whole(value: Plain<'_>) -> Option<Option<i32>> {
    match value.integer_or_null()? {
        Some(number) => i32::try_from(number).ok().map(Some),
        None => Some(None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;

    fn line() -> impl Strategy<Value = String> {
        let names = vec![
            "type", "id", "name", "address", "lon", "lat", "datum", "region", "town", "village", "grid", "premises",
            "floors", "contact", "building", "sensor", "location", "floor", "else",
        ];
        let value = prop_oneof![
            6 => "\"[a-z0-9:/火]{0,6}\"",
            4 => "-?[0-9]{1,3}[.][0-9]{1,6}",
            3 => "-?[0-9]{1,4}",
            1 => prop::sample::select(vec!["null", "true", "[]", "{}", "\"\\n\"", "9999999999", "1e2", "-0", "01", "1.5"])
                .prop_map(str::to_owned),
        ];
        let field = (prop::sample::select(names), value).prop_map(|(name, value)| format!("\"{name}\": {value}"));
        prop::collection::vec(field, 0..5).prop_map(|fields| format!("{{{}}}", fields.join(",")))
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 30_000, rng_seed: RngSeed::Fixed(5), failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn what_it_reads_the_full_parser_reads_too(
            line in line(),
            at in any::<prop::sample::Index>(),
            byte in any::<u8>(),
        ) {
            let mut bytes = line.into_bytes();
            for _ in 0..2 {
                if let Some(plain) = Line::plain(&bytes) {
                    prop_assert_eq!(Ok(plain), Line::any(&bytes));
                }
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
    }

    #[test]
    fn what_registries_hold_is_plain_and_what_stands_twice_is_a_fault() {
        for (line, is_plain) in [
            (r#"{"type":"building","id":"B1","name":"兴隆楼","lon":113.75,"lat":23,"floors":6,"contact":null}"#, true),
            (r#"{"type":"device","id":"D1","building":"B1","sensor":"smoke","floor":-1,"new":true}"#, true),
            (r#"{"type":"device","id":"D1","id":"D1"}"#, false),
            (r#"{"lon":null,"lon":1}"#, false),
            (r#"{"floor":1.0}"#, false),
        ] {
            assert_eq!(Line::plain(line.as_bytes()).is_some(), is_plain, "{line}");
            assert_eq!(Line::any(line.as_bytes()).is_ok(), is_plain, "{line}");
        }
    }
}
