//! Puts a policy in force: a record in every signals partition, behind which its decisions are made by the new rules.
//!
//! So each decision of a partition's sequence has one policy, and the sequence can be repeated by `fenghuo correlate`.
//! What is held stays; evidence is judged under the new rules from then on.

use std::sync::Arc;
use std::time::Duration;

use fenghuo_model::{Policy, PolicyChange};
use rdkafka::producer::{BaseRecord, Producer as _};
use serde::Serialize;

use crate::config::Config;
use crate::events::{Event, Noted};
use crate::failure::Failure;
use crate::kafka::{connect, partition_count, producer};
use crate::service::{Shutdown, failure_of_question};
use crate::sources::read_files;

/// How long the records may take to be acknowledged.
const WRITE_WAIT: Duration = Duration::from_secs(30);

/// What was put in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// The policy's hash, which its decisions carry.
    pub policy: String,
    /// The signals topic.
    pub topic: String,
    /// How many partitions have the record.
    pub partitions: i32,
}

/// Writes the configured policy into every signals partition.
///
/// # Errors
/// The policy is wrong, or a partition did not take it: the command may be given again, for a policy that is in force
/// already changes nothing.
pub fn policy(config: &Config, shutdown: &Shutdown) -> Result<Applied, Failure> {
    let (_, policy, text) = read_files(config)?;
    let hash = policy.hash().to_owned();
    let payload = payload(policy, text);
    let reader = connect(&config.kafka, shutdown)?;
    let topic = config.topics.signals.clone();
    let count = partition_count(&reader, &topic).map_err(|error| failure_of_question(config, &topic, &error))?;
    let partitions =
        count.ok_or_else(|| Failure::of_configuration("topics", format!("there is no topic {topic:?}")))?;
    let noted = Arc::new(Noted::default());
    let producer = producer(&config.kafka, "apply", &noted)?;
    for partition in 0..partitions {
        let record = BaseRecord::with_opaque_to(&topic, 0).partition(partition).key("").payload(&payload);
        producer.send(record).map_err(|(error, _)| failure_of_question(config, &topic, &error))?;
    }
    let flushed = producer.flush(WRITE_WAIT);
    while let Some(event) = noted.next() {
        if let Event::NotDelivered { error, .. } = event {
            return Err(failure_of_question(config, &topic, &error));
        }
    }
    flushed.map_err(|error| failure_of_question(config, &topic, &error))?;
    Ok(Applied { policy: hash, topic, partitions })
}

fn payload(policy: Policy, text: String) -> String {
    PolicyChange { text, policy: Arc::new(policy) }.to_json()
}
