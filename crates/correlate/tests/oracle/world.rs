//! Everything that a region remembers: plain lists of what arrived, and the incidents. Cloned where a decision
//! speaks of how things stood before.

use std::rc::Rc;

use crate::evidence::Evidence;
use crate::intake::Arrived;

/// Where an incident stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Open, not confirmed.
    Suspected,
    /// Open, confirmed.
    Confirmed,
    /// Merged, rejected, cancelled or closed.
    Ended,
}

/// By what an incident was confirmed.
#[derive(Debug, Clone)]
pub struct Confirmation {
    /// The rule's id.
    pub rule: String,
    /// T.
    pub satisfied_ms: i64,
    /// C.
    pub confirmed_ms: i64,
    /// The supporting set, by arrival.
    pub supporting: Vec<usize>,
}

/// A building's suspected or confirmed fire.
#[derive(Debug, Clone)]
pub struct Incident {
    /// 16 hexadecimal digits.
    pub id: String,
    /// Where it stands.
    pub standing: Standing,
    /// The building where it is.
    pub place: usize,
    /// Its buildings, each with the C at which it joined.
    pub buildings: Vec<(i64, usize)>,
    /// The buildings for which a building rule has held.
    pub buildings_confirmed: Vec<usize>,
    /// C when it opened.
    pub opened_ms: i64,
    /// The arrival of the evidence that opened it.
    pub opened_by: usize,
    /// C at the arrival of its last evidence, wiped or not.
    pub last_evidence_ms: i64,
    /// The time of its first `verify`.
    pub first_verify_ms: Option<i64>,
    /// Whether `escalated` was published.
    pub escalated: bool,
    /// How it was confirmed.
    pub confirmation: Option<Confirmation>,
    /// The time of its last `confirmed` or `update`.
    pub published_ms: i64,
    /// Whether an `update` waits for `update_every`.
    pub update_waits: bool,
    /// How many duplicates of evidence were dropped in its buildings since it, or what it took in, opened.
    pub duplicates: u64,
    /// How many decisions were published.
    pub revision: u32,
}

/// A signal that counts for duplicates.
#[derive(Debug, Clone)]
pub struct Accepted {
    /// What it said.
    pub arrived: Arrived,
    /// C when it arrived.
    pub clock_ms: i64,
    /// Its place in the order of arrival.
    pub arrival: usize,
}

/// A restore that arrived.
#[derive(Debug, Clone)]
pub struct Restore {
    /// The device.
    pub device: String,
    /// Event time.
    pub at_ms: i64,
}

/// An `isolate` or `isolate_restore` that arrived.
#[derive(Debug, Clone)]
pub struct Isolation {
    /// The device.
    pub device: String,
    /// Event time.
    pub at_ms: i64,
    /// Its place in the order of arrival.
    pub arrival: usize,
    /// Whether it isolates, or ends an isolation.
    pub isolates: bool,
    /// When it ends.
    pub until_ms: Option<i64>,
}

/// What a region remembers.
#[derive(Debug, Clone)]
pub struct World {
    /// C.
    pub clock_ms: i64,
    /// Every accepted signal; shared, as worlds are cloned at every signal.
    pub accepted: Vec<Rc<Accepted>>,
    /// Every piece of evidence, wiped or not.
    pub evidence: Vec<Evidence>,
    /// Every restore.
    pub restores: Vec<Restore>,
    /// Every isolation and its end.
    pub isolations: Vec<Isolation>,
    /// Every acknowledgement: arrival and building.
    pub acknowledged: Vec<(usize, usize)>,
    /// Every `unplaced` decision: device and C.
    pub unplaced: Vec<(String, i64)>,
    /// Every incident, ended or not.
    pub incidents: Vec<Incident>,
}

impl World {
    /// Nothing heard yet.
    pub const fn new() -> Self {
        Self {
            clock_ms: i64::MIN,
            accepted: Vec::new(),
            evidence: Vec::new(),
            restores: Vec::new(),
            isolations: Vec::new(),
            acknowledged: Vec::new(),
            unplaced: Vec::new(),
            incidents: Vec::new(),
        }
    }

    /// The open incident that holds a building: "a building is in at most one open incident".
    pub fn incident_of(&self, building: usize) -> Option<usize> {
        let holds = |incident: &Incident| incident.buildings.iter().any(|(_, member)| *member == building);
        self.incidents.iter().position(|incident| incident.standing != Standing::Ended && holds(incident))
    }

    /// Whether a building is in a confirmed open incident.
    pub fn is_in_confirmed(&self, building: usize) -> bool {
        self.incident_of(building).is_some_and(|incident| self.incidents[incident].standing == Standing::Confirmed)
    }

    /// What an incident holds: evidence that was not wiped.
    pub fn evidence_of(&self, incident: usize) -> Vec<&Evidence> {
        self.evidence.iter().filter(|evidence| evidence.incident == incident && !evidence.wiped).collect()
    }

    /// What an incident holds that is not isolated.
    pub fn counting_evidence_of(&self, incident: usize) -> Vec<&Evidence> {
        self.evidence_of(incident).into_iter().filter(|evidence| !evidence.isolated).collect()
    }
}
