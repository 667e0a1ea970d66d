//! The state follows its signals on a real broker: from two partitions to five amid a night, and a burning building
//! into another region.

// Support functions fail the test that calls them, and say where.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fenghuo_city::City;
use fenghuo_correlate::Correlator;
use fenghuo_engine::partitioner::partition_of;
use fenghuo_model::{Input, Policy, Registry};
use fenghuo_tests::broker::{Broker, script};
use fenghuo_tests::expected::Sources;
use fenghuo_tests::night::night;
use fenghuo_tests::processes::{Member, fenghuo};
use fenghuo_tests::stage::{Shape, Stage};
use fenghuo_tests::topics::Stored;

const BEFORE: i32 = 2;
const AFTER: i32 = 5;

fn partitions(broker: &Broker, topic: &str, count: i32) {
    let mut tool = Command::new(script());
    tool.args(["tool", "topics", "--bootstrap-server", &broker.address, "--alter", "--topic", topic]);
    let output = tool.args(["--partitions", &count.to_string()]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

fn command(stage: &Stage, arguments: &[&str]) -> (Option<i32>, String) {
    let (name, rest) = arguments.split_first().unwrap();
    let output: Output = fenghuo().arg(name).arg("--config").arg(&stage.config).args(rest).output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code(), said.concat())
}

/// Runs both roles until everything is decoded and correlated, and nothing was decided for two seconds.
fn run(broker: &Broker, stage: &Stage, name: &str) {
    let member = Member::start(stage.path(), name, &stage.config, "all").unwrap();
    let deadline = Instant::now() + Duration::from_secs(240);
    let mut quiet: Option<(Instant, i64)> = None;
    while quiet.is_none_or(|(since, _)| since.elapsed() < Duration::from_secs(2)) {
        assert!(Instant::now() < deadline, "{}", member.log());
        std::thread::sleep(Duration::from_millis(100));
        let is_done = broker.is_done(&stage.group("decode"), &stage.raw_topics())
            && broker.is_done(&stage.group("correlate"), &[stage.topic("signals")]);
        let ends: i64 =
            ["dispatch", "watch"].iter().flat_map(|topic| broker.ends(&stage.topic(topic))).map(|(_, end)| end).sum();
        quiet = match quiet {
            Some((since, before)) if before == ends => Some((since, before)),
            _ => is_done.then(|| (Instant::now(), ends)),
        };
    }
    let log = member.log();
    assert_eq!(member.end().unwrap().code(), Some(0), "{log}");
}

/// Every village is a region of its own.
fn divided(stage: &mut Stage, change: impl Fn(&mut serde_json::Value)) {
    let path = stage.path().join("city.jsonl");
    let mut text = String::new();
    for line in std::fs::read_to_string(&path).unwrap().lines() {
        let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
        change(&mut value);
        text += &format!("{value}\n");
    }
    std::fs::write(&path, &text).unwrap();
    stage.registry = Arc::new(Registry::from_json_lines("city.jsonl", text.as_bytes()).unwrap());
}

fn by_village(value: &mut serde_json::Value) {
    if let (Some(region), Some(village)) = (value["region"].as_str(), value["village"].as_str()) {
        value["region"] = format!("{region}-{village}").into();
    }
}

fn published(broker: &Broker, stage: &Stage) -> Vec<String> {
    let read = |topic: &str| broker.read(&stage.topic(topic));
    let all = read("dispatch").into_iter().chain(read("watch"));
    let mut texts: Vec<String> = all.map(|stored| String::from_utf8(stored.bytes).unwrap()).collect();
    texts.sort_unstable();
    texts
}

/// What each region's one sequence decides: what its old partition held up to the migration, then the new one from
/// there.
fn expected(stage: &Stage, signals: &[Stored], at: &[i64], taken: &[Option<i64>]) -> Vec<String> {
    let mut decisions = Vec::new();
    let regions = stage.registry.regions().iter().map(AsRef::as_ref).chain(["unplaced"]);
    for region in regions {
        let (old, new) = (partition_of(region, BEFORE), partition_of(region, AFTER));
        let place = |partition: i32| usize::try_from(partition).unwrap();
        let first = signals.iter().filter(|it| it.partition == old && it.offset < at[place(old)]);
        let then = signals.iter().filter(|it| {
            let is_taken = taken[place(new)].is_some_and(|end| it.offset < end);
            it.partition == new && it.offset >= at.get(place(new)).copied().unwrap_or(0) && is_taken
        });
        let mut correlator = Correlator::new(Arc::clone(&stage.registry), Arc::new(Policy::default()));
        let mut sources = Sources::default();
        for stored in first.chain(then) {
            let input = Input::from_json(&stored.bytes).unwrap();
            let is_new = match &input {
                Input::Signal(signal) => stored.key == region.as_bytes() && sources.admit(signal.source.as_deref()),
                _ => true,
            };
            let mut decided = Vec::new();
            if is_new {
                // What the rules reject is the dead-letter topic's.
                let _ = correlator.take(&input, &mut decided);
            }
            decisions.extend(decided.iter().map(fenghuo_model::Decision::to_json));
        }
    }
    decisions.sort_unstable();
    decisions
}

/// A region that moves, and an instant at which a house of it has one alarm and will have another.
fn amid_a_fire(city: &City, registry: &Registry) -> (String, i64) {
    let fires = city.truth().iter().filter_map(|fire| {
        let region = registry.region_of(registry.building_by_id(&fire.building)?).to_string();
        let gap_ms = fire.second_room_ms? - fire.first_alarm_ms;
        let moves = partition_of(&region, BEFORE) != partition_of(&region, AFTER);
        (moves && gap_ms > 30_000).then_some((fire.first_alarm_ms + gap_ms, region))
    });
    let mut fires: Vec<_> = fires.collect();
    fires.sort_unstable();
    let (at_ms, region) = fires.swap_remove(fires.len() / 2);
    (region, at_ms)
}

/// Every signal stands where our reading of the partitioner says, before and after; and regions did move.
fn placed(signals: &[Stored], at: &[i64]) {
    let mut moved = BTreeSet::new();
    for stored in signals.iter().filter(|it| !it.key.is_empty()) {
        let region = str::from_utf8(&stored.key).unwrap();
        let is_before = stored.offset < at[usize::try_from(stored.partition).unwrap()];
        let count = if is_before { BEFORE } else { AFTER };
        assert_eq!(partition_of(region, count), stored.partition, "{region} of {count}");
        if partition_of(region, BEFORE) != partition_of(region, AFTER) {
            moved.insert((region, is_before));
        }
    }
    assert!(moved.len() >= 6, "too few regions move: {moved:?}");
}

/// Half a night, more partitions, the other half: whatever happens between, each region decides as one sequence does.
#[test]
fn more_partitions_amid_a_night() {
    let broker = Broker::start();
    let (city, records) = night();
    let name = format!("more-{}", std::process::id());
    let shape = Shape { partitions: 2, replication: 1, forward: "all" };
    let mut stage = Stage::set(&broker.address, &broker.address, &city, &name, shape).unwrap();
    divided(&mut stage, by_village);
    let (burning, at_ms) = amid_a_fire(&city, &stage.registry);
    let (first, second) = records.split_at(records.partition_point(|record| record.timestamp_ms < at_ms));
    assert!(first.len() > 2_000 && second.len() > 2_000, "{} and {} records", first.len(), second.len());
    stage.produce(first).unwrap();
    run(&broker, &stage, "before");
    for topic in ["signals", "state"] {
        partitions(&broker, &stage.topic(topic), AFTER);
    }

    let (code, said) = command(&stage, &["run", "--role", "correlate"]);
    assert!(code == Some(78) && said.contains("fenghuo migrate"), "{code:?} {said}");
    let (code, said) = command(&stage, &["migrate"]);
    assert!(code == Some(1) && said.contains("2 before, 5 now"), "{code:?} {said}");
    let held = broker.ends(&stage.topic("state"));
    let (code, said) = command(&stage, &["migrate", "--yes", "--by", "wang"]);
    assert!(code == Some(0) && said.contains("the service may start"), "{code:?} {said}");
    let at: Vec<i64> = broker.ends(&stage.topic("signals")).iter().map(|(_, end)| *end).collect();
    let moved = broker.ends(&stage.topic("state"));
    assert!(held.iter().zip(&moved).skip(2).all(|(before, after)| before.1 < after.1), "{held:?} {moved:?}");
    let (code, said) = command(&stage, &["migrate", "--yes", "--by", "wang"]);
    assert!(code == Some(0) && said.contains("nothing is to be migrated"), "{code:?} {said}");
    assert_eq!(broker.ends(&stage.topic("state")), moved);
    let state = broker.read(&stage.topic("state"));
    let incident = format!("building/{}/{burning}/", burning.len());
    let went = |it: &&Stored| it.key.starts_with(incident.as_bytes()) && it.partition == partition_of(&burning, AFTER);
    assert!(state.iter().any(|it| went(&it)), "nothing burned amid the migration");
    let notes = state.into_iter().filter(|it| it.key.starts_with(b"migration/"));
    let notes: Vec<String> = notes.map(|it| String::from_utf8(it.bytes).unwrap()).collect();
    assert!(notes.len() == 1 && notes[0].contains(r#""by":"wang""#), "{notes:?}");

    stage.produce(second).unwrap();
    run(&broker, &stage, "after");
    let signals = broker.read(&stage.topic("signals"));
    placed(&signals, &at);
    let taken = broker.committed(&stage.group("correlate"), &stage.topic("signals"));
    let (decided, expected) = (published(&broker, &stage), expected(&stage, &signals, &at, &taken));
    let difference: Vec<_> = decided.iter().filter(|it| !expected.contains(it)).take(3).collect();
    assert!(decided == expected, "{} published, {} made: {difference:#?}", decided.len(), expected.len());
    assert!(expected.len() > 20, "{} decisions", expected.len());
}

/// Raw signals of one house, in seconds from the beginning.
fn signal(device: &str, at_s: i64) -> fenghuo_city::RawRecord {
    let at_ms = 1_795_312_682_000 + at_s * 1_000;
    let at = fenghuo_model::time::Rfc3339(at_ms).to_string();
    let bytes = serde_json::json!({"device": device, "kind": "fire", "at": at}).to_string().into_bytes();
    let key = device.to_owned();
    fenghuo_city::RawRecord {
        timestamp_ms: at_ms,
        channel: fenghuo_city::Channel::Signal,
        key,
        bytes,
        unreadable: false,
    }
}

/// A suspected house goes to another region with its incident, which is confirmed there under its id; the service
/// refuses until it has.
#[test]
fn a_burning_building_goes_to_another_region() {
    let broker = Broker::start();
    let (city, _) = night();
    let name = format!("moved-{}", std::process::id());
    let shape = Shape { partitions: 2, replication: 1, forward: "all" };
    let mut stage = Stage::set(&broker.address, &broker.address, &city, &name, shape).unwrap();
    let house = r#"{"type":"building","id":"B1","lon":113.75,"lat":23.02,"region":"a"}
{"type":"device","id":"D1","building":"B1","sensor":"smoke","location":"301"}
{"type":"device","id":"D2","building":"B1","sensor":"smoke","location":"302"}
"#;
    std::fs::write(stage.path().join("city.jsonl"), house).unwrap();
    stage.produce(&[signal("D1", 0)]).unwrap();
    run(&broker, &stage, "before");
    let (code, said) = command(&stage, &["migrate", "--yes", "--by", "wang"]);
    assert_eq!(code, Some(0), "what was left is taken under the registry as it was: {said}");

    divided(&mut stage, |value| {
        if value["id"] == "B1" {
            value["region"] = "b".into();
        }
    });
    let (code, said) = command(&stage, &["run", "--role", "correlate"]);
    assert!(code == Some(78) && said.contains("fenghuo migrate"), "{code:?} {said}");
    let (code, said) = command(&stage, &["migrate"]);
    assert!(code == Some(1) && said.contains("building B1: region a → b"), "{code:?} {said}");
    let (code, said) = command(&stage, &["migrate", "--yes", "--by", "wang"]);
    assert_eq!(code, Some(0), "{said}");
    stage.produce(&[signal("D2", 20)]).unwrap();
    run(&broker, &stage, "after");
    let mut incidents: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for text in published(&broker, &stage) {
        let decision: serde_json::Value = serde_json::from_str(&text).unwrap();
        let word = |key: &str| decision[key].as_str().unwrap().to_owned();
        incidents.entry(word("incident")).or_default().push(format!("{} {}", word("region"), word("decision")));
    }
    let [decided] = incidents.values().collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(decided.iter().filter(|it| *it == "b confirmed").count(), 1, "{decided:?}");
    assert_eq!(decided.iter().filter(|it| *it == "a suspected").count(), 1, "{decided:?}");

    let member = Member::start(stage.path(), "at-work", &stage.config, "all").unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !member.log().contains("begun") {
        assert!(Instant::now() < deadline, "{}", member.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    let (code, said) = command(&stage, &["migrate"]);
    assert!(code == Some(78) && said.contains("members") && said.contains("stop them"), "{code:?} {said}");
}
