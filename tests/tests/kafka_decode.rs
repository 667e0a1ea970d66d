//! What the decode role owes to time and to gaps, on a real broker: silence goes on by the broker's clock, whoever
//! writes the ticks; a raw partition whose next record is gone stands still, alone, until somebody accepts that.

// Support functions fail the test that calls them, and say where.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::Output;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fenghuo_model::time::parse_rfc3339;
use fenghuo_sinks::RawProducer;
use fenghuo_tests::broker::Broker;
use fenghuo_tests::processes::{Member, fenghuo};
use fenghuo_tests::topics::Stored;
use serde_json::Value;

const REGISTRY: &str = r#"{"type":"building","id":"B1","lon":113.75,"lat":23.02,"region":"hongmei"}
{"type":"device","id":"D1","building":"B1","sensor":"smoke","location":"301"}
{"type":"device","id":"D2","building":"B1","sensor":"smoke","location":"302"}
"#;

const POLICY: &str = "[incident]\nverify_after = \"2s\"\nescalate_after = \"20s\"\n";

/// Two raw topics of one partition each, and everything behind them.
struct Stage<'b> {
    broker: &'b Broker,
    name: String,
    folder: tempfile::TempDir,
    config: PathBuf,
    /// Ten hours ago, which no clock shows any more: as old as the topics let records become without dropping them.
    night_ms: i64,
}

impl<'b> Stage<'b> {
    fn set(broker: &'b Broker, name: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("{name}-{}", std::process::id());
        std::fs::write(folder.path().join("city.jsonl"), REGISTRY).unwrap();
        std::fs::write(folder.path().join("policy.toml"), POLICY).unwrap();
        let mut text = "registry = \"city.jsonl\"\npolicy = \"policy.toml\"\n[kafka]\n".to_owned();
        text += &format!("brokers = \"{}\"\ngroup = \"{name}\"\n[topics]\n", broker.address);
        for topic in ["signals", "dispatch", "watch", "state", "dead_letter"] {
            text += &format!("{topic} = \"{name}.{topic}\"\n");
        }
        for raw in ["one", "two"] {
            text += &format!("[[raw]]\ntopic = \"{name}.{raw}\"\nformat = \"signal\"\n");
        }
        let config = folder.path().join("fenghuo.toml");
        std::fs::write(&config, text).unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let night_ms = i64::try_from(now.as_millis()).unwrap() - 36_000_000;
        let stage = Self { broker, name, folder, config, night_ms };
        let output = stage.command(&["topics", "--create", "--partitions", "1"]);
        assert!(output.status.success(), "{output:?}");
        stage
    }

    fn command(&self, words: &[&str]) -> Output {
        fenghuo().args(words).arg("--config").arg(&self.config).output().unwrap()
    }

    fn member(&self, name: &str) -> Member {
        Member::start(self.folder.path(), name, &self.config, "all").unwrap()
    }

    fn topic(&self, topic: &str) -> String {
        format!("{}.{topic}", self.name)
    }

    fn read(&self, topic: &str) -> Vec<Stored> {
        self.broker.read(&self.topic(topic))
    }

    /// A record, so long after the night began.
    fn say(&self, topic: &str, device: &str, kind: &str, after_ms: i64) {
        let mut producer = RawProducer::new(&self.broker.address, []).unwrap();
        let signal = format!("{{\"device\":\"{device}\",\"kind\":\"{kind}\"}}");
        producer.send(&self.topic(topic), device.as_bytes(), signal.as_bytes(), self.night_ms + after_ms).unwrap();
        producer.finish(Duration::from_secs(30)).unwrap();
    }

    /// The kinds of decisions on the watch topic with the time of each since the night began, in their order.
    fn watched(&self) -> Vec<(String, i64)> {
        let decisions = self.read("watch").into_iter().map(|stored| serde_json::from_slice::<Value>(&stored.bytes));
        let word = |value: &Value| value.as_str().unwrap().to_owned();
        let after_ms = |value: &Value| parse_rfc3339(&word(value)).unwrap() - self.night_ms;
        decisions.map(Result::unwrap).map(|it| (word(&it["decision"]), after_ms(&it["decided_at"]))).collect()
    }

    /// Every tick, since the night began, with the broker's time of it.
    fn ticks(&self) -> Vec<(i64, i64)> {
        let tick = |stored: Stored| {
            let tick = serde_json::from_slice::<Value>(&stored.bytes).unwrap()["tick"].as_i64()?;
            Some((tick - self.night_ms, stored.timestamp_ms?))
        };
        self.read("signals").into_iter().filter_map(tick).collect()
    }

    /// Whether a signal that came from that offset of a topic was forwarded.
    fn is_forwarded(&self, topic: &str, offset: i64) -> bool {
        let source = format!("{}/0/{offset}", self.topic(topic));
        let is_its =
            |stored: &Stored| serde_json::from_slice::<Value>(&stored.bytes).unwrap()["source"] == source.as_str();
        self.read("signals").iter().any(is_its)
    }

    fn until(&self, what: &str, members: &[&Member], mut happened: impl FnMut() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(120);
        while !happened() {
            let logs = || members.iter().map(|member| member.log()).collect::<String>();
            assert!(Instant::now() < deadline, "not within 120 s: {what}\n{:?}\n{}", self.ticks().last(), logs());
            std::thread::sleep(Duration::from_millis(200));
        }
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn one_alarm_and_then_silence() {
    let broker = Broker::start();
    let stage = Stage::set(&broker, "silence");
    let first = stage.member("first");
    stage.say("one", "D1", "fire", 0);
    let has = |kind: &str| stage.watched().iter().any(|(found, _)| found == kind);
    stage.until("somebody is asked to look", &[&first], || has("verify"));
    // Whoever takes over goes on from there.
    let second = stage.member("second");
    stage.until("the second has joined", &[&second], || second.log().contains("assigned"));
    first.kill();
    stage.until("nobody came", &[&second], || has("escalated"));
    let expected = [("suspected", 0), ("verify", 2_000), ("escalated", 22_000)];
    let expected = expected.map(|(kind, after_ms)| (kind.to_owned(), after_ms));
    assert_eq!(stage.watched(), expected, "{}", second.log());
    let ticks = stage.ticks();
    let (first_ms, began_ms) = ticks[0];
    assert_eq!(first_ms, 0);
    for (tick_ms, broker_ms) in &ticks {
        let (passed_ms, since_ms) = (tick_ms - first_ms, broker_ms - began_ms);
        assert!(passed_ms <= since_ms, "faster than the broker's clock: {passed_ms} in {since_ms} ms: {ticks:?}");
    }
    let (last_ms, ended_ms) = *ticks.last().unwrap();
    // The time of a latency behind, and what a takeover by kill may lose: a second on each side.
    assert!(last_ms - first_ms >= ended_ms - began_ms - 5_000 - 4_000, "slower than the broker's clock: {ticks:?}");
    let back_ms = ticks.windows(2).map(|pair| pair[0].0 - pair[1].0).max().unwrap();
    assert!(back_ms < 2_000, "a new author went back by {back_ms} ms: {ticks:?}");
    assert_eq!(second.end().unwrap().code(), Some(0));
}

#[test]
fn a_partition_before_a_gap_stands_alone_until_that_is_accepted() {
    let broker = Broker::start();
    let stage = Stage::set(&broker, "gap");
    let member = stage.member("before");
    stage.say("one", "D1", "heartbeat", 0);
    stage.say("two", "D2", "heartbeat", 0);
    let raw = [stage.topic("one"), stage.topic("two")];
    let group = format!("{}.decode", stage.name);
    stage.until("both are forwarded", &[&member], || broker.is_done(&group, &raw));
    assert_eq!(member.end().unwrap().code(), Some(0));
    // While nobody reads, three records come and go.
    (0..3).for_each(|second| stage.say("two", "D2", "heartbeat", 1_000 * second));
    broker.delete_records(&stage.topic("two"));
    stage.say("two", "D2", "fire", 10_000);
    let member = stage.member("after");
    let alarms = || member.log().matches("ALARM").count();
    stage.until("the alarm", &[&member], || alarms() > 0);
    let log = member.log();
    let command = format!("fenghuo accept-gap --config FILE --topic {} --partition 0", stage.topic("two"));
    assert!(log.contains("3 are gone") && log.contains(&command), "{log}");
    stage.say("one", "D1", "fire", 9_000);
    stage.until("the other goes on", &[&member], || stage.is_forwarded("one", 1));
    assert!(!stage.is_forwarded("two", 4), "{}", member.log());
    assert_eq!(stage.ticks().iter().map(|(tick_ms, _)| *tick_ms).max(), Some(0), "the gap holds the clocks back");

    let gap = ["accept-gap", "--topic", &stage.topic("two"), "--partition", "0"];
    let shown = stage.command(&gap);
    assert_eq!(shown.status.code(), Some(1), "{shown:?}");
    let (shown, parts) =
        (text(&shown), ["read next   1", "the log        4 to 4", "3 offsets, 1 to 3", "nothing was accepted"]);
    assert!(parts.iter().all(|part| shown.contains(part)), "{shown}");
    let accept = |who: &str| {
        let accepted = stage.command(&[&gap[..], &["--yes", "--by", who]].concat());
        assert_eq!(accepted.status.code(), Some(0), "{accepted:?}");
    };
    accept("wang@duty-1");
    stage.until("it goes on", &[&member], || stage.is_forwarded("two", 4));
    stage.until("and time with it", &[&member], || stage.ticks().iter().any(|(tick_ms, _)| *tick_ms >= 10_000));

    // The same under the eyes of a member that reads there, for less than its session's time.
    member.signal("STOP").unwrap();
    stage.say("two", "D2", "heartbeat", 11_000);
    broker.delete_records(&stage.topic("two"));
    member.signal("CONT").unwrap();
    stage.until("the second alarm", &[&member], || member.log().contains("1 are gone"));
    accept("li@duty-2");
    stage.say("two", "D2", "restore", 12_000);
    stage.until("it goes on again", &[&member], || stage.is_forwarded("two", 6));
    assert_eq!(member.end().unwrap().code(), Some(0));

    let key = format!("gap/{}/0/1", stage.topic("two"));
    let record = stage.read("state").into_iter().find(|stored| stored.key == key.as_bytes()).unwrap();
    let record: Value = serde_json::from_slice(&record.bytes).unwrap();
    assert_eq!((&record["by"], &record["from"], &record["to"]), (&"wang@duty-1".into(), &1.into(), &4.into()));
    // State with such records in it is restored.
    let member = stage.member("again");
    stage.say("one", "D1", "fire", 13_000);
    stage.until("the fire is confirmed", &[&member], || !stage.read("dispatch").is_empty());
    assert_eq!(member.end().unwrap().code(), Some(0));
    assert_eq!(text(&stage.command(&gap)).matches("no gap").count(), 1);
}

/// A raw record that ends the process whenever it is taken goes to the dead letters; its neighbours are forwarded.
#[test]
fn a_raw_record_that_kills_is_passed_over() {
    let broker = Broker::start();
    let stage = Stage::set(&broker, "deadly");
    for (second, kind) in (0..).zip(["fault", "tamper", "fire"]) {
        stage.say("one", "D1", kind, 1_000 * second);
    }
    let mut deaths = 0;
    let member = loop {
        let mut command = fenghuo();
        command.args(["run", "--role", "decode", "--config"]).arg(&stage.config).env("FENGHUO_KILL_ON", "\"tamper\"");
        let mut member = Member::spawn(command, stage.folder.path(), "deadly").unwrap();
        let mut has_died = false;
        stage.until("it dies, or lives on", &[], || {
            has_died = member.ended().unwrap().is_some();
            has_died || stage.is_forwarded("one", 2)
        });
        if !has_died {
            break member;
        }
        deaths += 1;
        assert!(deaths < 8, "{}", member.log());
    };
    assert_eq!(member.end().unwrap().code(), Some(0));
    assert!((3..=4).contains(&deaths), "{deaths} deaths");
    assert!(stage.is_forwarded("one", 0) && !stage.is_forwarded("one", 1));
    let dead = stage.read("dead_letter");
    let [letter] = dead.as_slice() else { panic!("{dead:?}") };
    assert_eq!(
        (letter.headers["offset"].as_str(), letter.headers["topic"].as_str()),
        ("1", stage.topic("one").as_str())
    );
    assert_eq!(letter.headers["reason"], "whoever took it died, again and again");
}
