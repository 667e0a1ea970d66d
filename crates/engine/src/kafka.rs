//! Clients of Kafka with the settings that the guarantees rest on, and the first contact with a broker.

use std::sync::Arc;
use std::time::{Duration, Instant};

use fenghuo_model::time::write_duration;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::BaseProducer;
use rdkafka::topic_partition_list::TopicPartitionList;

use crate::config::Kafka;
use crate::events::{Context, Event, Noted, TopicPartition};
use crate::failure::Failure;
use crate::service::Shutdown;

mod offsets;

pub use offsets::{Committed, committable, committed, committed_texts};

/// The consumer of a worker.
pub type EventConsumer = BaseConsumer<Context>;
/// The producer of a worker.
pub type EventProducer = BaseProducer<Context>;

/// How long one question to the broker may take before it counts as unanswered.
pub const ANSWER_WAIT: Duration = Duration::from_secs(5);
/// How long between two attempts at a first contact.
const CONTACT_EVERY: Duration = Duration::from_millis(500);
/// The largest message handed to a broker: a raw record of the usual limit with its headers, escaped.
const LARGEST_MESSAGE_BYTES: &str = "8388608";

/// The largest batch of several messages. The client does not count their headers, which are up to half of a decision,
/// and the broker refuses a batch above its limit of a record, 1 MiB if nobody changed it: with it the transaction.
const LARGEST_BATCH_BYTES: &str = "400000";

/// Settings that a configuration may overrule, those that it says, and who we are.
fn client(kafka: &Kafka, role: &str, defaults: &[(&str, &str)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    // An answer that was lost on the way is not waited for a minute, as it would be by default: fires wait with it.
    config.set("socket.timeout.ms", "10000");
    for (key, value) in defaults {
        config.set(*key, *value);
    }
    config.set("bootstrap.servers", &kafka.brokers).set("client.id", format!("{}.{role}", kafka.group));
    config.set("reconnect.backoff.max.ms", "2000").set("socket.keepalive.enable", "true");
    for (key, value) in &kafka.properties {
        config.set(key, value);
    }
    config.set_log_level(RDKafkaLogLevel::Info);
    config
}

/// The consumer of a role, in the group `<group>.<role>`; partitions come and go one by one.
///
/// # Errors
/// A property that librdkafka does not know.
pub fn consumer(kafka: &Kafka, role: &'static str, noted: &Arc<Noted>) -> Result<EventConsumer, Failure> {
    let defaults = [
        ("fetch.wait.max.ms", "10"),
        ("fetch.min.bytes", "1"),
        ("fetch.queue.backoff.ms", "5"),
        ("queued.min.messages", "20000"),
        ("queued.max.messages.kbytes", "8192"),
        ("heartbeat.interval.ms", "500"),
        ("session.timeout.ms", "10000"),
    ];
    let mut config = client(kafka, role, &defaults);
    for (key, value) in [
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("auto.offset.reset", "error"),
        ("isolation.level", "read_committed"),
        ("partition.assignment.strategy", "cooperative-sticky"),
        ("check.crcs", "true"),
        ("allow.auto.create.topics", "false"),
    ] {
        config.set(key, value);
    }
    config.set("group.id", format!("{}.{role}", kafka.group));
    if let Some(instance) = &kafka.instance {
        config.set("group.instance.id", instance);
    }
    let context = Context { role, noted: Arc::clone(noted) };
    config.create_with_context(context).map_err(|error| wrong_property(&error))
}

/// The producer of a role: idempotent, and it never gives up by itself.
///
/// # Errors
/// A property that librdkafka does not know.
pub fn producer(kafka: &Kafka, role: &'static str, noted: &Arc<Noted>) -> Result<EventProducer, Failure> {
    let defaults = [
        // Where many signals come, they go together; a single one does not wait for others that may never come.
        ("linger.ms", "1"),
        ("compression.type", "lz4"),
        ("queue.buffering.max.messages", "1000000"),
        ("message.max.bytes", LARGEST_MESSAGE_BYTES),
        ("retry.backoff.ms", "50"),
    ];
    let mut config = client(kafka, role, &defaults);
    for (key, value) in [
        ("enable.idempotence", "true"),
        ("acks", "all"),
        ("message.timeout.ms", "0"),
        ("partitioner", "murmur2_random"),
        ("allow.auto.create.topics", "false"),
    ] {
        config.set(key, value);
    }
    let context = Context { role, noted: Arc::clone(noted) };
    config.create_with_context(context).map_err(|error| wrong_property(&error))
}

/// A consumer without a group, for questions about the cluster and for reading a whole topic.
///
/// # Errors
/// A property that librdkafka does not know.
pub fn reader(kafka: &Kafka, noted: &Arc<Noted>) -> Result<EventConsumer, Failure> {
    asking(kafka, noted, "read_committed")
}

/// A consumer without a group that sees records of open transactions too: for questions about the ends of logs.
///
/// # Errors
/// A property that librdkafka does not know.
pub fn ends_reader(kafka: &Kafka) -> Result<EventConsumer, Failure> {
    asking(kafka, &Arc::new(Noted::default()), "read_uncommitted")
}

fn asking(kafka: &Kafka, noted: &Arc<Noted>, isolation: &str) -> Result<EventConsumer, Failure> {
    let mut config = client(kafka, "reader", &[]);
    config.set("enable.auto.commit", "false").set("isolation.level", isolation);
    config.set("auto.offset.reset", "error").set("allow.auto.create.topics", "false");
    // Reading by assignment needs a group's name, and joins none.
    config.set("group.id", format!("{}.reader", kafka.group));
    let context = Context { role: "reader", noted: Arc::clone(noted) };
    config.create_with_context(context).map_err(|error| wrong_property(&error))
}

/// A consumer that asks what a role's group has committed, and joins nothing.
///
/// # Errors
/// A property that librdkafka does not know.
pub fn group_reader(kafka: &Kafka, role: &str) -> Result<EventConsumer, Failure> {
    of_group(kafka, role, "read_committed")
}

/// The same, which is told what is committed also where transactions that are open may change it.
///
/// # Errors
/// A property that librdkafka does not know.
pub fn unsettled_reader(kafka: &Kafka, role: &str) -> Result<EventConsumer, Failure> {
    of_group(kafka, role, "read_uncommitted")
}

fn of_group(kafka: &Kafka, role: &str, isolation: &str) -> Result<EventConsumer, Failure> {
    let mut config = client(kafka, "reader", &[]);
    config.set("enable.auto.commit", "false").set("allow.auto.create.topics", "false");
    config.set("isolation.level", isolation).set("group.id", format!("{}.{role}", kafka.group));
    let context = Context { role: "reader", noted: Arc::new(Noted::default()) };
    config.create_with_context(context).map_err(|error| wrong_property(&error))
}

/// A reader of whole topics, by assignment: it says when a partition's end is reached.
///
/// # Errors
/// A property that librdkafka does not know.
pub fn whole_reader(kafka: &Kafka) -> Result<EventConsumer, Failure> {
    let defaults = [("fetch.wait.max.ms", "10"), ("fetch.queue.backoff.ms", "5")];
    to_ends(kafka, &defaults, ("earliest", "read_committed"))
}

/// The same, which sees records of open and aborted transactions too.
///
/// # Errors
/// A property that librdkafka does not know.
pub fn uncommitted_reader(kafka: &Kafka) -> Result<EventConsumer, Failure> {
    to_ends(kafka, &[("fetch.wait.max.ms", "10")], ("earliest", "read_uncommitted"))
}

/// A reader that goes on at the ends of logs; it is in no hurry, and says when what it is to read next is not there.
///
/// # Errors
/// A property that librdkafka does not know.
pub fn following_reader(kafka: &Kafka) -> Result<EventConsumer, Failure> {
    let unhurried =
        [("fetch.wait.max.ms", "500"), ("fetch.min.bytes", "65536"), ("queued.max.messages.kbytes", "8192")];
    to_ends(kafka, &unhurried, ("error", "read_committed"))
}

fn to_ends(
    kafka: &Kafka,
    defaults: &[(&str, &str)],
    (reset, isolation): (&str, &str),
) -> Result<EventConsumer, Failure> {
    let mut config = client(kafka, "reader", defaults);
    config.set("enable.auto.commit", "false").set("isolation.level", isolation);
    config.set("auto.offset.reset", reset).set("allow.auto.create.topics", "false");
    config.set("enable.partition.eof", "true").set("check.crcs", "true");
    config.set("group.id", format!("{}.reader", kafka.group));
    let context = Context { role: "reader", noted: Arc::new(Noted::default()) };
    config.create_with_context(context).map_err(|error| wrong_property(&error))
}

/// The settings of a producer of transactions: each message in it arrives within the transaction's time, or the
/// transaction fails.
#[must_use]
pub fn transactional(kafka: &Kafka, id: &str) -> ClientConfig {
    let defaults = [
        ("compression.type", "lz4"),
        ("queue.buffering.max.messages", "1000000"),
        ("message.max.bytes", LARGEST_MESSAGE_BYTES),
        ("batch.size", LARGEST_BATCH_BYTES),
        ("retry.backoff.ms", "1"),
    ];
    let mut config = client(kafka, "correlate", &defaults);
    for (key, value) in [
        ("transactional.id", id),
        ("transaction.timeout.ms", "10000"),
        ("message.timeout.ms", "8000"),
        ("acks", "all"),
        // The first messages are no later by it: their partitions have to be made known to the transaction first, which
        // takes as long. And what is handed over meanwhile goes in one request.
        ("linger.ms", "2"),
        ("delivery.report.only.error", "true"),
        ("partitioner", "murmur2_random"),
        ("allow.auto.create.topics", "false"),
    ] {
        config.set(key, value);
    }
    config
}

/// The plain settings of an administrative client.
#[must_use]
pub fn administrator(kafka: &Kafka) -> ClientConfig {
    client(kafka, "topics", &[])
}

fn wrong_property(error: &KafkaError) -> Failure {
    Failure::of_configuration("kafka.properties", error.to_string())
}

/// Whether the broker refuses us, rather than being away.
#[must_use]
pub fn is_refusal(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::Authentication
                | RDKafkaErrorCode::SaslAuthenticationFailed
                | RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::TransactionalIdAuthorizationFailed
        )
    )
}

/// The right that is missing where the broker refuses us, as Kafka's access lists call it; nothing if it was not
/// refused.
#[must_use]
pub fn missing_right(error: &KafkaError) -> Option<&'static str> {
    Some(match error.rdkafka_error_code()? {
        RDKafkaErrorCode::TopicAuthorizationFailed => {
            "READ on raw, signals and state topics, WRITE on signals, dispatch, watch, state and dead letters, \
             DESCRIBE and DESCRIBE_CONFIGS on all"
        }
        RDKafkaErrorCode::GroupAuthorizationFailed => "READ on the consumer groups that begin with kafka.group",
        RDKafkaErrorCode::TransactionalIdAuthorizationFailed => {
            "WRITE and DESCRIBE on the transactional ids that begin with kafka.group"
        }
        RDKafkaErrorCode::ClusterAuthorizationFailed => "IDEMPOTENT_WRITE on the cluster",
        _ => return None,
    })
}

/// What the broker said, and the right that it misses, if it refuses us.
#[must_use]
pub fn refusal(what: &str, error: &KafkaError) -> String {
    match missing_right(error) {
        Some(right) => format!("{what}: {error}; needed is {right}"),
        None => format!("{what}: {error}"),
    }
}

/// Waits until a broker answers, as long as the configuration says.
///
/// # Errors
/// Nobody did, or we were refused.
pub fn connect(kafka: &Kafka, shutdown: &Shutdown) -> Result<EventConsumer, Failure> {
    let noted = Arc::new(Noted::default());
    let reader = reader(kafka, &noted)?;
    let wait = Duration::from_millis(kafka.connect_wait_ms.unsigned_abs());
    let began = Instant::now();
    let mut said = false;
    loop {
        let left = wait.saturating_sub(began.elapsed());
        let attempt = left.clamp(CONTACT_EVERY, ANSWER_WAIT);
        let error = match reader.client().fetch_metadata(Some(""), attempt) {
            // The broker's word that no topic is called so is an answer.
            Ok(_)
            | Err(KafkaError::MetadataFetch(
                RDKafkaErrorCode::InvalidTopic | RDKafkaErrorCode::UnknownTopicOrPartition,
            )) => return Ok(reader),
            Err(error) => error,
        };
        while let Some(event) = poll_once(&reader, &noted) {
            drop(event);
        }
        let (cause, reason) = noted.last_error().unwrap_or_else(|| (error.clone(), error.to_string()));
        if is_refusal(&error) || is_refusal(&cause) {
            return Err(Failure::Refused { brokers: kafka.brokers.clone(), reason });
        }
        if began.elapsed() >= wait || shutdown.is_asked() {
            let waited = write_duration(i64::try_from(began.elapsed().as_secs()).unwrap_or(i64::MAX) * 1_000);
            return Err(Failure::Unavailable { brokers: kafka.brokers.clone(), waited, reason });
        }
        if !said {
            tracing::warn!(brokers = kafka.brokers, reason, "no broker answers yet; waiting");
            said = true;
        }
        std::thread::sleep(CONTACT_EVERY.min(left));
    }
}

/// Lets callbacks run, and gives what they noted.
fn poll_once(consumer: &EventConsumer, noted: &Noted) -> Option<Event> {
    // What a poll itself returns is trouble that was noted as the last error too.
    drop(consumer.poll(Duration::from_millis(1)));
    noted.next()
}

/// A list of partitions without offsets.
#[must_use]
pub fn list_of<'p>(partitions: impl IntoIterator<Item = &'p TopicPartition>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition(&partition.topic, partition.partition);
    }
    list
}

/// The number of partitions of a topic, if there is one.
///
/// # Errors
/// The broker did not answer.
pub fn partition_count(consumer: &EventConsumer, topic: &str) -> KafkaResult<Option<i32>> {
    partition_count_within(consumer, topic, ANSWER_WAIT)
}

/// The same; the answer may take so long.
///
/// # Errors
/// The broker did not answer.
pub fn partition_count_within(consumer: &EventConsumer, topic: &str, wait: Duration) -> KafkaResult<Option<i32>> {
    let metadata = consumer.fetch_metadata(Some(topic), wait)?;
    let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Ok(None) };
    match found.error().map(RDKafkaErrorCode::from) {
        None => Ok(i32::try_from(found.partitions().len()).ok().filter(|count| *count > 0)),
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => Ok(None),
        Some(code) => Err(KafkaError::MetadataFetch(code)),
    }
}
