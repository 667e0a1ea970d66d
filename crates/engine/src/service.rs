//! The life of the process: rules read, a broker found, topics there, a worker for each role, and an orderly end.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use fenghuo_model::Fault;
use rdkafka::error::KafkaError;
use serde_json::{Map, Value};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::config::Config;
use crate::correlate_role;
use crate::decode_role::Decode;
use crate::failure::Failure;
use crate::kafka::{EventConsumer, connect, is_refusal, refusal};
use crate::registries::snapshot;
use crate::sources::read_files;
use crate::topics::compare;
use crate::worker::{Task, Worker};

/// What this process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Raw records to signals.
    Decode,
    /// Signals to decisions.
    Correlate,
    /// Both, each on a thread of its own.
    All,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 3] = [Self::Decode, Self::Correlate, Self::All];

    /// The word as it is written.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Correlate => "correlate",
            Self::All => "all",
        }
    }

    const fn decodes(self) -> bool {
        matches!(self, Self::Decode | Self::All)
    }

    const fn correlates(self) -> bool {
        matches!(self, Self::Correlate | Self::All)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// The wish that the service end; whoever works looks at it between two records.
#[derive(Debug, Clone, Default)]
pub struct Shutdown {
    asked: Arc<AtomicBool>,
}

/// The exit code of a second signal: what was under way is made again by whoever comes next.
const IMPATIENT: i32 = 70;

impl Shutdown {
    /// Asked for by SIGTERM or SIGINT; a second one ends the process at once.
    ///
    /// # Errors
    /// The system does not let us listen.
    pub fn on_signals() -> Result<Self, std::io::Error> {
        let shutdown = Self::default();
        for signal in [SIGTERM, SIGINT] {
            // In this order: the first signal finds the flag still down.
            signal_hook::flag::register_conditional_shutdown(signal, IMPATIENT, Arc::clone(&shutdown.asked))?;
            signal_hook::flag::register(signal, Arc::clone(&shutdown.asked))?;
        }
        Ok(shutdown)
    }

    /// Asks for it.
    pub fn ask(&self) {
        self.asked.store(true, Ordering::Release);
    }

    /// Whether it was asked for.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Acquire)
    }
}

/// Runs the service until `shutdown` is asked for; what was counted, by role.
///
/// # Errors
/// It could not start, or cannot go on.
pub fn run(config: &Config, role: Role, shutdown: &Shutdown) -> Result<Value, Failure> {
    if role.decodes() && config.raw.is_empty() {
        return Err(Failure::of_configuration("configuration", "the decode role needs at least one [[raw]] topic"));
    }
    if config.http_listen.is_some() {
        tracing::warn!("http.listen is understood, and nothing listens there in this release");
    }
    let broker = ask_meanwhile(config, role, shutdown);
    // What is wrong with files is said first, and waits for no broker.
    let mut files = read_files(config)?;
    let snapshot_due = files.snapshot_due.take();
    let reader = broker.join().map_err(|_| Failure::Panicked(role.word()))??;
    let rules = files.complete(config, &reader, shutdown)?;
    drop(reader);
    // Not before all is there that it needs: who is started again and again would write it again and again.
    if let Some(due) = snapshot_due {
        snapshot::write_meanwhile(due, &rules.registry);
    }
    tracing::info!(
        role = role.word(),
        brokers = config.kafka.brokers,
        registry = %rules.registry.name,
        buildings = rules.registry.registry.buildings().len(),
        devices = rules.registry.registry.devices().len(),
        policy = rules.policy.hash(),
        "starting"
    );
    let mut counted = Map::new();
    let (decoded, correlated) = thread::scope(|scope| {
        let decode = || as_one(shutdown, || Worker::join(config, Decode::new(config, rules.clone()), shutdown)?.run());
        let correlate = || as_one(shutdown, || correlate_role::run(config, rules.clone(), shutdown));
        let decoding = role.decodes().then(|| scope.spawn(decode));
        let correlating = role.correlates().then(|| scope.spawn(correlate));
        let broken = |role| move |_| Err(Failure::Panicked(role));
        (
            decoding.map(|worker| worker.join().unwrap_or_else(broken(Decode::ROLE))),
            correlating.map(|worker| worker.join().unwrap_or_else(broken(correlate_role::ROLE))),
        )
    });
    for (role, ended) in [(Decode::ROLE, decoded), (correlate_role::ROLE, correlated)] {
        if let Some(ended) = ended {
            counted.insert(role.to_owned(), ended?);
        }
    }
    Ok(Value::Object(counted))
}

/// Finds a broker, and looks whether its topics are as they must be, while a large registry is read.
fn ask_meanwhile(config: &Config, role: Role, shutdown: &Shutdown) -> JoinHandle<Result<EventConsumer, Failure>> {
    let (config, shutdown) = (config.clone(), shutdown.clone());
    thread::spawn(move || {
        let reader = connect(&config.kafka, &shutdown)?;
        require_topics(&config, role, &shutdown)?;
        Ok(reader)
    })
}

/// A role on its thread; its end, however it comes, is the end of all: half-dead services do not exist.
fn as_one(shutdown: &Shutdown, role: impl FnOnce() -> Result<Value, Failure>) -> Result<Value, Failure> {
    struct EndOfAll<'s>(&'s Shutdown);
    impl Drop for EndOfAll<'_> {
        fn drop(&mut self) {
            self.0.ask();
        }
    }
    let _end = EndOfAll(shutdown);
    role()
}

/// Refuses to start where a topic of the role is missing or kept in a way that the guarantees cannot rest on: a
/// mistyped name must not become an empty topic that nobody reads, a state that is deleted would forget fires.
fn require_topics(config: &Config, role: Role, shutdown: &Shutdown) -> Result<(), Failure> {
    let topics = &config.topics;
    let mut needed = vec![&topics.signals, &topics.dead_letter];
    if role.decodes() {
        needed.extend(config.raw.iter().map(|raw| &raw.topic));
    }
    if role.correlates() {
        needed.extend([&topics.decisions.dispatch, &topics.decisions.watch, &topics.state]);
    }
    let findings = compare(config, None, shutdown)?;
    let wrong = findings.iter().filter(|finding| !finding.is_right() && needed.contains(&&finding.topic));
    let faults = wrong.map(|finding| Fault {
        file: format!("topic {}", finding.topic),
        line: 0,
        reason: format!("{}; mend it by:\n  {}", finding.differences.join("; "), finding.mends.join("\n  ")),
        excerpt: None,
    });
    match faults.collect::<Vec<_>>() {
        none if none.is_empty() => Ok(()),
        faults => Err(Failure::Configuration(faults)),
    }
}

/// The failure of a question about a topic: refused, or unanswered.
pub(crate) fn failure_of_question(config: &Config, topic: &str, error: &KafkaError) -> Failure {
    let brokers = config.kafka.brokers.clone();
    let reason = refusal(&format!("topic {topic}"), error);
    if is_refusal(error) {
        Failure::Refused { brokers, reason }
    } else {
        Failure::Unavailable { brokers, waited: "5s".to_owned(), reason }
    }
}
