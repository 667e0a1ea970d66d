//! The plan: all that a city and its night are made from. Same plan, same bytes.

use crate::random::whole;

/// What city, what night. [`Plan::default`] is the demo's.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The seed of everything.
    pub seed: u64,
    /// How many buildings; about five devices each.
    pub buildings: u32,
    /// How long the night lasts, hours.
    pub hours: f64,
    /// When it begins, Unix milliseconds.
    pub start_ms: i64,
    /// How many fires are planted; without it one for each 6 000 building-hours, at least 3, which is about 300 times
    /// as many as in life. Never more than [`Plan::most_fires`].
    pub fires: Option<u32>,
    /// The share of the fires that only one detector sees and nobody reports.
    pub single_room_share: f64,
    /// Nuisance alarms, as a multiple of what 1.5 million networked detectors gave.
    pub nuisance_scale: f64,
    /// Nuisance that hits several detectors at once (a wok under two detectors, fogging), as a multiple of its
    /// usual part in the nuisance; 0 leaves single alarms.
    pub correlated_scale: f64,
    /// Drills, faults, power dips and outages, as a multiple of the usual.
    pub trouble_scale: f64,
    /// The shortest and the longest interval of a transmission device's heartbeats, milliseconds; 20 to 60 s are usual.
    pub gateway_heartbeat_ms: (i64, i64),
    /// The same of a battery detector; one to a few a day are usual.
    pub detector_heartbeat_ms: (i64, i64),
    /// The same of readings of temperature and residual current.
    pub reading_ms: (i64, i64),
    /// What the radio adds to a battery detector's alarm, shortest and longest, milliseconds.
    pub radio_ms: (i64, i64),
    /// The share of alarms that the cloud or a transmission device sends more than once.
    pub duplicate_share: f64,
    /// The share of clocks that are minutes or years off.
    pub clock_error_share: f64,
    /// The share of battery detectors that stand in no registry.
    pub unregistered_share: f64,
    /// Unreadable records mixed in, as a share of all.
    pub garbage_share: f64,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            seed: 1,
            buildings: 20_000,
            hours: 12.0,
            // 2026-11-21 20:00 in Dongguan.
            start_ms: 1_795_262_400_000,
            fires: None,
            single_room_share: 0.08,
            nuisance_scale: 30.0,
            correlated_scale: 1.0,
            trouble_scale: 1.0,
            gateway_heartbeat_ms: (40_000, 60_000),
            detector_heartbeat_ms: (6 * HOUR_MS, 24 * HOUR_MS),
            reading_ms: (10 * MINUTE_MS, 20 * MINUTE_MS),
            radio_ms: (15_000, 93_000),
            duplicate_share: 0.15,
            clock_error_share: 0.01,
            unregistered_share: 0.002,
            garbage_share: 0.0,
        }
    }
}

impl Plan {
    /// A small night whose fires are all beyond doubt and nothing else looks like one: each has two rooms within the
    /// time of any sensible rule or is stated by a person or call point, no nuisance hits two detectors at once, no
    /// clock is wrong, and the radio is quick. For tests that compare what was confirmed with the truth.
    #[must_use]
    pub fn clear_cut(seed: u64) -> Self {
        Self {
            seed,
            buildings: 1_000,
            hours: 4.0,
            single_room_share: 0.0,
            correlated_scale: 0.0,
            clock_error_share: 0.0,
            unregistered_share: 0.0,
            radio_ms: (15_000, 40_000),
            ..Self::default()
        }
    }

    /// When the night is over, Unix milliseconds; what was under way then still arrives.
    #[must_use]
    pub fn end_ms(&self) -> i64 {
        self.start_ms + self.length_ms()
    }

    pub(crate) fn length_ms(&self) -> i64 {
        whole(self.hours * HOUR_MS as f64).max(0)
    }

    /// As many fires as the buildings have room for: one for eight of them.
    #[must_use]
    pub const fn most_fires(&self) -> u32 {
        self.buildings / 8
    }

    pub(crate) fn fire_count(&self) -> u32 {
        let derived = whole(f64::from(self.buildings) * self.hours / 6_000.0).max(3);
        let wanted = self.fires.unwrap_or_else(|| u32::try_from(derived).unwrap_or(u32::MAX));
        wanted.min(self.most_fires())
    }
}

pub(crate) const SECOND_MS: i64 = 1_000;
pub(crate) const MINUTE_MS: i64 = 60 * SECOND_MS;
pub(crate) const HOUR_MS: i64 = 60 * MINUTE_MS;
