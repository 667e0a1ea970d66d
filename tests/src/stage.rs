//! One city's topics, group and configuration on a broker: what a whole path is tried on.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use fenghuo_city::{Channel, City, RawRecord};
use fenghuo_model::Registry;
use fenghuo_sinks::RawProducer;

use crate::processes::fenghuo;
use crate::trouble::Trouble;

/// How long the records of a city may take to be acknowledged.
const PRODUCE_WITHIN: Duration = Duration::from_secs(300);

/// How its topics are made.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Partitions of every topic.
    pub partitions: u32,
    /// Replicas of each.
    pub replication: u32,
    /// Which signals the decode role forwards, in the word of the configuration: `all` where a test wants the correlate
    /// role to have much to do.
    pub forward: &'static str,
}

/// A city's topics and group, under a name of their own.
pub struct Stage {
    /// What the names of its topics begin with, and its group's name.
    pub name: String,
    /// Where its files are.
    pub folder: tempfile::TempDir,
    /// The configuration of its members.
    pub config: PathBuf,
    /// Its registry.
    pub registry: Arc<Registry>,
    brokers: String,
}

impl Stage {
    /// Writes registry and configuration, and creates the topics. `members_at` are the brokers that the members begin
    /// with (host:port, separated by commas), `brokers` those that everybody else uses.
    ///
    /// # Errors
    /// The topics were not created.
    pub fn set(brokers: &str, members_at: &str, city: &City, name: &str, shape: Shape) -> Result<Self, Trouble> {
        let folder = tempfile::tempdir()?;
        let registry = city.registry_json_lines();
        std::fs::write(folder.path().join("city.jsonl"), &registry)?;
        let config = folder.path().join("fenghuo.toml");
        std::fs::write(&config, configuration(name, members_at, shape.forward))?;
        let registry = Registry::from_json_lines("city.jsonl", registry.as_bytes());
        let registry = Arc::new(registry.map_err(|faults| Trouble::from(format!("the registry: {faults:?}")))?);
        let (partitions, replication) = (shape.partitions.to_string(), shape.replication.to_string());
        let mut create = fenghuo();
        create.args(["topics", "--create", "--keep", "forever"]);
        create.args(["--partitions", &partitions, "--replication", &replication]);
        let output = create.args(["--brokers", brokers, "--config"]).arg(&config).output()?;
        if !output.status.success() {
            return Err(Trouble::from(format!("topics were not created: {output:?}")));
        }
        Ok(Self { name: name.to_owned(), folder, config, registry, brokers: brokers.to_owned() })
    }

    /// The full name of one of its topics.
    #[must_use]
    pub fn topic(&self, topic: &str) -> String {
        format!("{}.{topic}", self.name)
    }

    /// The raw topic of a channel.
    #[must_use]
    pub fn raw_topic(&self, channel: Channel) -> String {
        self.topic(channel.topic())
    }

    /// All raw topics.
    #[must_use]
    pub fn raw_topics(&self) -> Vec<String> {
        Channel::ALL.iter().map(|channel| self.raw_topic(*channel)).collect()
    }

    /// All topics.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        let own = OWN_TOPICS.iter().map(|(_, topic)| self.topic(topic));
        own.chain(self.raw_topics()).collect()
    }

    /// The consumer group of a role.
    #[must_use]
    pub fn group(&self, role: &str) -> String {
        format!("{}.{role}", self.name)
    }

    /// Where its files are.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The version of the registry that `fenghuo apply` has put beside it.
    #[must_use]
    pub fn version(&self, name: &str) -> Option<Arc<Registry>> {
        let file = format!("city.jsonl.{name}");
        let text = std::fs::read(self.path().join(&file)).ok()?;
        Registry::from_json_lines(&file, &text).ok().map(Arc::new)
    }

    /// Writes raw records, and waits until all are acknowledged.
    ///
    /// # Errors
    /// Some were not.
    pub fn produce<'r>(&self, records: impl IntoIterator<Item = &'r RawRecord>) -> Result<u64, Trouble> {
        let failed = |error: fenghuo_sinks::raw::RawError| Trouble::from(error.to_string());
        let mut producer = RawProducer::new(&self.brokers, []).map_err(failed)?;
        for record in records {
            let topic = self.raw_topic(record.channel);
            producer.send(&topic, record.key.as_bytes(), &record.bytes, record.timestamp_ms).map_err(failed)?;
        }
        producer.finish(PRODUCE_WITHIN).map_err(failed)
    }
}

/// The topics that Fenghuo writes: their key in the configuration, and what follows the stage's name.
const OWN_TOPICS: [(&str, &str); 5] =
    [("signals", "signals"), ("dispatch", "dispatch"), ("watch", "watch"), ("state", "state"), ("dead_letter", "dead")];

/// The table of a configuration that names the topics which Fenghuo writes, `<name>.signals` and so on.
#[must_use]
pub fn own_topics(name: &str) -> String {
    let lines = OWN_TOPICS.iter().map(|(key, topic)| format!("{key} = \"{name}.{topic}\"\n"));
    std::iter::once("[topics]\n".to_owned()).chain(lines).collect()
}

fn configuration(name: &str, brokers: &str, forward: &str) -> String {
    let mut text = format!("registry = \"city.jsonl\"\n[kafka]\nbrokers = \"{brokers}\"\ngroup = \"{name}\"\n");
    text += &format!("[decode]\nforward = \"{forward}\"\n{}", own_topics(name));
    for channel in Channel::ALL {
        let people = channel == Channel::People;
        let (topic, format) = (channel.topic(), channel.format());
        text += &format!("[[raw]]\ntopic = \"{name}.{topic}\"\nformat = \"{format}\"\npeople = {people}\n");
    }
    text
}
