//! An incident: what is held about one building's suspected or confirmed fire, and the buildings it took in.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use fenghuo_model::decision::BuildingEntry;
use fenghuo_model::registry::{BuildingIdx, Registry};
use fenghuo_model::shared::Shared;
use fenghuo_model::{Policy, Sensor};
use sha2::{Digest, Sha256};

use crate::evidence::{Evidence, Piece, Voice};
use crate::incidents::{Alarm, Slot};
use crate::shown::Shown;
use crate::shows::{Shows, is_odd};
use crate::tally::{Share, Tally};
use crate::window::{Added, Folding, Series, Window};

/// An incident's id: the first 64 bits of a SHA-256, shown as 16 hexadecimal digits, ordered as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct IncidentId(pub(crate) u64);

impl IncidentId {
    /// The id of the incident that `evidence` opens: the same input gives the same id anywhere.
    pub(crate) fn of(region: &str, evidence: &Evidence<'_>, signal_id: Option<&str>, registry: &Registry) -> Self {
        let place = &registry.building(evidence.voice.building).id;
        let device = evidence.voice.device.id(registry);
        let at_ms = evidence.piece.at_ms.to_string();
        let parts = [region, place, device, evidence.voice.kind.word(), &at_ms, signal_id.unwrap_or("")];
        let digest = Sha256::digest(parts.join("\u{1f}").as_bytes());
        let first = digest.first_chunk::<8>().expect("a SHA-256 has 32 bytes");
        Self(u64::from_be_bytes(*first))
    }
}

impl IncidentId {
    /// As it is published.
    pub(crate) fn text(self) -> String {
        let digit = |place: u32| char::from_digit((self.0 >> (4 * place) & 15) as u32, 16);
        (0..16).rev().filter_map(digit).collect()
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

impl DueTimes {
    /// When that is due.
    pub(crate) fn at(&self, alarm: Alarm) -> Option<i64> {
        match alarm {
            Alarm::Close => self.close_ms,
            Alarm::Verify => self.verify_ms,
            Alarm::Escalate => self.escalate_ms,
            Alarm::Update => self.update_ms,
        }
    }

    /// The same, to be changed.
    pub(crate) fn of(&mut self, alarm: Alarm) -> &mut Option<i64> {
        match alarm {
            Alarm::Close => &mut self.close_ms,
            Alarm::Verify => &mut self.verify_ms,
            Alarm::Escalate => &mut self.escalate_ms,
            Alarm::Update => &mut self.update_ms,
        }
    }
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
    /// For when they stand in the queue of timers, each no later than it is due.
    pub(crate) queued: DueTimes,
    /// Whether it changed since the state was last asked for; see [`crate::incidents::Incidents::touched`].
    pub(crate) touched: bool,
    /// With how many pairs of buildings it is near each other open incident, within the policy's largest radius.
    pub(crate) adjacent: HashMap<Slot, u32, foldhash::fast::RandomState>,
    /// What the windows of its buildings show together.
    pub(crate) shows: Shows,
    /// The evidence that decisions show.
    pub(crate) shown: Shown,
    /// How much evidence there is, folded repeats included.
    pub(crate) evidence_total: usize,
    /// Its buildings as decisions show them, by id.
    pub(crate) entries: Vec<Shared<BuildingEntry>>,
}

impl Incident {
    /// An incident without buildings, to be opened when it has one.
    pub(crate) fn empty(id: IncidentId, place: BuildingIdx, opened: u64, clock_ms: i64) -> Self {
        Self {
            id,
            opened,
            revision: 0,
            place,
            members: Vec::with_capacity(1),
            duplicates: 0,
            confirmation: None,
            verified: false,
            acknowledged: false,
            last_arrival_ms: clock_ms,
            last_news_ms: clock_ms,
            due: DueTimes::default(),
            queued: DueTimes::default(),
            touched: false,
            adjacent: HashMap::default(),
            shows: Shows::default(),
            shown: Shown::default(),
            evidence_total: 0,
            entries: Vec::with_capacity(1),
        }
    }

    pub(crate) fn is_confirmed(&self) -> bool {
        self.confirmation.is_some()
    }

    /// A building joins, with its evidence.
    pub(crate) fn join(&mut self, member: Member, registry: &Registry) {
        let building = registry.building(member.building);
        let owned = |text: &Option<Box<str>>| text.as_deref().map(str::to_owned);
        let entry = BuildingEntry {
            id: building.id.to_string(),
            name: owned(&building.name),
            address: owned(&building.address),
            lon: building.lon,
            lat: building.lat,
            floors: building.floors,
            confirmed: member.confirmed,
        };
        let place = self.entries.partition_point(|other| other.id < entry.id);
        self.entries.insert(place, entry.into());
        if member.window.stored() > 0 {
            self.evidence_total += total(&member.window);
            self.shows.add(member.window.shows());
            self.shown.recall();
        }
        self.members.push(member);
    }

    /// Takes in the buildings of an incident that ended, and all that was reckoned for them; both show their evidence.
    pub(crate) fn take_in(&mut self, ended: &mut Self, joined_ms: i64) {
        let members = std::mem::take(&mut ended.members).into_iter();
        self.members.extend(members.map(|member| Member { joined_ms, confirmed: false, ..member }));
        for mut entry in std::mem::take(&mut ended.entries) {
            if entry.confirmed {
                entry.change(|entry| entry.confirmed = false);
            }
            let place = self.entries.partition_point(|other| other.id < entry.id);
            self.entries.insert(place, entry);
        }
        self.shows.add(&ended.shows);
        self.evidence_total += ended.evidence_total;
        self.shown.absorb(std::mem::take(&mut ended.shown));
    }

    /// The building of that number leaves, with its evidence.
    pub(crate) fn leave(&mut self, number: usize, registry: &Registry) {
        let left = self.members.remove(number);
        let id = &registry.building(left.building).id;
        self.entries.retain(|entry| *entry.id != **id);
        self.look_anew();
    }

    /// A building rule has held in the building of that number.
    pub(crate) fn confirm_member(&mut self, number: usize, registry: &Registry) {
        let member = &mut self.members[number];
        member.confirmed = true;
        let id = &registry.building(member.building).id;
        if let Ok(place) = self.entries.binary_search_by(|entry| (*entry.id).cmp(id)) {
            self.entries[place].change(|entry| entry.confirmed = true);
        }
    }

    /// What its evidence shows is other than before in ways that nobody followed.
    pub(crate) fn look_anew(&mut self) {
        self.shown.recall();
        self.shows = Shows::default();
        self.members.iter().for_each(|member| self.shows.add(member.window.shows()));
        self.evidence_total = self.members.iter().map(|member| total(&member.window)).sum();
    }

    /// What every voice said, building by building.
    pub(crate) fn series(&self) -> impl Iterator<Item = &Series> {
        self.members.iter().flat_map(|member| member.window.series())
    }

    /// Devices, locations and sensors of the evidence that is not isolated, as the rules count.
    pub(crate) fn counts(&self, registry: &Registry, policy: &Policy) -> (usize, usize, Vec<Sensor>) {
        if !self.shows.is_odd {
            return (self.shows.devices, self.shows.locations, self.shows.classes());
        }
        let tally = Tally::of(&self.shares(), registry, policy);
        (tally.devices, tally.locations.len(), tally.classes)
    }

    fn shares(&self) -> Vec<Share<'_>> {
        let counting = self.series().filter(|series| !series.voice.isolated);
        counting.map(Share::of).collect()
    }

    /// Puts a voice that has not spoken into the window of the building of that number. Whether it shows a location or
    /// a sensor class that the incident's evidence, as it stood, did not show.
    pub(crate) fn begin(
        &mut self,
        number: usize,
        evidence: &Evidence<'_>,
        registry: &Registry,
        policy: &Policy,
    ) -> News {
        let voice = evidence.voice.voice();
        let lacked_class = !voice.isolated && self.shows.lacks_class(voice.sensor);
        let odd_news =
            (self.shows.is_odd || is_odd(&voice, registry)).then(|| self.news(&voice, evidence, registry, policy));
        let before = self.members[number].window.shows().clone();
        let window = &mut self.members[number].window;
        let location = window.begin(voice, evidence.piece.clone(), registry);
        self.shows.replace(&before, window.shows());
        self.evidence_total += 1;
        self.shown.note(number, window.series().len() - 1, (evidence.piece.at_ms, evidence.piece.arrival));
        odd_news.unwrap_or(News { location, class: lacked_class })
    }

    /// Puts evidence of a voice that has spoken into the window of the building of that number; what became of it.
    pub(crate) fn go_on(
        &mut self,
        (number, series): (usize, usize),
        piece: &Piece,
        folding: &Folding<impl Fn(i64, i64) -> bool>,
    ) -> Added {
        let added = self.members[number].window.go_on(series, piece.clone(), folding);
        self.evidence_total += 1;
        if added.dropped {
            self.shown.recall();
        } else if !added.folded {
            self.shown.note(number, series, (piece.at_ms, piece.arrival));
        }
        added
    }

    /// The same, counted as the rules count.
    fn news(&self, voice: &Voice, evidence: &Evidence<'_>, registry: &Registry, policy: &Policy) -> News {
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

/// How much evidence a window was given and was not wiped.
fn total(window: &Window) -> usize {
    window.series().iter().flat_map(|series| &series.pieces).map(|piece| 1 + piece.repeats).sum()
}

/// What evidence shows that its incident did not show before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct News {
    pub(crate) location: bool,
    pub(crate) class: bool,
}
