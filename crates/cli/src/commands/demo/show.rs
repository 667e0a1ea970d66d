//! What a demo shows while it runs: a progress bar for who watches, one line for each fire as it is confirmed.
//!
//! Fires and table go to standard output; the bar goes to standard error, and only to a terminal.

use std::path::Path;
use std::time::Duration;

use fenghuo_city::Plan;
use fenghuo_model::decision::{DecisionKind, EvidenceEntry, IncidentState};
use fenghuo_model::shared::Shared;
use fenghuo_model::{Decision, Registry};

use super::report::Report;
use crate::failure::Failure;
use crate::locale::Locale;
use crate::output::Output;
use crate::phrases::{Phrase, grouped};
use crate::progress::Progress;

/// Pieces of evidence that a line names before it counts the rest.
const EVIDENCE_NAMED: usize = 3;

/// How a demo speaks to whoever watches.
pub struct Show<'l> {
    locale: &'l Locale,
    /// For people; else only the report is written, as JSON.
    for_people: bool,
    output: Output,
    progress: Progress,
}

impl<'l> Show<'l> {
    /// Nothing shown yet.
    pub fn new(locale: &'l Locale, for_people: bool, plan: &Plan) -> Self {
        let progress = if for_people { Progress::over(plan) } else { Progress::hidden() };
        Self { locale, for_people, output: Output::standard(), progress }
    }

    /// What city, what night.
    pub fn city(&mut self, plan: &Plan, registry: &Registry, fires: usize) -> Result<(), Failure> {
        let line = Phrase::City.fill(
            self.locale.language,
            &[
                &grouped(registry.buildings().len() as u64),
                &grouped(registry.devices().len() as u64),
                &fires,
                &plan.hours,
                &self.locale.date_and_time(plan.start_ms),
                &self.locale.zone_name(),
                &plan.seed,
            ],
        );
        self.say(&line)
    }

    /// How far the night is.
    pub fn progress(&mut self, until_ms: i64, records: u64) {
        self.progress.at(self.locale, until_ms, records);
    }

    /// A decision; of a confirmed fire, when, where and why.
    pub fn decision(&mut self, decision: &Decision) -> Result<(), Failure> {
        match &decision.state {
            Some(state) if decision.decision == DecisionKind::Confirmed && self.for_people => {
                let line = self.fire_line(decision, state);
                self.say(&line)
            }
            _ => Ok(()),
        }
    }

    /// The end.
    pub fn report(&mut self, report: &Report, elapsed: Duration, directory: Option<&Path>) -> Result<(), Failure> {
        self.progress.end();
        if self.for_people {
            let language = self.locale.language;
            if !report.any_confirmed() {
                self.say(Phrase::NoFireConfirmed.text(language))?;
            }
            self.say("")?;
            for row in report.rows(language, elapsed) {
                self.say(&row)?;
            }
            if let Some(directory) = directory {
                self.say(&Phrase::Written.fill(language, &[&directory.display()]))?;
            }
        } else {
            self.output.line(report.to_json(elapsed))?;
        }
        self.output.flush()
    }

    fn say(&mut self, line: &str) -> Result<(), Failure> {
        if !self.for_people {
            return Ok(());
        }
        let output = &mut self.output;
        self.progress.aside(|| {
            output.line(line)?;
            output.flush()
        })
    }

    fn fire_line(&self, decision: &Decision, state: &IncidentState) -> String {
        let place = state.buildings.iter().find(|building| building.id == state.place);
        let name = place.and_then(|place| place.name.as_deref());
        let where_it_is: Vec<&str> = [state.address.as_deref(), name, Some(state.place.as_str())]
            .into_iter()
            .flatten()
            .filter(|part| !part.is_empty())
            .collect();
        let after_s = (decision.decided_at.0 - state.fire_at.0) / 1_000;
        Phrase::FireConfirmed.fill(
            self.locale.language,
            &[
                &self.locale.time_of_day(decision.decided_at.0),
                &where_it_is.join(" "),
                &state.rule.as_deref().unwrap_or_default(),
                &self.evidence(&decision.evidence),
                &after_s,
            ],
        )
    }

    /// What the confirmation counted, each spot once.
    fn evidence(&self, evidence: &[Shared<EvidenceEntry>]) -> String {
        let language = self.locale.language;
        let mut spots: Vec<String> = Vec::new();
        for entry in evidence.iter().filter(|entry| entry.counted) {
            let sensor = Phrase::of_sensor(entry.sensor).text(language);
            let spot = format!("{sensor} {}", entry.location);
            if !spots.contains(&spot) {
                spots.push(spot);
            }
        }
        let more = spots.len().saturating_sub(EVIDENCE_NAMED);
        spots.truncate(EVIDENCE_NAMED);
        if more > 0 {
            spots.push(Phrase::EvidenceMore.fill(language, &[&more]));
        }
        spots.join(", ")
    }
}
