//! The headers of a decision on Kafka: CloudEvents 1.0 (Kafka protocol binding, binary content mode) and CAP 1.2.
//!
//! A router or a console can sort decisions by these without parsing a value. The CAP words are those of the OASIS
//! Common Alerting Protocol 1.2, sections 3.2.1 (msgType, references) and 3.2.2 (certainty).

use std::borrow::Cow;

use fenghuo_model::decision::{Decision, DecisionKind};
use fenghuo_model::time::Rfc3339;
use fenghuo_model::words::Kind;

/// A confirmation published later than this after its rule held is marked `stale`.
pub const STALE_AFTER_MS: i64 = 15 * 60_000;

/// A header's name and its UTF-8 text.
pub type Header = (&'static str, Cow<'static, str>);

/// Every header of a decision that is published at `published_at_ms` (Unix milliseconds, the caller's clock).
#[must_use]
pub fn decision_headers(decision: &Decision, published_at_ms: i64) -> Vec<Header> {
    let word = decision.decision.word();
    let mut headers = vec![
        ("ce_specversion", "1.0".into()),
        ("ce_id", event_id(decision).into()),
        ("ce_type", ["cn.fenghuo.incident.", word].concat().into()),
        ("ce_source", ["/fenghuo/regions/", &percent_encoded(&decision.region)].concat().into()),
        ("ce_time", decision.decided_at.to_string().into()),
        ("ce_subject", subject(decision).to_owned().into()),
        ("content-type", "application/json".into()),
        ("published_at", Rfc3339(published_at_ms).to_string().into()),
        ("certainty", certainty(decision).into()),
        ("msgType", message_type(decision.decision).into()),
    ];
    if let Some(reference) = reference(decision) {
        headers.push(("references", reference.into()));
    }
    let satisfied_at = decision.state.as_ref().and_then(|state| state.satisfied_at);
    if satisfied_at.is_some_and(|satisfied_at| published_at_ms - satisfied_at.0 > STALE_AFTER_MS) {
        headers.push(("stale", "true".into()));
    }
    headers
}

/// `incident/revision`, by which a subscriber drops repeats; `unplaced/device/time in ms` where there is no incident.
#[must_use]
pub fn event_id(decision: &Decision) -> String {
    match (&decision.incident, decision.revision) {
        (Some(incident), Some(revision)) => format!("{incident}/{revision}"),
        _ => format!("{}/{}/{}", decision.decision.word(), subject(decision), decision.decided_at.0),
    }
}

/// What the decision is about: the incident's place, else the device.
fn subject(decision: &Decision) -> &str {
    match &decision.state {
        Some(state) => &state.place,
        None => decision.device.as_deref().unwrap_or_default(),
    }
}

/// CAP certainty: seen by a person, told by instruments that agree, told by one, or refuted.
fn certainty(decision: &Decision) -> &'static str {
    match decision.decision {
        DecisionKind::Rejected | DecisionKind::Cancelled => "Unlikely",
        _ if decision.state.as_ref().is_none_or(|state| state.rule.is_none()) => "Possible",
        _ if decision.evidence.iter().any(|evidence| evidence.counted && evidence.kind == Kind::Confirm) => "Observed",
        _ => "Likely",
    }
}

/// CAP msgType: the first word of a topic about an incident, a later one, or the one that takes it back.
const fn message_type(kind: DecisionKind) -> &'static str {
    match kind {
        DecisionKind::Suspected | DecisionKind::Confirmed | DecisionKind::Unplaced => "Alert",
        DecisionKind::Verify
        | DecisionKind::Escalated
        | DecisionKind::Merged
        | DecisionKind::Update
        | DecisionKind::Closed => "Update",
        DecisionKind::Rejected | DecisionKind::Cancelled => "Cancel",
    }
}

/// CAP references of what is no Alert: the `ce_id` of the incident's decision before this one.
fn reference(decision: &Decision) -> Option<String> {
    let before = decision.revision?.checked_sub(1).filter(|before| *before > 0)?;
    let incident = decision.incident.as_ref()?;
    (message_type(decision.decision) != "Alert").then(|| format!("{incident}/{before}"))
}

/// Region names may be Chinese; a URI reference may not (RFC 3986, section 2).
fn percent_encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
pub(crate) mod tests {
    use fenghuo_model::decision::{EvidenceEntry, IncidentState};
    use fenghuo_model::shared::Shared;
    use fenghuo_model::words::{Premises, Sensor};

    use super::*;

    /// A decision with nothing but what the headers look at.
    pub(crate) fn decision(kind: DecisionKind, revision: u32, rule: Option<&str>, counted: Option<Kind>) -> Decision {
        let evidence = counted.map(|kind| {
            Shared::from(EvidenceEntry {
                device: "D1".into(),
                building: None,
                location: "301".into(),
                floor: None,
                sensor: Sensor::Smoke,
                kind,
                at: Rfc3339(0),
                received_at: None,
                counted: true,
                isolated: false,
                unregistered: false,
                time: None,
                source: None,
            })
        });
        let state = IncidentState {
            place: "B1".into(),
            buildings: vec![],
            rule: rule.map(Into::into),
            fire_at: Rfc3339(0),
            satisfied_at: rule.map(|_| Rfc3339(1_000)),
            lon: 113.75,
            lat: 23.02,
            datum: "wgs84",
            address: None,
            town: None,
            village: None,
            grid: None,
            premises: Premises::Rental,
            contact: None,
            devices: 1,
            locations: 1,
            classes: vec![],
            duplicates: 0,
            related: vec![],
            into: None,
            by: None,
            cause: None,
            evidence_total: 1,
        };
        let unplaced = kind == DecisionKind::Unplaced;
        Decision {
            decision: kind,
            incident: (!unplaced).then(|| "0123456789abcdef".into()),
            revision: (!unplaced).then_some(revision),
            region: "洪梅".into(),
            state: (!unplaced).then(|| Box::new(state)),
            device: unplaced.then(|| "gb:1:1.1".into()),
            decided_at: Rfc3339(2_000),
            policy: "p".into(),
            evidence: evidence.into_iter().collect(),
        }
    }

    #[test]
    fn words_of_cap_by_kind() {
        use DecisionKind as K;
        let rule = Some("two-locations");
        for (kind, revision, rule, counted, certainty, message_type, references) in [
            (K::Suspected, 1, None, None, "Possible", "Alert", None),
            (K::Verify, 2, None, None, "Possible", "Update", Some("0123456789abcdef/1")),
            (K::Escalated, 3, None, None, "Possible", "Update", Some("0123456789abcdef/2")),
            (K::Merged, 4, None, None, "Possible", "Update", Some("0123456789abcdef/3")),
            (K::Confirmed, 2, rule, Some(Kind::Fire), "Likely", "Alert", None),
            (K::Confirmed, 2, rule, Some(Kind::Confirm), "Observed", "Alert", None),
            (K::Update, 3, rule, Some(Kind::Fire), "Likely", "Update", Some("0123456789abcdef/2")),
            (K::Cancelled, 4, rule, Some(Kind::Fire), "Unlikely", "Cancel", Some("0123456789abcdef/3")),
            (K::Rejected, 2, None, None, "Unlikely", "Cancel", Some("0123456789abcdef/1")),
            (K::Closed, 2, None, None, "Possible", "Update", Some("0123456789abcdef/1")),
            (K::Unplaced, 0, None, None, "Possible", "Alert", None),
        ] {
            let headers = decision_headers(&decision(kind, revision, rule, counted), 3_000);
            let value = |name| headers.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_ref());
            assert_eq!(value("certainty"), Some(certainty), "{kind:?}");
            assert_eq!(value("msgType"), Some(message_type), "{kind:?}");
            assert_eq!(value("references"), references, "{kind:?}");
        }
    }

    #[test]
    fn cloud_events_attributes_and_staleness() {
        for (published_at_ms, stale) in [(1_000 + STALE_AFTER_MS, None), (1_001 + STALE_AFTER_MS, Some("true"))] {
            let headers =
                decision_headers(&decision(DecisionKind::Confirmed, 2, Some("r"), Some(Kind::Fire)), published_at_ms);
            let value = |name| headers.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_ref());
            for (name, expected) in [
                ("ce_specversion", Some("1.0")),
                ("ce_id", Some("0123456789abcdef/2")),
                ("ce_type", Some("cn.fenghuo.incident.confirmed")),
                ("ce_source", Some("/fenghuo/regions/%E6%B4%AA%E6%A2%85")),
                ("ce_time", Some("1970-01-01T00:00:02.000Z")),
                ("ce_subject", Some("B1")),
                ("content-type", Some("application/json")),
                ("stale", stale),
            ] {
                assert_eq!(value(name), expected, "{name}");
            }
        }
        assert_eq!(event_id(&decision(DecisionKind::Unplaced, 0, None, None)), "unplaced/gb:1:1.1/2000");
    }
}
