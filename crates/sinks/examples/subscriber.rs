//! A subscriber of the dispatch topic: the pattern for command centres, broadcasts and consoles downstream.
//!
//! Three things matter and are shown here: read only what is committed (`isolation.level=read_committed`); drop repeats
//! by (incident, revision), because what a fault beyond Kafka's transactions hid is published again; and start from the
//! earliest record when the group is new, because a fire that burns already is news too.
//!
//!     cargo run -p fenghuo-sinks --example subscriber -- --brokers 127.0.0.1:9092

// It talks to a person at a terminal.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::collections::HashMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message;
use rdkafka::{ClientConfig, ClientContext};
use serde_json::Value;

/// Prints one line for every fire on the dispatch topic, and one for each that turned out to be none.
#[derive(Parser)]
struct Args {
    /// Where Kafka listens, host:port; several are separated by commas.
    #[arg(long, default_value = "127.0.0.1:9092")]
    brokers: String,
    /// The topic to read.
    #[arg(long, default_value = "fenghuo.dispatch")]
    topic: String,
    /// The consumer group: each group hears of every fire once.
    #[arg(long, default_value = "fenghuo-subscriber")]
    group: String,
    /// Ends after this many fires.
    #[arg(long, value_name = "FIRES")]
    count: Option<u64>,
    /// Ends when nothing came for so many seconds.
    #[arg(long, value_name = "SECONDS")]
    exit_when_idle: Option<u64>,
}

/// Leaves it to the main loop to say what is wrong, once.
struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, _: KafkaError, _: &str) {}
}

impl ConsumerContext for Quiet {}

fn main() -> ExitCode {
    let args = Args::parse();
    match follow(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, reason)) => {
            eprintln!("subscriber: {reason}");
            ExitCode::from(code)
        }
    }
}

fn follow(args: &Args) -> Result<(), (u8, String)> {
    let failed = |error: KafkaError| (69, format!("{} of {}: {error}", args.topic, args.brokers));
    let consumer: BaseConsumer<Quiet> = ClientConfig::new()
        .set("bootstrap.servers", &args.brokers)
        .set("group.id", &args.group)
        .set("isolation.level", "read_committed")
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .create_with_context(Quiet)
        .map_err(failed)?;
    let topic = consumer.fetch_metadata(Some(&args.topic), Duration::from_secs(10)).map_err(failed)?;
    if topic.topics().iter().any(|topic| topic.error().is_some()) {
        return Err((78, format!("there is no topic {} at {}", args.topic, args.brokers)));
    }
    consumer.subscribe(&[&args.topic]).map_err(failed)?;

    // The highest revision seen of each incident: a repeat is never above it. A long-lived service would keep this
    // where it keeps what it does about the fire, and forget an incident some hours after its `closed`.
    let mut seen: HashMap<String, u64> = HashMap::new();
    let (mut fires, mut heard_at) = (0, Instant::now());
    loop {
        match consumer.poll(Duration::from_millis(100)) {
            None => {}
            Some(Ok(message)) => {
                heard_at = Instant::now();
                fires += u64::from(tell(message.payload().unwrap_or_default(), &mut seen));
                // Only now: whoever dies before this hears of it again.
                consumer.commit_message(&message, CommitMode::Async).map_err(failed)?;
            }
            Some(Err(KafkaError::MessageConsumption(
                RDKafkaErrorCode::AllBrokersDown | RDKafkaErrorCode::BrokerTransportFailure,
            ))) => eprintln!("subscriber: {} is away; waiting", args.brokers),
            Some(Err(error)) => return Err(failed(error)),
        }
        let enough = args.count.is_some_and(|count| fires >= count);
        if enough || args.exit_when_idle.is_some_and(|limit_s| heard_at.elapsed() > Duration::from_secs(limit_s)) {
            // The group stays where it was if nothing was read, and then there is nothing to commit.
            let _ = consumer.commit_consumer_state(CommitMode::Sync);
            return Ok(());
        }
    }
}

/// Prints what is new; whether it was the first word about a fire.
fn tell(payload: &[u8], seen: &mut HashMap<String, u64>) -> bool {
    let Ok(decision) = serde_json::from_slice::<Value>(payload) else {
        eprintln!("subscriber: passed over a record that is no decision");
        return false;
    };
    let text = |key: &str| decision[key].as_str().unwrap_or("-").to_owned();
    let revision = decision["revision"].as_u64().unwrap_or(0);
    let before = seen.get(&text("incident")).copied();
    if before.is_some_and(|before| revision <= before) {
        return false;
    }
    seen.insert(text("incident"), revision);
    let first = before.is_none();
    let word = match text("decision").as_str() {
        "cancelled" => "NO FIRE",
        _ if first => "FIRE",
        _ => return false,
    };
    println!("{word} {} {} {} {} {}", text("fire_at"), text("incident"), text("place"), text("rule"), text("address"));
    first
}
