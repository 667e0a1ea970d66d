//! The whole path on a real broker: raw records of a city's night in, confirmed fires out, by members of one group.
//!
//! What is expected, and how it is compared, stands in `fenghuo_tests::night`.

// Support functions fail the test that calls them, and say where.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use fenghuo_city::{City, RawRecord};
use fenghuo_tests::broker::Broker;
use fenghuo_tests::night::{Night, night};
use fenghuo_tests::processes::{Member, subscriber};

fn fires_told(stage: &Night<'_>) -> Vec<String> {
    let output = subscriber()
        .args(["--brokers", &stage.broker.address, "--exit-when-idle", "5"])
        .args(["--topic", &stage.topic("dispatch"), "--group", &stage.topic("subscriber")])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    lines.lines().filter(|line| line.starts_with("FIRE")).map(str::to_owned).collect()
}

fn incidents_of(stage: &Night<'_>) -> usize {
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
    let stage = Night::set(broker, city, "two");
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
    let stage = Night::set(broker, city, "dies");
    let (before, after) = records.split_at(records.len() / 2);
    stage.produce(before);
    let [dies, lives] = ["dies", "lives"].map(|name| stage.member(name));
    let deadline = Instant::now() + Duration::from_secs(300);
    let (group, raw) = (stage.stage.group("decode"), stage.stage.raw_topics());
    let done = |topic: &String| stage.broker.committed(&group, topic).into_iter().flatten().sum::<i64>();
    while raw.iter().map(done).sum::<i64>() < 2_000 {
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
