//! An incident: what is held about one building's suspected or confirmed fire, and the buildings it took in.

use std::fmt;
use std::sync::Arc;

use fenghuo_model::Policy;
use fenghuo_model::registry::{BuildingIdx, Registry};
use sha2::{Digest, Sha256};

use crate::evidence::Evidence;
use crate::tally::{Share, Tally};
use crate::window::{Series, Window};

/// An incident's id: the first 64 bits of a SHA-256, shown as 16 hexadecimal digits, ordered as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct IncidentId(pub(crate) u64);

impl IncidentId {
    /// The id of the incident that `evidence` opens: the same input gives the same id anywhere.
    pub(crate) fn of(region: &str, evidence: &Evidence, signal_id: Option<&str>, registry: &Registry) -> Self {
        let place = &registry.building(evidence.voice.building).id;
        let device = evidence.voice.device.id(registry);
        let at_ms = evidence.piece.at_ms.to_string();
        let parts = [region, place, device, evidence.voice.kind.word(), &at_ms, signal_id.unwrap_or("")];
        let digest = Sha256::digest(parts.join("\u{1f}").as_bytes());
        let first = digest.first_chunk::<8>().expect("a SHA-256 has 32 bytes");
        Self(u64::from_be_bytes(*first))
    }
}

impl fmt::Display for IncidentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// How an incident was confirmed.
#[derive(Debug, Clone)]
pub(crate) struct Confirmation {
    /// The rule's id; the policy of a later restart need not have it any more.
    pub(crate) rule: Arc<str>,
    /// The instant at which it held.
    pub(crate) satisfied_ms: i64,
    /// The region's clock then.
    pub(crate) clock_ms: i64,
}

/// A building of an incident, with its evidence since the incident (or the one it took in) opened.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) building: BuildingIdx,
    /// The region's clock when it joined.
    pub(crate) joined_ms: i64,
    /// Whether a building rule has held there since.
    pub(crate) confirmed: bool,
    pub(crate) window: Window,
}

/// When an incident's timers are due, on the region's clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct DueTimes {
    pub(crate) close_ms: Option<i64>,
    pub(crate) verify_ms: Option<i64>,
    pub(crate) escalate_ms: Option<i64>,
    pub(crate) update_ms: Option<i64>,
}

/// What is held about one fire, suspected or confirmed.
#[derive(Debug)]
pub(crate) struct Incident {
    pub(crate) id: IncidentId,
    /// The number in its region's order of arrival of the evidence that opened it: it tells apart what shares an id.
    pub(crate) opened: u64,
    /// Decisions published so far.
    pub(crate) revision: u32,
    pub(crate) place: BuildingIdx,
    pub(crate) members: Vec<Member>,
    pub(crate) duplicates: u64,
    pub(crate) confirmation: Option<Confirmation>,
    /// Whether the grid was asked to look.
    pub(crate) verified: bool,
    /// Whether somebody is on the way to look.
    pub(crate) acknowledged: bool,
    /// The region's clock when its last evidence arrived, wiped or not.
    pub(crate) last_arrival_ms: i64,
    /// When `confirmed` or `update` was last published.
    pub(crate) last_news_ms: i64,
    pub(crate) due: DueTimes,
    /// Whether it changed since the state was last asked for; see [`crate::incidents::Incidents::touched`].
    pub(crate) touched: bool,
}

impl Incident {
    pub(crate) fn open(id: IncidentId, place: BuildingIdx, opened: u64, clock_ms: i64) -> Self {
        Self {
            id,
            opened,
            revision: 0,
            place,
            members: vec![Member { building: place, joined_ms: clock_ms, confirmed: false, window: Window::default() }],
            duplicates: 0,
            confirmation: None,
            verified: false,
            acknowledged: false,
            last_arrival_ms: clock_ms,
            last_news_ms: clock_ms,
            due: DueTimes::default(),
            touched: false,
        }
    }

    pub(crate) fn is_confirmed(&self) -> bool {
        self.confirmation.is_some()
    }

    /// What every voice said, building by building.
    pub(crate) fn series(&self) -> impl Iterator<Item = &Series> {
        self.members.iter().flat_map(|member| member.window.series())
    }

    /// What the evidence that is not isolated amounts to, as the rules count.
    pub(crate) fn tally<'e>(&'e self, registry: &'e Registry, policy: &Policy) -> Tally<'e> {
        Tally::of(&self.shares(), registry, policy)
    }

    fn shares(&self) -> Vec<Share<'_>> {
        let counting = self.series().filter(|series| !series.voice.isolated);
        counting.map(Share::of).collect()
    }

    /// How much evidence there is, folded repeats included.
    pub(crate) fn evidence_total(&self) -> usize {
        self.series().flat_map(|series| &series.pieces).map(|piece| 1 + piece.repeats).sum()
    }

    /// Whether evidence of a voice that has not spoken in it shows a location or a sensor class that the incident's
    /// evidence, as it stands, does not show.
    pub(crate) fn news(&self, evidence: &Evidence, registry: &Registry, policy: &Policy) -> News {
        let voice = &evidence.voice;
        if voice.isolated {
            return News::default();
        }
        let mut set = self.shares();
        let before = Tally::of(&set, registry, policy);
        set.push(Share { voice, earliest_ms: evidence.piece.at_ms, latest_ms: evidence.piece.at_ms });
        let after = Tally::of(&set, registry, policy);
        News {
            location: after.locations.keys().any(|spot| !before.locations.contains_key(spot)),
            class: after.classes.iter().any(|class| !before.classes.contains(class)),
        }
    }
}

/// What evidence shows that its incident did not show before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) location: bool,
    pub(crate) class: bool,
}
