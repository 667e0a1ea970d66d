//! The whole path on a real broker: raw records of a city's night in, confirmed fires out, by members of one group.
//!
//! What is expected is computed by the pure crates alone, from what the topics hold: the signals from the raw records,
//! the decisions from the signals in the order of their offsets, ticks included.

// Support functions fail the test that calls them, and say where.
#![allow(clippy::unwrap_used)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fenghuo_city::{Channel, City, Plan, RawRecord};
use fenghuo_correlate::Correlator;
use fenghuo_decode::{Decoded, Options, Record, decode_record};
use fenghuo_model::{Input, Kind, Policy, Registry, Signal};
use fenghuo_sinks::RawProducer;
use support::broker::{Broker, Stored};
use support::processes::{Member, fenghuo, subscriber};

/// Where a raw record stands: topic, partition, offset.
type Address = (String, i32, i64);

/// One test's city, topics and group on the broker.
struct Stage<'b> {
    broker: &'b Broker,
    name: String,
    folder: tempfile::TempDir,
    config: PathBuf,
    registry: Arc<Registry>,
}

impl<'b> Stage<'b> {
    fn set(broker: &'b Broker, city: &City, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("{name}-{}", std::process::id());
        let registry = city.registry_json_lines();
        std::fs::write(folder.path().join("city.jsonl"), &registry).unwrap();
        let mut text =
            format!("registry = \"city.jsonl\"\n[kafka]\nbrokers = \"{}\"\ngroup = \"{name}\"\n", broker.address);
        text += "[topics]\n";
        for (key, topic) in [
            ("signals", "signals"),
            ("dispatch", "dispatch"),
            ("watch", "watch"),
            ("state", "state"),
            ("dead_letter", "dead"),
        ] {
            text += &format!("{key} = \"{name}.{topic}\"\n");
        }
        for channel in Channel::ALL {
            let people = channel == Channel::People;
            let (topic, format) = (channel.topic(), channel.format());
            text += &format!("[[raw]]\ntopic = \"{name}.{topic}\"\nformat = \"{format}\"\npeople = {people}\n");
        }
        let config = folder.path().join("fenghuo.toml");
        std::fs::write(&config, text).unwrap();
        let registry = Arc::new(Registry::from_json_lines("city.jsonl", registry.as_bytes()).unwrap());
        let stage = Self { broker, name, folder, config, registry };
        let output =
            fenghuo().args(["topics", "--create", "--partitions", "4", "--config"]).arg(&stage.config).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
        stage
    }

    fn topic(&self, topic: &str) -> String {
        format!("{}.{topic}", self.name)
    }

    fn raw_topics(&self) -> Vec<String> {
        Channel::ALL.iter().map(|channel| self.topic(channel.topic())).collect()
    }

    fn member(&self, name: &str) -> Member {
        Member::start(self.folder.path(), name, &self.config, "all")
    }

    fn produce(&self, records: &[RawRecord]) {
        let mut producer = RawProducer::new(&self.broker.address, []).unwrap();
        for record in records {
            let topic = self.topic(record.channel.topic());
            producer.send(&topic, record.key.as_bytes(), &record.bytes, record.timestamp_ms).unwrap();
        }
        assert_eq!(producer.finish(Duration::from_secs(300)).unwrap(), records.len() as u64);
    }

    /// Waits until both roles have done all that there is, and nothing new was forwarded or decided for three seconds;
    /// ticks go on by the broker's time.
    fn settle(&self, members: &[&Member]) {
        let deadline = Instant::now() + Duration::from_secs(600);
        let signals = vec![self.topic("signals")];
        let decisions = ["dispatch", "watch", "dead"].map(|topic| self.topic(topic));
        let mut quiet_since: Option<(Instant, i64)> = None;
        loop {
            let done = self.broker.is_done(&format!("{}.decode", self.name), &self.raw_topics())
                && self.broker.is_done(&format!("{}.correlate", self.name), &signals);
            let watched = self.raw_topics().into_iter().chain(decisions.iter().cloned());
            let ends: i64 = watched.flat_map(|topic| self.broker.ends(&topic)).map(|(_, end)| end).sum();
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
        let policy = Policy::default();
        let (mut signals, mut dead) = (BTreeSet::new(), BTreeMap::new());
        for channel in Channel::ALL {
            for stored in self.broker.read(&self.topic(channel.topic())) {
                let source = format!("{}/{}/{}", stored.topic, stored.partition, stored.offset);
                let raw = Record { bytes: &stored.bytes, timestamp_ms: stored.timestamp_ms, source: Some(&source) };
                let mut decoded = Vec::new();
                decode_record(channel.format(), &raw, &policy.clock, &Options::default(), &mut decoded);
                for one in decoded {
                    match one {
                        Decoded::Signal(signal)
                            if channel == Channel::People || !matches!(signal.kind, Kind::Clear | Kind::Confirm) =>
                        {
                            signals.insert(signal.to_json());
                        }
                        _ => {
                            dead.insert((stored.topic.clone(), stored.partition, stored.offset), stored.clone());
                        }
                    }
                }
            }
        }
        (signals, dead)
    }

    /// What the signals topic decides, in the order of its partitions, and the signals in it.
    fn correlated(&self) -> (Vec<String>, BTreeSet<String>) {
        let (mut decisions, mut signals) = (Vec::new(), BTreeSet::new());
        let mut shards: BTreeMap<i32, (Correlator, Highest)> = BTreeMap::new();
        let policy = Arc::new(Policy::default());
        // What came last of the ticks may not have been taken when the members ended.
        let taken = self.broker.committed(&format!("{}.correlate", self.name), &self.topic("signals"));
        let is_taken = |stored: &Stored| Some(stored.offset) < taken[usize::try_from(stored.partition).unwrap()];
        for stored in self.broker.read(&self.topic("signals")).into_iter().filter(is_taken) {
            let new = || (Correlator::new(Arc::clone(&self.registry), Arc::clone(&policy)), Highest::new());
            let (correlator, highest) = shards.entry(stored.partition).or_insert_with(new);
            let input = Input::from_json(&stored.bytes).unwrap();
            if let Input::Signal(signal) = &input {
                signals.insert(String::from_utf8(stored.bytes.clone()).unwrap());
                if is_repeated(signal, highest) {
                    continue;
                }
            }
            let mut decided = Vec::new();
            // What the rules reject is the dead-letter topic's.
            let _ = correlator.take(&input, &mut decided);
            decisions.extend(decided.iter().map(fenghuo_model::Decision::to_json));
        }
        (decisions, signals)
    }

    /// Checks all topics against one another.
    fn check(&self, city: &City) {
        let (expected_signals, expected_dead) = self.decoded();
        let (expected_decisions, signals) = self.correlated();
        same(&signals, &expected_signals, "signals");
        let dispatched = self.broker.read(&self.topic("dispatch"));
        let published: Vec<Stored> = dispatched.iter().cloned().chain(self.broker.read(&self.topic("watch"))).collect();
        let mut decisions: Vec<_> = published.iter().map(|it| String::from_utf8(it.bytes.clone()).unwrap()).collect();
        same(&decisions.iter().cloned().collect(), &expected_decisions.iter().cloned().collect(), "decisions");
        let mut once = expected_decisions;
        once.sort_unstable();
        decisions.sort_unstable();
        assert!(decisions == once, "{} decisions were published, {} made", decisions.len(), once.len());
        in_order(&dispatched);
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

/// Of every raw partition, the highest offset and index taken.
type Highest = BTreeMap<(String, i32), (i64, u32)>;

/// Whether a signal is not above what was taken of its raw partition: a member sent it again after another's death.
fn is_repeated(signal: &Signal, highest: &mut Highest) -> bool {
    let source: Vec<&str> = signal.source.as_deref().unwrap().split('/').collect();
    let index = source.get(3).map_or(0, |index| index.parse().unwrap());
    let place = (source[2].parse().unwrap(), index);
    let before = highest.entry((source[0].to_owned(), source[1].parse().unwrap())).or_insert((-1, 0));
    let repeated = place <= *before;
    *before = place.max(*before);
    repeated
}

/// The revisions of an incident rise along its partition.
fn in_order(dispatched: &[Stored]) {
    let mut last: BTreeMap<&[u8], u64> = BTreeMap::new();
    for stored in dispatched {
        let decision: serde_json::Value = serde_json::from_slice(&stored.bytes).unwrap();
        let revision = decision["revision"].as_u64().unwrap();
        let before = last.insert(&stored.key, revision);
        assert!(before < Some(revision), "{decision}");
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
    let city = City::new(&Plan { garbage_share: 0.01, ..Plan::clear_cut(3) });
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
    let status = member.end();
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
        ended_well(member, stage.folder.path());
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
    ended_well(lives, stage.folder.path());
    stage.check(city);
    assert_eq!(fires_told(&stage).len(), incidents_of(&stage));
}
