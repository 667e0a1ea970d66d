//! The whole path on a real broker: raw records of a city's night in, confirmed fires out, by members of one group.
//!
//! What is expected is computed by the pure crates alone, from what the topics hold: the signals from the raw records,
//! the decisions from the signals in the order of their offsets, ticks included.

// Support functions fail the test that calls them, and say where.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fenghuo_city::{Channel, City, Plan, RawRecord};
use fenghuo_tests::broker::Broker;
use fenghuo_tests::expected::{Address, FromRaw, FromSignals, Replays};
use fenghuo_tests::processes::{Member, subscriber};
use fenghuo_tests::stage::{self, Shape};
use fenghuo_tests::topics::Stored;

/// One test's city, topics and group on the broker.
struct Stage<'b> {
    broker: &'b Broker,
    stage: stage::Stage,
}

impl<'b> Stage<'b> {
    fn set(broker: &'b Broker, city: &City, name: &str) -> Self {
        let name = format!("{name}-{}", std::process::id());
        let shape = Shape { partitions: 4, replication: 1 };
        let stage = stage::Stage::set(&broker.address, &broker.address, city, &name, shape).unwrap();
        Self { broker, stage }
    }

    fn topic(&self, topic: &str) -> String {
        self.stage.topic(topic)
    }

    fn member(&self, name: &str) -> Member {
        Member::start(self.stage.path(), name, &self.stage.config, "all").unwrap()
    }

    fn produce(&self, records: &[RawRecord]) {
        assert_eq!(self.stage.produce(records).unwrap(), records.len() as u64);
    }

    /// Waits until both roles have done all that there is, and nothing new came for two seconds.
    fn settle(&self, members: &[&Member]) {
        let deadline = Instant::now() + Duration::from_secs(600);
        let signals = vec![self.topic("signals")];
        let mut quiet_since: Option<(Instant, Vec<(i64, i64)>)> = None;
        loop {
            let done = self.broker.is_done(&self.stage.group("decode"), &self.stage.raw_topics())
                && self.broker.is_done(&self.stage.group("correlate"), &signals);
            let ends = self.broker.ends(&signals[0]);
            quiet_since = match quiet_since {
                _ if !done => None,
                Some((since, before)) if before == ends => Some((since, before)),
                _ => Some((Instant::now(), ends)),
            };
            if quiet_since.as_ref().is_some_and(|(since, _)| since.elapsed() > Duration::from_secs(3)) {
                return;
            }
            let logs = || members.iter().map(|member| member.log()).collect::<String>();
            assert!(Instant::now() < deadline, "it does not settle:\n{}", logs());
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    /// What the raw records say, and which of them belong into the dead-letter topic.
    fn decoded(&self) -> (BTreeSet<String>, BTreeMap<Address, Stored>) {
        let mut found = FromRaw::default();
        for channel in Channel::ALL {
            found.take(channel, self.broker.read(&self.stage.raw_topic(channel)));
        }
        (found.signals, found.dead)
    }

    /// What the signals topic decides, and the signals in it.
    fn correlated(&self) -> (BTreeSet<String>, BTreeSet<String>) {
        let records = self.broker.read(&self.topic("signals"));
        let found = FromSignals::of(&self.stage.registry, &records, Replays::Kept);
        assert_eq!(found.others, 0, "neither signal nor tick");
        (found.decisions.iter().map(|decided| decided.decision.to_json()).collect(), found.signals)
    }

    /// Checks all topics against one another.
    fn check(&self, city: &City) {
        let (expected_signals, expected_dead) = self.decoded();
        let (expected_decisions, signals) = self.correlated();
        same(&signals, &expected_signals, "signals");
        let dispatched = self.broker.read(&self.topic("dispatch"));
        let published: Vec<Stored> = dispatched.iter().cloned().chain(self.broker.read(&self.topic("watch"))).collect();
        let text = |stored: &Stored| String::from_utf8(stored.bytes.clone()).unwrap();
        same(&published.iter().map(text).collect(), &expected_decisions, "decisions");
        let mut dead = BTreeSet::new();
        for letter in self.broker.read(&self.topic("dead")) {
            let at = |key: &str| letter.headers[key].parse::<i64>().unwrap();
            let partition = i32::try_from(at("partition")).unwrap();
            let place = (letter.headers["topic"].clone(), partition, at("offset"));
            let Some(raw) = expected_dead.get(&place) else {
                assert_eq!(place.0, self.topic("signals"), "{letter:?}");
                continue;
            };
            assert_eq!((&letter.bytes, &letter.key), (&raw.bytes, &raw.key), "{place:?}");
            assert!(!letter.headers["reason"].is_empty());
            dead.insert(place);
        }
        assert_eq!(dead.len(), expected_dead.len(), "dead letters");
        let burning: BTreeSet<String> = city.truth().iter().map(|fire| fire.building.clone()).collect();
        same(&confirmed_buildings(&dispatched), &burning, "confirmed buildings");
    }
}

fn same(actual: &BTreeSet<String>, expected: &BTreeSet<String>, what: &str) {
    let missing: Vec<_> = expected.difference(actual).take(3).collect();
    let excess: Vec<_> = actual.difference(expected).take(3).collect();
    let counts = (actual.len(), expected.len());
    assert!(missing.is_empty() && excess.is_empty(), "{what} {counts:?}\nmissing {missing:#?}\nexcess {excess:#?}");
}

fn confirmed_buildings(dispatched: &[Stored]) -> BTreeSet<String> {
    let mut confirmed = BTreeSet::new();
    for stored in dispatched {
        let decision: serde_json::Value = serde_json::from_slice(&stored.bytes).unwrap();
        for building in decision["buildings"].as_array().unwrap() {
            confirmed.insert(building["id"].as_str().unwrap().to_owned());
        }
    }
    confirmed
}

/// A night of about 20,000 records, 1 % of them unreadable, whose fires are beyond doubt.
fn night() -> (City, Vec<RawRecord>) {
    // Yesterday's records would be gone by the broker's retention before they are compared.
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let start_ms = i64::try_from(since.as_secs() / 3_600).unwrap() * 3_600_000 - 6 * 3_600_000;
    println!("the night begins at {start_ms}");
    let city = City::new(&Plan { garbage_share: 0.01, start_ms, ..Plan::clear_cut(3) });
    let records: Vec<_> = city.night().collect();
    assert!(records.len() >= 20_000, "{} records", records.len());
    (city, records)
}

fn fires_told(stage: &Stage<'_>) -> Vec<String> {
    let output = subscriber()
        .args(["--brokers", &stage.broker.address, "--exit-when-idle", "5"])
        .args(["--topic", &stage.topic("dispatch"), "--group", &stage.topic("subscriber")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter(|line| line.starts_with("FIRE")).map(str::to_owned).collect()
}

fn incidents_of(stage: &Stage<'_>) -> usize {
    let dispatched = stage.broker.read(&stage.topic("dispatch"));
    dispatched.iter().map(|stored| stored.key.clone()).collect::<BTreeSet<_>>().len()
}

fn ended_well(member: Member, folder: &Path) {
    let status = member.end().unwrap();
    assert_eq!(status.code(), Some(0), "{}", folder.display());
}

/// One after the other: two cores carry one night at a time.
#[test]
fn two_members_carry_a_night_and_one_may_die() {
    let broker = Broker::start();
    let (city, records) = night();
    a_night_by_two_members(&broker, &city, &records);
    a_night_in_which_one_dies(&broker, &city, &records);
}

fn a_night_by_two_members(broker: &Broker, city: &City, records: &[RawRecord]) {
    let stage = Stage::set(broker, city, "two");
    // First the night, then the members: hours arrive within a second here, as they never do in life, and only a
    // backlog that lies there as a whole can be read side by side.
    stage.produce(records);
    let members = ["a", "b"].map(|name| stage.member(name));
    stage.settle(&[&members[0], &members[1]]);
    for member in members {
        ended_well(member, stage.stage.path());
    }
    stage.check(city);
    assert_eq!(fires_told(&stage).len(), incidents_of(&stage));
}

fn a_night_in_which_one_dies(broker: &Broker, city: &City, records: &[RawRecord]) {
    let stage = Stage::set(broker, city, "dies");
    let (before, after) = records.split_at(records.len() / 2);
    stage.produce(before);
    let [dies, lives] = ["dies", "lives"].map(|name| stage.member(name));
    let deadline = Instant::now() + Duration::from_secs(300);
    while stage.broker.ends(&stage.topic("signals")).iter().map(|(_, end)| end).sum::<i64>() < 2_000 {
        assert!(Instant::now() < deadline, "{}\n{}", dies.log(), lives.log());
    }
    // While both still read what lies there.
    stage.produce(after);
    dies.kill();
    stage.settle(&[&lives]);
    ended_well(lives, stage.stage.path());
    stage.check(city);
    assert_eq!(fires_told(&stage).len(), incidents_of(&stage));
}
