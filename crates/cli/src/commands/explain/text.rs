//! An explanation for people, in their language and time zone.

use fenghuo_correlate::{ExaminedEvidence, ExaminedRule};
use fenghuo_model::time::Rfc3339;

use super::Explanation;
use super::history::{Fate, Told};
use crate::locale::Locale;
use crate::phrases::Phrase;

/// The whole answer, lines with their ends.
pub fn of(explanation: &Explanation, locale: &Locale) -> String {
    let say = |phrase: Phrase, values: &[&dyn std::fmt::Display]| phrase.fill(locale.language, values);
    let examination = &explanation.examination;
    let at = locale.date_and_time(examination.at.0);
    let mut lines = vec![say(Phrase::ExplainHead, &[&examination.building, &examination.region, &at])];
    lines.push(match (&examination.incident, examination.confirmed) {
        (None, _) => say(Phrase::ExplainNoIncident, &[]),
        (Some(incident), true) => say(Phrase::ExplainConfirmed, &[incident]),
        (Some(incident), false) => say(Phrase::ExplainSuspected, &[incident]),
    });
    if let Some(decision) = &explanation.decision {
        let rule = decision.state.as_ref().and_then(|state| state.rule.as_deref()).unwrap_or("-");
        let decided = locale.date_and_time(decision.decided_at.0);
        lines.push(say(Phrase::ExplainDecision, &[&decision.decision.word(), &decided, &rule]));
    }
    lines.push(String::new());
    lines.push(say(Phrase::ExplainEvidence, &[&examination.evidence.len()]));
    lines.extend(examination.evidence.iter().map(|held| format!("  {}", evidence_line(held, locale))));
    lines.push(String::new());
    lines.push(say(Phrase::ExplainRules, &[]));
    for rule in &examination.rules {
        lines.extend(rule_lines(rule, locale).into_iter().map(|line| format!("  {line}")));
    }
    lines.push(String::new());
    lines.push(say(Phrase::ExplainSignals, &[&explanation.signals.len()]));
    lines.extend(explanation.signals.iter().map(|told| format!("  {}", signal_line(told, locale))));
    lines.push(String::new());
    lines.join("\n")
}

fn evidence_line(held: &ExaminedEvidence, locale: &Locale) -> String {
    let entry = &held.entry;
    let sensor = Phrase::of_sensor(entry.sensor).text(locale.language);
    let mut line =
        format!("{}  {}  {}  {} {sensor}", locale.time_of_day(entry.at.0), entry.device, entry.location, entry.kind);
    let mut note = |phrase: Phrase, values: &[&dyn std::fmt::Display]| {
        line.push_str("; ");
        line.push_str(&phrase.fill(locale.language, values));
    };
    if entry.isolated {
        note(Phrase::ExplainIsolated, &[]);
    }
    if held.forgotten {
        note(Phrase::ExplainForgotten, &[]);
    }
    if let Some(restored) = held.restored_at {
        note(Phrase::ExplainRestored, &[&locale.time_of_day(restored.0)]);
    }
    if held.counts_for.is_empty() {
        note(Phrase::ExplainCountsForNone, &[]);
    } else {
        note(Phrase::ExplainCountsFor, &[&held.counts_for.join(", ")]);
    }
    line
}

fn rule_lines(rule: &ExaminedRule, locale: &Locale) -> Vec<String> {
    let say = |phrase: Phrase, values: &[&dyn std::fmt::Display]| phrase.fill(locale.language, values);
    let verdict = if rule.holds { Phrase::ExplainHolds } else { Phrase::ExplainHoldsNot };
    let origin = rule.origin.as_ref().map(|origin| format!(" @ {origin}")).unwrap_or_default();
    let mut lines = vec![format!("{}{origin}: {}", rule.rule, say(verdict, &[]))];
    if !rule.premises_match {
        lines.push(format!("    {}", say(Phrase::ExplainPremises, &[])));
    }
    for minimum in &rule.minima {
        let text = match minimum.missing() {
            0 => say(Phrase::ExplainReached, &[&minimum.name, &minimum.has, &minimum.needs]),
            missing => say(Phrase::ExplainMissed, &[&minimum.name, &minimum.has, &minimum.needs, &missing]),
        };
        lines.push(format!("    {text}"));
    }
    let one_more = &rule.one_more;
    if one_more.devices_total > 0 {
        let text = say(Phrase::ExplainOneMoreDevice, &[&one_more.devices_total, &one_more.devices.join(", ")]);
        lines.push(format!("    {text}"));
    }
    if one_more.confirm {
        lines.push(format!("    {}", say(Phrase::ExplainOneMoreConfirm, &[])));
    }
    if !rule.holds && !one_more.confirm && one_more.devices_total == 0 {
        lines.push(format!("    {}", say(Phrase::ExplainOneMoreNothing, &[])));
    }
    lines
}

fn signal_line(told: &Told, locale: &Locale) -> String {
    let time = |at: Option<Rfc3339>| at.map_or_else(|| "--:--:--".to_owned(), |at| locale.time_of_day(at.0));
    let fate = Phrase::of_fate(told.fate).text(locale.language);
    let reason = told.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    format!(
        "{} ({})  {}  {}: {fate}{reason}",
        time(told.received_at.or(told.at)),
        time(told.at),
        told.device,
        told.kind
    )
}

impl Phrase {
    /// What became of a signal.
    const fn of_fate(fate: Fate) -> Self {
        match fate {
            Fate::Evidence => Self::FateEvidence,
            Fate::Isolated => Self::FateIsolated,
            Fate::Wiped => Self::FateWiped,
            Fate::Forgotten => Self::FateForgotten,
            Fate::Duplicate => Self::FateDuplicate,
            Fate::Test => Self::FateTest,
            Fate::Rejected => Self::FateRejected,
            Fate::Taken => Self::FateTaken,
        }
    }
}
