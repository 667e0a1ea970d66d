//! What measurements stand on: a broker, a city's files, and for each run topics and a group of its own.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use fenghuo_model::Policy;
use fenghuo_sinks::RawProducer;
use fenghuo_tests::broker::script;
use fenghuo_tests::processes::{Member, fenghuo};
use fenghuo_tests::stage::own_topics;
use fenghuo_tests::topics::Topics;
use fenghuo_tests::trouble::Trouble;

use crate::city::City;
use crate::load::Line;

/// How long prepared records may take to be acknowledged.
const PRODUCE_WITHIN: Duration = Duration::from_secs(300);

/// A broker that is measured with runs as Kafka's own start script has it; the project's is for fast starts.
const BROKER_HEAP: &str = "-Xms1G -Xmx1G";
const BROKER_JVM: &str = "-server -XX:+UseG1GC -XX:MaxGCPauseMillis=20 -XX:InitiatingHeapOccupancyPercent=35 \
                          -XX:+ExplicitGCInvokesConcurrent";

/// Two devices within two minutes, and nothing else: what the goals are stated for.
const TWO_DEVICES: &str = "[[rule]]\nid = \"two-devices\"\nwindow = \"120s\"\nmin_devices = 2\n";
/// The same, and three houses of a neighbourhood.
const NEIGHBOURHOOD: &str =
    "[[rule]]\nid = \"neighbourhood\"\nwindow = \"120s\"\nradius_m = 50\nmin_buildings = 3\nmin_devices = 3\n";

/// Runs of this process so far, on whichever stand: each has topics and a group of its own.
static RUNS: AtomicU32 = AtomicU32::new(1);

/// By which rules a run decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// Two devices of a building.
    TwoDevices,
    /// That, and the neighbourhood.
    Neighbourhood,
}

impl Rules {
    /// As they are written.
    pub fn text(self) -> String {
        match self {
            Self::TwoDevices => TWO_DEVICES.to_owned(),
            Self::Neighbourhood => format!("{TWO_DEVICES}{NEIGHBOURHOOD}"),
        }
    }

    const fn file(self) -> &'static str {
        match self {
            Self::TwoDevices => "two-devices.toml",
            Self::Neighbourhood => "neighbourhood.toml",
        }
    }

    /// As the judge knows them.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn policy(self) -> Result<Policy, Trouble> {
        Policy::from_toml(self.file(), &self.text()).map_err(|faults| Trouble::from(format!("the rules: {faults:?}")))
    }
}

/// The broker and the city.
pub struct Stand {
    /// host:port.
    pub brokers: String,
    /// The broker's topics.
    pub topics: Topics,
    /// The city.
    pub city: City,
    folder: tempfile::TempDir,
    is_own: bool,
}

impl Stand {
    /// Makes a city, and starts a broker unless one is given.
    ///
    /// # Errors
    /// The broker does not start, or files cannot be written.
    pub fn set(brokers: Option<&str>, buildings: u32) -> Result<Self, Trouble> {
        let folder = tempfile::Builder::new().prefix("fenghuo-bench-").tempdir()?;
        let city = City::new(buildings)?;
        std::fs::write(folder.path().join("city.jsonl"), &city.text)?;
        for rules in [Rules::TwoDevices, Rules::Neighbourhood] {
            std::fs::write(folder.path().join(rules.file()), rules.text())?;
        }
        let address = match brokers {
            Some(brokers) => brokers.to_owned(),
            None => {
                let mut start = Command::new(script());
                start.env("KAFKA_HEAP_OPTS", BROKER_HEAP).env("KAFKA_JVM_PERFORMANCE_OPTS", BROKER_JVM);
                let output = start.args(["start", "--dir"]).arg(kafka(folder.path())).output()?;
                if !output.status.success() {
                    return Err(Trouble::from(String::from_utf8_lossy(&output.stderr).into_owned()));
                }
                String::from_utf8_lossy(&output.stdout).trim().to_owned()
            }
        };
        let topics = Topics::new(&address)?;
        Ok(Self { brokers: address, topics, city, folder, is_own: brokers.is_none() })
    }

    /// The broker's process, if it is ours.
    #[must_use]
    pub fn broker(&self) -> Option<u32> {
        let file = kafka(self.folder.path()).join("node-1/pid");
        std::fs::read_to_string(file).ok()?.trim().parse().ok()
    }

    /// How much of the broker's disk a topic takes, bytes, if the broker is ours.
    #[must_use]
    pub fn bytes_of(&self, topic: &str) -> Option<u64> {
        let logs = std::fs::read_dir(kafka(self.folder.path()).join("node-1/data")).ok()?;
        let mut bytes = 0;
        for log in logs.flatten() {
            let name = log.file_name();
            if name.to_string_lossy().rsplit_once('-').is_some_and(|(of, _)| of == topic) {
                let segments = std::fs::read_dir(log.path()).ok()?.flatten();
                let segments = segments.filter(|file| file.path().extension().is_some_and(|ending| ending == "log"));
                bytes += segments.filter_map(|file| Some(file.metadata().ok()?.len())).sum::<u64>();
            }
        }
        Some(bytes)
    }

    /// A run of its own: group, topics, configuration. `raw` may be shared with others; it is created if it is missing.
    ///
    /// # Errors
    /// The topics are not created.
    pub fn scene(&self, raw: &str, format: &str, rules: Rules, partitions: u32) -> Result<Scene<'_>, Trouble> {
        let name = format!("run{}-{}", RUNS.fetch_add(1, Ordering::Relaxed), std::process::id());
        let mut text = format!("registry = \"city.jsonl\"\npolicy = \"{}\"\n", rules.file());
        write!(text, "[kafka]\nbrokers = \"{}\"\ngroup = \"{name}\"\n{}", self.brokers, own_topics(&name))
            .expect("a string");
        writeln!(text, "[[raw]]\ntopic = \"{raw}\"\nformat = \"{format}\"").expect("a string");
        let config = self.folder.path().join(format!("{name}.toml"));
        std::fs::write(&config, text)?;
        let mut create = fenghuo();
        create.args(["topics", "--create", "--keep", "forever", "--partitions", &partitions.to_string(), "--config"]);
        let output = create.arg(&config).output()?;
        if !output.status.success() {
            return Err(Trouble::from(format!("topics were not created: {output:?}")));
        }
        Ok(Scene { stand: self, name, raw: raw.to_owned(), config, rules })
    }

    /// The name of a raw topic of this process's own.
    #[must_use]
    pub fn raw_topic(&self, what: &str) -> String {
        format!("raw-{}.{what}", std::process::id())
    }

    /// Writes lines to a topic, and waits until all are acknowledged.
    ///
    /// # Errors
    /// Some were not.
    pub fn lay(&self, topic: &str, lines: impl Iterator<Item = Line>) -> Result<u64, Trouble> {
        let failed = |error: fenghuo_sinks::raw::RawError| Trouble::from(error.to_string());
        let mut producer = RawProducer::new(&self.brokers, []).map_err(failed)?;
        for line in lines {
            producer.send(topic, line.key.as_bytes(), &line.bytes, line.at_ms).map_err(failed)?;
        }
        producer.finish(PRODUCE_WITHIN).map_err(failed)
    }
}

fn kafka(folder: &Path) -> PathBuf {
    folder.join("kafka")
}

impl Drop for Stand {
    fn drop(&mut self) {
        if self.is_own {
            // What does not stop is seen by whoever looks; the folder goes with us.
            let _ = Command::new(script()).args(["stop", "--dir"]).arg(kafka(self.folder.path())).output();
        }
    }
}

/// One run's topics and group.
pub struct Scene<'s> {
    /// Where it takes place.
    pub stand: &'s Stand,
    /// What the names of its topics begin with, and its group's name.
    pub name: String,
    /// Its raw topic.
    pub raw: String,
    /// By which rules it decides.
    pub rules: Rules,
    config: PathBuf,
}

impl Scene<'_> {
    /// The full name of one of its topics.
    #[must_use]
    pub fn topic(&self, topic: &str) -> String {
        format!("{}.{topic}", self.name)
    }

    /// The consumer group of a role.
    #[must_use]
    pub fn group(&self, role: &str) -> String {
        format!("{}.{role}", self.name)
    }

    /// Starts a member under a name, which is also its static one.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn member(&self, name: &str, role: &str) -> Result<Member, Trouble> {
        self.member_with(name, role, &[])
    }

    /// The same with further settings.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn member_with(&self, name: &str, role: &str, settings: &[&str]) -> Result<Member, Trouble> {
        let mut command = fenghuo();
        command.args(["run", "--role", role, "--set", &format!("kafka.instance={name}")]);
        for setting in settings {
            command.args(["--set", setting]);
        }
        command.arg("--config").arg(&self.config);
        Member::spawn(command, self.stand.folder.path(), &format!("{}-{name}", self.name))
    }
}

/// Ends a member in good order, and gives the counters that it wrote last.
///
/// # Errors
/// It does not end, or not well.
pub fn ended(member: Member) -> Result<serde_json::Value, Trouble> {
    let log = member.log_file();
    let status = member.end()?;
    let text = std::fs::read_to_string(log)?;
    if !status.success() {
        return Err(Trouble::from(format!("a member ended badly ({status}):\n{text}")));
    }
    let counted = text.lines().rev().find_map(|line| serde_json::from_str(line).ok());
    counted.ok_or_else(|| Trouble::from(format!("a member counted nothing:\n{text}")))
}
