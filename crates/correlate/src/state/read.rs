//! The way back: regions from their records, whatever the order in which these come.

use std::collections::HashMap;

use fenghuo_model::registry::BuildingIdx;
use fenghuo_model::{Kind as SignalKind, Sensor};
use serde::de::DeserializeOwned;

use super::envelope::{self, Unreadable};
use super::key::{self, Kind};
use super::records::{
    AcceptedRecord, BuildingRecord, DeviceRecord, IdentityRecord, IncidentRecord, Name, PieceRecord, RegionRecord,
    SeriesRecord,
};
use super::{StateError, Written};
use crate::Correlator;
use crate::devices::{Isolation, Statements};
use crate::duplicates::{Duplicates, Identity, Statement};
use crate::evidence::{DeviceKey, Piece, Voice};
use crate::incident::{Confirmation, DueTimes, Incident, IncidentId, Member};
use crate::incidents::Slot;
use crate::region::Region;
use crate::window::{Pieces, Series, Window};

/// A record with its key, for what is said when it cannot be read.
#[derive(Clone, Copy)]
struct Stored<'r> {
    key: &'r [u8],
    value: &'r [u8],
}

impl Stored<'_> {
    fn read<T: DeserializeOwned>(self) -> Result<T, StateError> {
        envelope::read(self.value).map_err(|unreadable| match unreadable {
            Unreadable::Newer(found) => StateError::Newer { key: self.name(), found },
            Unreadable::Damaged(reason) => StateError::Damaged { key: self.name(), reason },
        })
    }

    fn name(self) -> String {
        String::from_utf8_lossy(self.key).into_owned()
    }

    fn damaged(self, reason: impl Into<String>) -> StateError {
        StateError::Damaged { key: self.name(), reason: reason.into() }
    }
}

/// The record of a value; the key is for what is said when it cannot be read.
pub(super) fn record<T: DeserializeOwned>(key: &[u8], value: &[u8]) -> Result<T, StateError> {
    Stored { key, value }.read()
}

/// A region's records, as they are put back: the header first, incidents before the buildings that joined them.
#[derive(Default)]
struct OfRegion<'r> {
    header: Option<Stored<'r>>,
    buildings: Vec<(&'r str, Stored<'r>)>,
    devices: Vec<(&'r str, Stored<'r>)>,
    accepted: Vec<(u64, Stored<'r>)>,
    unplaced: Vec<(&'r str, Stored<'r>)>,
}

/// Puts all records back into a correlator that has heard nothing yet.
pub(super) fn all<'r>(
    correlator: &mut Correlator,
    records: impl IntoIterator<Item = (&'r [u8], &'r [u8])>,
) -> Result<(), StateError> {
    let mut regions: HashMap<&str, OfRegion<'_>> = HashMap::new();
    for (key, value) in records {
        let stored = Stored { key, value };
        if key == key::COUNTERS.as_bytes() {
            correlator.counters = stored.read()?;
            correlator.counters_written = Some(Some(correlator.counters.clone()));
            continue;
        }
        let (kind, region, rest) = key::parse(key).ok_or_else(|| stored.damaged("its key is none of ours"))?;
        let of_region = regions.entry(region).or_default();
        match kind {
            Kind::Region => of_region.header = Some(stored),
            Kind::Building => of_region.buildings.push((rest, stored)),
            Kind::Device => of_region.devices.push((rest, stored)),
            Kind::Unplaced => of_region.unplaced.push((rest, stored)),
            Kind::Accepted => {
                let number = rest.parse().map_err(|_| stored.damaged("its key has no number"))?;
                of_region.accepted.push((number, stored));
            }
        }
    }
    for (name, of_region) in regions {
        match correlator.regions.binary_search_by(|(other, _)| other.as_ref().cmp(name)) {
            Ok(found) => correlator.regions[found].1.put_back(of_region)?,
            // A region without buildings left: nothing of it can matter any more, unless one of them burns.
            Err(_) => match of_region.buildings.first() {
                Some((building, _)) => return Err(elsewhere(correlator, name, building)),
                None => continue,
            },
        }
    }
    Ok(())
}

/// A building burns in a region that is not there any more.
fn elsewhere(correlator: &Correlator, before: &str, building: &str) -> StateError {
    let registry = &correlator.registry;
    match registry.building_by_id(building).map(|found| registry.region_of(found).to_string()) {
        Some(now) => StateError::MovedBuilding { building: building.to_owned(), before: before.to_owned(), now },
        None => StateError::UnknownBuilding { building: building.to_owned() },
    }
}

impl Region {
    fn put_back(&mut self, mut of_region: OfRegion<'_>) -> Result<(), StateError> {
        let header: Option<RegionRecord> = of_region.header.map(Stored::read).transpose()?;
        let mut written = Written { header, ..Written::default() };
        if let Some(header) = header {
            self.clock_ms = header.clock_ms;
            self.arrivals = header.arrivals;
            self.devices.set_sweep_at(usize::try_from(header.sweep_devices_at).unwrap_or(usize::MAX));
        }
        for (rest, stored) in of_region.devices {
            let device = self.device_of_rest(rest).ok_or_else(|| stored.damaged("its key names no device"))?;
            let DeviceRecord { restores_ms, isolations } = stored.read()?;
            let isolations = isolations.into_iter().map(|(at_ms, until_ms)| Isolation { at_ms, until_ms }).collect();
            self.devices.put_back(device, Statements { restores_ms, isolations });
        }
        // What their devices restored is known by now.
        self.put_back_buildings(of_region.buildings)?;
        for (rest, stored) in of_region.unplaced {
            let device = self.device_of_rest(rest).ok_or_else(|| stored.damaged("its key names no device"))?;
            let last_ms: i64 = stored.read()?;
            let held_ms = self.unplaced.entry(device).or_insert(last_ms);
            *held_ms = last_ms.max(*held_ms);
        }
        of_region.accepted.sort_unstable_by_key(|(number, _)| *number);
        let first = header.map_or(0, |header| header.first_accepted);
        self.duplicates = Duplicates::starting_at(first);
        written.accepted_to = first;
        for (number, stored) in of_region.accepted {
            let records: Vec<AcceptedRecord<'static>> = stored.read()?;
            written.chunks.push_back(number);
            for (at, record) in (number..).zip(records) {
                written.accepted_to = written.accepted_to.max(at + 1);
                if at >= first {
                    let (accepted_ms, statement) = self.statement(record, stored)?;
                    self.duplicates.put_back(accepted_ms, &statement);
                }
            }
        }
        self.written = Some(written);
        // Putting back touches everything; all of it is written.
        self.incidents.touched();
        self.devices.touched();
        Ok(())
    }

    fn put_back_buildings(&mut self, buildings: Vec<(&str, Stored<'_>)>) -> Result<(), StateError> {
        let mut joined = Vec::new();
        let mut slots: HashMap<BuildingIdx, Slot> = HashMap::new();
        for (id, stored) in buildings {
            let mut record: BuildingRecord<'static> = stored.read()?;
            let building = self.building(id)?;
            let incident = record.incident.take();
            let place = self.building(&record.place)?;
            let member = self.member(building, record, stored)?;
            match incident {
                Some(incident) => {
                    slots.insert(building, self.open_again(building, member, incident));
                }
                None => joined.push((place, member, stored)),
            }
        }
        for (place, member, stored) in joined {
            let slot = slots.get(&place).ok_or_else(|| stored.damaged("no incident is at the place that it names"))?;
            self.incidents.join(*slot, member);
        }
        self.incidents.tell_neighbourhoods(|device| self.devices.has_restored(device));
        Ok(())
    }

    fn open_again(&mut self, place: BuildingIdx, member: Member, record: IncidentRecord<'_>) -> Slot {
        let confirmation = record.confirmation.map(|confirmation| Confirmation {
            rule: confirmation.rule.into(),
            satisfied_ms: confirmation.satisfied_ms,
            clock_ms: confirmation.clock_ms,
        });
        let mut incident = Incident::empty(IncidentId(record.id), place, record.opened, record.last_arrival_ms);
        incident.revision = record.revision;
        incident.duplicates = record.duplicates;
        incident.confirmation = confirmation;
        incident.verified = record.verified;
        incident.acknowledged = record.acknowledged;
        incident.last_news_ms = record.last_news_ms;
        incident.join(member, &self.registry);
        let slot = self.incidents.open(incident);
        self.incidents.schedule(slot, |due| {
            *due = DueTimes {
                close_ms: record.close_ms,
                verify_ms: record.verify_ms,
                escalate_ms: record.escalate_ms,
                update_ms: record.update_ms,
            };
        });
        slot
    }

    fn member(
        &self,
        building: BuildingIdx,
        record: BuildingRecord<'_>,
        stored: Stored<'_>,
    ) -> Result<Member, StateError> {
        let mut all: Vec<Series> = Vec::with_capacity(record.series.len());
        for record in record.series {
            let mut series = self.series(building, record, stored)?;
            // Two names of which a registry has made one device.
            match all.iter_mut().find(|other| other.voice == series.voice) {
                Some(other) => {
                    other.pieces.append(&mut series.pieces);
                    other.pieces.sort_by_key(|piece| (piece.at_ms, piece.arrival));
                }
                None => all.push(series),
            }
        }
        let window = Window::of(all, &self.registry);
        Ok(Member { building, joined_ms: record.joined_ms, confirmed: record.confirmed, window })
    }

    fn series(
        &self,
        building: BuildingIdx,
        record: SeriesRecord<'_>,
        stored: Stored<'_>,
    ) -> Result<Series, StateError> {
        let sensor = Sensor::from_word(&record.sensor).ok_or_else(|| stored.damaged("an unknown sensor"))?;
        let kind = SignalKind::from_word(&record.kind).ok_or_else(|| stored.damaged("an unknown kind"))?;
        let voice = Voice {
            device: self.device(record.device),
            building,
            location: record.location.into(),
            sensor,
            kind,
            isolated: record.isolated,
            unregistered: record.unregistered,
        };
        let piece = |piece: PieceRecord<'_>| Piece {
            at_ms: piece.at_ms,
            received_at_ms: piece.received_at_ms,
            arrival: piece.arrival,
            time_is_receipt: piece.time_is_receipt,
            source: piece.source.map(Into::into),
            counted: piece.counted,
            repeats: usize::try_from(piece.repeats).unwrap_or(usize::MAX),
        };
        let pieces: Pieces = record.pieces.into_iter().map(piece).collect();
        if pieces.is_empty() {
            return Err(stored.damaged("a voice without evidence"));
        }
        Ok(Series { voice, pieces })
    }

    fn statement(&self, record: AcceptedRecord<'_>, stored: Stored<'_>) -> Result<(i64, Statement), StateError> {
        let kind = SignalKind::from_word(&record.kind).ok_or_else(|| stored.damaged("an unknown kind"))?;
        let statement = Statement {
            device: self.device(record.device),
            kind,
            test: record.test,
            building: record.building.map(|building| building.into_owned().into_boxed_str()),
            location: record.location.map(|location| location.into_owned().into_boxed_str()),
            identity: match record.identity {
                IdentityRecord::Id(id) => Identity::Id(id.into_owned().into_boxed_str()),
                IdentityRecord::EventTime(at_ms) => Identity::EventTime(at_ms),
            },
        };
        Ok((record.accepted_ms, statement))
    }

    /// A registered device keeps its id; one that is not registered any more is known by it all the same.
    fn device(&self, name: Name<'_>) -> DeviceKey {
        let (Name::Registered(text) | Name::Stranger(text)) = name;
        match self.registry.device_by_name(&text) {
            Some(device) => DeviceKey::Registered(device),
            None => DeviceKey::Stranger(text.into()),
        }
    }

    fn device_of_rest(&self, rest: &str) -> Option<DeviceKey> {
        let name = rest.strip_prefix("r/").or_else(|| rest.strip_prefix("s/"))?;
        Some(self.device(Name::Stranger(name.into())))
    }

    fn building(&self, id: &str) -> Result<BuildingIdx, StateError> {
        let unknown = || StateError::UnknownBuilding { building: id.to_owned() };
        let building = self.registry.building_by_id(id).ok_or_else(unknown)?;
        let now = self.registry.region_of(building);
        if *now == self.name {
            return Ok(building);
        }
        let (before, now) = (self.name.to_string(), now.to_string());
        Err(StateError::MovedBuilding { building: id.to_owned(), before, now })
    }
}
