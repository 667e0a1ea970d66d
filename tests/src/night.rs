//! A city's night on a real broker: raw records in, decisions out, and everything that stands there compared.
//!
//! What is expected is computed by the pure crates alone, from what the topics hold: the signals from the raw records,
//! the decisions from the signals in the order of their offsets, ticks included. What is not as it must be fails the
//! test that asked, and says where.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use fenghuo_city::{Channel, City, Plan, RawRecord};

use crate::broker::Broker;
use crate::expected::{FromRaw, FromSignals, Replays};
use crate::processes::Member;
use crate::stage::{self, Shape};
use crate::topics::Stored;

/// One test's city, topics and group on the broker.
pub struct Night<'b> {
    /// The broker.
    pub broker: &'b Broker,
    /// Its topics, group and configuration.
    pub stage: stage::Stage,
    forward: &'static str,
}

impl<'b> Night<'b> {
    /// Sets the stage: topics of four partitions, and the decode role holds back what does not change.
    #[must_use]
    pub fn set(broker: &'b Broker, city: &City, name: &str) -> Self {
        Self::set_forwarding(broker, city, name, "changes")
    }

    /// The same with every signal forwarded: much work for the correlate role.
    #[must_use]
    pub fn set_unfiltered(broker: &'b Broker, city: &City, name: &str) -> Self {
        Self::set_forwarding(broker, city, name, "all")
    }

    fn set_forwarding(broker: &'b Broker, city: &City, name: &str, forward: &'static str) -> Self {
        let name = format!("{name}-{}", std::process::id());
        let shape = Shape { partitions: 4, replication: 1, forward };
        let stage = stage::Stage::set(&broker.address, &broker.address, city, &name, shape).unwrap();
        Self { broker, stage, forward }
    }

    /// The full name of one of its topics.
    #[must_use]
    pub fn topic(&self, topic: &str) -> String {
        self.stage.topic(topic)
    }

    /// Starts a member of both roles.
    #[must_use]
    pub fn member(&self, name: &str) -> Member {
        Member::start(self.stage.path(), name, &self.stage.config, "all").unwrap()
    }

    /// Writes raw records, and waits until all are acknowledged.
    pub fn produce(&self, records: &[RawRecord]) {
        assert_eq!(self.stage.produce(records).unwrap(), records.len() as u64);
    }

    /// Waits until both roles have done all that there is, and nothing new was forwarded or decided for three seconds;
    /// ticks go on by the broker's time.
    pub fn settle(&self, members: &[&Member]) {
        let deadline = Instant::now() + Duration::from_secs(600);
        let signals = vec![self.topic("signals")];
        let decisions = ["dispatch", "watch", "dead"].map(|topic| self.topic(topic));
        let mut quiet_since: Option<(Instant, i64)> = None;
        loop {
            let done = self.broker.is_done(&self.stage.group("decode"), &self.stage.raw_topics())
                && self.broker.is_done(&self.stage.group("correlate"), &signals);
            let watched = self.stage.raw_topics().into_iter().chain(decisions.iter().cloned());
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
    fn decoded(&self) -> FromRaw {
        let mut found = FromRaw::default();
        for channel in Channel::ALL {
            found.take(channel, self.broker.read(&self.stage.raw_topic(channel)));
        }
        found
    }

    /// What the signals topic decides, in the order of its partitions, and the signals in it.
    fn correlated(&self) -> (Vec<String>, BTreeSet<String>) {
        // What came last of the ticks may not have been taken when the members ended.
        let taken = self.broker.committed(&self.stage.group("correlate"), &self.topic("signals"));
        let is_taken = |stored: &Stored| Some(stored.offset) < taken[usize::try_from(stored.partition).unwrap()];
        let mut records = self.broker.read(&self.topic("signals"));
        records.retain(is_taken);
        let found = FromSignals::of(&self.stage, &records, Replays::Dropped);
        assert_eq!(found.others, 0, "neither signal nor tick");
        (found.decisions.iter().map(|decided| decided.decision.to_json()).collect(), found.signals)
    }

    /// Checks all topics against one another.
    pub fn check(&self, city: &City) {
        let from_raw = self.decoded();
        let expected_dead = &from_raw.dead;
        let (expected_decisions, signals) = self.correlated();
        let missing = from_raw.missing(&signals, self.forward);
        let excess = from_raw.excess(&signals);
        let few = |signals: &[&String]| signals.iter().take(3).map(|signal| (*signal).clone()).collect::<Vec<_>>();
        let counts = (signals.len(), from_raw.signals.len());
        let is_right = missing.is_empty() && excess.is_empty();
        assert!(is_right, "{counts:?}\nmissing {:#?}\nexcess {:#?}", few(&missing), few(&excess));
        let most = if self.forward == "all" { counts.1 } else { counts.1 / 10 };
        assert!(signals.len() <= most, "{counts:?}: little is held back");
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
#[must_use]
pub fn night() -> (City, Vec<RawRecord>) {
    let city = City::new(&Plan { garbage_share: 0.01, ..Plan::clear_cut(3) });
    let records: Vec<_> = city.night().collect();
    assert!(records.len() >= 20_000, "{} records", records.len());
    (city, records)
}
