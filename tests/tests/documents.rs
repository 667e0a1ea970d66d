//! Holds every example of the documents, and what the code itself writes, against the schemas; shows that a wrong one
//! is refused.

use std::fs;

use fenghuo_model::decision::{BuildingEntry, Decision, DecisionKind, EvidenceEntry, IncidentState};
use fenghuo_model::shared::Shared;
use fenghuo_model::time::Rfc3339;
use fenghuo_model::{Kind, Policy, Premises, Registry, Sensor, Signal, policy};
use fenghuo_schemas::{NAMES, faults, faults_by, schema};
use fenghuo_tests::examples::examples;
use fenghuo_tests::tree::{root, sources};
use serde_json::{Value, json};

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("the checkout can be read")
}

#[test]
fn the_schemas_are_valid_and_named() {
    for name in NAMES {
        assert!(jsonschema::meta::is_valid(&schema(name)), "{name}");
        assert_eq!(schema(name)["$id"], json!(format!("urn:fenghuo:schema:{name}")));
    }
    let files = fs::read_dir(root().join("schemas")).expect("the schemas can be listed");
    let schemas = files.filter_map(Result::ok).filter(|file| file.path().extension().is_some_and(|e| e == "json"));
    assert_eq!(schemas.count(), NAMES.len(), "every schema is in the list of this test");
}

#[test]
fn every_example_of_the_documents_fits_its_schema() {
    let mut complaints = Vec::new();
    let documents = sources(&root()).expect("the checkout can be read").into_iter().filter(|file| file.is(&[".md"]));
    for example in documents.flat_map(|document| examples(&document)) {
        if example.label == "toml policy"
            && let Err(faults) = Policy::from_toml(&example.path, &example.text)
        {
            complaints.extend(faults.iter().map(|fault| format!("{}: {fault}", example.line)));
        }
        for (line, text) in example.json_texts() {
            let found = if example.label.ends_with(" other") {
                serde_json::from_str::<Value>(text).err().map(|error| error.to_string()).into_iter().collect()
            } else {
                faults(text)
            };
            complaints.extend(found.into_iter().map(|fault| format!("{}:{line}: {fault}", example.path)));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn the_examples_of_the_contract_fit_and_are_read() {
    for file in ["registry", "signals", "decisions"] {
        for line in read(&format!("tests/fixtures/{file}.jsonl")).lines() {
            assert_eq!(faults(line), Vec::<String>::new(), "{line}");
        }
    }
    let registry = Registry::from_json_lines("registry.jsonl", read("tests/fixtures/registry.jsonl").as_bytes());
    assert!(registry.is_ok(), "{:?}", registry.err());
    for line in read("tests/fixtures/signals.jsonl").lines() {
        let input = fenghuo_model::Input::from_json(line.as_bytes());
        assert!(input.is_ok(), "{line}: {:?}", input.err());
    }
}

#[test]
fn a_wrong_document_is_refused() {
    let decision = |change: fn(&mut Value)| {
        let first = read("tests/fixtures/decisions.jsonl").lines().next().map(str::to_owned);
        let mut value = serde_json::from_str(&first.expect("it has lines")).expect("it is JSON");
        change(&mut value);
        value.to_string()
    };
    for text in [
        r#"{"device":"D1","kind":"blaze"}"#.to_owned(),
        r#"{"device":"D1","kind":"fire","at":"yesterday"}"#.to_owned(),
        r#"{"device":"D1","kind":"fire","at":1.5}"#.to_owned(),
        r#"{"device":7,"kind":"fire"}"#.to_owned(),
        r#"{"device":"","kind":"fire"}"#.to_owned(),
        r#"{"tick":"5"}"#.to_owned(),
        r#"{"type":"building","id":"","lon":113.75,"lat":23.02}"#.to_owned(),
        r#"{"type":"device","id":"","building":"B1"}"#.to_owned(),
        r#"{"type":"building","id":"B1","lon":113.75}"#.to_owned(),
        r#"{"type":"building","id":"B1","lon":23.02,"lat":113.75}"#.to_owned(),
        r#"{"type":"building","id":"B1","lon":1,"lat":1,"premises":"castle"}"#.to_owned(),
        r#"{"type":"device","id":"D1"}"#.to_owned(),
        r#"{"type":"street","id":"S1"}"#.to_owned(),
        r#"{"decision":"burning"}"#.to_owned(),
        r#"{"decision":"unplaced","region":"unplaced"}"#.to_owned(),
        r#"{"other":1}"#.to_owned(),
        "{".to_owned(),
        decision(|value| value["into"] = json!("0123456789abcdef")),
        decision(|value| value["by"] = json!("王队")),
        decision(|value| value["surprise"] = json!(1)),
        decision(|value| value["evidence"][0]["surprise"] = json!(1)),
        decision(|value| value["buildings"][0]["confirmed"] = Value::Null),
        decision(|value| value["decided_at"] = json!("2026-11-22T01:58:40Z")),
        decision(|value| value["decided_at"] = json!("2026-13-22T01:58:40.000Z")),
        decision(|value| value["incident"] = json!("0123456789ABCDEF")),
        decision(|value| value["datum"] = json!("gcj02")),
        decision(|value| value["decision"] = json!("suspected")),
        decision(|value| drop(value.as_object_mut().expect("an object").remove("rule"))),
        decision(|value| value["decision"] = json!("merged")),
        decision(|value| value["decision"] = json!("unplaced")),
    ] {
        assert_ne!(faults(&text), Vec::<String>::new(), "must be refused: {text}");
    }
}

#[test]
fn a_policy_is_what_both_schema_and_code_take() {
    let value = |text: &str| {
        let table: toml::Table = text.parse().expect("it is TOML");
        serde_json::to_value(table).expect("TOML is JSON, but for its dates")
    };
    for (text, is_good) in [
        (policy::DEFAULT_TEXT, true),
        ("", true),
        ("[[rule]]\nwindow = \"20m\"\nradius_m = 80\npremises = [\"rental\"]\n[weights]\nsmoke = 500", true),
        ("[clock]\nmax_behind = 120", false),
        ("[clock]\nmax_before = \"2m\"", false),
        ("[dedup]\nhorizon = \"10 minutes\"", false),
        ("[[rule]]\nid = \"a\"", false),
        ("[[rule]]\nwindow = \"60s\"\nkinds = [\"restore\"]", false),
        ("[[rule]]\nwindow = \"60s\"\nmin_locations = 0", false),
        ("[[rule]]\nwindow = \"60s\"\nradius_m = 0.0", false),
        ("[weights]\nnose = 500", false),
        ("[unknown]", false),
    ] {
        assert_eq!(Policy::from_toml("p.toml", text).is_ok(), is_good, "the code: {text}");
        assert_eq!(faults_by("policy", &value(text)).is_empty(), is_good, "the schema: {text}");
    }
}

/// The words of an enumeration in a schema, without null.
fn words_at(schema: &Value, pointer: &str) -> Vec<String> {
    let words = schema.pointer(pointer).and_then(Value::as_array).expect("the pointers name enumerations");
    words.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

#[test]
fn the_words_of_the_schemas_are_those_of_the_code() {
    let kinds: Vec<_> = Kind::ALL.iter().map(|kind| kind.word()).collect();
    let sensors: Vec<_> = Sensor::ALL.iter().map(|sensor| sensor.word()).collect();
    let premises: Vec<_> = Premises::ALL.iter().map(|premises| premises.word()).collect();
    let decisions: Vec<_> = DecisionKind::ALL.iter().map(|kind| kind.word()).collect();
    for (name, pointer, expected) in [
        ("registry", "/$defs/building/properties/premises/enum", &premises),
        ("registry", "/$defs/device/properties/sensor/enum", &sensors),
        ("signal", "/properties/kind/enum", &kinds),
        ("signal", "/properties/sensor/enum", &sensors),
        ("policy", "/$defs/sensor/enum", &sensors),
        ("policy", "/$defs/rule/properties/premises/items/enum", &premises),
        ("decision", "/properties/decision/enum", &decisions),
        ("decision", "/$defs/sensor/enum", &sensors),
        ("decision", "/$defs/incident_decision/properties/premises/enum", &premises),
    ] {
        assert_eq!(words_at(&schema(name), pointer), *expected, "{name}{pointer}");
    }
}

#[test]
fn what_the_code_writes_fits() {
    for kind in Kind::ALL {
        let bare = Signal::new("D1", *kind);
        let text = || Some("文".to_owned());
        let full = Signal {
            id: text(),
            sensor: Some(Sensor::Operator),
            at_ms: Some(0),
            received_at_ms: Some(1),
            building: text(),
            location: text(),
            value: Some(7.into()),
            unit: text(),
            text: text(),
            test: true,
            until_ms: Some(253_402_300_799_999),
            by: text(),
            cause: text(),
            source: text(),
            ..bare.clone()
        };
        for signal in [bare, full] {
            assert_eq!(faults(&signal.to_json()), Vec::<String>::new(), "{signal}");
        }
    }
    for kind in DecisionKind::ALL {
        for sparse in [false, true] {
            let json = decision(kind, sparse).to_json();
            assert_eq!(faults(&json), Vec::<String>::new(), "{json}");
        }
    }
}

/// A decision with everything that its kind may have, or with nothing that it need not have.
fn decision(kind: DecisionKind, sparse: bool) -> Decision {
    let is_unplaced = kind == DecisionKind::Unplaced;
    let optional = |text: &str| (!sparse).then(|| text.to_owned());
    Decision {
        decision: kind,
        incident: (!is_unplaced).then(|| "0123456789abcdef".to_owned()),
        revision: (!is_unplaced).then_some(1),
        region: "default".to_owned(),
        state: (!is_unplaced).then(|| Box::new(state(kind, sparse))),
        device: is_unplaced.then(|| "D1".to_owned()),
        decided_at: Rfc3339(0),
        policy: Policy::default().hash().to_owned(),
        evidence: vec![Shared::from(EvidenceEntry {
            device: "D1".to_owned(),
            building: optional("B1").filter(|_| !is_unplaced),
            location: "3F".to_owned(),
            floor: (!sparse).then_some(-1),
            sensor: Sensor::Smoke,
            kind: Kind::Fire,
            at: Rfc3339(0),
            received_at: (!sparse).then_some(Rfc3339(1)),
            counted: sparse,
            isolated: !sparse,
            unregistered: !sparse && !is_unplaced,
            time: (!sparse).then_some("received"),
            source: optional("raw/0/1"),
        })],
    }
}

fn state(kind: DecisionKind, sparse: bool) -> IncidentState {
    use DecisionKind::{Cancelled, Closed, Confirmed, Merged, Rejected, Update};
    let optional = |text: &str| (!sparse).then(|| text.to_owned());
    let confirmed = matches!(kind, Confirmed | Update | Cancelled) || kind == Closed && !sparse;
    let cleared = matches!(kind, Rejected | Cancelled) && !sparse;
    let building = BuildingEntry {
        id: "B1".to_owned(),
        name: optional("N"),
        address: optional("A"),
        lon: 113.75,
        lat: 23.0,
        floors: (!sparse).then_some(6),
        confirmed,
    };
    IncidentState {
        place: "B1".to_owned(),
        buildings: vec![building.into()],
        rule: confirmed.then(|| "two-locations".to_owned()),
        fire_at: Rfc3339(0),
        satisfied_at: confirmed.then_some(Rfc3339(0)),
        lon: 113.75,
        lat: 23.0,
        datum: "wgs84",
        address: optional("A"),
        town: optional("T"),
        village: optional("V"),
        grid: optional("G"),
        premises: Premises::Other,
        contact: optional("C"),
        devices: 1,
        locations: 1,
        classes: vec![Sensor::Smoke],
        duplicates: 0,
        related: optional("0123456789abcdef").into_iter().collect(),
        into: (kind == Merged).then(|| "0123456789abcdef".to_owned()),
        by: optional("O").filter(|_| cleared),
        cause: optional("steam").filter(|_| cleared),
        evidence_total: 1,
    }
}
