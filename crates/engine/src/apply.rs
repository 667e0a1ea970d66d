//! Puts a policy or a registry in force: a record in every signals partition, behind which its decisions are made by
//! it.
//!
//! So each decision of a partition's sequence has one policy and one registry, and the sequence can be repeated by
//! `fenghuo correlate`. What is held stays; evidence is judged under the new rules from then on.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fenghuo_correlate::{Correlator, Limits, StateError};
use fenghuo_model::{Policy, PolicyChange, RegistryChange};
use rdkafka::producer::{BaseRecord, Producer as _};
use serde::Serialize;

use crate::config::{Config, RegistrySource};
use crate::correlate_role::{self, header, kafka_ledger::KafkaLedger, ledger::Ledger as _};
use crate::events::{Event, Noted, TopicPartition};
use crate::failure::Failure;
use crate::kafka::{EventConsumer, connect, ends_reader, group_reader, partition_count, producer};
use crate::registries::{Registries, Version, put_beside};
use crate::service::{Shutdown, failure_of_question};
use crate::sources::read_files;

/// How long the records may take to be acknowledged.
const WRITE_WAIT: Duration = Duration::from_secs(30);

/// What was put in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Applied {
    /// The policy's hash, which its decisions carry, or the registry's version.
    pub version: String,
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
    let files = read_files(config)?;
    let version = files.policy.hash().to_owned();
    let payload = payload(files.policy, files.policy_text);
    let partitions = partitions(config, shutdown)?;
    write(config, partitions, &payload)?;
    Ok(Applied { version, topic: config.topics.signals.clone(), partitions })
}

fn payload(policy: Policy, text: String) -> String {
    PolicyChange { text, policy: Arc::new(policy) }.to_json()
}

/// Puts a registry beside the configured one, where members find it, and writes its version into every signals
/// partition; where it lies. Without a file, the configured one as it is now.
///
/// # Errors
/// The registry is wrong, or does not go together with what burns or with the regions of the one in force; nothing was
/// put in force then. Or a partition did not take the record: the command may be given again.
pub fn registry(config: &Config, file: Option<&Path>, shutdown: &Shutdown) -> Result<(Applied, PathBuf), Failure> {
    let RegistrySource::File(configured) = &config.registry else {
        let reason = "the registry is a topic, which members read when they start: write it, and start them anew";
        return Err(Failure::of_configuration("registry", reason));
    };
    let path = file.unwrap_or(configured);
    let text = fs::read(path).map_err(|source| Failure::File { path: path.display().to_string(), source })?;
    let next = Version::read(&path.display().to_string(), &text).map_err(Failure::Configuration)?;
    let partitions = partitions(config, shutdown)?;
    let desk = Desk {
        config,
        registries: Registries::beside(configured),
        group: Arc::new(group_reader(&config.kafka, correlate_role::ROLE)?),
        ends: Arc::new(ends_reader(&config.kafka)?),
    };
    // Kept from one partition to the next: all have the same in force, and it is large.
    let mut before = None;
    for partition in 0..partitions {
        desk.require_fit(partition, &next, &mut before)?;
    }
    let version = next.name.to_string();
    let lies = put_beside(configured, &version, &text)?;
    write(config, partitions, &RegistryChange { version: version.clone() }.to_json())?;
    Ok((Applied { version, topic: config.topics.signals.clone(), partitions }, lies))
}

/// What looking at every partition's state needs.
struct Desk<'c> {
    config: &'c Config,
    registries: Registries,
    group: Arc<EventConsumer>,
    ends: Arc<EventConsumer>,
}

impl Desk<'_> {
    /// A partition's state must be able to go on under the registry; `before` is the one that was in force in the
    /// partition before this one.
    fn require_fit(&self, number: i32, next: &Version, before: &mut Option<Version>) -> Result<(), Failure> {
        let Self { config, registries, group, ends } = self;
        let topic = config.topics.signals.as_str();
        let partition = TopicPartition { topic: topic.into(), partition: number };
        let mut ledger = KafkaLedger::new(&config.kafka, &config.topics, &partition, group, ends);
        let records = ledger.state().map_err(|trouble| Failure::of_configuration("state", trouble.to_string()))?;
        let misfit = |error: &StateError| Failure::of_configuration("registry", format!("{partition}: {error}"));
        let in_force = header::read(&records).map_err(|error| misfit(&error))?.map(|header| header.registry);
        *before = match in_force.as_deref() {
            // The partition never began, or no registry was ever put in force: members have the file as it was when
            // they started, and it may have been edited since.
            None | Some("") => None,
            Some(name) => registries.find(name).ok(),
        };
        let own = header::of_correlator(&records);
        let under = before.as_ref().unwrap_or(next);
        let policy = Arc::new(Policy::default());
        let restored = Correlator::restore(Arc::clone(&under.registry), policy, &Limits::default(), own);
        let changed = restored.and_then(|mut correlator| correlator.change_registry(Arc::clone(&next.registry)));
        changed.map_err(|error| misfit(&error))
    }
}

fn partitions(config: &Config, shutdown: &Shutdown) -> Result<i32, Failure> {
    let topic = &config.topics.signals;
    let reader = connect(&config.kafka, shutdown)?;
    let count = partition_count(&reader, topic).map_err(|error| failure_of_question(config, topic, &error))?;
    count.ok_or_else(|| Failure::of_configuration("topics", format!("there is no topic {topic:?}")))
}

/// Writes a record into every partition of the signals topic, and waits until it stands there.
fn write(config: &Config, partitions: i32, payload: &str) -> Result<(), Failure> {
    let topic = &config.topics.signals;
    let failed = |error| failure_of_question(config, topic, &error);
    let noted = Arc::new(Noted::default());
    let producer = producer(&config.kafka, "apply", &noted)?;
    for partition in 0..partitions {
        let record = BaseRecord::with_opaque_to(topic, 0).partition(partition).key("").payload(payload);
        producer.send(record).map_err(|(error, _)| failed(error))?;
    }
    let flushed = producer.flush(WRITE_WAIT);
    while let Some(event) = noted.next() {
        if let Event::NotDelivered { error, .. } = event {
            return Err(failed(error));
        }
    }
    flushed.map_err(failed)
}
