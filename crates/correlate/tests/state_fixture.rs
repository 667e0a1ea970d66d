//! A state that an earlier Fenghuo wrote, kept as it is: what reads it now must go on from it as that one would have.
//!
//! `FENGHUO_WRITE_FIXTURE=1 cargo test -p fenghuo-correlate --test state_fixture` writes it anew, which only a new
//! version of the form is a reason for: the old one stays beside it then, for as long as its version is read.

#![expect(clippy::unwrap_used, reason = "where the world of a test is not as it should be, the test fails")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fenghuo_correlate::state::{RECORD_VERSION, STATE_VERSION};
use fenghuo_correlate::{Correlator, Limits, StateChange, StateError};
use fenghuo_model::{Decision, Input, Policy, Registry};

const START_MS: i64 = 1_795_312_682_000;

/// Two houses next door to each other, one further away, and a panel with a component.
const REGISTRY: &str = r#"{"type":"building","id":"B1","name":"红畴三巷七号","lon":113.75,"lat":23.02,"region":"hongmei","premises":"rental"}
{"type":"building","id":"B2","lon":113.7504,"lat":23.0202,"region":"hongmei"}
{"type":"building","id":"B3","lon":113.8,"lat":23.1,"region":"hongmei"}
{"type":"device","id":"D1","building":"B1","sensor":"smoke","location":"301"}
{"type":"device","id":"D2","building":"B1","sensor":"heat","location":"302"}
{"type":"device","id":"D3","building":"B2","sensor":"smoke","location":"101"}
{"type":"device","id":"D4","building":"B3","sensor":"smoke","location":"101","address":"gb:000000000379:1.1"}
{"type":"device","id":"D5","building":"B3","sensor":"smoke","location":"102"}"#;

/// Every kind of record: confirmed over two houses, suspected, restored, isolated, unplaced, duplicates.
const BEFORE: [&str; 10] = [
    r#"{"device":"D1","kind":"fire","at":0,"source":"raw.x/0/1"}"#,
    r#"{"device":"D2","kind":"fire","at":20}"#,
    r#"{"device":"D2","kind":"fire","at":20}"#,
    r#"{"device":"D3","kind":"fire","at":40,"id":"七"}"#,
    r#"{"device":"D5","kind":"isolate","at":50}"#,
    r#"{"device":"D5","kind":"fire","at":60}"#,
    r#"{"device":"gb:000000000379:1.1:0002000a","kind":"fire","at":70}"#,
    r#"{"device":"D1","kind":"restore","at":80}"#,
    r#"{"device":"nobody","kind":"fire","at":90}"#,
    r#"{"device":"B2-officer","kind":"acknowledge","building":"B2","at":95}"#,
];

const AFTER: [&str; 7] = [
    r#"{"device":"D3","kind":"fire","at":40,"id":"七"}"#,
    r#"{"device":"D4","kind":"fire","at":100}"#,
    r#"{"device":"D5","kind":"fire","at":110}"#,
    r#"{"device":"nobody","kind":"fire","at":120}"#,
    r#"{"device":"B1-officer","kind":"confirm","building":"B1","by":"张","at":130}"#,
    r#"{"device":"B1-officer","kind":"clear","building":"B2","at":140}"#,
    r#"{"device":"D1","kind":"fire","at":150}"#,
];

fn registry() -> Arc<Registry> {
    Arc::new(Registry::from_json_lines("registry", REGISTRY.as_bytes()).unwrap())
}

/// The signal of a line, whose seconds since the start become times.
fn input(line: &str) -> Input {
    let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
    let at_ms = START_MS + value["at"].as_i64().unwrap() * 1_000;
    value["at"] = at_ms.into();
    value["received_at"] = (at_ms + 1_000).into();
    Input::from_json(value.to_string().as_bytes()).unwrap()
}

fn take(correlator: &mut Correlator, lines: &[&str]) -> Vec<String> {
    let mut decisions = Vec::new();
    lines.iter().for_each(|line| correlator.take(&input(line), &mut decisions).unwrap());
    correlator.drain(&mut decisions);
    decisions.iter().map(Decision::to_json).collect()
}

fn fixture() -> PathBuf {
    let name = format!("tests/fixtures/state-{RECORD_VERSION}.txt");
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}

/// The records of a text: a key, a tab, a value in hexadecimal digits.
fn read(text: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
    let bytes =
        |hex: &str| (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .map(|line| line.split_once('\t').unwrap())
        .map(|(key, value)| (key.as_bytes().to_vec(), bytes(value)))
        .collect()
}

fn restore(records: &BTreeMap<Vec<u8>, Vec<u8>>) -> Result<Correlator, StateError> {
    let records = records.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
    Correlator::restore(registry(), Arc::new(Policy::default()), &Limits::default(), records)
}

/// What was before it, and how it was written.
fn written() -> (Correlator, String) {
    let mut correlator = Correlator::new(registry(), Arc::new(Policy::default()));
    correlator.keep_changes();
    let mut decisions = Vec::new();
    BEFORE.iter().for_each(|line| correlator.take(&input(line), &mut decisions).unwrap());
    let mut changes = Vec::new();
    correlator.changes(&mut changes);
    let line = |StateChange { key, value }: &StateChange| {
        format!("{}\t{}\n", String::from_utf8_lossy(key), hex(value.as_deref().unwrap_or_default()))
    };
    let text =
        "# The state after the first half of tests/state_fixture.rs, as this version wrote it. Not to be edited.\n";
    let text = changes.iter().fold(text.to_owned(), |text, change| text + &line(change));
    (correlator, text)
}

#[test]
fn a_state_that_was_kept_is_gone_on_from() {
    let (mut correlator, text) = written();
    if std::env::var_os("FENGHUO_WRITE_FIXTURE").is_some() {
        std::fs::write(fixture(), &text).unwrap();
    }
    let kept = std::fs::read_to_string(fixture()).unwrap();
    let expected = take(&mut correlator, &AFTER);
    assert_eq!(expected.len(), 5, "two updates, an escalation, two ends");
    let mut restored = restore(&read(&kept)).unwrap();
    assert_eq!(take(&mut restored, &AFTER), expected);
    assert_eq!(text, kept, "the form changed: that needs a new version, which reads the one before");
}

#[test]
fn what_cannot_be_gone_on_from_says_what_to_do() {
    let kept = std::fs::read_to_string(fixture()).unwrap();
    let records = read(&kept);
    let building = records.keys().find(|key| key.starts_with(b"building/")).unwrap().clone();
    for (at, byte, told) in [
        (2, STATE_VERSION + 1, "start the newer Fenghuo that wrote it"),
        (20, 0xff, "is damaged: its check sum is wrong"),
    ] {
        let mut records = records.clone();
        records.get_mut(&building).unwrap()[at] = byte;
        let error = restore(&records).err().unwrap().to_string();
        assert!(error.contains(told) && error.contains("building/7/hongmei/B1"), "{error}");
    }
    let without = REGISTRY.lines().filter(|line| !line.contains("\"B2\"")).collect::<Vec<_>>().join("\n");
    let moved = REGISTRY.replacen("\"region\":\"hongmei\"", "\"region\":\"humen\"", 1);
    for (registry, told) in [(without, "keep it there until the incident ends"), (moved, "`fenghuo migrate`")] {
        let registry = Arc::new(Registry::from_json_lines("registry", registry.as_bytes()).unwrap());
        let pairs = records.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        let error =
            Correlator::restore(registry, Arc::new(Policy::default()), &Limits::default(), pairs).err().unwrap();
        assert!(error.to_string().contains(told), "{error}");
    }
}
