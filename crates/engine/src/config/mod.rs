//! The configuration of the service: defaults < file < environment < flags, checked as a whole before anything starts.
//!
//! [`settings`] gathers what was said and where; here it becomes what is needed; [`properties`] keeps librdkafka's
//! own properties away from what the guarantees rest on.

pub mod properties;
pub mod settings;

use std::net::SocketAddr;
use std::path::PathBuf;

use fenghuo_decode::Format;
use fenghuo_model::Fault;
use fenghuo_model::time::{parse_duration_ms, parse_utc_offset};
use fenghuo_sinks::DecisionTopics;

use settings::{Origin, Setting, Settings};

/// Where the registry comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RegistrySource {
    /// JSON Lines in a file.
    File(PathBuf),
    /// A compacted topic of the same objects, keyed by id.
    Topic(String),
}

/// The connection to Kafka.
#[derive(Debug, Clone)]
pub struct Kafka {
    /// host:port, several separated by commas.
    pub brokers: String,
    /// What the consumer groups' names begin with.
    pub group: String,
    /// Makes this process a static member under that name: a restart within the session's time moves no partition.
    pub instance: Option<String>,
    /// How long to wait for a broker at start.
    pub connect_wait_ms: i64,
    /// How long a shutdown or revocation waits for what is under way.
    pub drain_wait_ms: i64,
    /// Further properties of librdkafka.
    pub properties: Vec<(String, String)>,
}

/// The topics that Fenghuo writes or keeps.
#[derive(Debug, Clone)]
pub struct Topics {
    /// Signals, keyed by region.
    pub signals: String,
    /// Dispatch and watch.
    pub decisions: DecisionTopics,
    /// State of the windows.
    pub state: String,
    /// What cannot be read or may not be said.
    pub dead_letter: String,
}

/// A topic of raw records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawTopic {
    /// Its name.
    pub topic: String,
    /// What its records are.
    pub format: Format,
    /// Whether people write there, who alone may clear and confirm.
    pub people: bool,
}

/// Which signals the decode role forwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// Whatever a decision may depend on, and of the rest what changes.
    Changes,
    /// Of ends of isolations, too, only those that end one: where isolations come by their device's own raw partition.
    News,
    /// All of them.
    All,
}

impl Forward {
    fn from_word(word: &str) -> Option<Self> {
        match word {
            "changes" => Some(Self::Changes),
            "news" => Some(Self::News),
            "all" => Some(Self::All),
            _ => None,
        }
    }
}

/// Everything that the service needs to be told.
#[derive(Debug, Clone)]
pub struct Config {
    /// Buildings and devices.
    pub registry: RegistrySource,
    /// The policy's file; the default policy without.
    pub policy: Option<PathBuf>,
    /// The zone of devices whose clocks name none, seconds east.
    pub utc_offset_s: i64,
    /// The connection to Kafka.
    pub kafka: Kafka,
    /// The topics that Fenghuo writes or keeps.
    pub topics: Topics,
    /// The topics that it reads.
    pub raw: Vec<RawTopic>,
    /// Which of their signals it forwards.
    pub forward: Forward,
    /// How much of other members' state the correlate role reads along, to take it over sooner; bytes in memory.
    pub standby_bytes: usize,
    /// Where metrics and health are served.
    pub http_listen: Option<SocketAddr>,
    settings: Vec<Setting>,
}

impl Config {
    /// Reads the file's text (`file` is its name), the environment and the flags (key and value).
    ///
    /// # Errors
    /// Everything that is wrong, with where it was said.
    pub fn load(
        file: &str,
        text: &str,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: &[(String, String)],
    ) -> Result<Self, Vec<Fault>> {
        let mut settings = Settings::read_file(file, text);
        settings.read_environment(environment);
        settings.read_flags(flags);
        let config = build(&mut settings);
        settings.into_result(config)
    }

    /// Every setting in effect with where it came from, secrets masked, in the order of their tables.
    #[must_use]
    pub fn settings(&self) -> &[Setting] {
        &self.settings
    }
}

fn build(settings: &mut Settings<'_>) -> Config {
    let properties = properties::resolve(settings);
    let registry = settings.required("registry");
    let registry = match registry.text.strip_prefix("topic:") {
        Some(topic) => RegistrySource::Topic(topic.to_owned()),
        None => RegistrySource::File(settings.path(&registry)),
    };
    let policy = settings.get("policy").map(|setting| settings.path(&setting));
    let kafka = Kafka {
        brokers: settings.required("kafka.brokers").text,
        group: settings.required("kafka.group").text,
        instance: settings.get("kafka.instance").map(|setting| setting.text),
        connect_wait_ms: duration_ms(settings, "kafka.connect_wait").unwrap_or_default(),
        drain_wait_ms: duration_ms(settings, "kafka.drain_wait").unwrap_or_default(),
        properties,
    };
    let topics = Topics {
        signals: settings.required("topics.signals").text,
        decisions: DecisionTopics {
            dispatch: settings.required("topics.dispatch").text,
            watch: settings.required("topics.watch").text,
        },
        state: settings.required("topics.state").text,
        dead_letter: settings.required("topics.dead_letter").text,
    };
    let raw = settings.raw_topics();
    check_topics_differ(settings, &raw);
    let utc_offset_s = parsed(settings, "utc_offset", parse_utc_offset, "is an offset such as \"+08:00\"");
    let forward = parsed(settings, "decode.forward", Forward::from_word, "is \"changes\", \"news\" or \"all\"");
    let size = "is a size such as \"256MiB\" or \"2GiB\", \"0MiB\" for none";
    let standby_bytes = parsed(settings, "correlate.standby", parse_size, size);
    let listen = "is an address such as \"127.0.0.1:9464\"";
    let http_listen = parsed(settings, "http.listen", |text| text.parse().ok(), listen);
    Config {
        registry,
        policy,
        utc_offset_s: utc_offset_s.unwrap_or_default(),
        kafka,
        topics,
        raw,
        forward: forward.unwrap_or(Forward::Changes),
        standby_bytes: standby_bytes.unwrap_or_default(),
        http_listen,
        settings: settings.shown(),
    }
}

fn parsed<T>(
    settings: &mut Settings<'_>,
    key: &str,
    parse: impl FnOnce(&str) -> Option<T>,
    expected: &str,
) -> Option<T> {
    let setting = settings.get(key)?;
    let value = parse(&setting.text);
    if value.is_none() {
        settings.fault(&setting.origin, format!("`{key}` {expected}, not {:?}", setting.text));
    }
    value
}

/// A number of bytes, in MiB or GiB.
fn parse_size(text: &str) -> Option<usize> {
    let (number, unit) = match (text.strip_suffix("MiB"), text.strip_suffix("GiB")) {
        (Some(number), _) => (number, 1 << 20),
        (_, Some(number)) => (number, 1 << 30),
        _ => return None,
    };
    number.parse::<usize>().ok()?.checked_mul(unit)
}

fn duration_ms(settings: &mut Settings<'_>, key: &str) -> Option<i64> {
    parsed(settings, key, parse_duration_ms, "is a duration with its unit, such as \"30s\"")
}

/// One topic for two purposes would feed the service its own words.
fn check_topics_differ(settings: &mut Settings<'_>, raw: &[RawTopic]) {
    let mut seen: Vec<(String, String)> = Vec::new();
    let keys = ["signals", "dispatch", "watch", "state", "dead_letter"].map(|key| format!("topics.{key}"));
    let own = keys.iter().filter_map(|key| Some((key.clone(), settings.get(key)?)));
    let raw = raw.iter().map(|raw| {
        let origin = settings.raw_origin(&raw.topic);
        ("[[raw]]".to_owned(), Setting { key: String::new(), text: raw.topic.clone(), origin, secret: false })
    });
    let all: Vec<_> = own.chain(raw).collect();
    for (key, setting) in all {
        match seen.iter().find(|(topic, _)| *topic == setting.text) {
            Some((topic, first)) => {
                settings.fault(&setting.origin, format!("the topic {topic:?} is named twice: by {first} and by {key}"));
            }
            None => seen.push((setting.text, key)),
        }
    }
}

impl Origin {
    /// Whether it says nothing but what is built in.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        matches!(self, Self::Default)
    }
}

#[cfg(test)]
mod tests;
