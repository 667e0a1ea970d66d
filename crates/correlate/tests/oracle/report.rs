//! A difference as a scenario that a person can follow, and what a run has covered.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use fenghuo_model::decision::DecisionKind;
use serde_json::Value;

use crate::compare::{Comparison, Step};
use crate::generate::Sequence;

/// How often each kind of decision, and each thing worth meeting, was met.
#[derive(Debug, Default)]
pub struct Coverage {
    counts: BTreeMap<String, u64>,
}

impl Coverage {
    /// Counts what the oracle decided.
    pub fn add(&mut self, steps: &[Step]) {
        for step in steps {
            match step {
                Step::Decided(decisions) => decisions.iter().for_each(|decision| self.add_decision(decision)),
                Step::Rejected(reason) => self.count(&format!("rejected input: {reason:?}")),
                Step::Panicked(_) => self.count("panic"),
            }
        }
    }

    /// Adds what another thread has counted.
    pub fn merge(&mut self, other: Self) {
        for (name, count) in other.counts {
            *self.counts.entry(name).or_default() += count;
        }
    }

    /// The kinds of decision that never occurred.
    pub fn missing(&self) -> Vec<&'static str> {
        let words = DecisionKind::ALL.iter().map(|kind| kind.word());
        words.filter(|word| !self.counts.contains_key(&format!("decision {word}"))).collect()
    }

    fn count(&mut self, name: &str) {
        *self.counts.entry(name.to_owned()).or_default() += 1;
    }

    fn add_decision(&mut self, decision: &Value) {
        let word = decision["decision"].as_str().unwrap_or_default();
        self.count(&format!("decision {word}"));
        let length = |name: &str| decision[name].as_array().map_or(0, Vec::len);
        let shown = decision["evidence"].as_array().map_or(&[][..], Vec::as_slice);
        let any = |name: &str| shown.iter().any(|entry| entry.get(name).is_some());
        let total = decision["evidence_total"].as_u64().unwrap_or(0);
        for (name, is_met) in [
            ("verify after the first", word == "verify" && decision["revision"].as_u64() > Some(2)),
            ("with several buildings", length("buildings") > 1),
            ("with related incidents", length("related") > 0),
            ("with duplicates", decision["duplicates"].as_u64().unwrap_or(0) > 0),
            ("with isolated evidence", any("isolated")),
            ("with unregistered evidence", any("unregistered")),
            ("with a time of receipt", any("time")),
            ("with more evidence than is shown", total > shown.len() as u64),
            ("confirmed over several buildings", word == "confirmed" && length("buildings") > 1),
            (
                "confirmed for an instant other than now",
                word == "confirmed" && decision["satisfied_at"] != decision["decided_at"],
            ),
        ] {
            if is_met {
                self.count(name);
            }
        }
    }
}

impl std::fmt::Display for Coverage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.counts.iter().try_for_each(|(name, count)| writeln!(f, "{count:>9}  {name}"))
    }
}

/// The scenario: what both were given, what each made of it, and where they first differ.
pub fn scenario(sequence: &Sequence, comparison: &Comparison) -> String {
    let mut text = String::new();
    let first = comparison.first_difference();
    let _ = writeln!(text, "-- registry\n{}", sequence.registry.join("\n"));
    let _ = writeln!(text, "-- policy\n{}-- signals", sequence.policy.to_toml());
    for (number, line) in sequence.inputs.iter().enumerate() {
        let _ = writeln!(text, "{number:>4} {line}");
    }
    for (name, steps) in [("the text (oracle)", &comparison.oracle), ("the correlator", &comparison.correlator)] {
        let _ = writeln!(text, "-- decided by {name}");
        for (number, step) in steps.iter().enumerate() {
            write_step(&mut text, number, step, first == Some(number));
        }
    }
    if let Some(first) = first {
        let _ = writeln!(text, "-- first difference, at signal {first} (one past the last is the drain)");
        match (comparison.oracle.get(first), comparison.correlator.get(first)) {
            (Some(Step::Decided(expected)), Some(Step::Decided(found))) => {
                let decisions = |list: &[Value]| Value::Array(list.to_vec());
                write_differences(&mut text, "", &decisions(expected), &decisions(found));
            }
            (expected, found) => {
                let _ = writeln!(text, "expected {expected:?}\nfound    {found:?}");
            }
        }
    }
    text
}

fn write_step(text: &mut String, number: usize, step: &Step, differs: bool) {
    let mark = if differs { ">>>" } else { "   " };
    match step {
        Step::Decided(decisions) => {
            for decision in decisions {
                let _ = writeln!(text, "{mark}{number:>4} {decision}");
            }
            if decisions.is_empty() && differs {
                let _ = writeln!(text, "{mark}{number:>4} nothing");
            }
        }
        Step::Rejected(reason) => {
            let _ = writeln!(text, "{mark}{number:>4} rejected: {reason:?}");
        }
        Step::Panicked(message) => {
            let _ = writeln!(text, "{mark}{number:>4} panicked: {message}");
        }
    }
}

/// Every field in which two values differ, by its path.
fn write_differences(text: &mut String, path: &str, expected: &Value, found: &Value) {
    match (expected, found) {
        _ if expected == found => {}
        (Value::Object(ours), Value::Object(theirs)) => {
            for name in ours.keys().chain(theirs.keys().filter(|name| !ours.contains_key(*name))) {
                write_differences(text, &format!("{path}/{name}"), &expected[name], &found[name]);
            }
        }
        (Value::Array(ours), Value::Array(theirs)) if ours.len() == theirs.len() => {
            for (number, (one, other)) in ours.iter().zip(theirs).enumerate() {
                write_differences(text, &format!("{path}/{number}"), one, other);
            }
        }
        _ => {
            let _ = writeln!(text, "{path}\n    expected {expected}\n    found    {found}");
        }
    }
}
