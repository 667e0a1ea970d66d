//! The contract told as duty logs: every sentence on what is decided has a scenario that shows it.
//!
//! One `check` runs them all, straight and disturbed by what must not matter. They lie in the workspace's
//! `tests/scenarios`, whose README tells the notation.

mod chapter;
mod clauses;
mod clock_face;
mod compare;
mod notation;
mod play;
mod town;

use std::error::Error;
use std::path::Path;
use std::{fs, io};

use chapter::read_chapter;
use fenghuo_schemas::faults_by;
use notation::Scenario;
use play::{Disturbance, Outcome, play};
use serde_json::Value;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/scenarios");

/// All scenarios, chapter by chapter in the order of the files' names, and the example of the README, which is to be
/// as true as the rest.
fn scenarios() -> Result<Vec<Scenario>, Box<dyn Error>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(FOLDER)? {
        names.extend(entry?.file_name().into_string().ok());
    }
    names.retain(|name| name.ends_with(".txt") && name != "clauses.txt");
    names.sort_unstable();
    let mut scenarios = Vec::new();
    for name in names {
        scenarios.extend(read_chapter(&name, &read(&name)?)?);
    }
    for block in read("README.md")?.split("```text\n").skip(1) {
        scenarios.extend(read_chapter("README.md, example", block.split("```").next().unwrap_or_default())?);
    }
    Ok(scenarios)
}

fn read(name: &str) -> io::Result<String> {
    fs::read_to_string(Path::new(FOLDER).join(name))
}

/// What differs between a scenario and what it leads to; empty if nothing does.
fn check(scenario: &Scenario) -> String {
    let outcomes = match (play(scenario, Disturbance::None), &scenario.refused) {
        (Ok(outcomes), None) => outcomes,
        (Err(fault), Some(words)) if fault.contains(words.as_str()) => return String::new(),
        (Err(fault), _) => return fault,
        (Ok(_), Some(words)) => return format!("{}: not refused: {words}", scenario.at),
    };
    let mut differences = compare::differences(scenario, &outcomes);
    for decision in outcomes.iter().flat_map(|outcome| &outcome.decisions) {
        for fault in faults_by("decision", decision) {
            differences.push_str(&format!("{}: {fault}\n", scenario.at));
        }
    }
    for disturbance in [Disturbance::None, Disturbance::Heartbeats, Disturbance::FiresElsewhere, Disturbance::Repeats] {
        let disturbed = play(scenario, disturbance).expect("the same registry and policy were read before");
        let (straight, disturbed) = (decisions(&outcomes, disturbance), decisions(&disturbed, disturbance));
        if straight != disturbed {
            let place = straight.iter().zip(&disturbed).take_while(|(one, other)| one == other).count();
            differences.push_str(&format!(
                "{}: {disturbance:?} changed decision {}\n  from {:?}\n  to   {:?}\n",
                scenario.at,
                place + 1,
                straight.get(place),
                disturbed.get(place)
            ));
        }
    }
    differences
}

/// All decisions in their order. Repeats are counted in `duplicates`, and may change nothing else.
fn decisions(outcomes: &[Outcome], disturbance: Disturbance) -> Vec<String> {
    let write = |decision: &Value| {
        let mut decision = decision.clone();
        if disturbance == Disturbance::Repeats {
            decision.as_object_mut().expect("a decision is an object").remove("duplicates");
        }
        decision.to_string()
    };
    outcomes.iter().flat_map(|outcome| &outcome.decisions).map(write).collect()
}

#[test]
fn every_duty_log_leads_to_its_decisions() {
    let differences: Vec<String> = scenarios().unwrap().iter().map(check).filter(|text| !text.is_empty()).collect();
    assert!(differences.is_empty(), "\n{}\n{} scenarios differ", differences.join("\n"), differences.len());
}

#[test]
fn every_clause_has_a_scenario_and_every_scenario_a_clause() {
    let clauses = clauses::read_clauses(&read("clauses.txt").unwrap()).unwrap();
    assert_eq!(clauses::orphans(&clauses, &scenarios().unwrap()), Vec::<String>::new());
}

const CANARY: &str = "\
[registry]
B1 rental
  D1 smoke 301
== One detector is a suspicion.
clauses: sung
[log]
10:00:00 D1 fire
    = suspected B1 evidence=D1 classes=smoke
";

#[test]
fn a_false_expectation_and_an_orphan_are_seen() {
    let chapter = |text: &str| read_chapter("canary.txt", text).unwrap();
    assert_eq!(check(&chapter(CANARY)[0]), "");
    for (right, wrong, told) in [
        ("= suspected", "= confirmed", "= confirmed B1"),
        ("evidence=D1", "evidence=D1*", "evidence=D1 "),
        ("classes=smoke", "@10:00:01", "@10:00:00"),
        ("    = suspected B1 evidence=D1 classes=smoke\n", "", "= suspected B1 incident=#1"),
        ("classes=smoke\n", "classes=smoke\n    = verify B1\n", "= verify B1"),
        ("classes=smoke\n", "classes=smoke\ncount duplicates=1\n", "counted duplicates=0"),
        ("D1 fire", "D1 smells", "unknown kind"),
    ] {
        let differences = check(&chapter(&CANARY.replace(right, wrong))[0]);
        assert!(differences.contains(told), "{wrong}: {differences}");
    }
    let clauses = clauses::read_clauses("# heading\nsung: it is sung\n").unwrap();
    assert!(clauses::orphans(&clauses, &chapter(CANARY)).is_empty());
    let whistled = clauses::read_clauses("whistled: it is whistled\n").unwrap();
    assert_eq!(
        clauses::orphans(&whistled, &chapter(CANARY)),
        ["no scenario stands for whistled", "canary.txt:4: there is no clause sung"]
    );
    assert_eq!(
        clauses::orphans(&clauses, &chapter(&CANARY.replace(" sung", "")))[1],
        "canary.txt:4: stands for no clause"
    );
}

#[test]
fn disturbances_do_disturb() {
    let scenario = &read_chapter("canary.txt", CANARY).unwrap()[0];
    for (disturbance, counter, expected) in [
        (Disturbance::None, "signals", 1),
        (Disturbance::Heartbeats, "without_building", 1),
        (Disturbance::FiresElsewhere, "incidents", 2),
        (Disturbance::Repeats, "duplicates", 1),
    ] {
        let outcomes = play(scenario, disturbance).unwrap();
        assert_eq!(outcomes[0].counters[counter], expected, "{disturbance:?}");
    }
}
