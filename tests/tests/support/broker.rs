//! A real broker: the one that `FENGHUO_TEST_BROKERS` names, else one of our own; and what its topics hold.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};
use rdkafka::{ClientConfig, Timestamp};

const WAIT: Duration = Duration::from_secs(10);

/// A running broker; one of our own is stopped with it.
pub struct Broker {
    /// host:port.
    pub address: String,
    own: Option<tempfile::TempDir>,
}

/// One record as it stands in a topic.
#[derive(Debug, Clone)]
pub struct Stored {
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
    pub timestamp_ms: Option<i64>,
    pub key: Vec<u8>,
    pub bytes: Vec<u8>,
    pub headers: BTreeMap<String, String>,
}

fn script() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../deploy/kafka/kafka")
}

impl Broker {
    /// The broker of this test run.
    pub fn start() -> Self {
        if let Ok(address) = std::env::var("FENGHUO_TEST_BROKERS") {
            return Self { address, own: None };
        }
        let folder = tempfile::tempdir().unwrap();
        let output = Command::new(script()).args(["start", "--dir"]).arg(folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let address = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        Self { address, own: Some(folder) }
    }

    fn consumer(&self, group: &str) -> BaseConsumer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.address).set("group.id", group).set("enable.auto.commit", "false");
        config.set("isolation.level", "read_committed").set("enable.partition.eof", "true").create().unwrap()
    }

    /// The first and the next offset of every partition of a topic.
    pub fn ends(&self, topic: &str) -> Vec<(i64, i64)> {
        let consumer = self.consumer("unused");
        let metadata = consumer.fetch_metadata(Some(topic), WAIT).unwrap();
        let partitions = i32::try_from(metadata.topics()[0].partitions().len()).unwrap();
        (0..partitions).map(|partition| consumer.fetch_watermarks(topic, partition, WAIT).unwrap()).collect()
    }

    /// Everything that a topic holds for a reader of committed records, by partition and offset.
    pub fn read(&self, topic: &str) -> Vec<Stored> {
        let consumer = self.consumer("unused");
        let ends = self.ends(topic);
        let mut list = TopicPartitionList::new();
        for (partition, _) in (0..).zip(&ends) {
            list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        // The ends of transactions take offsets too: a partition ends where the broker says so.
        let mut open = ends.len();
        let mut stored = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(300);
        while open > 0 {
            assert!(Instant::now() < deadline, "{topic}: {} records and no end", stored.len());
            let record = match consumer.poll(Duration::from_millis(100)) {
                None => continue,
                Some(Err(KafkaError::PartitionEOF(_))) => {
                    open -= 1;
                    continue;
                }
                Some(record) => record.unwrap(),
            };
            let headers = record.headers().into_iter().flat_map(|headers| headers.iter());
            let text = |value: Option<&[u8]>| String::from_utf8(value.unwrap_or_default().to_vec()).unwrap();
            stored.push(Stored {
                topic: topic.to_owned(),
                partition: record.partition(),
                offset: record.offset(),
                timestamp_ms: match record.timestamp() {
                    Timestamp::NotAvailable => None,
                    other => other.to_millis(),
                },
                key: record.key().unwrap_or_default().to_vec(),
                bytes: record.payload().unwrap_or_default().to_vec(),
                headers: headers.map(|header| (header.key.to_owned(), text(header.value))).collect(),
            });
        }
        stored.sort_by_key(|record| (record.partition, record.offset));
        stored
    }

    /// What a group has committed of every partition of a topic.
    pub fn committed(&self, group: &str, topic: &str) -> Vec<Option<i64>> {
        let consumer = self.consumer(group);
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, i32::try_from(self.ends(topic).len()).unwrap() - 1);
        let committed = consumer.committed_offsets(list, WAIT).unwrap();
        let offset = |offset: Offset| if let Offset::Offset(offset) = offset { Some(offset) } else { None };
        committed.elements().iter().map(|element| offset(element.offset())).collect()
    }

    /// Removes all records of a topic's first partition, as if they had aged out.
    pub fn delete_records(&self, topic: &str) {
        let file = tempfile::NamedTempFile::new().unwrap();
        let offsets = serde_json::json!({"version": 1, "partitions": [{"topic": topic, "partition": 0, "offset": -1}]});
        std::fs::write(file.path(), offsets.to_string()).unwrap();
        let output = Command::new(script())
            .args(["tool", "delete-records", "--bootstrap-server", &self.address, "--offset-json-file"])
            .arg(file.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Whether a group has committed the end of every partition of these topics that holds anything.
    pub fn is_done(&self, group: &str, topics: &[String]) -> bool {
        topics.iter().all(|topic| {
            // In this order: what comes in between counts as done.
            let ends = self.ends(topic);
            let mut all = ends.into_iter().zip(self.committed(group, topic));
            all.all(|((low, high), committed)| low == high || committed >= Some(high))
        })
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
