//! The ledger on Kafka and the ledger in memory are the same small trait: the same random script on both, step by step.
//!
//! So the simulation (`crates/engine/tests/simulation`) stands on what a real broker does: who is fenced writes nothing
//! any more, what was left open is never seen, and state, tail and offset are read back as they were written.

// Support functions fail the test that calls them, and say where.
#![allow(clippy::unwrap_used)]

#[path = "../../crates/engine/tests/simulation/broker.rs"]
#[allow(dead_code)]
mod broker;
#[path = "../../crates/engine/tests/simulation/ledger.rs"]
#[allow(dead_code)]
mod ledger;
#[path = "../../crates/correlate/tests/oracle/random.rs"]
#[allow(dead_code)]
mod random;

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fenghuo_engine::Config;
use fenghuo_engine::correlate_role::header;
use fenghuo_engine::correlate_role::kafka_ledger::KafkaLedger;
use fenghuo_engine::correlate_role::ledger::{
    Committed, Ends, Ledger, Mark, Message, Since, StateRecords, Target, Transaction, Trouble,
};
use fenghuo_engine::correlate_role::mark;
use fenghuo_engine::correlate_role::standby::Standby;
use fenghuo_engine::correlate_role::standby::follower::Follower;
use fenghuo_engine::correlate_role::tails::Tails;
use fenghuo_engine::events::{Answering, Event, Noted, TopicPartition};
use fenghuo_engine::kafka::{EventConsumer, consumer, ends_reader};
use fenghuo_tests::forged::Forger;
use fenghuo_tests::processes::fenghuo;
use fenghuo_tests::stage::own_topics;
use fenghuo_tests::topics::{Isolation, Topics};
use ledger::{Faults, MemoryLedger};
use random::Random;
use rdkafka::ClientConfig;
use rdkafka::consumer::Consumer;
use rdkafka::producer::{BaseProducer, BaseRecord};
use rdkafka::topic_partition_list::TopicPartitionList;

const SEED: u64 = 20_261_126;
const STEPS: usize = 60;

/// The group's consumer and a reader, on topics of their own.
struct OnKafka {
    /// Dropped first: the consumer's end waits for handovers to be answered.
    _answering: Answering,
    config: Config,
    partition: TopicPartition,
    consumer: Arc<EventConsumer>,
    ends: Arc<EventConsumer>,
    _folder: tempfile::TempDir,
}

impl OnKafka {
    fn begin(address: &str, test: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let name = format!("ledger-{test}-{}", std::process::id());
        let mut text = format!("registry = \"city.jsonl\"\n[kafka]\nbrokers = \"{address}\"\ngroup = \"{name}\"\n");
        text += &own_topics(&name);
        text += &format!("[[raw]]\ntopic = \"{name}.raw\"\nformat = \"signal\"\n");
        let file = folder.path().join("fenghuo.toml");
        std::fs::write(&file, &text).unwrap();
        std::fs::write(folder.path().join("city.jsonl"), "").unwrap();
        let created =
            fenghuo().args(["topics", "--create", "--partitions", "3", "--config"]).arg(&file).output().unwrap();
        assert!(created.status.success(), "{created:?}");
        let config = Config::load(&file.display().to_string(), &text, [], &[]).unwrap();
        let noted = Arc::new(Noted::default());
        let consumer = Arc::new(consumer(&config.kafka, "correlate", &noted).unwrap());
        consumer.subscribe(&[config.topics.signals.as_str()]).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        // Offsets are committed in the name of a member.
        while !matches!(noted.next(), Some(Event::Assigned(_))) {
            assert!(Instant::now() < deadline, "no member of the group");
            let _ = consumer.poll(Duration::from_millis(50));
        }
        consumer.incremental_assign(&TopicPartitionList::new()).unwrap();
        let partition = TopicPartition { topic: config.topics.signals.as_str().into(), partition: 1 };
        let ends = Arc::new(ends_reader(&config.kafka).unwrap());
        Self { _answering: Answering(noted), config, partition, consumer, ends, _folder: folder }
    }

    fn ledger(&self) -> KafkaLedger {
        KafkaLedger::new(&self.config.kafka, &self.config.topics, &self.partition, &self.consumer, &self.ends)
    }
}

/// The same on both.
struct Pair {
    on_kafka: KafkaLedger,
    in_memory: MemoryLedger,
}

/// What is read back: the offset, the state, the decisions by id.
type ReadBack = (Option<Committed>, StateRecords, Vec<(String, Vec<u8>)>);

fn read_back<L: Ledger>(ledger: &mut L) -> ReadBack {
    let since = Since { at_ms: 0, ends: None };
    let mut tail: Vec<_> =
        ledger.tail(&since).unwrap().into_iter().map(|it| (it.id.clone(), it.payload.clone())).collect();
    // The topics have several partitions.
    tail.sort_unstable();
    (ledger.committed().unwrap(), ledger.state().unwrap(), tail)
}

/// A transaction of a few messages and records; one that is to fail ends with a record that no broker takes.
fn transaction(random: &mut Random, number: usize, is_to_fail: bool) -> Transaction {
    let message = |random: &mut Random, place: i64, bytes: usize| {
        let id = format!("{number}/{place}");
        let payload = if bytes > 0 { vec![b'x'; bytes] } else { format!("decision {id}").into_bytes() };
        Message {
            target: random.pick_weighted(&[(3, Target::Dispatch), (2, Target::Watch), (1, Target::DeadLetter)]),
            key: Some(id.clone().into_bytes()),
            payload,
            headers: vec![("ce_id".into(), id.into())],
            aside: 0,
        }
    };
    let mut messages: Vec<_> = (0..random.between(0, 5)).map(|place| message(random, place, 0)).collect();
    if is_to_fail {
        messages.push(message(random, 99, broker::LARGEST_BYTES + 1));
    }
    let state = (0..random.between(1, 5)).map(|_| {
        let key = format!("key-{}", random.between(0, 6)).into_bytes();
        let value = (!random.chance(30)).then(|| format!("value {number} {}", random.between(0, 99)).into_bytes());
        (key, value)
    });
    let state = state.collect();
    let mut ends = |most| (0..random.between(0, most)).map(|_| random.between(0, 1 << 40)).collect();
    let ends = Arc::new(Ends { dispatch: ends(6), watch: ends(6) });
    let mark = random.chance(80).then(|| Mark { written_ms: random.between(0, 1 << 45), ends });
    let messages = messages.into_iter().map(Arc::new).collect();
    Transaction { next_offset: i64::try_from(number).unwrap() * 10, messages, state, mark }
}

fn is_anew(result: &Result<(), Trouble>) -> bool {
    matches!(result, Err(Trouble::Anew(_)))
}

/// Two hands that take the partition from one another; each goes on writing until it notices. They begin from the log,
/// or from what was read along of it.
#[test]
fn a_random_script_does_the_same_on_kafka_and_in_memory() {
    let real = fenghuo_tests::broker::Broker::start();
    let kafka = OnKafka::begin(&real.address, "script");
    let (standby, is_over) = (Standby::with_room(1 << 20), AtomicBool::new(false));
    let follower = Follower::new(&kafka.config.kafka, &kafka.config.topics.state, &standby).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| follower.run(&is_over));
        let _over = Over(&is_over);
        play(&kafka, &standby);
    });
}

/// Says that all is over, however it ends.
struct Over<'o>(&'o AtomicBool);

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

fn play(kafka: &OnKafka, standby: &Standby) {
    let memory = Rc::new(RefCell::new(broker::Broker::default()));
    memory.borrow_mut().members = vec![0];
    let luck = Rc::new(RefCell::new(Random::new(SEED)));
    let mut script = Random::new(SEED);
    let mut hands: [Option<Pair>; 2] = [None, None];
    let (mut fenced, mut failed, mut done) = (0, 0, 0);
    for step in 1..=STEPS {
        let hand = usize::try_from(script.between(0, 1)).unwrap();
        if hands[hand].is_none() || script.chance(15) {
            let in_memory = MemoryLedger::new(&memory, &luck, Faults::default(), (0, 0), HashSet::new());
            if done > 0 && script.chance(50) {
                let deadline = Instant::now() + Duration::from_secs(60);
                while standby.ready() < 3 {
                    assert!(Instant::now() < deadline, "nobody stands by");
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
            let mut pair = Pair { on_kafka: kafka.ledger().standing_by(standby), in_memory };
            pair.on_kafka.fence().unwrap();
            pair.in_memory.fence().unwrap();
            memory.borrow_mut().settle_all(&mut luck.borrow_mut());
            assert_eq!(read_back(&mut pair.on_kafka), read_back(&mut pair.in_memory), "step {step} of {SEED}");
            hands[hand] = Some(pair);
            continue;
        }
        let is_to_fail = script.chance(10);
        let transaction = transaction(&mut script, step, is_to_fail);
        let pair = hands[hand].as_mut().unwrap();
        let on_kafka = pair.on_kafka.commit(&transaction);
        let in_memory = pair.in_memory.commit(&transaction);
        let told = format!("step {step} of {SEED}: {on_kafka:?} on Kafka, {in_memory:?} in memory");
        assert!(on_kafka.is_ok() == in_memory.is_ok() && is_anew(&on_kafka) == is_anew(&in_memory), "{told}");
        match &on_kafka {
            Ok(()) => done += 1,
            Err(_) if is_to_fail => failed += 1,
            Err(_) => fenced += 1,
        }
        if on_kafka.is_err() {
            hands[hand] = None;
        }
    }
    let from_standby = standby.taken();
    let told = format!("{done} done, {fenced} fenced, {failed} failed, {from_standby} from what was read along");
    assert!(fenced >= 3 && failed >= 2 && done >= 15 && from_standby >= 3, "{told}");
}

/// Whoever takes over in a storm looks through what came behind the mark, not through all decisions of the last minute.
#[test]
fn only_decisions_behind_the_mark_are_looked_through() {
    let real = fenghuo_tests::broker::Broker::start();
    let kafka = OnKafka::begin(&real.address, "mark");
    let mut ledger = kafka.ledger();
    ledger.fence().unwrap();
    let mut script = Random::new(SEED);
    let decisions = &kafka.config.topics.decisions;
    let look = || mark::look(&kafka.ends, decisions, (3, 3), Duration::from_secs(30)).unwrap();
    assert_eq!(look(), Ends { dispatch: vec![0; 3], watch: vec![0; 3] });
    let (mut before, mut behind) = (Vec::new(), Vec::new());
    let mut ends = look();
    for step in 0..20 {
        if step == 10 {
            ends = look();
        }
        let transaction = transaction(&mut script, step, false);
        ledger.commit(&transaction).unwrap();
        let decided = transaction.messages.into_iter().filter(|message| message.target != Target::DeadLetter);
        let ids = decided.map(|message| message.header("ce_id").unwrap().to_owned());
        if step < 10 { before.extend(ids) } else { behind.extend(ids) }
    }
    let mut tail = |ends| {
        let tail = ledger.tail(&Since { at_ms: 0, ends }).unwrap();
        let mut ids: Vec<String> = tail.iter().map(|visible| visible.id.clone()).collect();
        ids.sort_unstable();
        ids
    };
    behind.sort_unstable();
    assert!(before.len() > 10 && behind.len() > 10);
    assert_eq!(tail(Some(Arc::new(ends))), behind);
    before.extend(behind);
    before.sort_unstable();
    assert_eq!(tail(None), before);
    // A partition that was added since is read whole.
    assert_eq!(tail(Some(Arc::new(Ends::default()))), before);
}

/// Others go on writing while the tail is read, so that the ends of their partitions are reached again and again.
#[test]
fn the_tail_is_whole_while_others_write() {
    let real = fenghuo_tests::broker::Broker::start();
    let kafka = OnKafka::begin(&real.address, "busy");
    let mut ledger = kafka.ledger();
    ledger.fence().unwrap();
    let mut expected = Vec::new();
    for number in 0..20 {
        let decision = |place: usize| {
            let id = format!("{number}/{place}");
            Arc::new(Message {
                target: Target::Dispatch,
                key: Some(id.clone().into_bytes()),
                payload: vec![b'x'; 2_000],
                headers: vec![("ce_id".into(), id.into())],
                aside: 0,
            })
        };
        let messages: Vec<Arc<Message>> = (0..1_000).map(decision).collect();
        expected.extend(messages.iter().map(|message| message.header("ce_id").unwrap().to_owned()));
        ledger.commit(&Transaction { next_offset: number, messages, ..Transaction::default() }).unwrap();
    }
    let is_over = AtomicBool::new(false);
    let mut tail = std::thread::scope(|scope| {
        let dispatch = &kafka.config.topics.decisions.dispatch;
        scope.spawn(|| {
            let producer: BaseProducer =
                ClientConfig::new().set("bootstrap.servers", &real.address).set("linger.ms", "0").create().unwrap();
            while !is_over.load(Ordering::Acquire) {
                producer.send(BaseRecord::<[u8], [u8]>::to(dispatch).partition(0).payload(b"other")).unwrap();
                producer.poll(Duration::from_millis(2));
            }
        });
        let tail = ledger.tail(&Since { at_ms: 0, ends: None }).unwrap();
        is_over.store(true, Ordering::Release);
        tail.iter().map(|visible| visible.id.clone()).collect::<Vec<_>>()
    });
    tail.sort_unstable();
    expected.sort_unstable();
    assert!(tail == expected, "{} of {} decisions", tail.len(), expected.len());
    // Shards of a process read it together: the second gets what came since, too.
    let tails = Tails::default();
    for number in 20..22 {
        let mut reader = kafka.ledger().together_with(&tails);
        let tail = reader.tail(&Since { at_ms: 0, ends: None }).unwrap();
        assert_eq!(tail.len(), expected.len());
        let one = Message {
            target: Target::Dispatch,
            key: None,
            payload: Vec::new(),
            headers: vec![("ce_id".into(), format!("{number}/0").into())],
            aside: 0,
        };
        expected.push(format!("{number}/0"));
        let messages = vec![Arc::new(one)];
        ledger.commit(&Transaction { next_offset: number, messages, ..Transaction::default() }).unwrap();
    }
    let tail = kafka.ledger().together_with(&tails).tail(&Since { at_ms: 0, ends: None }).unwrap();
    assert!(expected.iter().all(|id| tail.iter().any(|seen| seen.id == *id)) && tail.len() == expected.len());
}

/// A broker on which transactions can be forged, and a ledger that has written one.
struct Forged {
    kafka: OnKafka,
    before: KafkaLedger,
    topics: Topics,
    broker: fenghuo_tests::broker::Broker,
}

impl Forged {
    fn begin(test: &str) -> Self {
        let unverified = "transaction.partition.verification.enable=false";
        let broker = fenghuo_tests::broker::Broker::with_settings(unverified);
        let kafka = OnKafka::begin(&broker.address, test);
        let mut before = kafka.ledger();
        before.fence().unwrap();
        before.commit(&one("before")).unwrap();
        let topics = Topics::new(&broker.address).unwrap();
        Self { kafka, before, topics, broker }
    }

    /// Whoever has this one of the ids of the ledger's partition.
    fn forger(&self, number: usize) -> Forger {
        let TopicPartition { topic, partition } = &self.kafka.partition;
        let id = format!("{}.correlate.{topic}.{partition}.{number}", self.kafka.config.kafka.group);
        Forger::of(&self.broker.address, &id).unwrap()
    }

    /// Has the broker ask the coordinator from now on, as by default.
    fn verify(&self) {
        let verified = "transaction.partition.verification.enable=true";
        let mut tool = std::process::Command::new(fenghuo_tests::broker::script());
        tool.args(["tool", "configs", "--bootstrap-server", &self.broker.address, "--alter", "--entity-type"]);
        let output = tool.args(["brokers", "--entity-default", "--add-config", verified]).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// In how many partitions of a topic a transaction stands open.
    fn open(&self, topic: &str) -> usize {
        let [seen, all] = [Isolation::Committed, Isolation::Uncommitted].map(|of| self.topics.ends(topic, of).unwrap());
        seen.iter().zip(&all).filter(|(seen, all)| seen != all).count()
    }
}

/// A decision and a record of state, and the record that every transaction writes.
fn one(text: &str) -> Transaction {
    let bytes = text.as_bytes();
    let message = Message {
        target: Target::Dispatch,
        key: None,
        payload: bytes.to_vec(),
        headers: vec![("ce_id".into(), text.to_owned().into())],
        aside: 0,
    };
    let state = [&b"key"[..], header::KEY].map(|key| (key.to_vec(), Some(bytes.to_vec())));
    Transaction { next_offset: 10, messages: vec![Arc::new(message)], state: state.to_vec(), mark: None }
}

/// What [`one`] leaves behind.
fn state_of(text: &str) -> StateRecords {
    StateRecords::from([&b"key"[..], header::KEY].map(|key| (key.to_vec(), text.as_bytes().to_vec())))
}

/// Brokers that died together have left transactions behind of which no coordinator knows, so that fencing their ids
/// does not end them. Whoever begins ends them, and nothing of them is ever seen.
#[test]
fn what_hangs_of_our_own_is_ended() {
    let mut forged = Forged::begin("hanging");
    let config = forged.kafka.config.clone();
    let (dispatch, state) = (&config.topics.decisions.dispatch, &config.topics.state);
    let TopicPartition { topic, partition } = forged.kafka.partition.clone();
    let mut forger = forged.forger(2);
    forger.write((state, partition), header::KEY, b"hanging", "hanging").unwrap();
    (0..3).for_each(|place| forger.write((dispatch, place), b"hanging", b"hanging", "hanging").unwrap());
    forger.commit_offset(&format!("{}.correlate", config.kafka.group), (&topic, partition), 77).unwrap();
    assert_eq!([forged.open(state), forged.open(dispatch)], [1, 3]);
    forged.verify();

    let mut after = forged.kafka.ledger();
    after.fence().unwrap();
    assert_eq!([forged.open(state), forged.open(dispatch)], [1, 3], "no coordinator knows of it");
    let (committed, records, tail) = read_back(&mut after);
    assert_eq!(committed, Some(Committed { next_offset: 10, mark: None }));
    assert_eq!(records, state_of("before"));
    assert_eq!(tail, [("before".to_owned(), b"before".to_vec())]);
    assert_eq!([forged.open(state), forged.open(dispatch)], [0, 0]);
    // Each id in its turn.
    (0..4).for_each(|number| after.commit(&one(&format!("after {number}"))).unwrap());
    let (_, records, tail) = read_back(&mut after);
    assert_eq!(records, state_of("after 3"));
    let seen: Vec<&str> = tail.iter().map(|(id, _)| id.as_str()).collect();
    assert_eq!(seen, ["after 0", "after 1", "after 2", "after 3", "before"]);
    assert!(is_anew(&forged.before.commit(&one("late"))), "its ids were taken");
}

/// What hangs on the state, and has others behind it, took place: it is not ended, and somebody has to look.
#[test]
fn what_others_rest_on_is_not_ended() {
    let mut forged = Forged::begin("followed");
    let state = forged.kafka.config.topics.state.clone();
    let partition = forged.kafka.partition.partition;
    forged.forger(2).write((&state, partition), header::KEY, b"hanging", "hanging").unwrap();
    // By the next id.
    forged.before.commit(&one("behind")).unwrap();
    let mut after = forged.kafka.ledger();
    after.fence().unwrap();
    let refused = after.state().unwrap_err();
    assert!(matches!(&refused, Trouble::Open(reason) if reason.contains("took place")), "{refused}");
    assert_eq!(forged.open(&state), 1);
}
