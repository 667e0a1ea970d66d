//! `fenghuo backtest`: what another policy gains, loses, hastens and delays, and what either is worth.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::started::{Started, folder, run};

/// Two houses of two rooms, and between them a third of one.
const REGISTRY: &str = r#"{"type":"building","id":"B1","lon":113.75,"lat":23.02,"premises":"rental","village":"v","town":"t"}
{"type":"building","id":"B2","lon":113.76,"lat":23.02,"premises":"self_built","village":"v","town":"t"}
{"type":"building","id":"B3","lon":113.77,"lat":23.02}
{"type":"device","id":"D1","building":"B1","sensor":"smoke","location":"101"}
{"type":"device","id":"D2","building":"B1","sensor":"smoke","location":"102"}
{"type":"device","id":"D3","building":"B2","sensor":"smoke","location":"101"}
{"type":"device","id":"D4","building":"B2","sensor":"smoke","location":"102"}
{"type":"device","id":"D5","building":"B3","sensor":"smoke","location":"101"}"#;

/// B1: two rooms 27 s apart, and the first one again. B2: 150 s apart. B3: one alarm.
const SIGNALS: &str = r#"{"device":"D1","kind":"fire","received_at":1795312680000}
{"device":"D2","kind":"fire","received_at":1795312707000}
{"device":"D1","kind":"fire","received_at":1795312790000}
{"device":"D3","kind":"fire","received_at":1795313680000}
not a signal
{"device":"D4","kind":"fire","received_at":1795313830000}
{"device":"D5","kind":"fire","received_at":1795314680000}
{"device":"nobody","kind":"clear","received_at":1795314680000}"#;

const TRUTH: &str = r#"{"id":"F1","building":"B1","ignition_ms":1795312600000,"second_room_ms":1795312707000,"rooms":["101","102"]}

{"id":"F2","building":"B3","ignition_ms":1795314600000,"spread_to":[]}"#;

const SAME: &str = "[[rule]]\nid = \"rooms\"\nwindow = \"120s\"\nmin_locations = 2\n";
const WIDE: &str = "[[rule]]\nid = \"rooms\"\nwindow = \"200s\"\nmin_locations = 2\n";
const SPAN: &str = "[[rule]]\nid = \"rooms\"\nwindow = \"120s\"\nmin_locations = 2\nmin_span = \"100s\"\n";
const NEVER: &str = "[[rule]]\nid = \"rooms\"\nwindow = \"120s\"\nmin_locations = 3\n";
const ANY: &str = "[[rule]]\nid = \"any\"\nwindow = \"120s\"\n";

/// Runs the backtest of `new` against `old` (or the default policy) with further arguments.
fn backtest(old: Option<&str>, new: &str, args: &[&str]) -> Started {
    let files = [
        ("city.jsonl", REGISTRY),
        ("night.jsonl", SIGNALS),
        ("truth.jsonl", TRUTH),
        ("new.toml", new),
        ("old.toml", old.unwrap_or_default()),
    ];
    let folder = folder(&files);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let named: Vec<String> =
        args.iter().map(|arg| if *arg == "TRUTH" { path("truth.jsonl") } else { (*arg).into() }).collect();
    let (registry, signals, new, old_path) =
        (path("city.jsonl"), path("night.jsonl"), path("new.toml"), path("old.toml"));
    let mut all = vec!["backtest", "--registry", &registry, "--signals", &signals, "--policy", &new];
    if old.is_some() {
        all.extend(["--against", &old_path]);
    }
    all.extend(named.iter().map(String::as_str));
    run(&all, "")
}

fn places(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|told| told["place"].as_str().unwrap()).collect()
}

#[test]
fn incidents_are_gained_lost_hastened_and_delayed() {
    // Gained, lost, earlier by seconds, later by seconds, unchanged.
    type Row<'r> = (Option<&'r str>, &'r str, (&'r [&'r str], &'r [&'r str], &'r [i64], &'r [i64], u64));
    let rows: &[Row<'_>] = &[
        (None, SAME, (&[], &[], &[], &[], 1)),
        (Some(SAME), SAME, (&[], &[], &[], &[], 1)),
        (None, WIDE, (&["B2"], &[], &[], &[], 1)),
        (Some(WIDE), SAME, (&[], &["B2"], &[], &[], 1)),
        (None, NEVER, (&[], &["B1"], &[], &[], 0)),
        (None, SPAN, (&[], &[], &[], &[83], 0)),
        (Some(SPAN), SAME, (&[], &[], &[-83], &[], 0)),
        (None, ANY, (&["B2", "B3"], &[], &[-27], &[], 0)),
    ];
    for (old, new, (gained, lost, earlier, later, unchanged)) in rows {
        let started = backtest(*old, new, &["--format", "json", "--check"]);
        let report: Value = serde_json::from_str(&started.stdout).unwrap();
        let found = &report["differences"];
        assert_eq!((places(&found["gained"]), places(&found["lost"])), (gained.to_vec(), lost.to_vec()), "{new}");
        let apart_s = |name: &str| -> Vec<i64> {
            let at = |told: &Value| fenghuo_model::time::parse_rfc3339(told["confirmed_at"].as_str().unwrap()).unwrap();
            let pairs = found[name].as_array().unwrap();
            pairs.iter().map(|pair| (at(&pair["new"]) - at(&pair["old"])) / 1_000).collect()
        };
        assert_eq!((apart_s("earlier"), apart_s("later")), (earlier.to_vec(), later.to_vec()), "{new}");
        assert_eq!(found["unchanged"], *unchanged, "{new}");
        let same = [gained.len(), lost.len(), earlier.len(), later.len()] == [0; 4];
        assert_eq!(started.code, i32::from(!same), "{new}");
        assert_eq!(backtest(*old, new, &[]).code, 0, "without --check a difference is no failure");
        assert_eq!((&report["signals"], &report["rejected"]), (&6.into(), &2.into()));
        assert!(started.stderr.contains("night.jsonl: line 5: "), "{}", started.stderr);
    }
}

#[test]
fn both_policies_are_held_against_the_truth() {
    let started = backtest(None, ANY, &["--format", "json", "--truth", "TRUTH"]);
    let report: Value = serde_json::from_str(&started.stdout).unwrap();
    assert_eq!(report["old"]["quality"]["total"]["recall"], 0.5);
    assert_eq!(report["old"]["time_to_confirm_s"], json!({"median": 27.0, "p90": 27.0, "max": 27.0}));
    // The last of them only because the clock runs on when the signals end.
    let calls = ["incidents", "verify", "escalated", "confirmed"].map(|name| report["old"][name].as_u64().unwrap());
    assert_eq!(calls, [3, 3, 2, 1]);
    let quality = &report["new"]["quality"];
    let total = json!({
        "fires": 2, "fires_confirmed": 2, "recall": 1.0,
        "fires_of_two_rooms": 1, "fires_of_two_rooms_confirmed": 1, "recall_of_two_rooms": 1.0,
        "confirmations": 3, "real": 2, "precision": 2.0 / 3.0,
    });
    assert_eq!(quality["total"], total);
    let names = |groups: &Value| groups.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&quality["premises"]), ["other", "rental", "self_built"]);
    assert_eq!(names(&quality["villages"]), ["-", "t/v"]);
    assert_eq!(quality["premises"]["self_built"]["recall"], Value::Null);
    assert_eq!(quality["premises"]["self_built"]["precision"], 0.0);
    assert_eq!(quality["villages"]["t/v"]["precision"], 0.5);
    assert_eq!(report["differences"]["gained"][0]["real"], false);
}

#[test]
fn people_read_it_in_their_own_language_and_time() {
    for (args, expected) in [
        (
            &[][..],
            &["6 signals (2 rejected); old policy: default policy (", "gained: confirmed by the new policy only"][..],
        ),
        (&["--truth", "TRUTH"], &["2 (100.0 %)  of 2 fires confirmed", "B2  self_built  t/v  any", "  no fire"]),
        (&["--language", "zh", "--truth", "TRUTH"], &["起火情已确认，共 2 起", "新增：仅新策略确认", "  误报"]),
        (&["--time-zone", "UTC"], &["2026-11-22 02:14:40  B2"]),
        (&[], &["-27.000 s  2026-11-22 09:58:00  B1  rental  t/v  any"]),
    ] {
        let started = backtest(None, ANY, args);
        assert_eq!(started.code, 0, "{args:?}");
        for part in expected {
            assert!(started.stdout.contains(part), "{args:?}: {part}\n{}", started.stdout);
        }
        assert!(!started.stderr.contains('\u{1b}'), "no terminal, no bar");
    }
}

#[test]
fn signals_may_come_by_standard_input() {
    let folder = folder(&[("city.jsonl", REGISTRY), ("night.jsonl", SIGNALS), ("new.toml", WIDE)]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (registry, signals, new) = (path("city.jsonl"), path("night.jsonl"), path("new.toml"));
    let by = |signals: &str, stdin: &str| {
        run(&["backtest", "--registry", &registry, "--signals", signals, "--policy", &new], stdin)
    };
    let (file, stdin) = (by(&signals, ""), by("-", SIGNALS));
    assert_eq!((file.code, stdin.code), (0, 0));
    assert_eq!(file.stdout, stdin.stdout);
    assert!(stdin.stderr.starts_with("line 5: "), "{}", stdin.stderr);
}

#[test]
fn a_wrong_truth_is_refused_with_all_that_is_wrong_in_it() {
    let folder = folder(&[
        ("city.jsonl", REGISTRY),
        ("night.jsonl", SIGNALS),
        ("new.toml", SAME),
        ("truth.jsonl", "{\"building\":\"B1\",\"ignition_ms\":1}\n{\"building\":\"B9\",\"ignition_ms\":1}\n{}\n"),
    ]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (registry, signals, new, truth) =
        (path("city.jsonl"), path("night.jsonl"), path("new.toml"), path("truth.jsonl"));
    let started =
        run(&["backtest", "--registry", &registry, "--signals", &signals, "--policy", &new, "--truth", &truth], "");
    assert_eq!((started.code, started.stdout.as_str()), (78, ""));
    for expected in ["truth.jsonl:2: the registry has no building \"B9\"", "truth.jsonl:3: not a fire: missing field"] {
        assert!(started.stderr.contains(expected), "{}", started.stderr);
    }
}

#[test]
fn the_recommended_policy_reads_and_keeps_what_the_default_one_confirms() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let policy = root.join("deploy/policy-city.toml").display().to_string();
    let checked = run(&["policy", &policy], "");
    assert_eq!((checked.code, checked.stderr.as_str()), (0, ""));
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().display().to_string();
    let plan = ["--buildings", "2000", "--hours", "1", "--fires", "60", "--seed", "5"];
    assert_eq!(run(&[&["demo", "--format", "json", "--out", &out][..], &plan].concat(), "").code, 0);
    assert_eq!(fs::read_to_string(folder.path().join("policy.toml")).unwrap(), fs::read_to_string(&policy).unwrap());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (registry, signals, truth) = (path("registry.jsonl"), path("signals.jsonl"), path("truth.jsonl"));
    let files = ["--registry", &registry, "--signals", &signals, "--truth", &truth, "--policy", &policy];
    let started = run(&[&["backtest", "--format", "json"][..], &files].concat(), "");
    let report: Value = serde_json::from_str(&started.stdout).unwrap();
    let lost = report["differences"]["lost"].as_array().unwrap();
    assert!(lost.iter().all(|told| told["real"] == false), "no fire is lost: {lost:?}");
    let total = &report["new"]["quality"]["total"];
    assert!(total["recall_of_two_rooms"].as_f64().unwrap() >= 0.99, "{total}");
    assert!(total["precision"].as_f64().unwrap() >= 0.5, "{total}");
}
