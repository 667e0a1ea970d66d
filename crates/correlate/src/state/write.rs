//! The way there: which of a region's records are other ones now, and what stands in them.

use std::collections::{HashSet, VecDeque};

use fenghuo_model::registry::{BuildingIdx, Registry};
use serde::Serialize;

use super::key::{Kind, rest_of};
use super::records::{
    AcceptedRecord, BuildingRecord, ConfirmationRecord, DeviceRecord, Each, IdentityRecord, IncidentRecord, Name,
    PieceRecord, RegionRecord, SeriesRecord, Text,
};
use super::{StateChange, envelope};
use crate::devices::Statements;
use crate::duplicates::{Identity, Statement};
use crate::evidence::DeviceKey;
use crate::incident::{Incident, Member};
use crate::region::Region;
use crate::window::Series;

/// Accepted signals of one record at most: a few hundred bytes each, and brokers usually take a record of 1 MiB.
const MOST_IN_A_RECORD: usize = 1_000;

/// What a voice that spoke once or twice takes in its building's record, bytes.
const OF_A_SERIES: usize = 256;

/// What most devices take, bytes: a restore or two.
const OF_A_DEVICE: usize = 48;

/// What of a region's state was written already.
#[derive(Debug, Default)]
pub(crate) struct Written {
    pub(super) header: Option<RegionRecord>,
    /// The numbers with which the records of accepted signals begin.
    pub(super) chunks: VecDeque<u64>,
    /// The number after the last accepted signal that was written.
    pub(super) accepted_to: u64,
    /// Devices whose unplaced fire was decided on, or forgotten, since.
    pub(crate) unplaced: HashSet<DeviceKey, foldhash::fast::RandomState>,
}

impl Region {
    /// From now on notes what changes.
    pub(crate) fn keep_changes(&mut self) {
        self.written.get_or_insert_default();
        self.incidents.keep_touched();
        self.devices.keep_touched();
    }

    /// Appends what changed since the last time.
    pub(super) fn changes(&mut self, out: &mut Vec<StateChange>) {
        let Some(mut written) = self.written.take() else { return };
        let header = self.header();
        if written.header != Some(header) && header.clock_ms.is_some() {
            written.header = Some(header);
            let key = Kind::Region.key(&self.name, "");
            out.push(StateChange { key, value: Some(envelope::write(&header)) });
        }
        self.building_changes(out);
        self.device_changes(out);
        self.accepted_changes(&mut written, out);
        self.unplaced_changes(&mut written, out);
        self.written = Some(written);
    }

    fn header(&self) -> RegionRecord {
        RegionRecord {
            clock_ms: self.clock_ms,
            arrivals: self.arrivals,
            first_accepted: self.duplicates.first_number(),
            sweep_devices_at: self.devices.sweep_at() as u64,
        }
    }

    fn building_changes(&mut self, out: &mut Vec<StateChange>) {
        for building in self.incidents.touched() {
            let key = Kind::Building.key(&self.name, &self.registry.building(building).id);
            let value = self.incidents.lit(building).map(|lit| {
                let incident = self.incidents.get(self.incidents.of_lit(lit));
                let member = self.incidents.member(lit);
                let about = envelope::USUAL_BYTES + member.window.series().len() * OF_A_SERIES;
                let record = building_record(incident, member, &self.registry);
                envelope::write_as(envelope::OF_CORRELATOR, &record, about)
            });
            out.push(StateChange { key, value });
        }
    }

    fn device_changes(&mut self, out: &mut Vec<StateChange>) {
        let mut touched = self.devices.touched();
        touched.sort_unstable();
        for device in touched {
            let record = |statements: &Statements| DeviceRecord {
                restores_ms: statements.restores_ms.clone(),
                isolations: statements
                    .isolations
                    .iter()
                    .map(|isolation| (isolation.at_ms, isolation.until_ms))
                    .collect(),
            };
            let write = |statements| envelope::write_as(envelope::OF_CORRELATOR, &record(statements), OF_A_DEVICE);
            let value = self.devices.get(&device).map(write);
            let key = Kind::Device.key(&self.name, &rest_of(&device, &self.registry));
            out.push(StateChange { key, value });
        }
    }

    /// The signals accepted since the last time are one record; one whose signals are all forgotten is gone.
    fn accepted_changes(&self, written: &mut Written, out: &mut Vec<StateChange>) {
        let key = |number: u64| Kind::Accepted.key(&self.name, &number.to_string());
        let first = self.duplicates.first_number();
        while let Some(number) = written.chunks.front().copied()
            && written.chunks.get(1).copied().unwrap_or(written.accepted_to) <= first
        {
            written.chunks.pop_front();
            out.push(StateChange { key: key(number), value: None });
        }
        let from = written.accepted_to.max(first);
        let fresh: Vec<_> = self.duplicates.since(from).collect();
        if !fresh.is_empty() {
            for (number, some) in (from..).step_by(MOST_IN_A_RECORD).zip(fresh.chunks(MOST_IN_A_RECORD)) {
                let records = some.iter().map(|(at_ms, statement)| accepted_record(*at_ms, statement, &self.registry));
                let records: Vec<AcceptedRecord<'_>> = records.collect();
                out.push(StateChange { key: key(number), value: Some(envelope::write(&records)) });
                written.chunks.push_back(number);
            }
        }
        written.accepted_to = self.duplicates.next_number();
    }

    fn unplaced_changes(&self, written: &mut Written, out: &mut Vec<StateChange>) {
        let mut devices: Vec<DeviceKey> = written.unplaced.drain().collect();
        devices.sort_unstable();
        for device in devices {
            let value = self.unplaced.get(&device).map(envelope::write);
            let key = Kind::Unplaced.key(&self.name, &rest_of(&device, &self.registry));
            out.push(StateChange { key, value });
        }
    }
}

fn name_of<'t>(device: &'t DeviceKey, registry: &'t Registry) -> Name<'t> {
    match device {
        DeviceKey::Registered(_) => Name::Registered(Text::Borrowed(device.id(registry))),
        DeviceKey::Stranger(name) => Name::Stranger(Text::Borrowed(name)),
    }
}

fn id_of(building: BuildingIdx, registry: &Registry) -> Text<'_> {
    Text::Borrowed(&registry.building(building).id)
}

fn building_record<'t>(
    incident: &'t Incident,
    member: &'t Member,
    registry: &'t Registry,
) -> BuildingRecord<'t, impl Serialize + 't> {
    BuildingRecord {
        place: id_of(incident.place, registry),
        joined_ms: member.joined_ms,
        confirmed: member.confirmed,
        series: Each(member.window.series().iter().map(|series| series_record(series, registry))),
        incident: (incident.place == member.building).then(|| incident_record(incident)),
    }
}

fn series_record<'t>(series: &'t Series, registry: &'t Registry) -> SeriesRecord<'t, impl Serialize + 't> {
    let voice = &series.voice;
    let pieces = series.pieces.iter().map(|piece| PieceRecord {
        at_ms: piece.at_ms,
        received_at_ms: piece.received_at_ms,
        arrival: piece.arrival,
        time_is_receipt: piece.time_is_receipt,
        source: piece.source.as_deref().map(Text::Borrowed),
        counted: piece.counted,
        repeats: piece.repeats as u64,
    });
    SeriesRecord {
        device: name_of(&voice.device, registry),
        location: Text::Borrowed(&voice.location),
        sensor: Text::Borrowed(voice.sensor.word()),
        kind: Text::Borrowed(voice.kind.word()),
        isolated: voice.isolated,
        unregistered: voice.unregistered,
        pieces: Each(pieces),
    }
}

fn incident_record(incident: &Incident) -> IncidentRecord<'_> {
    let confirmation = incident.confirmation.as_ref().map(|confirmation| ConfirmationRecord {
        rule: Text::Borrowed(&confirmation.rule),
        satisfied_ms: confirmation.satisfied_ms,
        clock_ms: confirmation.clock_ms,
    });
    IncidentRecord {
        id: incident.id.0,
        opened: incident.opened,
        revision: incident.revision,
        duplicates: incident.duplicates,
        confirmation,
        verified: incident.verified,
        acknowledged: incident.acknowledged,
        last_arrival_ms: incident.last_arrival_ms,
        last_news_ms: incident.last_news_ms,
        close_ms: incident.due.close_ms,
        verify_ms: incident.due.verify_ms,
        escalate_ms: incident.due.escalate_ms,
        update_ms: incident.due.update_ms,
    }
}

fn accepted_record<'t>(accepted_ms: i64, statement: &'t Statement, registry: &'t Registry) -> AcceptedRecord<'t> {
    AcceptedRecord {
        accepted_ms,
        device: name_of(&statement.device, registry),
        kind: Text::Borrowed(statement.kind.word()),
        test: statement.test,
        building: statement.building.as_deref().map(Text::Borrowed),
        location: statement.location.as_deref().map(Text::Borrowed),
        identity: match &statement.identity {
            Identity::Id(id) => IdentityRecord::Id(Text::Borrowed(id)),
            Identity::EventTime(at_ms) => IdentityRecord::EventTime(*at_ms),
        },
    }
}
