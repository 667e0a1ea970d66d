//! Records of the state topic that are written at once, outside of any transaction: what must stand there whatever
//! becomes of the transaction that is under way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::producer::BaseRecord;

use crate::config::Kafka;
use crate::events::{Event, Noted};
use crate::failure::Failure;
use crate::kafka::{EventProducer, producer};

/// How long one may take to be acknowledged.
const WRITE_WAIT: Duration = Duration::from_secs(10);
/// How long one look at the producer's queue takes.
const LOOK: Duration = Duration::from_millis(1);

/// Writes such records into one partition of a topic.
pub struct Notes {
    producer: EventProducer,
    noted: Arc<Noted>,
    topic: String,
    partition: i32,
}

impl Notes {
    /// Writes into `partition` of `topic`.
    ///
    /// # Errors
    /// A property that librdkafka does not know.
    pub fn new(kafka: &Kafka, topic: &str, partition: i32) -> Result<Self, Failure> {
        let noted = Arc::new(Noted::default());
        let producer = producer(kafka, "notes", &noted)?;
        Ok(Self { producer, noted, topic: topic.to_owned(), partition })
    }

    /// Writes a record, and waits until it stands there.
    ///
    /// # Errors
    /// What kept it from it.
    pub fn write(&self, key: &[u8], value: &str) -> Result<(), String> {
        let record = BaseRecord::with_opaque_to(&self.topic, 0).partition(self.partition).key(key).payload(value);
        self.producer.send(record).map_err(|(error, _)| error.to_string())?;
        let began = Instant::now();
        loop {
            self.producer.poll(LOOK);
            match self.noted.next() {
                Some(Event::Delivered { .. }) => return Ok(()),
                Some(Event::NotDelivered { error, .. }) => return Err(error.to_string()),
                _ if began.elapsed() >= WRITE_WAIT => return Err("it was not acknowledged".to_owned()),
                _ => {}
            }
        }
    }
}
