//! Registry and policy as the service starts with them: from files, or the registry from its compacted topic.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fenghuo_model::Policy;
use fenghuo_model::policy::DEFAULT_TEXT;
use rdkafka::consumer::Consumer;
use rdkafka::error::KafkaError;
use rdkafka::message::Message;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::config::{Config, RegistrySource};
use crate::failure::Failure;
use crate::kafka::{ANSWER_WAIT, EventConsumer, partition_count};
use crate::registries::snapshot::Due;
use crate::registries::{Registries, Version};
use crate::service::Shutdown;

/// How long a topic may be silent before its end before reading it counts as failed.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);

/// Reads what does not need a broker: the policy, and the registry if it is a file.
///
/// # Errors
/// Every fault of both, or that one cannot be read.
pub fn read_files(config: &Config) -> Result<Files, Failure> {
    let registry = match &config.registry {
        RegistrySource::File(path) => {
            // The latest that was put in force, or the file itself.
            let path = Registries::beside(path).latest().map_or_else(|| path.clone(), |(latest, _)| latest);
            match Version::of_file(&path) {
                Ok(read) => Ok(Some(read)),
                // The policy's faults are said with them.
                Err(Failure::Configuration(faults)) => Err(faults),
                Err(other) => return Err(other),
            }
        }
        RegistrySource::Topic(_) => Ok(None),
    };
    let policy = match &config.policy {
        Some(path) => {
            let file = path.display().to_string();
            let text = String::from_utf8(read(path)?)
                .map_err(|error| Failure::of_configuration(&file, format!("not UTF-8: {error}")))?;
            Policy::from_toml(&file, &text).map(|policy| (policy, text))
        }
        None => Ok((Policy::default(), DEFAULT_TEXT.to_owned())),
    };
    match (registry, policy) {
        (Ok(registry), Ok((policy, policy_text))) => {
            let (registry, snapshot_due) = registry.unzip();
            Ok(Files { registry, snapshot_due: snapshot_due.flatten(), policy, policy_text })
        }
        (registry, policy) => {
            let faults = registry.err().into_iter().chain(policy.err()).flatten();
            Err(Failure::Configuration(faults.collect()))
        }
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|source| Failure::File { path: path.display().to_string(), source })
}

/// Reads a registry's topic from its beginning to its end as it is now: the last object of each key holds, a record
/// without a value ends its key.
///
/// # Errors
/// The topic is missing, cannot be read to its end, or what stands there is no registry.
fn read_topic(reader: &EventConsumer, topic: &str, shutdown: &Shutdown) -> Result<Version, Failure> {
    let brokers_said = |error: KafkaError| Failure::Client { role: "registry", reason: format!("{topic}: {error}") };
    let Some(partitions) = partition_count(reader, topic).map_err(brokers_said)? else {
        return Err(Failure::of_configuration("registry", format!("there is no topic {topic:?}")));
    };
    let mut objects: BTreeMap<Vec<u8>, Vec<u8>> = BTreeMap::new();
    for partition in 0..partitions {
        let (low, high) = reader.fetch_watermarks(topic, partition, ANSWER_WAIT).map_err(brokers_said)?;
        if low == high {
            continue;
        }
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(low)).map_err(brokers_said)?;
        reader.assign(&list).map_err(brokers_said)?;
        let mut heard_at = Instant::now();
        // The position, not the last record, says that the end is reached: markers and compaction leave holes.
        while position(reader).unwrap_or(low) < high {
            match reader.poll(Duration::from_millis(100)) {
                Some(Ok(record)) => {
                    heard_at = Instant::now();
                    let key = record.key().unwrap_or_default().to_vec();
                    match record.payload() {
                        Some(object) => objects.insert(key, object.to_vec()),
                        None => objects.remove(&key),
                    };
                }
                Some(Err(error)) => tracing::warn!(topic, %error, "reading the registry goes on"),
                None => {}
            }
            if heard_at.elapsed() > SILENCE_LIMIT || shutdown.is_asked() {
                return Err(Failure::Client {
                    role: "registry",
                    reason: format!("{topic} could not be read to its end"),
                });
            }
        }
    }
    let lines: Vec<u8> = objects.into_values().flat_map(|object| one_line(object).into_iter().chain([b'\n'])).collect();
    Version::read(&format!("topic:{topic}"), &lines).map_err(Failure::Configuration)
}

fn position(reader: &EventConsumer) -> Option<i64> {
    reader.position().ok()?.elements().first()?.offset().to_raw().filter(|offset| *offset >= 0)
}

/// JSON may be spread over lines; outside of its strings a line's end means nothing, and inside it cannot stand.
fn one_line(mut object: Vec<u8>) -> Vec<u8> {
    for byte in &mut object {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    object
}

/// What does not need a broker.
pub struct Files {
    /// The registry, if it is a file.
    pub registry: Option<Version>,
    /// Its snapshot, if it is worth writing.
    pub snapshot_due: Option<Due>,
    /// The rules.
    pub policy: Policy,
    /// The rules as they were written.
    pub policy_text: String,
}

impl Files {
    /// With the registry from its topic, if it is none of the files.
    ///
    /// # Errors
    /// As those of reading the topic.
    pub fn complete(self, config: &Config, reader: &EventConsumer, shutdown: &Shutdown) -> Result<Rules, Failure> {
        let Self { registry, policy, policy_text, .. } = self;
        let (registry, registries) = match (registry, &config.registry) {
            (Some(registry), RegistrySource::File(path)) => {
                let registries = Registries::beside(path);
                registries.know(&registry);
                (registry, registries)
            }
            (_, RegistrySource::Topic(topic)) => {
                let registry = read_topic(reader, topic, shutdown)?;
                (registry.clone(), Registries::of(vec![registry]))
            }
            (None, RegistrySource::File(_)) => unreachable!("a registry that is a file was read with the files"),
        };
        let (registries, policy) = (Arc::new(registries), Arc::new(policy));
        Ok(Rules { registry, registries, policy, policy_text: policy_text.into() })
    }
}

/// Registry and policy, shared by all workers.
#[derive(Clone)]
pub struct Rules {
    /// Buildings and devices, as they are known when the process begins.
    pub registry: Version,
    /// All versions that are at hand.
    pub registries: Arc<Registries>,
    /// The rules.
    pub policy: Arc<Policy>,
    /// The rules as they were written.
    pub policy_text: Arc<str>,
}
