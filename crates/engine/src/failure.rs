//! Why the service ends, or never starts: each way with what an operator needs to know.

use std::io;

use fenghuo_model::Fault;
use rdkafka::error::KafkaError;

/// The end of the service, by whose fault.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Configuration, registry or policy are wrong; every fault.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Configuration(Vec<Fault>),
    /// A file cannot be read.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// What the system says.
        source: io::Error,
    },
    /// No broker answered in time.
    #[error("no broker at {brokers} answered within {waited}: {reason}")]
    Unavailable {
        /// The addresses tried.
        brokers: String,
        /// How long, with its unit.
        waited: String,
        /// The last thing that was said.
        reason: String,
    },
    /// The broker does not know us or does not let us.
    #[error("refused by {brokers}: {reason}")]
    Refused {
        /// The addresses.
        brokers: String,
        /// What the broker said.
        reason: String,
    },
    /// A client is broken beyond repair; the process ends and begins anew from what is committed.
    #[error("the Kafka client of the {role} role cannot go on: {reason}")]
    Client {
        /// Whose.
        role: &'static str,
        /// What it said.
        reason: String,
    },
    /// A worker's thread panicked: an invariant is broken.
    #[error("the {0} role broke an invariant (its message is above)")]
    Panicked(&'static str),
}

impl Failure {
    /// One fault of the configuration as a whole.
    #[must_use]
    pub fn of_configuration(file: &str, reason: impl Into<String>) -> Self {
        Self::Configuration(vec![Fault { file: file.to_owned(), line: 0, reason: reason.into(), excerpt: None }])
    }

    /// A client that could not even be made.
    #[must_use]
    pub fn of_client(role: &'static str, error: &KafkaError) -> Self {
        Self::Client { role, reason: error.to_string() }
    }
}
