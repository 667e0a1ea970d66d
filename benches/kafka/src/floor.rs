//! The floor: a bare consumer that takes batches of a topic and only counts, as a process of its own.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args as ClapArgs;
use fenghuo_engine::batches::Batches;
use fenghuo_tests::topics::{Isolation, Topics};
use fenghuo_tests::trouble::Trouble;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{ClientConfig, ClientContext};

use crate::usage::{Moment, Took};

/// What is counted.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// The broker.
    #[arg(long)]
    at: String,
    /// The topic.
    #[arg(long)]
    topic: String,
}

/// How long nothing may come before the end.
const SILENCE: Duration = Duration::from_secs(20);

struct Quiet;
impl ClientContext for Quiet {}
impl rdkafka::consumer::ConsumerContext for Quiet {}

/// Counts until the end of every partition as it is now, and prints count, seconds and processor seconds.
///
/// # Errors
/// The topic cannot be read.
pub fn execute(args: &Args) -> Result<(), Trouble> {
    let ends = Topics::new(&args.at)?.ends(&args.topic, Isolation::Committed)?;
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &args.at).set("group.id", "floor").set("enable.auto.commit", "false");
    config.set("fetch.wait.max.ms", "10").set("fetch.min.bytes", "1").set("fetch.queue.backoff.ms", "5");
    config.set("queued.min.messages", "20000").set("queued.max.messages.kbytes", "8192").set("check.crcs", "true");
    let consumer: Arc<BaseConsumer<Quiet>> = Arc::new(config.create_with_context(Quiet)?);
    let mut batches = Batches::of(&consumer);
    let mut list = TopicPartitionList::new();
    let mut left = Vec::new();
    for (partition, (low, high)) in (0..).zip(ends) {
        if !batches.add(&args.topic, partition) {
            return Err(Trouble::from("a partition has no queue"));
        }
        list.add_partition_offset(&args.topic, partition, Offset::Offset(low))?;
        left.push(high - low);
    }
    consumer.assign(&list)?;
    let (mut count, mut bytes) = (0_u64, 0_u64);
    let own = std::process::id();
    let mut from = Moment::now(&[own], None);
    let mut heard_at = Instant::now();
    let total: i64 = left.iter().sum();
    while i64::try_from(count).unwrap_or(i64::MAX) < total {
        let before = count;
        match batches.next(Duration::from_millis(10)) {
            Some(Ok(record)) => {
                if count == 0 {
                    from = Moment::now(&[own], None);
                }
                bytes += record.payload().unwrap_or_default().len() as u64;
                count += 1;
            }
            Some(Err(failed)) => return Err(Trouble::from(format!("{}: {}", args.topic, failed.code))),
            None if heard_at.elapsed() > SILENCE => {
                return Err(Trouble::from(format!("{count} of {total} records, and then silence")));
            }
            None => drop(consumer.poll(Duration::ZERO)),
        }
        if count > before && !batches.has_rest() {
            heard_at = Instant::now();
        }
    }
    let took = Took::between(&from, &Moment::now(&[own], None), count);
    let line = format!("{count} {bytes} {} {}\n", took.seconds, took.used);
    std::io::Write::write_all(&mut std::io::stdout(), line.as_bytes())?;
    Ok(())
}

/// Runs it as a process: what it took, and the mean length of a record.
///
/// # Errors
/// It failed.
pub fn run(brokers: &str, topic: &str) -> Result<(Took, f64), Trouble> {
    let program = std::env::current_exe()?;
    let output = Command::new(Path::new(&program)).args(["floor", "--at", brokers, "--topic", topic]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [count, bytes, seconds, used] = numbers[..] else {
        return Err(Trouble::from(format!("the floor failed: {}", String::from_utf8_lossy(&output.stderr))));
    };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of records")]
    let took = Took { count: count as u64, seconds, used, broker: None };
    Ok((took, bytes / count.max(1.0)))
}
