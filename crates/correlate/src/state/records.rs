//! The records of state, version 1: what stands in them, with ids and words where memory has numbers.
//!
//! The order of fields is part of the form. A field that comes or goes makes a new version (`envelope.rs`), which reads
//! the one before.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};

/// A text that is borrowed when written and owned when read.
pub(super) type Text<'t> = Cow<'t, str>;

/// What an iterator gives, written as a list of it is: a storm writes thousands of lists, and reads none.
pub(super) struct Each<I>(pub(super) I);

impl<I: Iterator<Item: Serialize> + Clone> Serialize for Each<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.clone())
    }
}

/// Who states something.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Name<'t> {
    /// A registered device's id.
    Registered(Text<'t>),
    /// The name that the signal gave.
    Stranger(Text<'t>),
}

/// A region's clock, and how far it has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RegionRecord {
    /// The largest time of receipt so far.
    pub(super) clock_ms: Option<i64>,
    /// Accepted signals so far.
    pub(super) arrivals: u64,
    /// The number of the first accepted signal that is remembered.
    pub(super) first_accepted: u64,
    /// The number of devices at which forgotten ones are swept out.
    pub(super) sweep_devices_at: u64,
}

/// A building in an open incident.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct BuildingRecord<'t, Series = Vec<SeriesRecord<'t>>> {
    /// The id of the incident's place, in whose record the incident stands.
    pub(super) place: Text<'t>,
    pub(super) joined_ms: i64,
    pub(super) confirmed: bool,
    pub(super) series: Series,
    /// Of the place's own record only.
    pub(super) incident: Option<IncidentRecord<'t>>,
}

/// What one voice said.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SeriesRecord<'t, Pieces = Vec<PieceRecord<'t>>> {
    pub(super) device: Name<'t>,
    pub(super) location: Text<'t>,
    pub(super) sensor: Text<'t>,
    pub(super) kind: Text<'t>,
    pub(super) isolated: bool,
    pub(super) unregistered: bool,
    pub(super) pieces: Pieces,
}

/// One time that a voice spoke.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PieceRecord<'t> {
    pub(super) at_ms: i64,
    pub(super) received_at_ms: Option<i64>,
    pub(super) arrival: u64,
    pub(super) time_is_receipt: bool,
    pub(super) source: Option<Text<'t>>,
    pub(super) counted: bool,
    pub(super) repeats: u64,
}

/// An open incident.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct IncidentRecord<'t> {
    pub(super) id: u64,
    pub(super) opened: u64,
    pub(super) revision: u32,
    pub(super) duplicates: u64,
    pub(super) confirmation: Option<ConfirmationRecord<'t>>,
    pub(super) verified: bool,
    pub(super) acknowledged: bool,
    pub(super) last_arrival_ms: i64,
    pub(super) last_news_ms: i64,
    pub(super) close_ms: Option<i64>,
    pub(super) verify_ms: Option<i64>,
    pub(super) escalate_ms: Option<i64>,
    pub(super) update_ms: Option<i64>,
}

/// How it was confirmed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ConfirmationRecord<'t> {
    pub(super) rule: Text<'t>,
    pub(super) satisfied_ms: i64,
    pub(super) clock_ms: i64,
}

/// What a device said of itself.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct DeviceRecord {
    /// Event times of restores.
    pub(super) restores_ms: Vec<i64>,
    /// Event time and end of isolations; the end is absent of an isolate_restore.
    pub(super) isolations: Vec<(i64, Option<i64>)>,
}

/// A signal that was accepted.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct AcceptedRecord<'t> {
    pub(super) accepted_ms: i64,
    pub(super) device: Name<'t>,
    pub(super) kind: Text<'t>,
    pub(super) test: bool,
    pub(super) building: Option<Text<'t>>,
    pub(super) location: Option<Text<'t>>,
    pub(super) identity: IdentityRecord<'t>,
}

/// What tells it from others.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum IdentityRecord<'t> {
    Id(Text<'t>),
    EventTime(i64),
}
