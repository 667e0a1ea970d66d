//! `fenghuo explain`: why it was confirmed, why it was not, and what would have done it.

use serde_json::Value;

use super::started::{Started, folder, run};

const REGISTRY: &str = r#"{"type":"building","id":"B1","lon":113.75,"lat":23.02,"region":"r"}
{"type":"device","id":"D1","building":"B1","sensor":"smoke","location":"301"}
{"type":"device","id":"D2","building":"B1","sensor":"smoke","location":"302"}
{"type":"device","id":"D3","building":"B1","sensor":"smoke","location":"301"}"#;

/// 09:58:00 in Shanghai is 01:58 UTC: one room alarms twice and repeats, the other restores before it alarms again.
const SIGNALS: &str = r#"{"device":"D1","kind":"fire","received_at":"2026-11-22T01:58:00Z"}
{"device":"D1","kind":"fire","received_at":"2026-11-22T01:58:00Z"}
{"device":"D3","kind":"fire","received_at":"2026-11-22T01:58:05Z"}
{"device":"D3","kind":"fire","received_at":"2026-11-22T01:58:06Z","test":true}
{"device":"D3","kind":"restore","received_at":"2026-11-22T01:58:40Z"}
not a signal
{"device":"D2","kind":"fire","received_at":"2026-11-22T01:59:00Z"}
{"device":"guard","kind":"clear","building":"B1","received_at":"2026-11-22T02:00:00Z"}"#;

fn explain(args: &[&str]) -> Started {
    let folder = folder(&[("city.jsonl", REGISTRY), ("night.jsonl", SIGNALS)]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (registry, signals) = (path("city.jsonl"), path("night.jsonl"));
    let mut all = vec!["explain", "--registry", &registry, "--signals", &signals];
    all.extend(args);
    run(&all, "")
}

fn json(args: &[&str]) -> Value {
    let told = explain(&[args, &["--format", "json"]].concat());
    assert_eq!(told.code, 0, "{}", told.stderr);
    serde_json::from_str(&told.stdout).unwrap()
}

fn rule<'v>(explanation: &'v Value, id: &str) -> &'v Value {
    let rules = explanation["examination"]["rules"].as_array().unwrap();
    rules.iter().find(|rule| rule["rule"] == id).unwrap()
}

fn fates(explanation: &Value) -> Vec<&str> {
    explanation["signals"].as_array().unwrap().iter().map(|told| told["fate"].as_str().unwrap()).collect()
}

#[test]
fn it_says_why_nobody_was_called_and_what_would_have_done_it() {
    let explanation = json(&["--building", "B1", "--at", "2026-11-22T09:58:50+08:00"]);
    assert_eq!(fates(&explanation), ["evidence", "duplicate", "evidence", "test", "taken"]);
    assert_eq!(explanation["examination"]["confirmed"], false);
    let rooms = rule(&explanation, "two-locations");
    assert_eq!((&rooms["holds"], &rooms["one_more"]["devices"]), (&false.into(), &serde_json::json!(["D2"])));
    assert_eq!(rooms["minima"][1], serde_json::json!({"name":"min_locations","needs":2,"has":1}));
    assert_eq!(rooms["one_more"]["confirm"], true);
    let stated = rule(&explanation, "stated");
    assert_eq!((&stated["one_more"]["devices_total"], &stated["one_more"]["confirm"]), (&0.into(), &true.into()));
    let evidence = explanation["examination"]["evidence"].as_array().unwrap();
    assert_eq!(evidence[1]["restored_at"], "2026-11-22T01:58:40.000Z");
    assert_eq!(evidence[1]["counts_for"], serde_json::json!([]));
    assert_eq!(evidence[0]["counts_for"], serde_json::json!(["two-locations", "two-classes", "neighbours"]));
}

#[test]
fn it_says_why_an_incident_was_confirmed() {
    let at_the_end = json(&["--building", "B1", "--at", "2026-11-22T02:00:01Z"]);
    let incident = at_the_end["decision"]["incident"].as_str().unwrap().to_owned();
    assert_eq!(at_the_end["decision"]["decision"], "cancelled");
    assert_eq!(fates(&at_the_end), ["wiped", "duplicate", "wiped", "test", "taken", "wiped", "taken"]);
    let explanation = json(&["--incident", &incident]);
    assert_eq!(explanation["decision"]["decision"], "confirmed");
    assert_eq!(explanation["examination"]["at"], "2026-11-22T01:59:00.000Z");
    assert_eq!(rule(&explanation, "two-locations")["holds"], true);
}

#[test]
fn people_read_it_in_their_language_and_zone() {
    for (language, expected) in [
        ("en", ["B1 (region r) at 2026-11-22 09:58:50", "min_locations: 1 of 2, missed by 1", "restored at 09:58:40"]),
        ("zh", ["B1（区域 r），时刻 2026-11-22 09:58:50", "min_locations：1/2，还差 1", "已于 09:58:40 复位"]),
    ] {
        let told = explain(&["--building", "B1", "--at", "2026-11-22T01:58:50Z", "--language", language]);
        for text in expected {
            assert!(told.stdout.contains(text), "{text}\n--\n{}", told.stdout);
        }
        assert_eq!(told.stderr.lines().count(), 1, "the bad line is told: {}", told.stderr);
    }
}

#[test]
fn what_is_not_there_is_said() {
    for (args, reason) in [
        (&["--incident", "0123456789abcdef"][..], "no incident"),
        (&["--building", "B9", "--at", "0"], "no building \"B9\""),
        (&["--building", "B1"], "--at"),
        (&["--building", "B1", "--at", "noon"], "RFC 3339"),
        (&[], "--incident"),
    ] {
        let told = explain(args);
        assert_eq!(told.code, 2, "{args:?}");
        assert!(told.stderr.contains(reason), "{args:?}: {}", told.stderr);
    }
}
