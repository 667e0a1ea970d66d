//! The verdict on a round: what a read_committed reader found against what the oracle decides.
//!
//! A decision is known by incident and revision. The oracle's sequence has two parts: what follows from signals below
//! the group's committed offsets must be there, what follows from later ones may only be there without a promise.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::overlap;

/// A decision that the oracle expects.
#[derive(Debug, Clone)]
pub struct Expected {
    /// As JSON.
    pub json: String,
    /// Whether it belongs to dispatch.
    pub dispatch: bool,
    /// Whether the group had committed past the signal that it follows from.
    pub due: bool,
}

/// A decision that was found.
#[derive(Debug, Clone)]
pub struct Found {
    /// As JSON.
    pub json: String,
    /// Whether it was on dispatch.
    pub dispatch: bool,
}

/// How much was wrong, by kind; all zero is right.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Verdict {
    /// Decisions found.
    pub found: u64,
    /// Due on dispatch, and not there.
    pub lost: u64,
    /// Due on watch, and not there.
    pub lost_on_watch: u64,
    /// Visible again, byte for byte the same.
    pub repeated: u64,
    /// Visible again under the same incident and revision with other bytes.
    pub repeated_otherwise: u64,
    /// There under a known incident and revision, but saying something that the oracle does not.
    pub altered: u64,
    /// There, and the oracle knows nothing of it.
    pub spurious: u64,
    /// There before the group had committed the signal that it follows from.
    pub early: u64,
    /// On the other topic than it belongs to.
    pub misplaced: u64,
    /// Pairs of incidents that are open in one building at the same time.
    pub two_open: u64,
    /// Signals that the raw records hold and the signals topic does not.
    pub signals_missing: u64,
    /// Signals in the topic that the raw records do not hold.
    pub signals_excess: u64,
    /// Planted fires whose building no decision on dispatch names.
    pub fires_missed: u64,
    /// Whether the members' counters could be compared with the topics.
    pub is_counted: bool,
    /// Counters that differ from what the topics hold.
    pub miscounted: u64,
}

impl Verdict {
    /// What is wrong, in words; empty if all is right.
    pub fn complaints(&self) -> Vec<String> {
        let rows = [
            ("lost", self.lost),
            ("lost on watch", self.lost_on_watch),
            ("repeated", self.repeated),
            ("repeated with other bytes", self.repeated_otherwise),
            ("altered", self.altered),
            ("spurious", self.spurious),
            ("early", self.early),
            ("misplaced", self.misplaced),
            ("two open incidents", self.two_open),
            ("signals missing", self.signals_missing),
            ("signals in excess", self.signals_excess),
            ("fires missed", self.fires_missed),
            ("counters wrong", self.miscounted),
        ];
        rows.iter().filter(|(_, count)| *count > 0).map(|(what, count)| format!("{count} {what}")).collect()
    }
}

/// A few examples of what is wrong, for whoever looks into it.
#[derive(Debug, Default)]
pub struct Examples(pub Vec<String>);

const MOST_EXAMPLES: usize = 12;

impl Examples {
    fn add(&mut self, what: &str, json: &str) {
        if self.0.len() < MOST_EXAMPLES {
            self.0.push(format!("{what}: {json}"));
        }
    }
}

/// Compares decisions; the counts of signals and fires are the caller's.
pub fn compare(expected: &[Expected], found: &[Found], examples: &mut Examples) -> Verdict {
    let mut verdict = Verdict { found: found.len() as u64, ..Verdict::default() };
    let mut wanted: BTreeMap<String, Vec<&Expected>> = BTreeMap::new();
    for one in expected {
        wanted.entry(id_of(&one.json)).or_default().push(one);
    }
    let mut there: BTreeMap<String, Vec<&Found>> = BTreeMap::new();
    for one in found {
        there.entry(id_of(&one.json)).or_default().push(one);
    }
    for (id, copies) in &there {
        match wanted.get(id) {
            Some(wanted) => judge_copies(wanted, copies, &mut verdict, examples),
            None => {
                verdict.spurious += 1;
                examples.add("spurious", &copies[0].json);
            }
        }
    }
    for (id, wanted) in &wanted {
        let missing = wanted.len().saturating_sub(there.get(id).map_or(0, Vec::len));
        for one in wanted.iter().filter(|one| one.due).take(missing) {
            *(if one.dispatch { &mut verdict.lost } else { &mut verdict.lost_on_watch }) += 1;
            examples.add("lost", &one.json);
        }
    }
    let texts: BTreeSet<&str> = found.iter().map(|one| one.json.as_str()).collect();
    verdict.two_open = overlap::count(texts.iter().filter_map(|json| serde_json::from_str(json).ok()));
    verdict
}

fn judge_copies(wanted: &[&Expected], copies: &[&Found], verdict: &mut Verdict, examples: &mut Examples) {
    let same = |copy: &&&Found| wanted.iter().find(|one| one.json == copy.json);
    let altered: Vec<_> = copies.iter().filter(|copy| same(copy).is_none()).collect();
    let texts: BTreeSet<&str> = copies.iter().map(|copy| copy.json.as_str()).collect();
    let excess = copies.len().saturating_sub(wanted.len());
    // Where the oracle itself uses an id again, two texts are two decisions.
    if excess > 0 && texts.len() > wanted.len() {
        verdict.repeated_otherwise += excess as u64;
    } else if excess > 0 {
        verdict.repeated += excess as u64;
        examples.add("repeated", &copies[0].json);
    }
    if let Some(altered) = altered.first() {
        verdict.altered += 1;
        examples.add("altered", &altered.json);
        examples.add("instead of", &wanted[0].json);
    }
    verdict.misplaced +=
        copies.iter().filter(|copy| same(copy).is_some_and(|one| one.dispatch != copy.dispatch)).count() as u64;
    verdict.early += u64::from(wanted.iter().all(|one| !one.due));
}

/// Incident and revision; of a decision without incident its kind, device and time.
fn id_of(json: &str) -> String {
    let Ok(decision) = serde_json::from_str::<Value>(json) else { return json.to_owned() };
    match (&decision["incident"], &decision["revision"]) {
        (Value::String(incident), Value::Number(revision)) => format!("{incident}/{revision}"),
        _ => format!("{}/{}/{}", decision["decision"], decision["device"], decision["decided_at"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(incident: &str, revision: u32, more: &str) -> String {
        format!("{{\"decision\":\"update\",\"incident\":\"{incident}\",\"revision\":{revision},\"x\":\"{more}\"}}")
    }

    fn expected(revision: u32, due: bool) -> Expected {
        Expected { json: json("a", revision, ""), dispatch: true, due }
    }

    fn found(revision: u32, more: &str) -> Found {
        Found { json: json("a", revision, more), dispatch: true }
    }

    #[test]
    fn each_fault_is_counted_as_what_it_is() {
        let due = [expected(1, true), expected(2, true)];
        let on_watch = Found { dispatch: false, ..found(2, "") };
        let stranger = Found { json: json("b", 1, ""), dispatch: true };
        for (expected, found, complaints) in [
            (&due[..], vec![found(1, ""), found(2, "")], vec![]),
            (&due, vec![found(1, "")], vec!["1 lost"]),
            (&due, vec![found(1, ""), found(2, ""), found(2, ""), found(2, "")], vec!["2 repeated"]),
            (&due, vec![found(1, ""), found(2, ""), found(2, "y")], vec!["1 repeated with other bytes", "1 altered"]),
            (&due, vec![found(1, ""), found(2, "y")], vec!["1 altered"]),
            (&due, vec![found(1, ""), found(2, ""), stranger], vec!["1 spurious"]),
            (&due, vec![found(1, ""), on_watch], vec!["1 misplaced"]),
            (&[expected(1, false)], vec![], vec![]),
            (&[expected(1, false)], vec![found(1, "")], vec!["1 early"]),
            // The same id twice in the oracle's own sequence.
            (&[expected(1, true), expected(1, true)], vec![found(1, ""), found(1, "")], vec![]),
            (&[expected(1, true), expected(1, true)], vec![found(1, "")], vec!["1 lost"]),
        ] {
            let verdict = compare(expected, &found, &mut Examples::default());
            assert_eq!(verdict.complaints(), complaints, "{found:?}");
        }
        let watch = [Expected { dispatch: false, ..expected(1, true) }];
        assert_eq!(compare(&watch, &[], &mut Examples::default()).complaints(), ["1 lost on watch"]);
    }

    #[test]
    fn unplaced_decisions_are_known_by_device_and_time() {
        let unplaced =
            |device: &str| format!("{{\"decision\":\"unplaced\",\"device\":\"{device}\",\"decided_at\":\"t\"}}");
        let expected = [Expected { json: unplaced("d"), dispatch: false, due: true }];
        let found = |device| Found { json: unplaced(device), dispatch: false };
        let complaints = |found: &[Found]| compare(&expected, found, &mut Examples::default()).complaints();
        assert_eq!(complaints(&[found("d")]), Vec::<String>::new());
        assert_eq!(complaints(&[found("d"), found("e")]), ["1 spurious"]);
    }
}
