//! A read_committed reader that notes when it saw each record of some topics.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fenghuo_tests::topics::{Isolation, Topics};
use fenghuo_tests::trouble::Trouble;
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// A record, and when it was visible.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When.
    pub at: Instant,
    /// Its value.
    pub bytes: Vec<u8>,
}

/// A reader at work.
pub struct Watch {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Vec<Seen>>,
    count: Arc<AtomicUsize>,
}

impl Watch {
    /// Begins to read topics from their ends; only records that hold `mark` count.
    ///
    /// # Errors
    /// No such topics.
    pub fn start(brokers: &str, topics: &Topics, names: &[String], mark: &str) -> Result<Self, Trouble> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", brokers).set("group.id", "watch").set("enable.auto.commit", "false");
        config
            .set("fetch.wait.max.ms", "5")
            .set("fetch.queue.backoff.ms", "1")
            .set("isolation.level", "read_committed");
        let reader: BaseConsumer = config.create()?;
        let mut list = TopicPartitionList::new();
        for name in names {
            for (partition, (_, high)) in (0..).zip(topics.ends(name, Isolation::Uncommitted)?) {
                list.add_partition_offset(name, partition, Offset::Offset(high))?;
            }
        }
        reader.assign(&list)?;
        let stop = Arc::new(AtomicBool::new(false));
        let count = Arc::new(AtomicUsize::new(0));
        let (told, counted) = (Arc::clone(&stop), Arc::clone(&count));
        let mark = mark.as_bytes().to_vec();
        let read = move || {
            let mut seen = Vec::new();
            while !told.load(Ordering::Acquire) {
                if let Some(Ok(record)) = reader.poll(Duration::from_millis(20)) {
                    let at = Instant::now();
                    let bytes = record.payload().unwrap_or_default().to_vec();
                    let counts = mark.is_empty() || bytes.windows(mark.len()).any(|window| window == mark);
                    seen.push(Seen { at, bytes });
                    counted.fetch_add(usize::from(counts), Ordering::AcqRel);
                }
            }
            seen
        };
        let thread = std::thread::Builder::new().name("watch".to_owned()).spawn(read)?;
        Ok(Self { stop, thread, count })
    }

    /// How many records that count it has seen.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Everything that it saw.
    ///
    /// # Errors
    /// The reader panicked.
    pub fn end(self) -> Result<Vec<Seen>, Trouble> {
        self.stop.store(true, Ordering::Release);
        self.thread.join().map_err(|_| Trouble::from("the reader panicked"))
    }
}
