//! Everything that can wake a worker, as one closed enumeration; librdkafka's callbacks become variants of it.
//!
//! A callback only notes what happened. The worker's loop does what follows from it, on its own thread and in its own
//! time: librdkafka waits with a handover until the loop has answered it by assigning or unassigning, so that a
//! partition is never given away before what was made of it is acknowledged and committed.

use std::collections::VecDeque;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message, Timestamp};
use rdkafka::producer::ProducerContext;
use rdkafka::topic_partition_list::TopicPartitionList;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::util::Timeout;

use crate::gaps::Gap;

/// A partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicPartition {
    /// The topic's name.
    pub topic: Arc<str>,
    /// The partition's number.
    pub partition: i32,
}

impl fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}

/// What can wake a worker.
pub enum Event {
    /// Partitions are ours from now on.
    Assigned(Vec<TopicPartition>),
    /// Partitions are to be given away; `lost`: somebody else has them already.
    Revoked {
        /// Which.
        partitions: Vec<TopicPartition>,
        /// Whether committing is too late.
        lost: bool,
    },
    /// A message is in the log of all replicas in sync.
    Delivered {
        /// The receipt it was sent under.
        receipt: usize,
        /// The partition of its topic.
        partition: i32,
        /// When the broker appended it, Unix milliseconds of its clock, where the topic keeps that.
        appended_ms: Option<i64>,
    },
    /// A message will never be.
    NotDelivered {
        /// The receipt it was sent under.
        receipt: usize,
        /// The partition of its topic, or -1 if it was not settled yet.
        partition: i32,
        /// Why.
        error: KafkaError,
    },
    /// The records of acceptance were read for a partition that stands before a gap.
    GapChecked {
        /// The gap.
        gap: Gap,
        /// The offset to go on at, if somebody accepted the gap; or why that is not known.
        accepted: Result<Option<i64>, String>,
    },
    /// Offsets were not committed.
    CommitFailed(String),
    /// The client has trouble that it works on by itself, or cannot.
    Trouble(KafkaError),
    /// Time for what is to be done now and then.
    Tick,
    /// Nothing else is to be done: time to read the records that are there.
    Quiet,
    /// The service is to end.
    Shutdown,
}

/// What callbacks noted and the worker has not yet seen, and what the client said last.
#[derive(Default)]
pub struct Noted {
    events: Mutex<VecDeque<Event>>,
    refused: Mutex<Vec<usize>>,
    last_error: Mutex<Option<(KafkaError, String)>>,
    closing: AtomicBool,
}

impl Noted {
    /// The first event not yet seen.
    pub fn next(&self) -> Option<Event> {
        locked(&self.events).pop_front()
    }

    /// Notes an event.
    pub fn push(&self, event: Event) {
        locked(&self.events).push_back(event);
    }

    /// Notes that a message will never be: its receipt, before the event is seen.
    pub fn refuse(&self, receipt: usize, partition: i32, error: KafkaError) {
        locked(&self.refused).push(receipt);
        self.push(Event::NotDelivered { receipt, partition, error });
    }

    /// The receipts of messages that will never be, those included whose events are not yet seen; each once.
    pub fn refused(&self) -> Vec<usize> {
        std::mem::take(&mut *locked(&self.refused))
    }

    /// What the client complained of last, and the reason it gave.
    pub fn last_error(&self) -> Option<(KafkaError, String)> {
        locked(&self.last_error).clone()
    }
}

/// Held while somebody answers handovers; once it is dropped, each is answered at once by letting go.
///
/// A consumer's own end waits for these answers: whoever holds both lets go of this first, however it ends.
pub struct Answering(pub Arc<Noted>);

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.closing.store(true, Ordering::Release);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("nothing panics while it holds this lock")
}

/// The context of a consumer or producer: notes callbacks as events.
#[derive(Clone)]
pub struct Context {
    /// Whose client it is, for the log.
    pub role: &'static str,
    /// Where the events go.
    pub noted: Arc<Noted>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let role = self.role;
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(target: "librdkafka", role, facility, "{message}");
            }
            // What librdkafka calls an error, it also reports as one; the worker decides what of it is said.
            _ => tracing::debug!(target: "librdkafka", role, facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", role = self.role, %error, "{reason}");
        // That all brokers are down says less than why the last of them is.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *locked(&self.noted.last_error) = Some((error.clone(), reason.to_owned()));
        }
        self.noted.push(Event::Trouble(error));
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let is_given = RDKafkaErrorCode::from(code) == RDKafkaErrorCode::AssignPartitions;
        if self.noted.closing.load(Ordering::Acquire) {
            let answered = if is_given {
                consumer.incremental_assign(&TopicPartitionList::new())
            } else {
                give_back(consumer, list)
            };
            if let Err(error) = answered {
                tracing::warn!(role = self.role, %error, "a handover was not answered");
            }
            return;
        }
        let partitions = list.elements().iter().map(partition_of).collect();
        let lost = !is_given && consumer.assignment_lost();
        self.noted.push(if is_given { Event::Assigned(partitions) } else { Event::Revoked { partitions, lost } });
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        // NoOffset: there was nothing to commit.
        match result {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => {}
            Err(error) => self.noted.push(Event::CommitFailed(error.to_string())),
        }
    }

    fn main_queue_min_poll_interval(&self) -> Timeout {
        Timeout::After(Duration::from_millis(100))
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, receipt: usize) {
        match result {
            Ok(message) => {
                let appended_ms = match message.timestamp() {
                    Timestamp::LogAppendTime(appended_ms) => Some(appended_ms),
                    Timestamp::CreateTime(_) | Timestamp::NotAvailable => None,
                };
                self.noted.push(Event::Delivered { receipt, partition: message.partition(), appended_ms });
            }
            Err((error, message)) => self.noted.refuse(receipt, message.partition(), error.clone()),
        }
    }
}

/// Lets go of partitions, as far as they were taken.
fn give_back(consumer: &BaseConsumer<Context>, list: &TopicPartitionList) -> KafkaResult<()> {
    let taken = consumer.assignment()?;
    let mut leaving = TopicPartitionList::new();
    for element in list.elements() {
        if taken.find_partition(element.topic(), element.partition()).is_some() {
            leaving.add_partition(element.topic(), element.partition());
        }
    }
    consumer.incremental_unassign(&leaving)
}

fn partition_of(element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>) -> TopicPartition {
    TopicPartition { topic: element.topic().into(), partition: element.partition() }
}
