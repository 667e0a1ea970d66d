//! The decision: what is published about an incident, with evidence enough to be understood alone.

use serde::Serialize;

use crate::shared::Shared;
use crate::time::Rfc3339;
use crate::words::{Kind, Premises, Sensor};

/// A decision's JSON beside its evidence and buildings, which are about a quarter of a kilobyte each.
const USUAL_BYTES: usize = 768;

/// What happened to the incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    /// It opened.
    Suspected,
    /// A person of the building's grid should look.
    Verify,
    /// Nobody answered; addressed to village and town.
    Escalated,
    /// Another incident took its building in.
    Merged,
    /// A rule holds: it burns.
    Confirmed,
    /// A confirmed incident shows something new.
    Update,
    /// Cleared before it was confirmed.
    Rejected,
    /// Cleared after it was confirmed.
    Cancelled,
    /// Nothing was heard of it any more.
    Closed,
    /// A fire signal whose building nobody knows.
    Unplaced,
}

impl DecisionKind {
    /// Every kind, in the order in which the decisions of one signal stand.
    pub const ALL: [Self; 10] = [
        Self::Suspected,
        Self::Verify,
        Self::Escalated,
        Self::Merged,
        Self::Confirmed,
        Self::Update,
        Self::Rejected,
        Self::Cancelled,
        Self::Closed,
        Self::Unplaced,
    ];

    /// Whether the incident is over with it.
    #[must_use]
    pub const fn ends(self) -> bool {
        matches!(self, Self::Merged | Self::Rejected | Self::Cancelled | Self::Closed)
    }

    /// The word as it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Suspected => "suspected",
            Self::Verify => "verify",
            Self::Escalated => "escalated",
            Self::Merged => "merged",
            Self::Confirmed => "confirmed",
            Self::Update => "update",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
            Self::Closed => "closed",
            Self::Unplaced => "unplaced",
        }
    }
}

/// One decision; serializes to the JSON of the dispatch and watch topics, absent fields left out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Decision {
    /// What happened.
    pub decision: DecisionKind,
    /// The incident's id, 16 hexadecimal digits; `unplaced` has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
    /// Counts the incident's decisions from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    /// The unit of correlation.
    pub region: String,
    /// What only incidents have.
    #[serde(flatten)]
    pub state: Option<Box<IncidentState>>,
    /// Of `unplaced`: the device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The region's clock, or the due time of the timer that fired.
    pub decided_at: Rfc3339,
    /// The policy's hash.
    pub policy: String,
    /// What speaks for the fire, by (event time, device, kind, arrival); of more than 64 the earliest and latest 32.
    /// Each piece is shared by all decisions that show it.
    pub evidence: Vec<Shared<EvidenceEntry>>,
}

/// The incident as a decision describes it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct IncidentState {
    /// The id of the building where it is.
    pub place: String,
    /// Every building that belongs to it, by id; each shared by all decisions that show it.
    pub buildings: Vec<Shared<BuildingEntry>>,
    /// The rule that confirmed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The earliest evidence's event time.
    pub fire_at: Rfc3339,
    /// The instant at which the rule held.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub satisfied_at: Option<Rfc3339>,
    /// The place's longitude, degrees east, WGS 84.
    pub lon: f64,
    /// The place's latitude, degrees north, WGS 84.
    pub lat: f64,
    /// Always `wgs84`.
    pub datum: &'static str,
    /// The place's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The place's town.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub town: Option<String>,
    /// The place's village.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub village: Option<String>,
    /// The place's grid, whose officer goes and looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid: Option<String>,
    /// What the place is used for.
    pub premises: Premises,
    /// Whom to call at the place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub contact: Option<String>,
    /// Distinct devices, as the rules count.
    pub devices: usize,
    /// Distinct locations, as the rules count.
    pub locations: usize,
    /// Distinct sensors, as the rules count, sorted; panel and unknown alone are shown as `unknown`.
    pub classes: Vec<Sensor>,
    /// Duplicates of evidence that were dropped in its buildings.
    pub duplicates: u64,
    /// Other open confirmed incidents near it, sorted.
    pub related: Vec<String>,
    /// Of `merged`: the incident that took its building in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub into: Option<String>,
    /// Of `rejected` and `cancelled`: who cleared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Of `rejected` and `cancelled`: why it was no fire.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// How much evidence there is, shown or not.
    pub evidence_total: usize,
}

/// A building of an incident.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BuildingEntry {
    /// The registry's id.
    pub id: String,
    /// Its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Degrees east, WGS 84.
    pub lon: f64,
    /// Degrees north, WGS 84.
    pub lat: f64,
    /// Number of floors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floors: Option<i32>,
    /// Whether a building rule has held there.
    pub confirmed: bool,
}

/// A piece of evidence as a decision shows it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EvidenceEntry {
    /// The registry's id, or what the signal said.
    pub device: String,
    /// The building, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub building: Option<String>,
    /// The spot.
    pub location: String,
    /// The registered device's floor, in its own building.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub floor: Option<i32>,
    /// What sensed.
    pub sensor: Sensor,
    /// fire, confirm or prealarm.
    pub kind: Kind,
    /// Event time.
    pub at: Rfc3339,
    /// When the platform received it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub received_at: Option<Rfc3339>,
    /// Whether it is in the supporting set of the confirmation.
    pub counted: bool,
    /// Whether the device was isolated: shown, and counts for no rule.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub isolated: bool,
    /// Whether the device is in no registry.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub unregistered: bool,
    /// `received` where the device's clock was missing or not to be trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<&'static str>,
    /// Where the signal came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl Decision {
    /// The JSON of the topics, one line without its end.
    #[must_use]
    pub fn to_json(&self) -> String {
        String::from_utf8(self.to_json_bytes()).expect("JSON is UTF-8")
    }

    /// The same as bytes, UTF-8.
    #[must_use]
    pub fn to_json_bytes(&self) -> Vec<u8> {
        let buildings = self.state.as_ref().map_or(0, |state| state.buildings.len());
        let mut json = Vec::with_capacity(USUAL_BYTES + 256 * (self.evidence.len() + buildings));
        serde_json::to_writer(&mut json, self).expect("a decision has string keys and finite numbers only");
        json
    }

    /// Whether engines are to hear of it: confirmed, update, cancelled, and the close of a confirmed incident.
    #[must_use]
    pub fn is_for_dispatch(&self) -> bool {
        match self.decision {
            DecisionKind::Confirmed | DecisionKind::Update | DecisionKind::Cancelled => true,
            DecisionKind::Closed => self.state.as_ref().is_some_and(|state| state.rule.is_some()),
            _ => false,
        }
    }
}
