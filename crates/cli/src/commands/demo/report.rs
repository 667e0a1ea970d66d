//! The end of a demo: what went in, what came out, how good it was; as a table for people, as JSON for programs.

use std::time::Duration;

use fenghuo_city::Plan;
use fenghuo_correlate::Counters;
use fenghuo_model::Registry;
use serde::Serialize;

use super::night::Batch;
use crate::locale::Language;
use crate::phrases::{Phrase, grouped};
use crate::verdict::Verdict;

/// What went through the path.
#[derive(Debug, Default)]
pub struct Amounts {
    /// Raw records.
    pub records: u64,
    /// Of these, how many hold something that cannot be read.
    pub unreadable: u64,
    /// Signals that the correlator would not take.
    pub rejected: u64,
    /// Decisions.
    pub decisions: u64,
}

impl Amounts {
    /// Counts a batch.
    pub fn add(&mut self, batch: &Batch) {
        self.records += batch.records;
        self.unreadable += batch.unreadable;
    }
}

/// All that a demo found, but for how fast it was: the same for the same plan and policy.
#[derive(Debug, Serialize)]
pub struct Report {
    seed: u64,
    buildings: usize,
    devices: usize,
    hours: f64,
    records: u64,
    unreadable: u64,
    signals: u64,
    rejected: u64,
    duplicates: u64,
    decisions: u64,
    incidents: u64,
    incidents_confirmed: u64,
    fires_planted: usize,
    fires_confirmed: usize,
    /// From ignition to confirmation.
    #[serde(skip_serializing_if = "Option::is_none")]
    time_to_confirm_s: Option<Seconds>,
    fires_missed: Vec<MissedFire>,
    /// Ids of the incidents.
    false_confirmations: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Seconds {
    median: f64,
    p90: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
struct MissedFire {
    building: String,
    suspected: bool,
}

/// The report with how fast it was.
#[derive(Serialize)]
struct Timed<'r> {
    #[serde(flatten)]
    report: &'r Report,
    seconds: f64,
    signals_per_second: f64,
}

impl Report {
    /// What a demo found.
    pub fn new(plan: &Plan, registry: &Registry, verdict: &Verdict, amounts: &Amounts, counters: &Counters) -> Self {
        let seconds = |ms: u64| Duration::from_millis(ms).as_secs_f64();
        Self {
            seed: plan.seed,
            buildings: registry.buildings().len(),
            devices: registry.devices().len(),
            hours: plan.hours,
            records: amounts.records,
            unreadable: amounts.unreadable,
            signals: counters.signals,
            rejected: amounts.rejected,
            duplicates: counters.duplicates,
            decisions: amounts.decisions,
            incidents: counters.incidents,
            incidents_confirmed: counters.confirmed,
            fires_planted: verdict.planted(),
            fires_confirmed: verdict.confirmed(),
            time_to_confirm_s: verdict.times().map(|times| Seconds {
                median: seconds(times.median_ms),
                p90: seconds(times.p90_ms),
                max: seconds(times.max_ms),
            }),
            fires_missed: verdict
                .missed()
                .map(|(building, suspected)| MissedFire { building: building.to_owned(), suspected })
                .collect(),
            false_confirmations: verdict.false_incidents().map(str::to_owned).collect(),
        }
    }

    /// One JSON object.
    pub fn to_json(&self, elapsed: Duration) -> String {
        let timed = Timed {
            report: self,
            seconds: (elapsed.as_secs_f64() * 1_000.0).round() / 1_000.0,
            signals_per_second: self.per_second(elapsed).round(),
        };
        serde_json::to_string(&timed).expect("a report has string keys and finite numbers only")
    }

    /// The table, a line a row: the value, then what it is.
    pub fn rows(&self, language: Language, elapsed: Duration) -> Vec<String> {
        let count = |number: usize| grouped(number as u64);
        let row = |value: String, phrase: Phrase, gap: &str| format!("{value:>12}  {}", phrase.fill(language, &[&gap]));
        let suspected = self.fires_missed.iter().filter(|fire| fire.suspected).count();
        let mut rows = vec![
            row(count(self.fires_planted), Phrase::Planted, ""),
            row(count(self.fires_confirmed), Phrase::Confirmed, ""),
            row(count(self.fires_missed.len()), Phrase::Missed, &count(suspected)),
        ];
        if let Some(times) = &self.time_to_confirm_s {
            let in_seconds = |seconds: f64| format!("{seconds:.1} s");
            rows.push(row(in_seconds(times.median), Phrase::TimeMedian, ""));
            rows.push(row(in_seconds(times.p90), Phrase::TimeP90, ""));
            rows.push(row(in_seconds(times.max), Phrase::TimeMax, ""));
        }
        let seconds = format!("{:.1}", elapsed.as_secs_f64());
        rows.extend([
            row(count(self.false_confirmations.len()), Phrase::False, ""),
            row(grouped(self.incidents), Phrase::Suspected, &grouped(self.incidents_confirmed)),
            row(grouped(self.records), Phrase::Records, ""),
            row(grouped(self.unreadable), Phrase::Unreadable, ""),
            row(grouped(self.signals), Phrase::Signals, ""),
            row(grouped(self.duplicates), Phrase::Duplicates, ""),
            row(grouped_rate(self.per_second(elapsed)), Phrase::SignalsPerSecond, &seconds),
        ]);
        rows
    }

    /// Whether any fire was confirmed.
    pub fn any_confirmed(&self) -> bool {
        self.incidents_confirmed > 0
    }

    #[expect(clippy::cast_precision_loss, reason = "a rate for people; no night has 2^52 signals")]
    fn per_second(&self, elapsed: Duration) -> f64 {
        self.signals as f64 / elapsed.as_secs_f64().max(0.001)
    }
}

/// A rate without its fraction.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rate is positive and rounded")]
fn grouped_rate(per_second: f64) -> String {
    grouped(per_second.round() as u64)
}
