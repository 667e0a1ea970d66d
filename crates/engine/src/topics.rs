//! The topics that must exist, against those that do: what `fenghuo topics` shows, and creates.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::Consumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use serde::Serialize;

use crate::config::{Config, RegistrySource};
use crate::failure::Failure;
use crate::kafka::{ANSWER_WAIT, EventConsumer, administrator, connect, is_refusal};
use crate::service::{Shutdown, failure_of_question};

/// How long the controller may take to create topics.
const CREATE_WAIT: Duration = Duration::from_secs(30);
const DAY_MS: i64 = 86_400_000;
/// How long a topic keeps records, by their timestamps.
const RETENTION: &str = "retention.ms";

/// What is to hold for a setting of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Is(&'static str),
    AtLeast(i64),
    AtMost(i64),
    /// Set when the topic is created; whoever changes it later knows why.
    Proposed(&'static str),
}

/// A topic that must exist.
#[derive(Debug, Clone)]
struct Needed {
    topic: String,
    purpose: &'static str,
    settings: Vec<(&'static str, Rule)>,
    /// Whether it must have as many partitions as the signals topic.
    as_signals: bool,
}

/// One line of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The topic.
    pub topic: String,
    /// What it is for.
    pub purpose: &'static str,
    /// Whether it exists.
    pub exists: bool,
    /// Whether it was created just now.
    pub created: bool,
    /// Its partitions; 0 if it does not exist.
    pub partitions: usize,
    /// Replicas of a partition; 0 if it does not exist.
    pub replication: usize,
    /// Its settings that matter here, as they are.
    pub settings: BTreeMap<&'static str, String>,
    /// What is not as it must be.
    pub differences: Vec<String>,
    /// Commands that mend it; Kafka's own tools where Fenghuo has none.
    pub mends: Vec<String>,
}

impl Finding {
    /// Whether the topic is as it must be.
    #[must_use]
    pub fn is_right(&self) -> bool {
        self.exists && self.differences.is_empty()
    }
}

/// What is to be created.
#[derive(Debug, Clone, Copy)]
pub struct Creation {
    /// Partitions of every topic; the registry's has one.
    pub partitions: i32,
    /// Replicas of each.
    pub replication: i32,
    /// How long records are kept where they are not compacted, milliseconds, -1 for ever; the least without.
    pub keep_ms: Option<i64>,
}

fn needed(config: &Config) -> Vec<Needed> {
    let topic = |topic: &str, purpose, settings: Vec<_>| Needed {
        topic: topic.to_owned(),
        purpose,
        settings,
        as_signals: false,
    };
    let deleted = ("cleanup.policy", Rule::Is("delete"));
    let compacted = ("cleanup.policy", Rule::Is("compact"));
    let kept = |days: i64| (RETENTION, Rule::AtLeast(days * DAY_MS));
    let topics = &config.topics;
    // A device's clock of next year must not move a city's: the broker refuses what lies in the future.
    let no_future = ("message.timestamp.after.max.ms", Rule::AtMost(DAY_MS));
    let of_raw = || vec![deleted.clone(), kept(1), no_future.clone()];
    let mut needed: Vec<Needed> = config.raw.iter().map(|raw| topic(&raw.topic, "raw records", of_raw())).collect();
    // The broker's time, for two reasons. What is silent goes on by the broker's clock, and the acknowledgement of a
    // tick is how the one who writes them learns it. And records may be replayed, or come late: their own time must
    // neither be refused nor age them at once; it stands in the signals, where alone it is read.
    let appended = ("message.timestamp.type", Rule::Is("LogAppendTime"));
    // Whoever comes back after a weekend must find what it has not read; and decisions can be made again from it.
    needed.push(topic(&topics.signals, "signals by region", vec![deleted.clone(), kept(3), appended]));
    needed.push(topic(&topics.decisions.dispatch, "confirmed fires", vec![deleted.clone(), kept(3)]));
    needed.push(topic(&topics.decisions.watch, "everything else", vec![deleted.clone(), kept(3)]));
    let largest = ("max.message.bytes", Rule::AtLeast(2_097_152));
    needed.push(topic(&topics.dead_letter, "what cannot be read", vec![deleted, kept(3), largest]));
    needed.push(Needed { as_signals: true, ..topic(&topics.state, "windows", of_state(&compacted)) });
    if let RegistrySource::Topic(name) = &config.registry {
        needed.push(topic(name, "registry", vec![compacted]));
    }
    needed
}

/// How the state topic is kept: the last record of each key, and little more, for a restart reads all of it.
fn of_state(compacted: &(&'static str, Rule)) -> Vec<(&'static str, Rule)> {
    vec![
        compacted.clone(),
        // A record that is replaced need not wait to be cleaned away: nobody reads older ones.
        ("min.compaction.lag.ms", Rule::Is("0")),
        // The newest segment is never cleaned: small and short ones keep a restart short.
        ("segment.bytes", Rule::Proposed("67108864")),
        ("segment.ms", Rule::Proposed("600000")),
        // Cleaned when a fifth of it is outdated, not half.
        ("min.cleanable.dirty.ratio", Rule::Proposed("0.2")),
        // Whoever reads for long, or stands by and is behind (`correlate_role/standby.rs`), must still see that
        // something is gone; afterwards it may be forgotten.
        ("delete.retention.ms", Rule::AtLeast(3_600_000)),
    ]
}

/// Compares, and creates what is missing if told to.
///
/// # Errors
/// No broker, no right, or the controller did not do it.
pub fn compare(config: &Config, creation: Option<Creation>, shutdown: &Shutdown) -> Result<Vec<Finding>, Failure> {
    let reader = connect(&config.kafka, shutdown)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Failure::File { path: "runtime".to_owned(), source })?;
    let admin: AdminClient<DefaultClientContext> =
        administrator(&config.kafka).create().map_err(|error| Failure::of_client("topics", &error))?;
    let needed = needed(config);
    let mut created = Vec::new();
    if let Some(creation) = creation {
        for topic in &needed {
            if shape(config, &reader, &topic.topic)?.is_none() {
                runtime.block_on(create(config, &admin, topic, creation))?;
                created.push(topic.topic.clone());
            }
        }
    }
    let mut findings = Vec::new();
    for topic in &needed {
        let shape = wait_for(config, &reader, &topic.topic, created.contains(&topic.topic))?;
        let settings = match shape {
            Some(_) => runtime.block_on(settings_of(config, &admin, &topic.topic))?,
            None => BTreeMap::new(),
        };
        findings.push(finding(topic, shape, &settings, created.contains(&topic.topic), &config.kafka.brokers));
    }
    compare_with_signals(&needed, &mut findings, &config.topics.signals, &config.kafka.brokers);
    Ok(findings)
}

/// Partitions and replicas of a topic, if it exists.
type Shape = Option<(usize, usize)>;

fn shape(config: &Config, reader: &EventConsumer, topic: &str) -> Result<Shape, Failure> {
    let asked = reader.fetch_metadata(Some(topic), ANSWER_WAIT);
    let metadata = asked.map_err(|error| failure_of_question(config, topic, &error))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    // A topic that we may not even look at is not missing.
    let refused = found.and_then(rdkafka::metadata::MetadataTopic::error).map(RDKafkaErrorCode::from);
    if let Some(error) = refused.map(KafkaError::MetadataFetch).filter(is_refusal) {
        return Err(failure_of_question(config, topic, &error));
    }
    let found = found.filter(|found| found.error().is_none());
    let partitions = found.map(rdkafka::metadata::MetadataTopic::partitions).unwrap_or_default();
    let replicas = partitions.iter().map(|partition| partition.replicas().len()).min();
    Ok(replicas.map(|replicas| (partitions.len(), replicas)))
}

/// A topic that was created just now may take a moment until every broker knows it.
fn wait_for(config: &Config, reader: &EventConsumer, topic: &str, created: bool) -> Result<Shape, Failure> {
    for _ in 0..50 {
        let found = shape(config, reader, topic)?;
        if found.is_some() || !created {
            return Ok(found);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(None)
}

async fn create(
    config: &Config,
    admin: &AdminClient<DefaultClientContext>,
    needed: &Needed,
    creation: Creation,
) -> Result<(), Failure> {
    let kept =
        |key: &str, rule: &Rule| creation.keep_ms.filter(|_| key == RETENTION).map_or(rule.text(), |ms| ms.to_string());
    let texts: Vec<(&str, String)> = needed.settings.iter().map(|(key, rule)| (*key, kept(key, rule))).collect();
    let partitions = if needed.purpose == "registry" { 1 } else { creation.partitions };
    let mut topic = NewTopic::new(&needed.topic, partitions, TopicReplication::Fixed(creation.replication));
    for (key, text) in &texts {
        topic = topic.set(key, text);
    }
    let options = AdminOptions::new().operation_timeout(Some(CREATE_WAIT));
    let outcome = admin.create_topics([&topic], &options).await;
    match outcome.map_err(|error| failure_of_question(config, &needed.topic, &error))?.into_iter().next() {
        None | Some(Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(()),
        Some(Err((topic, code))) => {
            let error = KafkaError::AdminOp(code);
            if is_refusal(&error) {
                return Err(failure_of_question(config, &topic, &error));
            }
            Err(Failure::of_configuration("topics", format!("{topic} was not created: {code}")))
        }
    }
}

async fn settings_of(
    config: &Config,
    admin: &AdminClient<DefaultClientContext>,
    topic: &str,
) -> Result<BTreeMap<String, String>, Failure> {
    let asked = admin.describe_configs([&ResourceSpecifier::Topic(topic)], &AdminOptions::new()).await;
    let answer = asked.map_err(|error| failure_of_question(config, topic, &error))?;
    let mut settings = BTreeMap::new();
    for resource in answer {
        let resource = resource.map_err(|code| failure_of_question(config, topic, &KafkaError::AdminOp(code)))?;
        settings.extend(resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?))));
    }
    Ok(settings)
}

impl Rule {
    fn text(&self) -> String {
        match self {
            Self::Is(text) | Self::Proposed(text) => (*text).to_owned(),
            Self::AtLeast(limit) | Self::AtMost(limit) => limit.to_string(),
        }
    }

    /// What is wrong with a setting's value, if anything; -1 is Kafka's word for no limit.
    fn difference(&self, key: &str, value: &str) -> Option<String> {
        match self {
            Self::Is(expected) => (value != *expected).then(|| format!("{key} is {value}, must be {expected}")),
            Self::AtLeast(least) => {
                let enough = value.parse::<i64>().is_ok_and(|value| value == -1 || value >= *least);
                (!enough).then(|| format!("{key} is {value}, must be at least {least}"))
            }
            Self::AtMost(most) => {
                let enough = value.parse::<i64>().is_ok_and(|value| value <= *most);
                (!enough).then(|| format!("{key} is {value}, must be at most {most}"))
            }
            Self::Proposed(_) => None,
        }
    }
}

fn finding(
    needed: &Needed,
    shape: Shape,
    settings: &BTreeMap<String, String>,
    created: bool,
    brokers: &str,
) -> Finding {
    let (partitions, replication) = shape.unwrap_or_default();
    let (mut differences, mut mends) = (Vec::new(), Vec::new());
    let mut shown = BTreeMap::new();
    if shape.is_none() {
        differences.push("missing".to_owned());
        mends.push("fenghuo topics --create --config FILE".to_owned());
    } else {
        for (key, rule) in &needed.settings {
            // A broker that does not know a setting has no such limit.
            if let Some(value) = settings.get(*key) {
                if let Some(difference) = rule.difference(key, value) {
                    differences.push(difference);
                    mends.push(format!(
                        "kafka-configs --bootstrap-server {brokers} --alter --entity-type topics --entity-name {} \
                         --add-config {key}={}",
                        needed.topic,
                        rule.text()
                    ));
                }
                shown.insert(*key, value.clone());
            }
        }
    }
    let (topic, purpose) = (needed.topic.clone(), needed.purpose);
    let exists = shape.is_some();
    Finding { topic, purpose, exists, created, partitions, replication, settings: shown, differences, mends }
}

/// A shard's state stands in the partition of its signals.
fn compare_with_signals(needed: &[Needed], findings: &mut [Finding], signals: &str, brokers: &str) {
    let of_signals = findings.iter().find(|finding| finding.topic == signals).map_or(0, |finding| finding.partitions);
    for (needed, finding) in needed.iter().zip(findings) {
        if needed.as_signals && finding.exists && of_signals > 0 && finding.partitions != of_signals {
            finding.differences.push(format!("{} partitions, must be {of_signals} as {signals}", finding.partitions));
            let topic = if finding.partitions < of_signals { &finding.topic } else { signals };
            let most = finding.partitions.max(of_signals);
            finding.mends.push(format!(
                "kafka-topics --bootstrap-server {brokers} --alter --topic {topic} --partitions {most} (if the \
                 service has run before: with all members stopped, then `fenghuo migrate`)"
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_against_their_rules() {
        for (rule, value, difference) in [
            (Rule::Is("delete"), "delete", None),
            (Rule::Is("delete"), "compact", Some("k is compact, must be delete")),
            (Rule::AtLeast(5), "5", None),
            (Rule::AtLeast(5), "-1", None),
            (Rule::AtLeast(5), "4", Some("k is 4, must be at least 5")),
            (Rule::AtLeast(5), "?", Some("k is ?, must be at least 5")),
            (Rule::AtMost(5), "5", None),
            (Rule::AtMost(5), "6", Some("k is 6, must be at most 5")),
            (Rule::Proposed("7"), "8", None),
        ] {
            assert_eq!(rule.difference("k", value).as_deref(), difference, "{rule:?} {value}");
        }
    }

    #[test]
    fn what_must_exist_and_how() {
        let text = "registry = \"topic:city\"\n[[raw]]\ntopic = \"raw.x\"\nformat = \"signal\"";
        let config = Config::load("c.toml", text, [], &[]).unwrap();
        let needed = needed(&config);
        let names: Vec<_> = needed.iter().map(|needed| needed.topic.as_str()).collect();
        let fixed = ["fenghuo.signals", "fenghuo.dispatch", "fenghuo.watch", "fenghuo.dead-letter", "fenghuo.state"];
        assert_eq!(names, [&["raw.x"][..], &fixed[..], &["city"][..]].concat());
        let mut findings: Vec<_> = needed
            .iter()
            .map(|needed| finding(needed, (needed.topic != "raw.x").then_some((4, 1)), &BTreeMap::new(), false, "b:9"))
            .collect();
        findings[5].partitions = 3;
        compare_with_signals(&needed, &mut findings, "fenghuo.signals", "b:9");
        assert_eq!(findings[0].differences, ["missing"]);
        assert_eq!(findings[5].differences, ["3 partitions, must be 4 as fenghuo.signals"]);
        assert!(findings[1].is_right() && !findings[0].is_right() && !findings[5].is_right());
    }
}
