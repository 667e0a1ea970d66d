//! `fenghuo demo` and `fenghuo simulate`: one city, the same bytes whichever way it goes.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::started::run;

const SMALL: [&str; 10] = ["--buildings", "400", "--hours", "1", "--seed", "7", "--garbage", "0.01", "--fires", "6"];

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

#[test]
fn more_fires_than_there_is_room_for_are_refused() {
    for (command, fires, code) in [("demo", "6", 2), ("simulate", "6", 2), ("simulate", "5", 0)] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().display().to_string();
        let started = run(&[command, "--out", &out, "--buildings", "40", "--hours", "0.1", "--fires", fires], "");
        assert_eq!(started.code, code, "{command} {fires}: {}", started.stderr);
        let told = started.stderr.starts_with("--fires 6: 40 buildings have room for at most 5, one for eight");
        assert_eq!(told, code == 2, "{}", started.stderr);
    }
}

#[test]
fn the_demos_files_lead_to_its_decisions_step_by_step() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().display().to_string();
    let demo = run(&[&["demo", "--format", "json", "--out", &out][..], &SMALL].concat(), "");
    assert_eq!((demo.code, demo.stderr.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&demo.stdout).unwrap();
    assert_eq!(report["fires_planted"], 6);
    let confirmed = report["fires_confirmed"].as_u64().unwrap();
    assert_eq!(confirmed + report["fires_missed"].as_array().unwrap().len() as u64, 6);
    assert!(confirmed >= 3 && report["unreadable"].as_u64().unwrap() > 0, "{report}");

    // Raw records → signals: the same as the demo's, but for the order between the channels.
    let mut decoded: Vec<String> = Vec::new();
    for (channel, format) in
        [("raw.gb26875", "gb26875"), ("raw.ctwing", "ctwing"), ("raw.signal", "signal"), ("raw.people", "signal")]
    {
        let file = format!("{out}/{channel}.tsv");
        let started = run(&["decode", "--format", format, "--timestamped", &file], "");
        assert_eq!(started.code, 0, "{channel}");
        decoded.extend(started.stdout.lines().filter(|line| !line.starts_with("{\"rejected\"")).map(str::to_owned));
    }
    let signals = read(folder.path(), "signals.jsonl");
    let mut expected: Vec<&str> = signals.lines().collect();
    decoded.sort_unstable();
    expected.sort_unstable();
    assert!(decoded == expected, "the signals decoded from the files are not those of the demo");

    // Signals → decisions: to the byte.
    let registry = format!("{out}/registry.jsonl");
    let signals = format!("{out}/signals.jsonl");
    let policy = format!("{out}/policy.toml");
    let correlated = run(&["correlate", "--registry", &registry, "--policy", &policy, "--drain", &signals], "");
    assert!(correlated.stdout == read(folder.path(), "decisions.jsonl"), "not the demo's decisions");
    let lines = correlated.stdout.lines().count() as u64;
    assert_eq!(report["decisions"].as_u64(), Some(lines));

    // The same plan by `simulate`: the same files.
    let other = tempfile::tempdir().unwrap();
    let simulated = run(&[&["simulate", "--out", &other.path().display().to_string()][..], &SMALL].concat(), "");
    assert_eq!(simulated.code, 0, "{}", simulated.stderr);
    for name in
        ["registry.jsonl", "truth.jsonl", "raw.gb26875.tsv", "raw.ctwing.tsv", "raw.signal.tsv", "raw.people.tsv"]
    {
        assert!(read(folder.path(), name) == read(other.path(), name), "{name}");
    }
}

#[test]
fn people_read_a_demo_in_their_own_language_and_time() {
    for (args, expected) in [
        (&["--language", "en"][..], &["2026-11-21 20:00:00 (Asia/Shanghai)", "  FIRE  ", "fires planted"][..]),
        (&["--language", "zh"], &["2026-11-21 20:00:00（Asia/Shanghai）", "确认火警", "埋设火情"]),
        (&["--time-zone", "UTC"], &["2026-11-21 12:00:00 (UTC)", "fires planted", "false confirmations"]),
    ] {
        let demo = run(&[&["demo"][..], &SMALL, args].concat(), "");
        assert_eq!((demo.code, demo.stderr.as_str()), (0, ""), "{args:?}");
        for part in expected {
            assert!(demo.stdout.contains(part), "{args:?}: {part}\n{}", demo.stdout);
        }
        assert!(!demo.stdout.contains('\u{1b}'), "no terminal, no escape sequence");
    }
}
