//! `fenghuo correlate` on any number of threads: the same decisions, reasons and summary, to the byte.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Instant;

use fenghuo_city::{City, Plan};
use fenghuo_decode::{Decoded, Options, Record, decode_record};
use fenghuo_model::Policy;
use fenghuo_model::registry::version_of;
use serde_json::Value;

use super::started::{Started, folder, run};

const THREADS: [&str; 4] = ["1", "2", "3", "7"];

/// How many signals of a city's night go through, if nobody asks for another number.
const NIGHT_SIGNALS: u64 = 1_000_000;

/// What differs between two runs; their whole output would be no message.
fn assert_same(one: &Started, other: &Started, what: &str) {
    assert_eq!(one.code, other.code, "{what}");
    for (name, one, other) in [("stdout", &one.stdout, &other.stdout), ("stderr", &one.stderr, &other.stderr)] {
        let differing = one.lines().zip(other.lines()).zip(1..).find(|((one, other), _)| one != other);
        assert_eq!(differing, None, "{name} of {what}: the first line that differs");
        assert!(one == other, "{name} of {what}: {} and {} lines", one.lines().count(), other.lines().count());
    }
}

/// A region with one building that has two devices, for each name.
fn registry(regions: &[&str]) -> String {
    let mut text = String::new();
    for (number, region) in regions.iter().enumerate() {
        writeln!(text, r#"{{"type":"building","id":"B{number}","lon":113.75,"lat":23.02,"region":"{region}"}}"#)
            .unwrap();
        for device in ["a", "b"] {
            let id = format!("{number}{device}");
            writeln!(text, r#"{{"type":"device","id":"{id}","building":"B{number}","sensor":"smoke"}}"#).unwrap();
        }
    }
    text
}

/// Other versions of that registry: with a region more, as it was, and without a building that burns now and then.
fn versions(regions: &[&str]) -> Vec<String> {
    let whole = registry(regions);
    let more = registry(&[regions, &["q"]].concat());
    let fewer: Vec<&str> = whole.lines().filter(|line| !line.contains("\"B0\"")).collect();
    vec![more, whole.clone(), fewer.join("\n")]
}

/// Fires here and there, ticks of one, all and no known region, other registries, and lines that are bad in every way.
fn sequence(regions: usize, rounds: usize, versions: &[String]) -> String {
    let mut text = String::new();
    let mut at_ms = 1_795_312_682_000_i64;
    for round in 0..rounds {
        at_ms += 7_000;
        let building = round * 5 % regions;
        for device in ["a", "b"] {
            writeln!(text, r#"{{"device":"{building}{device}","kind":"fire","at":{at_ms}}}"#).unwrap();
        }
        let line = match round % 11 {
            0 => format!(r#"{{"tick":{at_ms}}}"#),
            1 => format!(r#"{{"tick":{at_ms},"region":"a"}}"#),
            2 => format!(r#"{{"tick":{at_ms},"region":"nowhere"}}"#),
            3 => r#"{"tick":"soon"}"#.to_owned(),
            4 => "fire!".to_owned(),
            5 => r#"{"device":"0a","kind":"fire"}"#.to_owned(),
            6 => format!(r#"{{"device":"X","kind":"clear","building":"B99","at":{at_ms}}}"#),
            7 => format!(r#"{{"device":"X{round}","kind":"fire","at":{at_ms},"sensor":"nose"}}"#),
            8 => format!(r#"{{"device":"X","kind":"heartbeat","at":{at_ms}}}"#),
            9 => format!(r#"{{"device":"X","kind":"clear","building":"B{building}","at":{at_ms},"received_at":1.5}}"#),
            _ => format!(r#"{{"device":"0b","kind":"fire","at":"2001-01-01T00:00:00Z","received_at":{at_ms}}}"#),
        };
        text.push_str(&line);
        text.push('\n');
        if round % 5 == 3 {
            let version = versions.get(round / 5 % (versions.len() + 1));
            let version = version.map_or("0123456789abcdef".to_owned(), |text| version_of(text.as_bytes()));
            writeln!(text, "{{\"registry\":\"{version}\"}}").unwrap();
            writeln!(text, r#"{{"device":"{regions}a","kind":"fire","at":{at_ms}}}"#).unwrap();
        }
    }
    // All regions' incidents have something to say at this tick.
    writeln!(text, "{{\"tick\":{}}}", at_ms + 4 * 3_600_000).unwrap();
    for building in 0..regions {
        writeln!(text, r#"{{"device":"{building}a","kind":"fire","at":{}}}"#, at_ms + 4 * 3_600_000).unwrap();
    }
    text
}

#[test]
fn any_number_of_threads_says_the_same() {
    // One region is named as that of fires without a building; names are not in the order of their sizes.
    for (regions, rounds) in [
        (&["m"][..], 20),
        (&["m", "z", "a", "unplaced", "火", "b"], 20),
        (&["m", "z", "a", "unplaced", "火", "b", "m", "m"], 5_000),
    ] {
        let versions = versions(regions);
        let folder = folder(&[
            ("city.jsonl", &registry(regions)),
            ("one.jsonl", &sequence(regions.len(), rounds, &versions)),
            ("two.jsonl", "bad\n\n{\"tick\":1895312682000}"),
        ]);
        for version in &versions {
            fs::write(folder.path().join(format!("city.jsonl.{}", version_of(version.as_bytes()))), version).unwrap();
        }
        let path = |name: &str| folder.path().join(name).display().to_string();
        let sequence = fs::read(path("one.jsonl")).unwrap();
        let (city, one, two) = (path("city.jsonl"), path("one.jsonl"), path("two.jsonl"));
        for files in [&["--drain"][..], &[], &[&one, &two, "--drain"]] {
            let started = THREADS.map(|threads| {
                let args = [&["correlate", "--registry", &city, "--threads", threads], files].concat();
                run(&args, if files.len() < 2 { &sequence[..] } else { b"" })
            });
            let summary: Value = serde_json::from_str(started[0].stderr.lines().last().unwrap()).unwrap();
            assert_eq!(started[0].code, 1, "some lines are bad");
            for counter in ["signals", "rejected", "incidents", "confirmed", "ticks", "unplaced", "times_distrusted"] {
                assert!(summary[counter].as_u64().unwrap() > 0, "the sequence shows nothing of {counter}: {summary}");
            }
            for said in ["is in an open incident and not in the registry", "0123456789abcdef is not at hand"] {
                assert!(started[0].stderr.contains(said), "the sequence shows nothing of {said:?}");
            }
            let added = format!("\"place\":\"B{}\"", regions.len());
            assert!(started[0].stdout.contains(&added), "the sequence shows nothing of the region that was added");
            for (other, threads) in started.iter().zip(THREADS) {
                assert_same(&started[0], other, &format!("{} regions, {threads} threads, {files:?}", regions.len()));
            }
        }
    }
}

#[test]
fn a_number_of_threads_that_makes_no_sense_is_refused() {
    for threads in ["0", "-1", "1025", "many"] {
        let started = run(&["correlate", "--registry", "city.jsonl", &format!("--threads={threads}")], "");
        assert_eq!(started.code, 2, "{threads}");
        assert!(started.stderr.contains("a whole number from 1 to 1024"), "{}", started.stderr);
    }
}

/// Writes a city of which each grid is a region, and so many signals of its night; returns how many regions.
fn write_night(folder: &Path, signals: u64) -> usize {
    let city = City::new(&Plan { buildings: 20_000, hours: 12.0, garbage_share: 0.001, ..Plan::default() });
    let mut registry = String::new();
    let mut regions = std::collections::BTreeSet::new();
    for line in city.registry_json_lines().lines() {
        let mut value: Value = serde_json::from_str(line).unwrap();
        if value["type"] == "building" {
            let grid = ["town", "village", "grid"].map(|name| value[name].as_str().unwrap().to_owned()).join("/");
            value["region"] = grid.clone().into();
            regions.insert(grid);
        }
        writeln!(registry, "{value}").unwrap();
    }
    fs::write(folder.join("city.jsonl"), registry).unwrap();
    let clock = Policy::default().clock;
    let (mut text, mut written, mut decoded) = (String::new(), 0, Vec::new());
    for raw in city.night() {
        let record = Record { bytes: &raw.bytes, timestamp_ms: Some(raw.timestamp_ms), source: None };
        decode_record(raw.channel.format(), &record, &clock, &Options::default(), &mut decoded);
        for decoded in decoded.drain(..) {
            match decoded {
                Decoded::Signal(signal) => {
                    writeln!(text, "{}", signal.to_json()).unwrap();
                    written += 1;
                    if written % 10_000 == 0 {
                        writeln!(text, "{{\"tick\":{}}}", raw.timestamp_ms).unwrap();
                    }
                }
                Decoded::Rejected(rejection) => writeln!(text, "{}", rejection.reason).unwrap(),
            }
        }
        if written >= signals {
            fs::write(folder.join("signals.jsonl"), text).unwrap();
            return regions.len();
        }
    }
    panic!("the night has only {written} signals");
}

/// `FENGHUO_TEST_NIGHT_SIGNALS` asks for another number than the million.
#[test]
fn a_citys_night_is_the_same_on_one_and_on_many_threads_and_again() {
    let asked = std::env::var("FENGHUO_TEST_NIGHT_SIGNALS").ok();
    let signals = asked.map_or(NIGHT_SIGNALS, |number| number.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let regions = write_night(folder.path(), signals);
    println!("{signals} signals of {regions} regions, written in {:.1?}", started.elapsed());
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (city, file) = (path("city.jsonl"), path("signals.jsonl"));
    let correlate = |threads: &str| {
        let begun = Instant::now();
        let started = run(&["correlate", "--registry", &city, "--threads", threads, "--drain", &file], "");
        println!("{threads} threads: {:.1?}", begun.elapsed());
        started
    };
    let first = correlate("1");
    let summary: Value = serde_json::from_str(first.stderr.lines().last().unwrap()).unwrap();
    assert!(regions > 20 && summary["confirmed"].as_u64().unwrap() > 0 && first.code == 1, "{regions} {summary}");
    for threads in ["1", "2", "8"] {
        assert_same(&first, &correlate(threads), &format!("{threads} threads"));
    }
}
