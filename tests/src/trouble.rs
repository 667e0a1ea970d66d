//! Why a broker, a process or a file did not do what a test needs of it.

use rdkafka::error::KafkaError;

/// What went wrong; tests fail with it, the fault harness writes it down and goes on.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The client of Kafka says so.
    #[error("Kafka: {0}")]
    Kafka(#[from] KafkaError),
    /// The system says so.
    #[error("{0}")]
    Io(#[from] std::io::Error),
    /// In words.
    #[error("{0}")]
    Said(String),
}

impl From<String> for Trouble {
    fn from(said: String) -> Self {
        Self::Said(said)
    }
}

impl From<&str> for Trouble {
    fn from(said: &str) -> Self {
        Self::Said(said.to_owned())
    }
}
