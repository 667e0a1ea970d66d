//! From an incident to the decision that is published about it.

use std::cmp::Ordering;

use fenghuo_model::decision::{DecisionKind, EvidenceEntry, IncidentState};
use fenghuo_model::registry::Registry;
use fenghuo_model::time::Rfc3339;
use fenghuo_model::{Decision, Policy};

use crate::evidence::{DeviceKey, Piece, Voice};
use crate::incident::IncidentId;
use crate::incidents::{Incidents, Slot};

/// What every decision of a region is described with.
#[derive(Clone, Copy)]
pub(crate) struct Scribe<'s> {
    pub(crate) region: &'s str,
    pub(crate) registry: &'s Registry,
    pub(crate) policy: &'s Policy,
}

/// An incident that the signal at work has changed, as it was before the signal.
#[derive(Debug)]
pub(crate) struct Before {
    pub(crate) slot: Slot,
    pub(crate) was_confirmed: bool,
    /// The incidents that it was near.
    pub(crate) adjacent: Vec<Slot>,
}

impl Scribe<'_> {
    /// The next decision about an open incident, as it stands among the others.
    pub(crate) fn decision(
        &self,
        incidents: &mut Incidents,
        slot: Slot,
        kind: DecisionKind,
        decided_ms: i64,
    ) -> Decision {
        self.decision_before(incidents, slot, kind, decided_ms, &[])
    }

    /// The same, among the others as they were before the signal at work changed some of them.
    pub(crate) fn decision_before(
        &self,
        incidents: &mut Incidents,
        slot: Slot,
        kind: DecisionKind,
        decided_ms: i64,
        before: &[Before],
    ) -> Decision {
        self.look_at(incidents, slot);
        let incident = incidents.get(slot);
        let place = self.registry.building(incident.place);
        let (devices, locations, classes) = incident.counts(self.registry, self.policy);
        let confirmation = incident.confirmation.as_ref();
        let state = IncidentState {
            place: place.id.to_string(),
            buildings: incident.entries.clone(),
            rule: confirmation.map(|confirmation| confirmation.rule.to_string()),
            fire_at: Rfc3339(incident.shown.first_ms().unwrap_or(decided_ms)),
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
            devices,
            locations,
            classes,
            duplicates: incident.duplicates,
            related: related(incidents, slot, before),
            into: None,
            by: None,
            cause: None,
            evidence_total: incident.evidence_total,
        };
        Decision {
            decision: kind,
            incident: Some(incident.id.text()),
            revision: Some(incident.revision + 1),
            region: self.region.to_owned(),
            state: Some(Box::new(state)),
            device: None,
            decided_at: Rfc3339(decided_ms),
            policy: self.policy.hash().to_owned(),
            evidence: incident.shown.entries(),
        }
    }

    /// Brings what decisions about an incident show up to date.
    pub(crate) fn look_at(&self, incidents: &mut Incidents, slot: Slot) {
        let incident = incidents.beside_state(slot);
        if !incident.shown.is_up_to_date() {
            let order = |one: (&Voice, &Piece), other: (&Voice, &Piece)| self.order(one, other);
            incident.shown.refresh(&incident.members, order, |voice, piece| self.entry(voice, piece));
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
            evidence: vec![evidence.into()],
        }
    }

    /// By event time, device, kind and arrival.
    fn order(&self, one: (&Voice, &Piece), other: (&Voice, &Piece)) -> Ordering {
        let rest = |(voice, piece): (&Voice, &Piece)| (voice.kind.word(), piece.arrival);
        let devices = || one.0.device.id(self.registry).cmp(other.0.device.id(self.registry));
        one.1.at_ms.cmp(&other.1.at_ms).then_with(devices).then_with(|| rest(one).cmp(&rest(other)))
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
            source: piece.source.as_deref().map(str::to_owned),
        }
    }
}

/// The ids of the other open confirmed incidents with a building near one of this one's, sorted.
fn related(incidents: &Incidents, slot: Slot, before: &[Before]) -> Vec<String> {
    let unchanged = |other: &Slot| !before.iter().any(|changed| changed.slot == *other);
    let now = incidents.get(slot).adjacent.keys().copied();
    let now = now.filter(|other| incidents.get(*other).is_confirmed() && unchanged(other));
    let then = before.iter().filter(|changed| changed.was_confirmed && changed.slot != slot);
    let then = then.filter(|changed| changed.adjacent.contains(&slot)).map(|changed| changed.slot);
    let mut ids: Vec<IncidentId> = now.chain(then).map(|other| incidents.get(other).id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids.into_iter().map(IncidentId::text).collect()
}

fn owned(text: &Option<Box<str>>) -> Option<String> {
    text.as_deref().map(str::to_owned)
}
