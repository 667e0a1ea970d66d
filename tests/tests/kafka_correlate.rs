//! The correlate role on a real broker: replays leave no trace, members come and go, a policy is put in force, and who
//! may not start does not.

// Support functions fail the test that calls them, and say where.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use fenghuo_tests::broker::Broker;
use fenghuo_tests::expected::{FromSignals, Replays};
use fenghuo_tests::night::{Night, night};
use fenghuo_tests::processes::{Member, fenghuo};
use fenghuo_tests::topics::Stored;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

/// One of Kafka's own tools.
fn tool(broker: &Broker, name: &str, arguments: &[&str]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kafka/kafka");
    let mut command = Command::new(script);
    command.args(["tool", name, "--bootstrap-server", &broker.address]).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{name} {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// What stands on dispatch and watch, by topic, partition and offset.
fn published(night: &Night<'_>) -> Vec<Vec<u8>> {
    let read = |topic: &str| night.broker.read(&night.topic(topic));
    read("dispatch").into_iter().chain(read("watch")).map(|stored: Stored| stored.bytes).collect()
}

fn ended_well(members: Vec<Member>) {
    for member in members {
        let log = member.log();
        assert_eq!(member.end().unwrap().code(), Some(0), "{log}");
    }
}

/// The night is read again by the decode role from its beginning, and from its second half: the signals topic holds
/// much of it three times, and nothing changes downstream.
#[test]
fn a_replay_of_the_decode_role_leaves_no_trace() {
    let broker = Broker::start();
    let (city, records) = night();
    let stage = Night::set_unfiltered(&broker, &city, "replay");
    stage.produce(&records);
    let member = stage.member("first");
    stage.settle(&[&member]);
    ended_well(vec![member]);
    stage.check(&city);
    let before = published(&stage);
    let signals = broker.ends(&stage.topic("signals")).iter().map(|(_, end)| end).sum::<i64>();

    let group = stage.stage.group("decode");
    let halfway_ms = records[records.len() / 2].timestamp_ms;
    let halfway = without_zone(halfway_ms);
    for back in [&["--to-earliest"][..], &["--to-datetime", &halfway]] {
        let mut arguments = vec!["--group", &group, "--all-topics", "--reset-offsets", "--execute"];
        arguments.extend(back);
        tool(&broker, "consumer-groups", &arguments);
        let member = stage.member("again");
        stage.settle(&[&member]);
        ended_well(vec![member]);
    }
    let now = broker.ends(&stage.topic("signals")).iter().map(|(_, end)| end).sum::<i64>();
    assert!(now > 2 * signals, "the replays did not take place: {signals} signals, now {now}");
    assert!(published(&stage) == before, "{} decisions before, {} now", before.len(), published(&stage).len());
    stage.check(&city);
}

/// Kafka's tool wants a date and time without zone, in UTC, such as 2026-11-21T12:00:00.000.
fn without_zone(time_ms: i64) -> String {
    fenghuo_model::time::Rfc3339(time_ms).to_string().trim_end_matches('Z').to_owned()
}

/// From one member to four and back while the night is read: what is published is what one sequence decides.
#[test]
fn members_come_and_go_under_load() {
    let broker = Broker::start();
    let (city, records) = night();
    let stage = Night::set_unfiltered(&broker, &city, "scale");
    stage.produce(&records);
    let signals = || broker.ends(&stage.topic("signals")).iter().map(|(_, end)| end).sum::<i64>();
    let mut members = vec![stage.member("m0")];
    let mut waits_for = 500;
    for number in 1..4 {
        wait(&members, || signals() >= waits_for);
        members.push(stage.member(&format!("m{number}")));
        waits_for += 1_500;
    }
    while members.len() > 1 {
        wait(&members, || signals() >= waits_for);
        ended_well(vec![members.remove(0)]);
        waits_for += 1_500;
    }
    stage.settle(&members.iter().collect::<Vec<_>>());
    ended_well(members);
    stage.check(&city);
}

fn wait(members: &[Member], mut until: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(300);
    while !until() {
        let logs = || members.iter().map(Member::log).collect::<String>();
        assert!(Instant::now() < deadline, "{}", logs());
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn run(stage: &Night<'_>, extra: &[&str]) -> Output {
    let mut command = fenghuo();
    command.args(["run", "--role", "correlate", "--config"]).arg(&stage.stage.config).args(extra);
    command.output().unwrap()
}

/// A second deployment on the same topics, a topic kept wrongly, a missing one: none of them starts, each says why and
/// what to do.
#[test]
fn who_may_not_start_does_not() {
    let broker = Broker::start();
    let (city, _) = night();
    let stage = Night::set_unfiltered(&broker, &city, "refused");
    let member = stage.member("first");
    let state = stage.topic("state");
    wait(std::slice::from_ref(&member), || broker.read(&state).iter().filter(|it| it.key == b"partition").count() >= 4);

    let group = format!("kafka.group={}", stage.topic("other"));
    let refused = run(&stage, &["--set", &group]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(78), "{said}");
    assert!(said.contains("two deployments need topics of their own"), "{said}");
    ended_well(vec![member]);

    tool(
        &broker,
        "configs",
        &["--alter", "--entity-type", "topics", "--entity-name", &state, "--add-config", "cleanup.policy=delete"],
    );
    let refused = run(&stage, &[]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(78), "{said}");
    let mend = format!("--entity-name {state} --add-config cleanup.policy=compact");
    assert!(said.contains("cleanup.policy is delete, must be compact") && said.contains(&mend), "{said}");

    let missing = format!("topics.state={}", stage.topic("elsewhere"));
    let refused = run(&stage, &["--set", &missing]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(78), "{said}");
    assert!(said.contains("missing") && said.contains("fenghuo topics --create"), "{said}");
}

/// A signal that ends the process whenever it is taken: after three deaths without progress it goes to the dead
/// letters, and everything else is decided.
#[test]
fn a_record_that_kills_is_passed_over() {
    let broker = Broker::start();
    let (city, records) = night();
    let stage = Night::set_unfiltered(&broker, &city, "deadly");
    stage.produce(&records);
    let decoding = Member::start(stage.stage.path(), "decode", &stage.stage.config, "decode").unwrap();
    let group = stage.stage.group("decode");
    wait(std::slice::from_ref(&decoding), || broker.is_done(&group, &stage.stage.raw_topics()));
    ended_well(vec![decoding]);
    // The evidence of no fire, amid the night: its source is its name.
    let signals = broker.read(&stage.topic("signals"));
    let is_harmless = |stored: &&Stored| String::from_utf8_lossy(&stored.bytes).contains("\"kind\":\"heartbeat\"");
    let deadly = signals.iter().filter(is_harmless).nth(signals.len() / 3).unwrap();
    let text = String::from_utf8_lossy(&deadly.bytes);
    let source = text.split("\"source\":").nth(1).unwrap().trim_end_matches('}').to_owned();

    let mut deaths = 0;
    let member = loop {
        let mut command = fenghuo();
        command.args(["run", "--role", "correlate", "--config"]).arg(&stage.stage.config);
        command.env("FENGHUO_KILL_ON", format!("\"source\":{source}"));
        let mut member = Member::spawn(command, stage.stage.path(), "correlate").unwrap();
        let done = || broker.is_done(&stage.stage.group("correlate"), &[stage.topic("signals")]);
        let mut has_died = false;
        wait(&[], || {
            has_died = member.ended().unwrap().is_some();
            has_died || done()
        });
        if !has_died {
            break member;
        }
        deaths += 1;
        assert!(deaths < 8, "{}", member.log());
    };
    ended_well(vec![member]);
    assert!((3..=4).contains(&deaths), "{deaths} deaths");
    let dead = broker.read(&stage.topic("dead"));
    let letters: Vec<_> = dead.iter().filter(|it| it.headers["topic"] == stage.topic("signals")).collect();
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    assert_eq!(letter.bytes, deadly.bytes);
    assert_eq!(letter.headers["reason"], "whoever took it died, again and again");
    stage.check(&city);
}

/// A policy is put in force in the midst of a night: what comes behind it is judged by it, also after a restart with
/// the configuration as it was, and the sequence can be repeated.
#[test]
fn a_policy_is_put_in_force_and_stays() {
    let broker = Broker::start();
    let (city, records) = night();
    let stage = Night::set_unfiltered(&broker, &city, "policy");
    let (before, after) = records.split_at(records.len() / 2);
    stage.produce(before);
    let member = stage.member("before");
    stage.settle(&[&member]);
    let policy = stage.stage.path().join("policy.toml");
    std::fs::write(&policy, "[incident]\nupdate_every = \"7s\"\n").unwrap();
    let set = format!("policy={}", policy.display());
    let applied = fenghuo().args(["apply", "--set", &set, "--config"]).arg(&stage.stage.config).output().unwrap();
    let said = String::from_utf8_lossy(&applied.stdout).into_owned();
    assert!(applied.status.success() && said.contains("is in force in all 4 partitions"), "{applied:?}");
    let hash = said.split_whitespace().nth(1).unwrap().to_owned();
    wait(std::slice::from_ref(&member), || member.log().matches("put in force").count() == 4);
    ended_well(vec![member]);
    stage.produce(after);
    let member = stage.member("after");
    stage.settle(&[&member]);
    assert!(member.log().contains("the policy in force is another one than the configuration's"), "{}", member.log());
    ended_well(vec![member]);
    stage.check(&city);
    let of_policy = |decision: &Vec<u8>| String::from_utf8_lossy(decision).contains(&format!("\"policy\":\"{hash}\""));
    let decisions = published(&stage);
    let count = decisions.iter().filter(|decision| of_policy(decision)).count();
    assert!(count > 0 && count < decisions.len(), "{count} of {}", decisions.len());
}

/// The registry with other names, and without some of its devices.
fn other_names(stage: &Night<'_>) -> String {
    let text = std::fs::read_to_string(stage.stage.path().join("city.jsonl")).unwrap();
    let is_kept = |(number, line): &(usize, &str)| number % 20 != 7 || !line.contains("\"device\"");
    let kept = text.lines().enumerate().filter(is_kept).map(|(_, line)| line.replace("\"name\":\"", "\"name\":\"now "));
    kept.collect::<Vec<_>>().join("\n")
}

/// A building whose fire is confirmed and not over.
fn burning(stage: &Night<'_>) -> String {
    let dispatched = stage.broker.read(&stage.topic("dispatch"));
    let decisions = dispatched.iter().map(|it| serde_json::from_slice::<serde_json::Value>(&it.bytes).unwrap());
    let mut open = std::collections::BTreeMap::new();
    for decision in decisions {
        let is_over = ["closed", "cancelled"].contains(&decision["decision"].as_str().unwrap());
        let place = (!is_over).then(|| decision["place"].as_str().unwrap().to_owned());
        open.insert(decision["incident"].as_str().unwrap().to_owned(), place);
    }
    open.into_values().flatten().next().unwrap()
}

/// Members of this Fenghuo and of the one before hand the partitions to each other; then a registry is put in force,
/// which the one before does not know: what comes is placed by it, also after a restart.
#[test]
fn a_registry_is_put_in_force_and_stays() {
    let broker = Broker::start();
    let (city, records) = night();
    let stage = Night::set_unfiltered(&broker, &city, "registry");
    let start = |name: &str| {
        let mut command = fenghuo();
        command.args(["run", "--config"]).arg(&stage.stage.config);
        if name.starts_with("old") {
            command.env("FENGHUO_NEWEST_STATE", "1");
        }
        Member::spawn(command, stage.stage.path(), name).unwrap()
    };
    let (before, after) = records.split_at(records.len() / 2);
    stage.produce(before);
    let begun = |member: &Member| member.log().matches("correlate_role: begun").count();
    let signals = || broker.ends(&stage.topic("signals")).iter().map(|(_, end)| end).sum::<i64>();
    let mut members = vec![start("old 1")];
    for (number, name) in (1..).zip(["new 1", "old 2", "new 2"]) {
        wait(&members, || signals() >= number * 800);
        members.push(start(name));
        wait(&members, || members.last().is_some_and(|member| begun(member) > 0));
        ended_well(vec![members.remove(0)]);
    }
    stage.settle(&members.iter().collect::<Vec<_>>());

    let next = other_names(&stage);
    let place = burning(&stage);
    let named = format!("\"{place}\"");
    let without: Vec<&str> = next.lines().filter(|line| !line.contains(&named)).collect();
    let apply = |text: &str| {
        let file = stage.stage.path().join("next.jsonl");
        std::fs::write(&file, text).unwrap();
        let mut command = fenghuo();
        command.args(["apply", "--registry"]).arg(file).arg("--config").arg(&stage.stage.config).output().unwrap()
    };
    let refused = apply(&without.join("\n"));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(78), "{said}");
    assert!(said.contains(&format!("building {place} is in an open incident and not in the registry")), "{said}");
    let applied = apply(&next);
    assert!(applied.status.success(), "{applied:?}");
    assert!(String::from_utf8_lossy(&applied.stdout).contains("is in force in all 4 partitions"), "{applied:?}");
    wait(&members, || members[0].log().matches("put in force").count() == 4);
    wait(&members, || members[0].log().contains("signals go where this registry says"));
    ended_well(members);

    stage.produce(after);
    let old = start("old 3");
    wait(std::slice::from_ref(&old), || old.log().contains("start the newer Fenghuo that wrote it"));
    drop(old);
    let member = start("new 3");
    stage.settle(&[&member]);
    assert!(!member.log().contains("another one than the latest"), "{}", member.log());
    ended_well(vec![member]);
    stage.check(&city);
    let decisions = published(&stage);
    let count = decisions.iter().filter(|it| String::from_utf8_lossy(it).contains("\"name\":\"now ")).count();
    assert!(count > 0 && count < decisions.len(), "{count} of {}", decisions.len());
}

/// A member reads along what another one remembers, and goes on from it when that one ends.
#[test]
fn who_stands_by_takes_over_from_what_was_read_along() {
    let broker = Broker::start();
    let (city, records) = night();
    let stage = Night::set_unfiltered(&broker, &city, "standby");
    let (before, after) = records.split_at(records.len() / 2);
    stage.produce(before);
    let members = ["goes", "stays"].map(|name| stage.member(name));
    let begun = |member: &Member| member.log().matches("correlate_role: begun").count() >= 2;
    wait(&members, || members.iter().all(begun));
    let from = members.each_ref().map(|member| member.log().len());
    let since = |member: &Member, from: usize| member.log().get(from..).unwrap_or_default().to_owned();
    let is_ready = |(member, from)| since(member, from).matches("standing by for this partition").count() >= 2;
    wait(&members, || members.iter().zip(from).all(is_ready));
    let [goes, stays] = members;
    let from = stays.log().len();
    ended_well(vec![goes]);
    let restored = || {
        let lines = since(&stays, from);
        lines.lines().filter(|line| line.contains("state restored")).map(str::to_owned).collect::<Vec<_>>()
    };
    // It had all four before the other came, or two from the beginning.
    let known = |line: &&String| !line.contains(" known=0 ");
    wait(std::slice::from_ref(&stays), || restored().iter().filter(known).count() >= 2);
    stage.produce(after);
    stage.settle(&[&stays]);
    ended_well(vec![stays]);
    stage.check(&city);
}

/// Another program's transactions stand open in two of the four partitions of the dispatch topic, as one would that
/// nobody ends: what stands behind them is published again where it can be seen, and whoever starts goes on.
#[test]
fn what_stands_behind_an_open_transaction_is_published_elsewhere() {
    let broker = Broker::start();
    let (city, records) = night();
    let stage = Night::set(&broker, &city, "hidden");
    let dispatch = stage.topic("dispatch");
    let mut foreign = ClientConfig::new();
    foreign.set("bootstrap.servers", &broker.address).set("transactional.id", "foreign");
    let foreign: BaseProducer = foreign.set("transaction.timeout.ms", "900000").create().unwrap();
    foreign.init_transactions(Duration::from_secs(30)).unwrap();
    foreign.begin_transaction().unwrap();
    for partition in [0, 2] {
        foreign.send(BaseRecord::<[u8], [u8]>::to(&dispatch).partition(partition).payload(b"foreign")).unwrap();
    }
    foreign.flush(Duration::from_secs(30)).unwrap();
    stage.produce(&records);
    let first = stage.member("first");
    stage.settle(&[&first]);
    let made = FromSignals::of(&stage.stage, &broker.read(&stage.topic("signals")), Replays::Dropped);
    let made = made.decisions.iter().filter(|made| made.decision.is_for_dispatch());
    let mut made: Vec<String> = made.map(|made| made.decision.to_json()).collect();
    let read = || broker.read(&dispatch).into_iter().map(|it| (String::from_utf8(it.bytes.clone()).unwrap(), it));
    let seen = || read().map(|(decision, _)| decision).collect::<BTreeSet<_>>();
    let is_hidden = |partition: i32| [0, 2].contains(&partition);
    assert!(read().all(|(_, it)| !is_hidden(it.partition)), "nothing stands open");
    let members = [first];
    wait(&members, || seen().is_superset(&made.iter().cloned().collect()));
    let log = members[0].log();
    assert!(log.contains("ALARM: decisions were not read back"), "{log}");
    ended_well(members.into());
    // It begins behind the open transaction, and comes to its end.
    let second = stage.member("second");
    wait(std::slice::from_ref(&second), || second.log().matches("correlate_role: begun").count() == 4);
    ended_well(vec![second]);

    foreign.abort_transaction(Duration::from_secs(30)).unwrap();
    let is_again = |(_, it): &(String, Stored)| it.headers.contains_key("repeated");
    wait(&[], || read().filter(|it| !is_again(it)).count() == made.len());
    let (again, once): (Vec<_>, Vec<_>) = read().partition(is_again);
    assert!(!again.is_empty() && again.iter().all(|(_, it)| !is_hidden(it.partition)), "{again:?}");
    let first_of = |again: &String| once.iter().any(|(once, it)| once == again && is_hidden(it.partition));
    assert!(again.iter().all(|(decision, _)| first_of(decision)), "{again:?}");
    let mut once: Vec<String> = once.into_iter().map(|(decision, _)| decision).collect();
    once.sort_unstable();
    made.sort_unstable();
    assert!(once == made, "{} decisions were published, {} made", once.len(), made.len());
}

/// A static member that dies and comes back within the session's time: nothing is moved from the other.
#[test]
fn a_restart_within_the_session_moves_nothing() {
    let broker = Broker::start();
    let (city, records) = night();
    let stage = Night::set_unfiltered(&broker, &city, "static");
    let start = |name: &str| {
        let mut command = fenghuo();
        command.args(["run", "--set", &format!("kafka.instance={name}"), "--config"]).arg(&stage.stage.config);
        Member::spawn(command, stage.stage.path(), name).unwrap()
    };
    stage.produce(&records);
    let [stays, dies] = ["stays", "dies"].map(start);
    let begun = |member: &Member| member.log().matches("correlate_role: begun").count() >= 2;
    let both = [stays, dies];
    wait(&both, || both.iter().all(begun));
    let [stays, dies] = both;
    let revoked = |member: &Member| member.log().matches("revoked").count();
    let before = revoked(&stays);
    dies.kill();
    let back = start("dies");
    stage.settle(&[&stays, &back]);
    assert_eq!(revoked(&stays), before, "{}", stays.log());
    ended_well(vec![stays, back]);
    stage.check(&city);
}

/// Signals that are gone before they were read: their partition stands, the others go on, until somebody accepts it.
#[test]
fn a_signals_partition_before_a_gap_stands_alone_until_that_is_accepted() {
    let broker = Broker::start();
    let (city, records) = night();
    let stage = Night::set_unfiltered(&broker, &city, "lost");
    let (before, after) = records.split_at(records.len() / 2);
    stage.produce(before);
    let member = stage.member("before");
    stage.settle(&[&member]);
    ended_well(vec![member]);
    let signals = stage.topic("signals");
    // The first partition must have something to lose.
    let first = |ends: Vec<(i64, i64)>| ends[0].1;
    let read = first(broker.ends(&signals));
    stage.produce(after);
    let decoding = Member::start(stage.stage.path(), "decode", &stage.stage.config, "decode").unwrap();
    let group = stage.stage.group("decode");
    wait(std::slice::from_ref(&decoding), || broker.is_done(&group, &stage.stage.raw_topics()));
    wait(std::slice::from_ref(&decoding), || first(broker.ends(&signals)) > read);
    ended_well(vec![decoding]);
    broker.delete_records(&signals);
    let member = Member::start(stage.stage.path(), "after", &stage.stage.config, "correlate").unwrap();
    wait(std::slice::from_ref(&member), || member.log().contains("ALARM"));
    let log = member.log();
    assert!(log.contains(&format!("accept-gap --config FILE --topic {signals} --partition 0")), "{log}");
    let reached = |partition: usize| {
        let committed = broker.committed(&stage.stage.group("correlate"), &signals);
        committed[partition].unwrap_or(0) >= broker.ends(&signals)[partition].1
    };
    wait(std::slice::from_ref(&member), || (1..4).all(reached));
    assert!(!reached(0));
    let accept = ["accept-gap", "--topic", &signals, "--partition", "0", "--yes", "--by", "wang", "--config"];
    let accepted = fenghuo().args(accept).arg(&stage.stage.config).output().unwrap();
    assert!(accepted.status.success(), "{accepted:?}");
    wait(std::slice::from_ref(&member), || reached(0));
    ended_well(vec![member]);
}

/// A static member dies between giving up a partition and the round in which another would get it, and is back at once:
/// the group moves nothing then, and what it gave up belongs to nobody until a member calls for another round.
#[test]
fn what_the_group_gave_to_nobody_finds_an_owner() {
    let broker = Broker::start();
    let (city, records) = night();
    let stage = Night::set_unfiltered(&broker, &city, "orphan");
    let start = |name: &str, kill_at: Option<&str>| {
        let mut command = fenghuo();
        command.args(["run", "--set", &format!("kafka.instance={name}"), "--config"]).arg(&stage.stage.config);
        command.envs(kill_at.map(|point| ("FENGHUO_KILL_AT", point)));
        Member::spawn(command, stage.stage.path(), name).unwrap()
    };
    stage.produce(&records);
    let mut first = start("first", Some("given-up"));
    wait(&[], || first.log().matches("correlate_role: begun").count() >= 4);
    let second = start("second", None);
    wait(std::slice::from_ref(&second), || first.ended().unwrap().is_some());
    let first = start("first", None);
    stage.settle(&[&first, &second]);
    let called = [&first, &second].map(|member| member.log().matches("calling for another round").count());
    println!("called for another round: {called:?}");
    ended_well(vec![first, second]);
    stage.check(&city);
}

/// Every device of a city fires within seconds: what a transaction publishes and remembers then is more than a broker
/// takes in one record or batch, and must be cut.
#[test]
fn a_storm_fits_into_what_the_broker_takes() {
    let broker = Broker::start();
    let (city, _) = night();
    let stage = Night::set_unfiltered(&broker, &city, "storm");
    let signals = stage.topic("signals");
    let registry = &stage.stage.registry;
    let mut producer = fenghuo_sinks::RawProducer::new(&broker.address, []).unwrap();
    for (number, device) in (0_i64..).zip(registry.devices()) {
        let at_ms = 1_795_312_682_000 + number / 10;
        let (id, source) = (device.id, format!("raw.storm/0/{number}"));
        let signal =
            serde_json::json!({"device": id, "kind": "fire", "at": at_ms, "received_at": at_ms, "source": source});
        let region = registry.region_of(device.building).as_bytes();
        producer.send(&signals, region, signal.to_string().as_bytes(), at_ms).unwrap();
    }
    let sent = producer.finish(Duration::from_secs(60)).unwrap();
    let member = Member::start(stage.stage.path(), "storm", &stage.stage.config, "correlate").unwrap();
    let group = stage.stage.group("correlate");
    wait(std::slice::from_ref(&member), || broker.is_done(&group, std::slice::from_ref(&signals)));
    let log = member.log();
    ended_well(vec![member]);
    for trouble in ["begins anew", "nobody survives", "ALARM"] {
        assert!(!log.contains(trouble), "{trouble}: {log}");
    }
    assert!(broker.read(&stage.topic("dead")).is_empty());
    let dispatched = broker.read(&stage.topic("dispatch"));
    let bytes: usize = dispatched.iter().map(|decision| decision.bytes.len()).sum();
    assert!(bytes > 2_000_000, "no storm: {sent} signals, {} decisions, {bytes} bytes", dispatched.len());
}
