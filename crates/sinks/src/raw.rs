//! Raw records to Kafka, as a gateway would send them: how a simulated city reaches the raw topics.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

/// Why raw records did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum RawError {
    /// The client cannot be made, or takes no record.
    #[error("cannot produce to {brokers}: {source}")]
    Client {
        /// The brokers asked for.
        brokers: String,
        /// What the client says.
        source: KafkaError,
    },
    /// The broker did not take them.
    #[error("{failed} of {sent} records were not taken by {brokers}; the first time: {reason}")]
    NotDelivered {
        /// The brokers asked for.
        brokers: String,
        /// Records handed over.
        sent: u64,
        /// Records that were not acknowledged.
        failed: u64,
        /// What the first report of a failure said.
        reason: String,
    },
}

#[derive(Default)]
struct Deliveries {
    failed: AtomicU64,
    first_reason: std::sync::OnceLock<String>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.failed.fetch_add(1, Ordering::Relaxed);
            self.first_reason.get_or_init(|| error.to_string());
        }
    }
}

/// Sends records with keys and timestamps of their own, in order within a key.
pub struct RawProducer {
    producer: BaseProducer<Deliveries>,
    brokers: String,
    sent: u64,
}

impl RawProducer {
    /// A producer to `brokers` (host:port, separated by commas), with further properties of librdkafka.
    ///
    /// # Errors
    /// A property that librdkafka does not know.
    pub fn new<'p>(brokers: &str, properties: impl IntoIterator<Item = (&'p str, &'p str)>) -> Result<Self, RawError> {
        let mut config = ClientConfig::new();
        config.set("compression.type", "lz4").set("linger.ms", "5").set("partitioner", "murmur2_random");
        for (key, value) in properties {
            config.set(key, value);
        }
        config.set("bootstrap.servers", brokers).set("enable.idempotence", "true");
        let producer = config
            .create_with_context(Deliveries::default())
            .map_err(|source| RawError::Client { brokers: brokers.to_owned(), source })?;
        Ok(Self { producer, brokers: brokers.to_owned(), sent: 0 })
    }

    /// Hands one record over; waits while the producer's queue is full.
    ///
    /// # Errors
    /// What else kept the producer from taking it.
    pub fn send(&mut self, topic: &str, key: &[u8], bytes: &[u8], timestamp_ms: i64) -> Result<(), RawError> {
        let mut record = BaseRecord::to(topic).key(key).payload(bytes).timestamp(timestamp_ms);
        loop {
            match self.producer.send(record) {
                Ok(()) => break,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    self.producer.poll(Duration::from_millis(10));
                    record = back;
                }
                Err((source, _)) => return Err(RawError::Client { brokers: self.brokers.clone(), source }),
            }
        }
        self.sent += 1;
        if self.sent.is_multiple_of(256) {
            self.producer.poll(Duration::ZERO);
        }
        Ok(())
    }

    /// Waits until every record is acknowledged, `within` at most; gives their number.
    ///
    /// # Errors
    /// That some were not.
    pub fn finish(self, within: Duration) -> Result<u64, RawError> {
        let flushed = self.producer.flush(within);
        let deliveries = self.producer.context();
        let waiting = u64::from(self.producer.in_flight_count().unsigned_abs());
        let failed = deliveries.failed.load(Ordering::Relaxed) + waiting;
        if failed == 0 {
            return Ok(self.sent);
        }
        let late = || flushed.err().map_or_else(|| "no answer in time".to_owned(), |error| error.to_string());
        let reason = deliveries.first_reason.get().cloned().unwrap_or_else(late);
        Err(RawError::NotDelivered { brokers: self.brokers, sent: self.sent, failed, reason })
    }
}
