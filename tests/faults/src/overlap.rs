//! Whether two incidents were ever open in one building at once, by what the decisions themselves say.
//!
//! Each revision of an incident says which buildings it holds from its `decided_at` on, until the next revision, or
//! for good; a decision that ends it holds nothing from then on. Spans that touch do not overlap.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What of a decision is looked at.
#[derive(Debug, Deserialize)]
pub struct Revision {
    decision: String,
    region: String,
    incident: Option<String>,
    revision: Option<u64>,
    decided_at: String,
    #[serde(default)]
    buildings: Vec<Building>,
}

#[derive(Debug, Deserialize)]
struct Building {
    id: String,
}

const ENDS: [&str; 4] = ["merged", "rejected", "cancelled", "closed"];
/// Later than any time that is written.
const NEVER: &str = "~";

/// From when to when a building belonged to which incident.
type Span = (String, String, String);

/// How many pairs of spans of different incidents overlap in a building; every decision is to be given once.
pub fn count(revisions: impl Iterator<Item = Revision>) -> u64 {
    let mut incidents: BTreeMap<(String, String), Vec<Revision>> = BTreeMap::new();
    for revision in revisions {
        if let Some(incident) = revision.incident.clone() {
            incidents.entry((revision.region.clone(), incident)).or_default().push(revision);
        }
    }
    let mut spans: BTreeMap<(String, String), Vec<Span>> = BTreeMap::new();
    for ((region, incident), mut revisions) in incidents {
        // All times are RFC 3339 UTC with milliseconds: their order is that of their text.
        revisions.sort_by(|a, b| (&a.decided_at, a.revision).cmp(&(&b.decided_at, b.revision)));
        for (number, revision) in revisions.iter().enumerate() {
            let until = revisions.get(number + 1).map_or(NEVER, |next| &next.decided_at);
            if ENDS.contains(&revision.decision.as_str()) || until == revision.decided_at {
                continue;
            }
            for building in &revision.buildings {
                let span = (revision.decided_at.clone(), until.to_owned(), incident.clone());
                spans.entry((region.clone(), building.id.clone())).or_default().push(span);
            }
        }
    }
    spans.into_values().map(overlaps).sum()
}

fn overlaps(mut spans: Vec<Span>) -> u64 {
    spans.sort();
    let mut count = 0;
    let mut latest: Option<Span> = None;
    for span in spans {
        if let Some((_, until, incident)) = &latest
            && span.0 < *until
            && span.2 != *incident
        {
            count += 1;
        }
        if latest.as_ref().is_none_or(|(_, until, _)| *until < span.1) {
            latest = Some(span);
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn revision(decision: &str, incident: &str, number: u64, at: u32, buildings: &[&str]) -> Revision {
        Revision {
            decision: decision.to_owned(),
            region: "r".to_owned(),
            incident: Some(incident.to_owned()),
            revision: Some(number),
            decided_at: format!("2026-11-22T00:00:{at:02}.000Z"),
            buildings: buildings.iter().map(|id| Building { id: (*id).to_owned() }).collect(),
        }
    }

    #[test]
    fn only_one_incident_is_open_in_a_building() {
        let suspected = |incident, at, building| revision("suspected", incident, 1, at, &[building]);
        for (revisions, expected) in [
            (vec![suspected("a", 1, "x"), suspected("b", 1, "y")], 0),
            (vec![suspected("a", 1, "x"), suspected("b", 2, "x")], 1),
            (vec![suspected("a", 1, "x"), revision("closed", "a", 2, 5, &["x"]), suspected("b", 5, "x")], 0),
            (vec![suspected("a", 1, "x"), revision("closed", "a", 2, 6, &["x"]), suspected("b", 5, "x")], 1),
            // A building that is cleared out of an incident is free.
            (
                vec![
                    revision("confirmed", "a", 1, 1, &["x", "y"]),
                    revision("update", "a", 2, 3, &["y"]),
                    suspected("b", 4, "x"),
                ],
                0,
            ),
            // Taken in by another at the moment at which its own ends.
            (
                vec![
                    suspected("a", 1, "x"),
                    revision("merged", "a", 2, 3, &["x"]),
                    revision("confirmed", "b", 2, 3, &["x", "y"]),
                    suspected("b", 2, "y"),
                ],
                0,
            ),
            // A long one that covers several.
            (vec![suspected("a", 1, "x"), suspected("b", 2, "x"), suspected("c", 3, "x")], 2),
        ] {
            let text = format!("{revisions:?}");
            assert_eq!(count(revisions.into_iter()), expected, "{text}");
        }
    }
}
