//! A read_committed reader beside a round that knows when each decision became visible.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use fenghuo_tests::topics::{Isolation, Stored, Topics, consumer};
use fenghuo_tests::trouble::Trouble;
use rdkafka::consumer::Consumer as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// The first sight of each decision.
#[derive(Debug, Default)]
struct Seen {
    known: BTreeSet<String>,
    arrivals: Vec<(String, Instant)>,
}

/// A running reader; it ends when dropped.
pub struct Watch {
    seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

impl Watch {
    /// Begins to read these topics from their beginning.
    ///
    /// # Errors
    /// No such topics, or no answer.
    pub fn start(brokers: &str, topics: &Topics, names: &[String]) -> Result<Self, Trouble> {
        let reader = consumer(brokers, "watch", Isolation::Committed)?;
        let mut list = TopicPartitionList::new();
        for name in names {
            let partitions = topics.ends(name, Isolation::Committed)?.len();
            for partition in (0..).take(partitions) {
                list.add_partition_offset(name, partition, Offset::Beginning)?;
            }
        }
        reader.assign(&list)?;
        let (seen, stop): (Arc<Mutex<Seen>>, Arc<AtomicBool>) = (Arc::default(), Arc::default());
        let (notes, told) = (Arc::clone(&seen), Arc::clone(&stop));
        let read = move || {
            while !told.load(Ordering::Relaxed) {
                // Errors are brokers that are away, or ends of partitions: it goes on when there is more.
                if let Some(Ok(message)) = reader.poll(Duration::from_millis(50)) {
                    let stored = Stored::of(&message);
                    let region = region_of(&stored.bytes);
                    let id = stored.headers.get("ce_id").cloned().unwrap_or_default();
                    let mut seen = notes.lock().expect("nothing panics while it is held");
                    if seen.known.insert(id) {
                        seen.arrivals.push((region, Instant::now()));
                    }
                }
            }
        };
        let reader = std::thread::Builder::new().name("watch".to_owned()).spawn(read)?;
        Ok(Self { seen, stop, reader: Some(reader) })
    }

    /// How long after `fault` the last region saw its first new decision, of those that saw any: the others may have
    /// had nothing to decide.
    pub fn first_after(&self, fault: Instant) -> Option<Duration> {
        let seen = self.seen.lock().expect("nothing panics while it is held");
        let mut firsts: BTreeMap<&str, Duration> = BTreeMap::new();
        for (region, arrival) in &seen.arrivals {
            if let Some(after) = arrival.checked_duration_since(fault) {
                firsts.entry(region).or_insert(after);
            }
        }
        firsts.into_values().max()
    }
}

fn region_of(bytes: &[u8]) -> String {
    let decision: serde_json::Value = serde_json::from_slice(bytes).unwrap_or_default();
    decision["region"].as_str().unwrap_or_default().to_owned()
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(reader) = self.reader.take() {
            // A reader that panicked has seen what it has seen.
            let _ = reader.join();
        }
    }
}
