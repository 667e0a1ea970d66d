//! Whether what was published is what follows: the signals topic through the pure correlator, as `fenghuo correlate`
//! does it, beside dispatch and watch.
//!
//! Topics of millions are streamed. Partitions stand in no order to one another, so hashes are summed. What members
//! wrote into the signals topic while they ended (ticks, mostly) is left out: nobody has consumed it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use fenghuo_benches::Fingerprint;
use fenghuo_correlate::Correlator;
use fenghuo_model::Input;
use fenghuo_tests::expected::Sources;
use fenghuo_tests::topics::{Isolation, consumer, passes};
use fenghuo_tests::trouble::Trouble;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::follow::Follower;
use crate::stand::Scene;

const READ_WITHIN: Duration = Duration::from_secs(300);

/// How many decisions, and the sum of their hashes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Decided {
    /// How many.
    pub count: u64,
    /// The sum of the hashes of their JSON lines.
    pub hash: u64,
}

impl Decided {
    fn take(&mut self, json: &str) {
        let mut fingerprint = Fingerprint::default();
        fingerprint.take(json);
        self.count += 1;
        self.hash = self.hash.wrapping_add(u64::from_str_radix(&fingerprint.to_string(), 16).unwrap_or(0));
    }
}

/// Compares what a scene published with what follows from its signals.
///
/// # Errors
/// They differ, or topics cannot be read.
pub fn check(scene: &Scene<'_>) -> Result<Decided, Trouble> {
    let policy = Arc::new(scene.rules.policy()?);
    let mut shards: BTreeMap<i32, (Correlator, Sources)> = BTreeMap::new();
    let mut expected = Decided::default();
    let mut decisions = Vec::new();
    let signals = scene.topic("signals");
    let consumed =
        Follower::new(&scene.stand.brokers, &scene.stand.topics, &scene.group("correlate"), &signals)?.ends()?;
    each(scene, &signals, |record| {
        if consumed.get(&record.partition()).is_none_or(|end| record.offset() >= *end) {
            return;
        }
        let Ok(input) = Input::from_json(record.payload().unwrap_or_default()) else { return };
        let (correlator, sources) = shards.entry(record.partition()).or_insert_with(|| {
            (Correlator::new(Arc::clone(&scene.stand.city.registry), Arc::clone(&policy)), Sources::default())
        });
        if let Input::Signal(signal) = &input
            && !sources.admit(signal.source.as_deref())
        {
            return;
        }
        // What the rules reject is the dead-letter topic's.
        let _ = correlator.take(&input, &mut decisions);
        decisions.drain(..).for_each(|decision| expected.take(&decision.to_json()));
    })?;
    let mut published = Decided::default();
    for topic in ["dispatch", "watch"] {
        let take = |record: &BorrowedMessage<'_>| {
            published.take(&String::from_utf8_lossy(record.payload().unwrap_or_default()));
        };
        each(scene, &scene.topic(topic), take)?;
    }
    if expected == published {
        Ok(published)
    } else {
        Err(Trouble::from(format!("{}: {published:?} was published, and {expected:?} follows", scene.name)))
    }
}

/// Gives every committed record of a topic.
fn each(scene: &Scene<'_>, topic: &str, mut take: impl FnMut(&BorrowedMessage<'_>)) -> Result<(), Trouble> {
    let consumer = consumer(&scene.stand.brokers, "oracle", Isolation::Committed)?;
    let mut list = TopicPartitionList::new();
    let mut unread = BTreeSet::new();
    for (partition, (low, high)) in (0..).zip(scene.stand.topics.ends(topic, Isolation::Committed)?) {
        if low < high {
            list.add_partition_offset(topic, partition, Offset::Offset(low))?;
            unread.insert(partition);
        }
    }
    consumer.assign(&list)?;
    let deadline = Instant::now() + READ_WITHIN;
    while !unread.is_empty() {
        match consumer.poll(Duration::from_millis(100)) {
            Some(Ok(record)) => take(&record),
            Some(Err(KafkaError::PartitionEOF(partition))) => drop(unread.remove(&partition)),
            Some(Err(error)) if !passes(&error) => return Err(error.into()),
            _ if Instant::now() >= deadline => return Err(Trouble::from(format!("{topic}: no end"))),
            _ => {}
        }
    }
    Ok(())
}
