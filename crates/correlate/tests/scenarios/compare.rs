//! Holds what a scenario led to against what it expects, and shows a difference in the scenario's own notation.

use fenghuo_model::time::parse_rfc3339;
use serde_json::Value;

use crate::clock_face;
use crate::notation::{Act, Entry, Expected, Scenario};
use crate::play::Outcome;

/// The keys shown of a decision that nobody expected.
const TELLING_KEYS: &[&str] =
    &["incident", "rule", "satisfied", "buildings", "evidence", "classes", "into", "related", "by", "cause"];

/// Numbers incidents by their first appearance in a scenario, so that it can call them #1, #2.
#[derive(Debug, Default)]
struct IncidentNumbers(Vec<String>);

impl IncidentNumbers {
    fn note(&mut self, decision: &Value) {
        let id = decision["incident"].as_str().filter(|id| !self.0.iter().any(|known| known == id));
        self.0.extend(id.map(str::to_owned));
    }

    fn write(&self, id: &Value) -> String {
        let known = self.0.iter().position(|known| Some(known.as_str()) == id.as_str());
        known.map_or_else(|| plain(id), |place| format!("#{}", place + 1))
    }
}

/// All differences, each with file, line, what was expected and what came; empty if there is none.
pub fn differences(scenario: &Scenario, outcomes: &[Outcome]) -> String {
    let mut text = String::new();
    let mut numbers = IncidentNumbers::default();
    for (entry, outcome) in scenario.entries.iter().zip(outcomes) {
        outcome.decisions.iter().for_each(|decision| numbers.note(decision));
        let expected: Vec<String> = entry.decisions.iter().map(write_expected).chain(rejection(entry)).collect();
        let got = got(entry, outcome, &numbers);
        if expected != got {
            let block = |lines: &[String]| lines.iter().map(|line| format!("    {line}\n")).collect::<String>();
            text.push_str(&format!("{}: {}\n  expected\n{}", entry.at, entry.text, block(&expected)));
            text.push_str(&format!("  got\n{}", block(&got)));
        }
        if let Act::Count(counts) = &entry.act {
            for (key, value) in counts {
                let counted = outcome.counters.get(key).map_or_else(|| "no such counter".to_owned(), plain);
                if counted != *value {
                    text.push_str(&format!("{}: {}\n  counted {key}={counted}\n", entry.at, entry.text));
                }
            }
        }
    }
    if text.is_empty() { text } else { format!("{}: {}\n{text}", scenario.at, scenario.title) }
}

fn got(entry: &Entry, outcome: &Outcome, numbers: &IncidentNumbers) -> Vec<String> {
    let line_time = entry.time_ms.map(clock_face::write);
    let mut lines = Vec::new();
    for (place, decision) in outcome.decisions.iter().enumerate() {
        let alike = entry.decisions.get(place).filter(|expected| decision["decision"] == expected.kind.as_str());
        let keys: Vec<String> = match alike {
            Some(expected) => expected.keys.iter().map(|(key, _)| key.clone()).collect(),
            None => TELLING_KEYS.iter().map(|key| (*key).to_owned()).collect(),
        };
        let subject = decision.get("place").unwrap_or(&decision["device"]);
        let mut line = format!("= {} {}", plain(&decision["decision"]), plain(subject));
        for key in keys {
            let value = value_of(decision, &key, numbers);
            if alike.is_some() || value != "-" {
                line.push_str(&format!(" {key}={}", quoted(&value)));
            }
        }
        let decided_at = time(&decision["decided_at"]);
        if Some(&decided_at) != line_time.as_ref() || alike.is_some_and(|expected| expected.decided_at.is_some()) {
            line.push_str(&format!(" @{decided_at}"));
        }
        lines.push(line);
    }
    // The words expected stand for the whole reason, so that messages can be worded better without touching logs.
    let is_reason = |reason: &&String| entry.rejected.as_ref().is_some_and(|words| reason.contains(words.as_str()));
    lines.extend(outcome.rejected.iter().map(|reason| match Some(reason).filter(is_reason) {
        Some(_) => rejection(entry).unwrap_or_default(),
        None => format!("! {reason}"),
    }));
    lines
}

fn rejection(entry: &Entry) -> Option<String> {
    entry.rejected.as_ref().map(|words| format!("! {words}"))
}

fn write_expected(expected: &Expected) -> String {
    let mut line = format!("= {} {}", expected.kind, expected.subject);
    for (key, value) in &expected.keys {
        line.push_str(&format!(" {key}={}", quoted(value)));
    }
    if let Some(stamp) = &expected.decided_at {
        line.push_str(&format!(" @{stamp}"));
    }
    line
}

/// The value that a decision has under a key of the notation; `-` where it has none, or an empty list.
fn value_of(decision: &Value, key: &str, numbers: &IncidentNumbers) -> String {
    let each = |field: &str, write: &dyn Fn(&Value) -> String| listed(&decision["evidence"], &|e| write(&e[field]));
    match key {
        "incident" | "into" => numbers.write(&decision[key]),
        "related" => listed(&decision[key], &|id| numbers.write(id)),
        "classes" => listed(&decision[key], &plain),
        "fire" => time(&decision["fire_at"]),
        "satisfied" => time(&decision["satisfied_at"]),
        "total" => plain(&decision["evidence_total"]),
        "id" => plain(&decision["incident"]),
        "shown" => decision["evidence"].as_array().map_or(0, Vec::len).to_string(),
        "buildings" => listed(&decision[key], &|building| {
            format!("{}{}", plain(&building["id"]), if building["confirmed"] == true { "*" } else { "" })
        }),
        "evidence" => listed(&decision[key], &evidence_with_marks),
        "at" => each("at", &time),
        "received" => each("received_at", &time),
        "spots" => each("location", &plain),
        "in" => each("building", &plain),
        "sensors" => each("sensor", &plain),
        "kinds" => each("kind", &plain),
        "floors" => each("floor", &plain),
        path => plain(path.split('.').fold(decision, |value, step| match step.parse::<usize>() {
            Ok(place) => &value[place],
            Err(_) => &value[step],
        })),
    }
}

/// `*` counted, `~` isolated, `?` unregistered, `^` its time is that of receipt.
fn evidence_with_marks(evidence: &Value) -> String {
    let mut text = plain(&evidence["device"]);
    for (mark, holds) in [
        ('*', evidence["counted"] == true),
        ('~', evidence["isolated"] == true),
        ('?', evidence["unregistered"] == true),
        ('^', evidence["time"] == "received"),
    ] {
        text.extend(Some(mark).filter(|_| holds));
    }
    text
}

fn listed(list: &Value, write: &dyn Fn(&Value) -> String) -> String {
    match list.as_array() {
        Some(items) if !items.is_empty() => items.iter().map(write).collect::<Vec<_>>().join(","),
        _ => "-".to_owned(),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn time(value: &Value) -> String {
    value.as_str().and_then(parse_rfc3339).map_or_else(|| plain(value), clock_face::write)
}

fn quoted(value: &str) -> String {
    if value.contains(' ') { format!("\"{value}\"") } else { value.to_owned() }
}
