//! The bare two-hop echo: what the least that can be done over two hops takes, as a process of its own.
//!
//! Hop one passes fires on by an idempotent producer and drops everything else; hop two passes on what comes by
//! transactions with ids in turn, committed at once, all that is there in one. No state, no reading of what is said.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use fenghuo_engine::batches::Batches;
use fenghuo_tests::topics::{Isolation, Topics};
use fenghuo_tests::trouble::Trouble;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _, DefaultConsumerContext};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::stand::Scene;

/// Transactional ids in turn.
const IDS: usize = 4;
const STEP_WAIT: Duration = Duration::from_secs(10);

/// What is passed on.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// The broker.
    #[arg(long)]
    at: String,
    /// The first topic.
    #[arg(long)]
    raw: String,
    /// The second.
    #[arg(long)]
    signals: String,
    /// The last.
    #[arg(long)]
    out: String,
}

/// Passes on until it is killed.
///
/// # Errors
/// The broker refuses.
pub fn execute(args: &Args) -> Result<(), Trouble> {
    let second = args.clone();
    let hop = std::thread::Builder::new().name("second hop".to_owned()).spawn(move || second_hop(&second))?;
    let first = first_hop(args, || hop.is_finished());
    hop.join().map_err(|_| Trouble::from("the second hop panicked"))??;
    first
}

type Reader = (Arc<BaseConsumer<DefaultConsumerContext>>, Batches<DefaultConsumerContext>);

/// Reads a topic from its end.
fn reader(at: &str, topic: &str) -> Result<Reader, Trouble> {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", at).set("group.id", format!("echo.{topic}")).set("enable.auto.commit", "false");
    config.set("fetch.wait.max.ms", "5").set("fetch.queue.backoff.ms", "1").set("isolation.level", "read_committed");
    let consumer: Arc<BaseConsumer<_>> = Arc::new(config.create()?);
    let mut batches = Batches::of(&consumer);
    let mut list = TopicPartitionList::new();
    for (partition, (_, high)) in (0..).zip(Topics::new(at)?.ends(topic, Isolation::Uncommitted)?) {
        if !batches.add(topic, partition) {
            return Err(Trouble::from("a partition has no queue"));
        }
        list.add_partition_offset(topic, partition, Offset::Offset(high))?;
    }
    consumer.assign(&list)?;
    Ok((consumer, batches))
}

fn first_hop(args: &Args, is_over: impl Fn() -> bool) -> Result<(), Trouble> {
    let (consumer, mut batches) = reader(&args.at, &args.raw)?;
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &args.at).set("enable.idempotence", "true").set("linger.ms", "0");
    let producer: BaseProducer = config.create()?;
    while !is_over() {
        if let Some(Ok(record)) = batches.next(Duration::from_millis(10)) {
            let payload = record.payload().unwrap_or_default();
            if payload.windows(FIRE.len()).any(|window| window == FIRE) {
                let passed = BaseRecord::to(&args.signals).key(record.key().unwrap_or_default()).payload(payload);
                producer.send(passed).map_err(|(error, _)| error)?;
            }
        }
        if !batches.has_rest() {
            producer.poll(Duration::ZERO);
            drop(consumer.poll(Duration::ZERO));
        }
    }
    Ok(())
}

const FIRE: &[u8] = b"\"fire\"";

fn second_hop(args: &Args) -> Result<(), Trouble> {
    let (consumer, mut batches) = reader(&args.at, &args.signals)?;
    let mut producers: Vec<BaseProducer> = Vec::new();
    for number in 0..IDS {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &args.at).set("linger.ms", "2").set("retry.backoff.ms", "1");
        config
            .set("transactional.id", format!("echo.{}.{number}", args.signals))
            .set("transaction.timeout.ms", "10000");
        config.set("message.timeout.ms", "8000").set("delivery.report.only.error", "true");
        let producer: BaseProducer = config.create()?;
        producer.init_transactions(STEP_WAIT)?;
        producers.push(producer);
    }
    let member = consumer.group_metadata().ok_or_else(|| Trouble::from("no group"))?;
    for producer in producers.iter().cycle() {
        let mut offsets = TopicPartitionList::new();
        while offsets.count() == 0 {
            drop(consumer.poll(Duration::ZERO));
            let mut wait = Duration::from_millis(10);
            while let Some(Ok(record)) = batches.next(wait) {
                if offsets.count() == 0 {
                    producer.begin_transaction()?;
                }
                wait = Duration::ZERO;
                let passed = BaseRecord::<[u8], [u8]>::to(&args.out).payload(record.payload().unwrap_or_default());
                producer.send(passed).map_err(|(error, _)| error)?;
                let next = Offset::Offset(record.offset() + 1);
                match offsets.find_partition(record.topic(), record.partition()) {
                    Some(mut known) => known.set_offset(next)?,
                    None => offsets.add_partition_offset(record.topic(), record.partition(), next)?,
                }
            }
        }
        producer.send_offsets_to_transaction(&offsets, &member, STEP_WAIT)?;
        let began = Instant::now();
        while producer.in_flight_count() > 0 && began.elapsed() < STEP_WAIT {
            producer.poll(Duration::ZERO);
            std::thread::sleep(Duration::from_micros(250));
        }
        producer.commit_transaction(STEP_WAIT)?;
    }
    Ok(())
}

/// An echo at work; killed when dropped.
pub struct Echo(Child);

impl Echo {
    /// Starts one on a scene's topics.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(scene: &Scene<'_>) -> Result<Self, Trouble> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["echo", "--at", &scene.stand.brokers, "--raw", &scene.raw]);
        command.args(["--signals", &scene.topic("signals"), "--out", &scene.topic("dispatch")]);
        Ok(Self(command.stdin(Stdio::null()).spawn()?))
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
