//! Batches of records on a real broker: partitions are given up, begun elsewhere, paused and resumed between batches,
//! and nothing is left out, repeated, or given of a partition that is not ours.

// Support functions fail the test that calls them, and say where.
#![allow(clippy::unwrap_used)]

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fenghuo_engine::batches::Batches;
use fenghuo_sinks::RawProducer;
use fenghuo_tests::broker::{Broker, script};
use fenghuo_tests::topics::{Isolation, consumer};
use rdkafka::consumer::{BaseConsumer, Consumer as _, DefaultConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::Message as _;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

const PARTITIONS: i32 = 4;
const RECORDS: i64 = 40_000;

/// A topic of four partitions with the numbers of its records as keys and values.
fn topic(broker: &Broker, name: &str) -> String {
    let topic = format!("batches.{name}.{}", std::process::id());
    let mut create = Command::new(script());
    create.args(["tool", "topics", "--bootstrap-server", &broker.address, "--create", "--partitions", "4"]);
    assert!(create.args(["--topic", &topic]).output().unwrap().status.success());
    let mut producer = RawProducer::new(&broker.address, []).unwrap();
    for number in 0..RECORDS {
        let bytes = number.to_string();
        producer.send(&topic, bytes.as_bytes(), bytes.as_bytes(), 1_795_312_682_000).unwrap();
    }
    producer.finish(Duration::from_secs(60)).unwrap();
    topic
}

/// A reader, and what it is to see next of each partition that it has.
struct Reading {
    topic: String,
    consumer: Arc<BaseConsumer<DefaultConsumerContext>>,
    batches: Batches<DefaultConsumerContext>,
    next: [Option<i64>; 4],
    draw: u64,
}

impl Reading {
    fn of(broker: &Broker, topic: String) -> Self {
        let consumer = Arc::new(consumer(&broker.address, "batches", Isolation::Committed).unwrap());
        let mut batches = Batches::of(&consumer);
        assert!((0..PARTITIONS).all(|partition| batches.add(&topic, partition)));
        Self { topic, consumer, batches, next: [None; 4], draw: 7 }
    }

    fn draw(&mut self, limit: i64) -> i64 {
        self.draw = self.draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((self.draw >> 33) % u64::try_from(limit).unwrap()).unwrap()
    }

    fn list(&self, partition: i32, offset: Offset) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.topic, partition, offset).unwrap();
        list
    }

    /// Takes what comes, and what is left of the last batch; each record must be the next of its partition, which
    /// must not be `paused`. How many.
    fn take(&mut self, most: usize, paused: Option<i32>) -> usize {
        let mut taken = 0;
        let deadline = Instant::now() + Duration::from_secs(20);
        while (taken < most || self.batches.has_rest()) && Instant::now() < deadline {
            assert!(self.consumer.poll(Duration::ZERO).is_none(), "a record came by the group's own queue");
            let mut came = true;
            match self.batches.next(Duration::from_millis(10)) {
                Some(Ok(record)) => {
                    let next = &mut self.next[usize::try_from(record.partition()).unwrap()];
                    assert_eq!(Some(record.offset()), *next, "partition {}", record.partition());
                    assert_ne!(Some(record.partition()), paused);
                    assert_eq!(record.key(), record.payload());
                    assert_eq!(record.timestamp().to_millis(), Some(1_795_312_682_000));
                    assert!(record.headers().is_none());
                    *next = Some(record.offset() + 1);
                    taken += 1;
                }
                None => came = false,
                Some(Err(failed)) if failed.code == RDKafkaErrorCode::PartitionEOF => {}
                Some(Err(failed)) => panic!("{failed:?}"),
            }
            if !came && self.is_at_end() {
                break;
            }
        }
        taken
    }

    fn is_at_end(&self) -> bool {
        let ends = (0..PARTITIONS)
            .map(|partition| self.consumer.fetch_watermarks(&self.topic, partition, Duration::from_secs(5)).unwrap().1);
        ends.zip(self.next).all(|(end, next)| next.is_none_or(|next| next == end))
    }
}

#[test]
fn partitions_come_and_go_between_batches() {
    let broker = Broker::start();
    let topic = topic(&broker, "handover");
    let mut reading = Reading::of(&broker, topic);
    for _ in 0..40 {
        let partition = i32::try_from(reading.draw(PARTITIONS.into())).unwrap();
        let place = usize::try_from(partition).unwrap();
        if reading.next[place].take().is_some() {
            let list = reading.list(partition, Offset::Invalid);
            reading.consumer.incremental_unassign(&list).unwrap();
        } else {
            let offset = reading.draw(4_000);
            let list = reading.list(partition, Offset::Offset(offset));
            reading.next[place] = Some(offset);
            reading.consumer.incremental_assign(&list).unwrap();
        }
        let most = usize::try_from(reading.draw(2_500)).unwrap();
        if reading.next.iter().any(Option::is_some) {
            reading.take(most, None);
        }
    }
}

#[test]
fn a_pause_leaves_nothing_out_and_repeats_nothing() {
    let broker = Broker::start();
    let topic = topic(&broker, "pause");
    let mut reading = Reading::of(&broker, topic);
    for partition in 0..PARTITIONS {
        reading.next[usize::try_from(partition).unwrap()] = Some(0);
        let list = reading.list(partition, Offset::Offset(0));
        reading.consumer.incremental_assign(&list).unwrap();
    }
    assert!(reading.take(1, None) > 0);
    for _ in 0..12 {
        let partition = i32::try_from(reading.draw(PARTITIONS.into())).unwrap();
        let list = reading.list(partition, Offset::Invalid);
        reading.consumer.pause(&list).unwrap();
        let before = reading.next;
        reading.take(1_500, Some(partition));
        let place = usize::try_from(partition).unwrap();
        assert_eq!(reading.next[place], before[place]);
        reading.consumer.resume(&list).unwrap();
        reading.take(1_500, None);
    }
    while !reading.is_at_end() {
        reading.take(5_000, None);
    }
    assert_eq!(reading.next.iter().flatten().sum::<i64>(), RECORDS);
}

/// What was not given out goes with the batches, and the client ends in good order after them.
#[test]
fn a_batch_is_dropped_in_the_middle() {
    let broker = Broker::start();
    let topic = topic(&broker, "drop");
    for _ in 0..5 {
        let mut reading = Reading::of(&broker, topic.clone());
        let list = reading.list(1, Offset::Offset(0));
        reading.consumer.assign(&list).unwrap();
        reading.next[1] = Some(0);
        while !reading.batches.has_rest() {
            let first = reading.batches.next(Duration::from_millis(10));
            assert!(first.is_none_or(|first| first.is_ok()));
        }
        drop(reading.batches);
        drop(reading.consumer);
    }
}
