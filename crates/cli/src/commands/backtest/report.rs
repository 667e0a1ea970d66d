//! What a backtest found: both sides, and what is different; as one JSON object for programs.

use fenghuo_model::time::Rfc3339;
use serde::Serialize;

use super::compare::Comparison;
use super::quality::Quality;
use super::replay::{Confirmation, Replay};
use super::truth::Truth;

/// One policy and what came of it.
#[derive(Debug, Serialize)]
pub struct Side {
    /// Its file, or `default policy`.
    pub policy: String,
    /// Its hash.
    pub hash: String,
    /// Signals taken.
    #[serde(skip)]
    pub signals: u64,
    /// Incidents opened.
    pub incidents: u64,
    /// How often a person was asked to go and look.
    pub verify: u64,
    /// How often village and town were told that nobody answered.
    pub escalated: u64,
    /// Incidents confirmed.
    pub confirmed: usize,
    /// From the earliest evidence to the confirmation; absent if nothing was confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_to_confirm_s: Option<Seconds>,
    /// Against the truth, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quality: Option<Quality>,
    /// The confirmed incidents, by (clock at confirmation, id).
    #[serde(skip)]
    pub confirmations: Vec<Told>,
    #[serde(skip)]
    compared: Vec<Confirmation>,
}

/// A distribution of times, seconds; each is a time that occurred (the nearest rank).
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Seconds {
    /// Half of them are at most this.
    pub median: f64,
    /// Nine of ten are at most this.
    pub p90: f64,
    /// All are at most this.
    pub max: f64,
}

/// A confirmed incident.
#[derive(Debug, Clone, Serialize)]
pub struct Told {
    /// The incident's id.
    pub incident: String,
    /// Its building at confirmation.
    pub place: String,
    /// What the place is used for.
    pub premises: String,
    /// The place's town and village.
    pub village: String,
    /// The rule.
    pub rule: String,
    /// Its earliest evidence.
    pub fire_at: Rfc3339,
    /// The clock at confirmation.
    pub confirmed_at: Rfc3339,
    /// Whether it was a fire, where the truth is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub real: Option<bool>,
}

/// An incident by the old policy and by the new one.
#[derive(Debug, Serialize)]
pub struct Pair {
    /// By the old policy.
    pub old: Told,
    /// By the new policy.
    pub new: Told,
}

/// From the old policy to the new one.
#[derive(Debug, Serialize)]
pub struct Differences {
    /// Confirmed by the new policy only.
    pub gained: Vec<Told>,
    /// Confirmed by the old policy only.
    pub lost: Vec<Told>,
    /// Confirmed sooner by the new policy.
    pub earlier: Vec<Pair>,
    /// Confirmed later by the new policy.
    pub later: Vec<Pair>,
    /// An incident of the old policy that is part of another one by the new.
    pub joined: Vec<Pair>,
    /// An incident of the new policy that was part of another one by the old.
    pub split: Vec<Pair>,
    /// How many are confirmed at the same time by both.
    pub unchanged: usize,
    #[serde(skip)]
    any: bool,
}

/// All that a backtest found; the same for the same files.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Signals taken.
    pub signals: u64,
    /// Lines that are no signal, and signals that were rejected.
    pub rejected: u64,
    /// The old policy.
    pub old: Side,
    /// The new policy.
    pub new: Side,
    /// What is different.
    pub differences: Differences,
}

impl Side {
    /// What came of a policy that goes by that name.
    pub fn new(policy: String, replay: &Replay, truth: Option<&Truth>) -> Self {
        let (verify, escalated) = replay.calls();
        let confirmations = replay.confirmations();
        Self {
            policy,
            hash: replay.policy().hash().to_owned(),
            signals: replay.signals(),
            incidents: replay.incidents(),
            verify,
            escalated,
            confirmed: confirmations.len(),
            time_to_confirm_s: Seconds::of(
                confirmations.iter().map(|each| each.decided_at_ms - each.fire_at_ms).collect(),
            ),
            quality: truth.map(|truth| Quality::new(truth, replay)),
            confirmations: confirmations.iter().map(|each| told(each, truth.map(|_| replay))).collect(),
            compared: confirmations.to_vec(),
        }
    }
}

/// A confirmation as it is told; with a replay that knows the truth, whether it was a fire.
fn told(confirmation: &Confirmation, judged: Option<&Replay>) -> Told {
    Told {
        incident: confirmation.incident.clone(),
        place: confirmation.place.clone(),
        premises: confirmation.under.premises.clone(),
        village: confirmation.under.village.clone(),
        rule: confirmation.rule.clone(),
        fire_at: Rfc3339(confirmation.fire_at_ms),
        confirmed_at: Rfc3339(confirmation.decided_at_ms),
        real: judged.map(|replay| replay.verdict().is_real(&confirmation.incident)),
    }
}

impl Seconds {
    /// The distribution of times in milliseconds; nothing of nothing.
    fn of(mut times_ms: Vec<i64>) -> Option<Self> {
        times_ms.sort_unstable();
        let at_rank = |percent: usize| {
            let rank = (times_ms.len() * percent).div_ceil(100);
            times_ms.get(rank.saturating_sub(1)).map(|ms| seconds(*ms))
        };
        Some(Self { median: at_rank(50)?, p90: at_rank(90)?, max: at_rank(100)? })
    }
}

#[expect(clippy::cast_precision_loss, reason = "no incident lasts 2^52 milliseconds")]
fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

impl Report {
    /// Holds both sides against each other.
    pub fn new(old: Side, new: Side, rejected: u64) -> Self {
        let found = Comparison::new(&old.compared, &new.compared);
        let of = |side: &Side, places: &[usize]| places.iter().map(|at| side.confirmations[*at].clone()).collect();
        let pairs = |pairs: &[(usize, usize)]| {
            let pair = |(before, after): &(usize, usize)| Pair {
                old: old.confirmations[*before].clone(),
                new: new.confirmations[*after].clone(),
            };
            pairs.iter().map(pair).collect()
        };
        let differences = Differences {
            gained: of(&new, &found.gained),
            lost: of(&old, &found.lost),
            earlier: pairs(&found.earlier),
            later: pairs(&found.later),
            joined: pairs(&found.joined),
            split: pairs(&found.split),
            unchanged: found.unchanged.len(),
            any: found.differs(),
        };
        Self { signals: old.signals, rejected, old, new, differences }
    }

    /// Whether the policies differ in any incident.
    pub fn differs(&self) -> bool {
        self.differences.any
    }

    /// One JSON object.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a report has string keys and finite numbers only")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_nearest_rank() {
        let seconds = |median, p90, max| Some(Seconds { median, p90, max });
        for (times_ms, expected) in [
            (vec![], None),
            (vec![1_500], seconds(1.5, 1.5, 1.5)),
            (vec![2_000, 1_000], seconds(1.0, 2.0, 2.0)),
            ((1..=10).map(|s| s * 1_000).collect(), seconds(5.0, 9.0, 10.0)),
            ((1..=11).map(|s| s * 1_000).collect(), seconds(6.0, 10.0, 11.0)),
        ] {
            assert_eq!(Seconds::of(times_ms.clone()), expected, "{times_ms:?}");
        }
    }
}
