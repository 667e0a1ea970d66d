//! From an incident to the decision that is published about it.

use std::collections::BTreeSet;
use std::sync::Arc;

use fenghuo_model::decision::{BuildingEntry, DecisionKind, EvidenceEntry, IncidentState};
use fenghuo_model::registry::{Building, BuildingIdx, Registry};
use fenghuo_model::time::Rfc3339;
use fenghuo_model::{Decision, Policy};

use crate::evidence::{DeviceKey, Piece, Voice};
use crate::incident::Incident;
use crate::incidents::{Incidents, Slot};
use crate::neighbourhoods::Neighbourhoods;

/// Of more evidence than twice this, the earliest and the latest so many are shown.
const SHOWN_AT_EITHER_END: usize = 32;

/// What every decision of a region is described with.
pub(crate) struct Scribe<'s> {
    pub(crate) region: &'s str,
    pub(crate) registry: &'s Registry,
    pub(crate) policy: &'s Policy,
    /// The policy's largest radius, metres.
    pub(crate) largest_radius_m: Option<f64>,
    pub(crate) neighbourhoods: &'s Neighbourhoods,
}

/// An incident that the signal at work has changed, as it was before the signal.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) slot: Slot,
    pub(crate) was_confirmed: bool,
    pub(crate) buildings: Vec<BuildingIdx>,
}

impl Scribe<'_> {
    /// The next decision about an open incident, as it stands among the others.
    pub(crate) fn decision(&self, incidents: &Incidents, slot: Slot, kind: DecisionKind, decided_ms: i64) -> Decision {
        self.decision_before(incidents, slot, kind, decided_ms, &[])
    }

    /// The same, among the others as they were before the signal at work changed some of them.
    pub(crate) fn decision_before(
        &self,
        incidents: &Incidents,
        slot: Slot,
        kind: DecisionKind,
        decided_ms: i64,
        before: &[Before],
    ) -> Decision {
        let incident = incidents.get(slot);
        let related = self.related(incidents, slot, before);
        let place = self.registry.building(incident.place);
        let tally = incident.tally(self.registry, self.policy);
        let spoken = incident.series().flat_map(|series| series.pieces.iter().map(|piece| (&series.voice, piece)));
        let mut evidence: Vec<(&Voice, &Piece)> = spoken.collect();
        evidence.sort_by_key(|(voice, piece)| self.order(voice, piece));
        let fire_ms = evidence.first().map_or(decided_ms, |(_, piece)| piece.at_ms);
        let confirmation = incident.confirmation.as_ref();
        let state = IncidentState {
            place: place.id.to_string(),
            buildings: self.buildings(incident),
            rule: confirmation.map(|confirmation| confirmation.rule.to_string()),
            fire_at: Rfc3339(fire_ms),
            satisfied_at: confirmation.map(|confirmation| Rfc3339(confirmation.satisfied_ms)),
            lon: place.lon,
            lat: place.lat,
            datum: "wgs84",
            address: owned(&place.address),
            town: place.town.as_deref().map(str::to_owned),
            village: place.village.as_deref().map(str::to_owned),
            grid: place.grid.as_deref().map(str::to_owned),
            premises: place.premises,
            contact: owned(&place.contact),
            devices: tally.devices,
            locations: tally.locations.len(),
            classes: tally.classes,
            duplicates: incident.duplicates,
            related,
            into: None,
            by: None,
            cause: None,
            evidence_total: incident.evidence_total(),
        };
        if evidence.len() > 2 * SHOWN_AT_EITHER_END {
            evidence.drain(SHOWN_AT_EITHER_END..evidence.len() - SHOWN_AT_EITHER_END);
        }
        Decision {
            decision: kind,
            incident: Some(incident.id.to_string()),
            revision: Some(incident.revision + 1),
            region: self.region.to_owned(),
            state: Some(Box::new(state)),
            device: None,
            decided_at: Rfc3339(decided_ms),
            policy: self.policy.hash().to_owned(),
            evidence: evidence.into_iter().map(|(voice, piece)| self.entry(voice, piece)).collect(),
        }
    }

    /// The decision about a fire signal whose building nobody knows.
    pub(crate) fn unplaced(&self, device: &DeviceKey, evidence: EvidenceEntry, decided_ms: i64) -> Decision {
        Decision {
            decision: DecisionKind::Unplaced,
            incident: None,
            revision: None,
            region: self.region.to_owned(),
            state: None,
            device: Some(device.id(self.registry).to_owned()),
            decided_at: Rfc3339(decided_ms),
            policy: self.policy.hash().to_owned(),
            evidence: vec![evidence],
        }
    }

    /// The ids of the other open confirmed incidents with a building near one of this one's, sorted.
    fn related(&self, incidents: &Incidents, slot: Slot, before: &[Before]) -> Vec<String> {
        let Some(radius_m) = self.largest_radius_m else { return Vec::new() };
        // Most of the time no other incident burns, and nobody needs to be asked who is near.
        let own = usize::from(incidents.get(slot).is_confirmed());
        if incidents.confirmed_len() == own && !before.iter().any(|changed| changed.was_confirmed) {
            return Vec::new();
        }
        let unchanged = |other: &Slot| !before.iter().any(|changed| changed.slot == *other);
        let is_related = |other: &Slot| incidents.get(*other).is_confirmed() && *other != slot && unchanged(other);
        let mut related: Vec<Slot> = Vec::new();
        for member in &incidents.get(slot).members {
            let near = match self.neighbourhoods.known(member.building) {
                Some(known) => Arc::clone(known),
                None => self.registry.neighbours(member.building, radius_m).into(),
            };
            // Neighbours mostly belong to the same few incidents, one after the other.
            let mut last = None;
            for other in near.iter().filter_map(|(building, _)| incidents.of_building(*building)) {
                if last != Some(other) && !related.contains(&other) && is_related(&other) {
                    related.push(other);
                }
                last = Some(other);
            }
            let then = before.iter().filter(|changed| changed.was_confirmed && changed.slot != slot);
            related.extend(then.map(|changed| (changed.slot, &changed.buildings)).filter_map(|(other, buildings)| {
                let is_near = |building: &BuildingIdx| near.binary_search_by_key(building, |(near, _)| *near).is_ok();
                buildings.iter().any(is_near).then_some(other)
            }));
        }
        let others: BTreeSet<_> = related.into_iter().map(|other| incidents.get(other).id).collect();
        others.into_iter().map(|id| id.to_string()).collect()
    }

    fn order<'e>(&'e self, voice: &'e Voice, piece: &Piece) -> (i64, &'e str, &'static str, u64) {
        (piece.at_ms, voice.device.id(self.registry), voice.kind.word(), piece.arrival)
    }

    fn buildings(&self, incident: &Incident) -> Vec<BuildingEntry> {
        let entry = |building: &Building, confirmed| BuildingEntry {
            id: building.id.to_string(),
            name: owned(&building.name),
            address: owned(&building.address),
            lon: building.lon,
            lat: building.lat,
            floors: building.floors,
            confirmed,
        };
        let members = incident.members.iter();
        let mut buildings: Vec<_> =
            members.map(|member| entry(self.registry.building(member.building), member.confirmed)).collect();
        buildings.sort_by(|one, other| one.id.cmp(&other.id));
        buildings
    }

    /// A piece of evidence as decisions show it.
    pub(crate) fn entry(&self, voice: &Voice, piece: &Piece) -> EvidenceEntry {
        let floor = match voice.device {
            DeviceKey::Registered(device) => {
                let device = self.registry.device(device);
                device.floor.filter(|_| device.building == voice.building)
            }
            DeviceKey::Stranger(_) => None,
        };
        EvidenceEntry {
            device: voice.device.id(self.registry).to_owned(),
            building: Some(self.registry.building(voice.building).id.to_string()),
            location: voice.location.to_string(),
            floor,
            sensor: voice.sensor,
            kind: voice.kind,
            at: Rfc3339(piece.at_ms),
            received_at: piece.received_at_ms.map(Rfc3339),
            counted: piece.counted,
            isolated: voice.isolated,
            unregistered: voice.unregistered,
            time: piece.time_is_receipt.then_some("received"),
            source: owned(&piece.source),
        }
    }
}

fn owned(text: &Option<Box<str>>) -> Option<String> {
    text.as_deref().map(str::to_owned)
}
