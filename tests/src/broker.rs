//! A real broker: the one that `FENGHUO_TEST_BROKERS` names, else one of our own.
//!
//! For tests: what is in the way of a test fails it, and says where.
#![allow(clippy::unwrap_used)]

use std::path::PathBuf;
use std::process::Command;

use crate::topics::{Isolation, Stored, Topics, answered};

/// A running broker; one of our own is stopped with it.
pub struct Broker {
    /// host:port.
    pub address: String,
    topics: Topics,
    own: Option<tempfile::TempDir>,
}

/// The script that starts and stops brokers.
#[must_use]
pub fn script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/kafka/kafka")
}

impl Broker {
    /// The broker of this test run.
    ///
    /// # Panics
    /// There is none, and none can be started.
    #[must_use]
    pub fn start() -> Self {
        if let Ok(address) = std::env::var("FENGHUO_TEST_BROKERS") {
            return Self { topics: Topics::new(&address).unwrap(), address, own: None };
        }
        Self::with_settings("")
    }

    /// One of our own with these settings beside its own, KEY=VALUE with spaces between.
    ///
    /// # Panics
    /// It cannot be started.
    #[must_use]
    pub fn with_settings(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut start = Command::new(script());
        let output =
            start.env("KAFKA_SETTINGS", settings).args(["start", "--dir"]).arg(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let address = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        Self { topics: Topics::new(&address).unwrap(), address, own: Some(folder) }
    }

    /// The first and the next offset of every partition of a topic.
    ///
    /// # Panics
    /// No answer.
    #[must_use]
    pub fn ends(&self, topic: &str) -> Vec<(i64, i64)> {
        answered(|| self.topics.ends(topic, Isolation::Committed)).unwrap()
    }

    /// Everything that a topic holds, by partition and offset.
    ///
    /// # Panics
    /// No answer.
    #[must_use]
    pub fn read(&self, topic: &str) -> Vec<Stored> {
        answered(|| self.topics.read(topic)).unwrap()
    }

    /// What a group has committed of every partition of a topic.
    ///
    /// # Panics
    /// No answer.
    #[must_use]
    pub fn committed(&self, group: &str, topic: &str) -> Vec<Option<i64>> {
        answered(|| self.topics.committed(group, topic)).unwrap()
    }

    /// Removes all records of a topic's first partition, as if they had aged out.
    ///
    /// # Panics
    /// They stay.
    pub fn delete_records(&self, topic: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let offsets = serde_json::json!({"version": 1, "partitions": [{"topic": topic, "partition": 0, "offset": -1}]});
        std::fs::write(file.path(), offsets.to_string()).unwrap();
        let mut tool = Command::new(script());
        tool.args(["tool", "delete-records", "--bootstrap-server", &self.address, "--offset-json-file"]);
        let output = tool.arg(file.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Whether a group has committed the end of every partition of these topics that holds anything.
    ///
    /// # Panics
    /// No answer.
    #[must_use]
    pub fn is_done(&self, group: &str, topics: &[String]) -> bool {
        topics.iter().all(|topic| answered(|| self.topics.reached(group, topic, &self.ends(topic))).unwrap())
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(folder) = &self.own {
            let stopped = Command::new(script()).args(["stop", "--dir"]).arg(folder.path()).status();
            assert!(stopped.is_ok_and(|status| status.success()) || std::thread::panicking());
        }
    }
}
