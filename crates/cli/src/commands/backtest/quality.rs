//! How good a policy's confirmations were: recall and precision, in total and for each kind of premises and village.

use std::collections::BTreeMap;

use serde::Serialize;

use super::replay::Replay;
use super::truth::{Place, Truth};

/// Something for each kind of premises or each village, by its name.
pub type ByName<T> = BTreeMap<String, T>;

/// Fires and confirmations counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Score {
    /// Fires that there were.
    pub fires: u32,
    /// Of these, how many were confirmed.
    pub fires_confirmed: u32,
    /// Fires that reached a second room.
    pub fires_of_two_rooms: u32,
    /// Of these, how many were confirmed.
    pub fires_of_two_rooms_confirmed: u32,
    /// Incidents that were confirmed.
    pub confirmations: u32,
    /// Of these, how many were a fire.
    pub real: u32,
}

/// A score with the shares that follow from it, absent where there is nothing to share.
#[derive(Serialize)]
struct Written {
    fires: u32,
    fires_confirmed: u32,
    recall: Option<f64>,
    fires_of_two_rooms: u32,
    fires_of_two_rooms_confirmed: u32,
    recall_of_two_rooms: Option<f64>,
    confirmations: u32,
    real: u32,
    precision: Option<f64>,
}

impl Serialize for Score {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written {
            fires: self.fires,
            fires_confirmed: self.fires_confirmed,
            recall: share(self.fires_confirmed, self.fires),
            fires_of_two_rooms: self.fires_of_two_rooms,
            fires_of_two_rooms_confirmed: self.fires_of_two_rooms_confirmed,
            recall_of_two_rooms: share(self.fires_of_two_rooms_confirmed, self.fires_of_two_rooms),
            confirmations: self.confirmations,
            real: self.real,
            precision: share(self.real, self.confirmations),
        }
        .serialize(serializer)
    }
}

/// What part of the whole; nothing of nothing.
pub fn share(part: u32, whole: u32) -> Option<f64> {
    (whole > 0).then(|| f64::from(part) / f64::from(whole))
}

/// The scores of one policy.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Quality {
    /// All together.
    pub total: Score,
    /// By the building's use; only where there was a fire or a confirmation.
    pub premises: ByName<Score>,
    /// By town and village; only where there was a fire or a confirmation.
    pub villages: ByName<Score>,
}

impl Quality {
    /// Holds what was confirmed against the truth.
    pub fn new(truth: &Truth, replay: &Replay) -> Self {
        let mut quality = Self::default();
        for ((place, two_rooms), confirmed) in truth.fires().zip(replay.verdict().were_confirmed()) {
            quality.count(place, |score| {
                score.fires += 1;
                score.fires_confirmed += u32::from(confirmed);
                score.fires_of_two_rooms += u32::from(two_rooms);
                score.fires_of_two_rooms_confirmed += u32::from(two_rooms && confirmed);
            });
        }
        for confirmation in replay.confirmations() {
            let real = replay.verdict().is_real(&confirmation.incident);
            quality.count(&confirmation.under, |score| {
                score.confirmations += 1;
                score.real += u32::from(real);
            });
        }
        quality
    }

    fn count(&mut self, place: &Place, count: impl Fn(&mut Score)) {
        count(&mut self.total);
        count(self.premises.entry(place.premises.clone()).or_default());
        count(self.villages.entry(place.village.clone()).or_default());
    }
}
