//! The policy: by which rules and times evidence becomes a confirmed fire.

mod read;

use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use crate::words::{Kind, Premises, Sensor};

/// The embedded default policy, as its commented text.
pub const DEFAULT_TEXT: &str = include_str!("default.toml");

/// The longest window that a rule may have.
pub const LONGEST_WINDOW_MS: i64 = 3_600_000;

static DEFAULT: LazyLock<Policy> = LazyLock::new(|| {
    Policy::from_toml("default policy", DEFAULT_TEXT).expect("the embedded policy is read by a test of this crate")
});

/// How far a device's clock is believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockTrust {
    /// Event times earlier than this before receipt give way to the time of receipt.
    pub max_behind_ms: i64,
    /// Event times later than this after receipt give way to the time of receipt.
    pub max_ahead_ms: i64,
}

/// The times of an incident's life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncidentTimes {
    /// From opening to `verify`.
    pub verify_after_ms: i64,
    /// From the first `verify` to `escalated`.
    pub escalate_after_ms: i64,
    /// The least time between a `confirmed` or `update` and the next `update` for new evidence.
    pub update_every_ms: i64,
    /// From the last evidence to `closed`, suspected.
    pub close_after_ms: i64,
    /// From the last evidence to `closed`, confirmed.
    pub close_confirmed_after_ms: i64,
}

/// When evidence suffices: every minimum must be reached by what passes the filters.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The name that decisions carry.
    pub id: String,
    /// How long evidence counts.
    pub window_ms: i64,
    /// The kinds that count.
    pub kinds: Vec<Kind>,
    /// The sensors that count; any without.
    pub sensors: Option<Vec<Sensor>>,
    /// The premises where the rule holds; any without.
    pub premises: Option<Vec<Premises>>,
    /// Makes it a neighbourhood rule: how far it reaches around its origin, metres.
    pub radius_m: Option<f64>,
    /// Distinct devices.
    pub min_devices: u32,
    /// Distinct locations.
    pub min_locations: u32,
    /// Distinct sensors.
    pub min_classes: u32,
    /// Distinct buildings.
    pub min_buildings: u32,
    /// Sum over the locations of the largest weight there, thousandths.
    pub min_score: u32,
    /// How long one location has spoken at least.
    pub min_span_ms: i64,
}

/// By which rules and times evidence becomes a confirmed fire.
#[derive(Debug, Clone, PartialEq)]
pub struct Policy {
    /// How far clocks are believed.
    pub clock: ClockTrust,
    /// How long accepted signals are remembered for duplicates.
    pub dedup_horizon_ms: i64,
    /// How long evidence counts at least, even if restored.
    pub hold_ms: i64,
    /// When an isolation without an end is over.
    pub isolate_max_ms: i64,
    /// The times of an incident's life.
    pub incident: IncidentTimes,
    /// Weights by sensor, thousandths, by the sensor's place in [`Sensor::ALL`].
    weights: Vec<u32>,
    /// The rules, in their order.
    pub rules: Vec<Rule>,
    hash: String,
}

impl Default for Policy {
    fn default() -> Self {
        DEFAULT.clone()
    }
}

impl Policy {
    /// What evidence of a sensor weighs for `min_score`, thousandths.
    #[must_use]
    pub fn weight(&self, sensor: Sensor) -> u32 {
        self.weights[sensor as usize]
    }

    /// The first 16 hexadecimal digits of the SHA-256 of the policy's meaning: comments and order of keys do not count.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// The longest window of any rule.
    #[must_use]
    pub fn longest_window_ms(&self) -> i64 {
        self.rules.iter().map(|rule| rule.window_ms).max().unwrap_or(0)
    }

    /// The largest radius of any neighbourhood rule, metres.
    #[must_use]
    pub fn largest_radius_m(&self) -> Option<f64> {
        self.rules.iter().filter_map(|rule| rule.radius_m).reduce(f64::max)
    }

    /// How long evidence is remembered for judging (H): the longest window + 2 · max_behind + max_ahead.
    #[must_use]
    pub fn memory_ms(&self) -> i64 {
        self.longest_window_ms() + 2 * self.clock.max_behind_ms + self.clock.max_ahead_ms
    }

    /// Whether some rule counts prealarms, so that they are evidence.
    #[must_use]
    pub fn counts_prealarms(&self) -> bool {
        self.rules.iter().any(|rule| rule.kinds.contains(&Kind::Prealarm))
    }

    /// Whether `at_ms` is to be believed of a signal received at `received_at_ms`.
    #[must_use]
    pub fn trusts(&self, at_ms: i64, received_at_ms: i64) -> bool {
        at_ms >= received_at_ms - self.clock.max_behind_ms && at_ms <= received_at_ms + self.clock.max_ahead_ms
    }

    /// Writes the hash of everything else; the readable form of a value is its canonical one.
    fn seal(mut self) -> Self {
        self.hash.clear();
        let digest = Sha256::digest(format!("{self:?}").as_bytes());
        self.hash = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        self
    }
}
