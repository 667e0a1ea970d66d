//! The one transaction of a migration: every record in every partition, the offsets of the group, and the note of who
//! did it.

use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::plan::Plan;
use super::{Carried, Desk, KEY_PREFIX, Order};
use crate::failure::Failure;
use crate::kafka::{is_refusal, transactional};

/// How long each step may take.
const STEP_WAIT: Duration = Duration::from_secs(60);
/// How long the broker lets the transaction stay open, milliseconds; each message must arrive before.
const OPEN_MS: &str = "120000";
const ARRIVE_MS: &str = "110000";
/// How long one look at a full queue takes.
const LOOK: Duration = Duration::from_millis(5);

impl Desk<'_> {
    /// Writes everything, or nothing.
    pub(super) fn write(&self, plan: &Plan, order: &Order) -> Result<(), Failure> {
        let mut config = transactional(&self.config.kafka, &format!("{}.migrate", self.config.kafka.group));
        config.set("transaction.timeout.ms", OPEN_MS).set("message.timeout.ms", ARRIVE_MS);
        let made: Result<BaseProducer, _> = config.create();
        let producer = made.map_err(|error| Failure::of_client("migrate", &error))?;
        let failed = |what: &'static str| move |error: KafkaError| self.failure_of(what, &error);
        producer.init_transactions(STEP_WAIT).map_err(failed("its transactional id"))?;
        producer.begin_transaction().map_err(failed("begin"))?;
        let written = self.write_all(&producer, plan, order);
        if let Err(failure) = written {
            // What is not committed never was; the broker ends it by itself if this does not.
            let _ = producer.abort_transaction(STEP_WAIT);
            return Err(failure);
        }
        producer.commit_transaction(STEP_WAIT).map_err(|error| {
            let _ = producer.abort_transaction(STEP_WAIT);
            self.failure_of("commit (run the migration again: it says whether anything is left to do)", &error)
        })
    }

    fn write_all(&self, producer: &BaseProducer, plan: &Plan, order: &Order) -> Result<(), Failure> {
        for (partition, key, value) in &plan.writes {
            self.send(producer, *partition, key, value.as_deref())?;
        }
        let buildings = plan.buildings.iter();
        let carried = Carried {
            by: &order.by,
            at: &order.at,
            before: plan.before,
            after: plan.after,
            regions: &plan.regions,
            buildings: buildings
                .map(|moved| [moved.building.as_str(), &moved.from, &moved.to, &moved.incident])
                .collect(),
        };
        let note = serde_json::to_vec(&carried).expect("it has string keys only");
        self.send(producer, 0, format!("{KEY_PREFIX}{}", order.at).as_bytes(), Some(&note))?;
        // As no member: the coordinator refuses it if the group has any by now.
        let mut offsets = TopicPartitionList::new();
        for (partition, next) in (0..).zip(&plan.next_offsets) {
            let added = offsets.add_partition_offset(&self.config.topics.signals, partition, Offset::Offset(*next));
            added.map_err(|error| self.failure_of("offsets", &error))?;
        }
        let nobody = self.group.group_metadata();
        let nobody = nobody.ok_or_else(|| Failure::Client { role: "migrate", reason: "no group".to_owned() })?;
        producer
            .send_offsets_to_transaction(&offsets, &nobody, STEP_WAIT)
            .map_err(|error| self.failure_of("offsets of the group (has it members again?)", &error))
    }

    fn send(&self, producer: &BaseProducer, partition: i32, key: &[u8], value: Option<&[u8]>) -> Result<(), Failure> {
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(&self.config.topics.state).partition(partition);
        record.key = Some(key);
        record.payload = value;
        loop {
            match producer.send(record) {
                Ok(()) => return Ok(()),
                // It empties, or its messages fail, and with them the transaction.
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    producer.poll(LOOK);
                    record = back;
                }
                Err((error, _)) => return Err(self.failure_of("write", &error)),
            }
        }
    }

    fn failure_of(&self, what: &str, error: &KafkaError) -> Failure {
        let reason = format!("nothing was migrated: {what}: {error}");
        if is_refusal(error) {
            return Failure::Refused { brokers: self.config.kafka.brokers.clone(), reason };
        }
        Failure::Client { role: "migrate", reason }
    }
}
