//! Reads a registry from JSON Lines; all that is wrong at once, with file, line and reason.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::ahead::{self, Chunk};
use super::line::{BuildingEntry, DeviceEntry, Entry};
use super::{Building, Device, DeviceIdx, Registry};
use crate::toml_text::Fault;

/// Grows entry by entry into a [`Registry`].
#[derive(Default)]
struct Reader {
    registry: Registry,
    /// The name of each building's region.
    region_names: Vec<Arc<str>>,
    /// Texts that thousands of buildings share: regions, towns, villages, grids.
    shared: HashSet<Arc<str>, foldhash::fast::RandomState>,
    /// Devices that stood before the building which they name.
    ahead: Vec<(DeviceIdx, Box<str>)>,
    /// Lines so far.
    lines: u32,
    faults: Vec<(u32, String)>,
}

impl Registry {
    /// Reads JSON Lines; `file` is their name in messages. Blank lines are passed over, and a byte order mark at the
    /// beginning, which some editors write.
    ///
    /// # Errors
    /// Every fault of the file, in the order of the lines.
    pub fn from_json_lines(file: &str, text: &[u8]) -> Result<Self, Vec<Fault>> {
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        let mut reader = Reader::default();
        ahead::read(text, |chunk| reader.take(chunk, text.len()));
        reader.finish().map_err(|faults| {
            let fault = |(line, reason)| Fault { file: file.to_owned(), line, reason, excerpt: None };
            faults.into_iter().map(|(line, reason)| fault((line as usize, reason))).collect()
        })
    }
}

impl Reader {
    /// Takes the next lines of a text of so many bytes.
    fn take(&mut self, chunk: Chunk<'_>, text_bytes: usize) {
        for (number, entry) in chunk.entries {
            let number = self.lines + number + 1;
            let added = entry.and_then(|entry| match entry {
                Entry::Building(building) => self.add_building(number, &building),
                Entry::Device(device) => self.add_device(number, &device),
            });
            if let Err(reason) = added {
                self.faults.push((number, reason));
            }
        }
        if self.lines == 0 {
            // The rest will be much as the beginning; growing would look at every name again, each time.
            self.registry.devices.expect(text_bytes / chunk.bytes.max(1));
        }
        self.lines += chunk.lines;
    }

    fn add_building(&mut self, number: u32, entry: &BuildingEntry<'_>) -> Result<(), String> {
        let id: &str = &entry.id;
        if let Some(first) = self.registry.building_by_id(id) {
            let first = self.registry.building(first).line;
            return Err(format!("building id {id:?} stands twice, first in line {first}"));
        }
        let region = self.share(entry.region.get().unwrap_or("default"));
        self.region_names.push(region);
        let [town, village, grid] =
            [&entry.town, &entry.village, &entry.grid].map(|text| text.get().map(|text| self.share(text)));
        let building = Building {
            id: id.into(),
            name: entry.name.boxed(),
            address: entry.address.boxed(),
            lon: entry.lon,
            lat: entry.lat,
            region: 0,
            town,
            village,
            grid,
            premises: entry.premises,
            floors: entry.floors,
            contact: entry.contact.boxed(),
            line: number,
        };
        self.registry.add_building(building).ok_or_else(|| "too many buildings".to_owned())
    }

    fn add_device(&mut self, number: u32, entry: &DeviceEntry<'_>) -> Result<(), String> {
        let (id, address): (&str, _) = (&entry.id, entry.address.get());
        let devices = &mut self.registry.devices;
        // A signal may name either, so that one device's id as another's address would be two houses under one name.
        for (what, name) in [("id", Some(id)), ("address", address)] {
            let Some((first, is_address)) = name.and_then(|name| devices.named(name)) else { continue };
            let line = devices.get(first).line;
            let otherwise = match (what, is_address) {
                ("id", true) => " as the address",
                ("address", false) => " as the id",
                _ => "",
            };
            let name = name.unwrap_or_default();
            return Err(format!("device {what} {name:?} stands twice, first{otherwise} in line {line}"));
        }
        let known = self.registry.building_by_id(&entry.building);
        let device = Device {
            id,
            building: known.unwrap_or_default(),
            sensor: entry.sensor,
            location: entry.location.get(),
            floor: entry.floor,
            address,
            line: number,
        };
        let added = self.registry.devices.add(&device).ok_or("too many devices")?;
        if known.is_none() {
            self.ahead.push((added, entry.building.as_ref().into()));
        }
        Ok(())
    }

    /// The one copy of a text that many share.
    fn share(&mut self, text: &str) -> Arc<str> {
        if let Some(shared) = self.shared.get(text) {
            return Arc::clone(shared);
        }
        let shared: Arc<str> = text.into();
        self.shared.insert(Arc::clone(&shared));
        shared
    }

    fn finish(mut self) -> Result<Registry, Vec<(u32, String)>> {
        let mut names = self.region_names.clone();
        names.sort_unstable();
        names.dedup();
        let numbers: BTreeMap<&str, u32> = names.iter().map(AsRef::as_ref).zip(0..).collect();
        for (building, name) in self.registry.buildings.iter_mut().zip(&self.region_names) {
            building.region = numbers[name.as_ref()];
        }
        self.registry.regions = names;
        for (device, building_id) in self.ahead {
            match self.registry.building_by_id(&building_id) {
                Some(building) => self.registry.devices.set_building(device, building),
                None => {
                    let Device { id, line, .. } = self.registry.devices.get(device);
                    self.faults.push((line, format!("device {id:?}: building {building_id:?} is not registered")));
                }
            }
        }
        self.registry.devices.settle();
        self.registry.buildings.shrink_to_fit();
        self.faults.sort_by_key(|(line, _)| *line);
        if self.faults.is_empty() { Ok(self.registry) } else { Err(self.faults) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::Signal;
    use crate::words::Kind;

    fn read(text: &str) -> Result<Registry, Vec<String>> {
        Registry::from_json_lines("city.jsonl", text.as_bytes())
            .map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn everything_wrong_is_said_at_once_with_file_and_line() {
        let faults = read(
            r#"{"type":"building","id":"B1","lon":113.75,"lat":23.02}
{"type":"building","id":"B1","lon":113.75,"lat":23.02}
{"type":"building","id":"B2","lon":23.02,"lat":113.75}
{"type":"building","id":"B3","lon":113.75}

{"type":"device","id":"D1","building":"B9"}
{"type":"device","id":"D2","building":"B1","address":"a"}
{"type":"device","id":"D3","building":"B1","address":"a"}
{"type":"device","id":"D2","building":"B1"}
{"type":"devise","id":"D4"}
{"type":"building","id":"B4","lon":1,"lat":2,"premises":"rentel","datum":"wgs84"}
{"type":"building","id":"B5","lon":1,"lat":2,"datum":"gcj2"}
nonsense
{"type":"device","id":"a","building":"B1"}
{"type":"device","id":"D5","building":"B1","address":"D2"}
{"type":"building","id":"","lon":1,"lat":2}
{"type":"device","id":"","building":"B1"}
{"type":"device","building":"B1"}"#,
        )
        .unwrap_err();
        let expected = [
            "city.jsonl:2: building id \"B1\" stands twice, first in line 1",
            "city.jsonl:3: `lon` 23.02 or `lat` 113.75 is out of range (degrees; are they exchanged?)",
            "city.jsonl:4: a building needs `lon` and `lat` in degrees",
            "city.jsonl:6: device \"D1\": building \"B9\" is not registered",
            "city.jsonl:8: device address \"a\" stands twice, first in line 7",
            "city.jsonl:9: device id \"D2\" stands twice, first in line 7",
            "city.jsonl:10: unknown type \"devise\"; did you mean `device`?",
            "city.jsonl:11: unknown premises \"rentel\"; did you mean `rental`?",
            "city.jsonl:12: unknown datum \"gcj2\"; did you mean `gcj02`?",
            "city.jsonl:13: not a registry object: expected ident at column 2",
            "city.jsonl:14: device id \"a\" stands twice, first as the address in line 7",
            "city.jsonl:15: device address \"D2\" stands twice, first as the id in line 7",
            "city.jsonl:16: a building needs `id`, and not an empty one",
            "city.jsonl:17: a device needs `id`, and not an empty one",
            "city.jsonl:18: a device needs `id`, and not an empty one",
        ];
        assert_eq!(faults, expected);
    }

    #[test]
    fn names_have_a_longest_length() {
        for (longer, is_fault) in [(0, false), (1, true)] {
            let name = "n".repeat(65_534 + longer);
            let lines = ["id", "address", "location"].map(|field| {
                let id = if field == "id" { String::new() } else { format!("\"id\":\"{field}\",") };
                format!(
                    "{{\"type\":\"device\",{id}\"building\":\"B1\",\"{field}\":\"{field}{}\"}}",
                    &name[field.len()..]
                )
            });
            let text = format!("{}\n{{\"type\":\"building\",\"id\":\"B1\",\"lon\":1,\"lat\":2}}", lines.join("\n"));
            match read(&text) {
                Ok(registry) => {
                    let known = registry.device_by_name(&format!("address{}", &name[7..]));
                    assert_eq!((known, is_fault), (Some(1), false));
                    assert_eq!(registry.device(2).location.map(str::len), Some(name.len()));
                }
                Err(faults) => assert!(is_fault && faults.len() == 3, "{faults:?}"),
            }
        }
    }

    #[test]
    fn a_byte_order_mark_at_the_beginning_is_passed_over() {
        let line = r#"{"type":"building","id":"B1","lon":113.75,"lat":23.02}"#;
        assert_eq!(read(&format!("\u{feff}{line}")).unwrap().buildings().len(), 1);
        assert!(read(&format!("\u{feff}\u{feff}{line}")).is_err());
        assert!(read(&format!("{line}\n\u{feff}{line}")).unwrap_err()[0].starts_with("city.jsonl:2: not a registry"));
    }

    #[test]
    fn devices_may_stand_before_their_building_and_neighbours_stay_in_their_region() {
        let registry = read(
            r#"{"type":"device","id":"D1","building":"B1","location":"301"}
{"type":"building","id":"B1","lon":113.75,"lat":23.02,"region":"r"}
{"type":"building","id":"B2","lon":113.751,"lat":23.02,"region":"r"}
{"type":"building","id":"B3","lon":113.7505,"lat":23.02,"region":"a"}
{"type":"building","id":"B4","lon":113.76,"lat":23.02,"region":"r"}"#,
        )
        .unwrap();
        let near: Vec<u32> = registry.neighbours(0, 150.0).into_iter().map(|(building, _)| building).collect();
        assert_eq!(near, [0, 1]);
        let exactly = registry.distance_m(0, 1);
        assert_eq!(registry.neighbours(0, exactly).len(), 2);
        assert_eq!(registry.neighbours(0, exactly - 1e-6).len(), 1);
        assert_eq!(registry.regions().iter().map(AsRef::as_ref).collect::<Vec<&str>>(), ["a", "r"]);
        assert_eq!(registry.region_of(0).as_ref(), "r");
    }

    #[test]
    fn a_signal_is_placed_by_registry_panel_or_its_own_word() {
        let registry = read(
            r#"{"type":"building","id":"B1","lon":0,"lat":1}
{"type":"building","id":"B2","lon":0,"lat":2}
{"type":"device","id":"D1","building":"B1","location":"301","address":"gb:1:1.1"}
{"type":"device","id":"D2","building":"B1"}
{"type":"device","id":"P","building":"B2","address":"gb:1"}"#,
        )
        .unwrap();
        let place = |device: &str, kind: Kind, building: Option<&str>, location: Option<&str>| {
            let mut signal = Signal::new(device, kind);
            signal.building = building.map(str::to_owned);
            signal.location = location.map(str::to_owned);
            let known = registry.device_by_name(device);
            registry.place(&signal, known).map(|p| (p.building, p.location.into_owned(), p.unregistered))
        };
        let at = |building, location: &str, unregistered| Some((building, location.to_owned(), unregistered));
        for (device, kind, building, location, expected) in [
            ("D1", Kind::Fire, Some("B2"), Some("x"), at(0, "301", false)),
            ("gb:1:1.1", Kind::Fire, None, None, at(0, "301", false)),
            ("D2", Kind::Fire, None, None, at(0, "D2", false)),
            ("D2", Kind::Fire, None, Some("x"), at(0, "x", false)),
            ("gb:1:1.1:7", Kind::Fire, Some("B2"), None, at(0, "gb:1:1.1:7", true)),
            ("gb:1:2.1:7", Kind::Fire, None, Some("x"), at(1, "x", true)),
            ("gb:10", Kind::Fire, None, None, None),
            ("X", Kind::Fire, Some("B2"), None, at(1, "X", true)),
            ("X", Kind::Fire, Some("B9"), None, None),
            ("D1", Kind::Confirm, Some("B2"), None, at(1, "D1", false)),
            ("gb:1:1.1", Kind::Confirm, Some("B2"), None, at(1, "D1", false)),
            ("D1", Kind::Clear, Some("B9"), None, None),
            ("D1", Kind::Clear, None, None, at(0, "301", false)),
            ("X", Kind::Confirm, Some("B1"), Some("hall"), at(0, "hall", false)),
        ] {
            assert_eq!(place(device, kind, building, location), expected, "{device} {kind} {building:?}");
        }
    }
}
