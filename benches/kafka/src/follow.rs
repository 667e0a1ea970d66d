//! How far a group is on a topic, asked again and again by a client of its own.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use fenghuo_tests::processes::Member;
use fenghuo_tests::topics::{Isolation, Topics, answered, consumer};
use fenghuo_tests::trouble::Trouble;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

/// How often it is asked.
const EVERY: Duration = Duration::from_millis(10);
/// How long one answer, and how long any progress may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const PROGRESS_WITHIN: Duration = Duration::from_secs(120);

/// Follows one group on one topic.
pub struct Follower {
    consumer: BaseConsumer,
    list: TopicPartitionList,
    what: String,
}

impl Follower {
    /// Follows `group` on `topic`.
    ///
    /// # Errors
    /// No such topic.
    pub fn new(brokers: &str, topics: &Topics, group: &str, topic: &str) -> Result<Self, Trouble> {
        // To a committed reader there is no answer while somebody's transaction with offsets is open: one always is.
        let consumer = consumer(brokers, group, Isolation::Uncommitted)?;
        let partitions = topics.ends(topic, Isolation::Uncommitted)?.len();
        let mut list = TopicPartitionList::new();
        list.add_partition_range(topic, 0, i32::try_from(partitions).unwrap_or(1) - 1);
        Ok(Self { consumer, list, what: format!("{group} on {topic}") })
    }

    /// How many records it has committed as done.
    ///
    /// # Errors
    /// No answer.
    pub fn done(&self) -> Result<u64, Trouble> {
        Ok(self.ends()?.values().map(|offset| u64::try_from(*offset).unwrap_or(0)).sum())
    }

    /// The offsets that it has committed, by partition: what stands before them is done.
    ///
    /// # Errors
    /// No answer.
    pub fn ends(&self) -> Result<BTreeMap<i32, i64>, Trouble> {
        let answer = answered(|| self.consumer.committed_offsets(self.list.clone(), ANSWER_WITHIN))?;
        let offsets = answer.elements().into_iter().filter_map(|element| match element.offset() {
            Offset::Offset(offset) => Some((element.partition(), offset)),
            _ => None,
        });
        Ok(offsets.collect())
    }

    /// Waits until so many are done; how many are.
    ///
    /// # Errors
    /// A member has ended, or nothing goes on.
    pub fn wait(&self, wanted: u64, members: &mut [Member]) -> Result<u64, Trouble> {
        let (mut last, mut moved_at) = (0, Instant::now());
        loop {
            let done = self.done()?;
            if done >= wanted {
                return Ok(done);
            }
            if done > last {
                (last, moved_at) = (done, Instant::now());
            }
            for member in members.iter_mut() {
                if member.ended()?.is_some() {
                    return Err(Trouble::from(format!("a member has ended:\n{}", member.log())));
                }
            }
            if moved_at.elapsed() > PROGRESS_WITHIN {
                let logs: String = members.iter().map(Member::log).collect();
                return Err(Trouble::from(format!("{}: {done} of {wanted}, and no further:\n{logs}", self.what)));
            }
            std::thread::sleep(EVERY);
        }
    }
}
