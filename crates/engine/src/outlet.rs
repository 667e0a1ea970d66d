//! Where a worker's messages leave: each with a receipt that says of which record of which assignment it was made.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::ToBytes;
use rdkafka::producer::{BaseRecord, Producer};

use crate::events::Noted;
use crate::kafka::EventProducer;
use crate::partitioner::partition_of;
use crate::progress::Progress;

mod lanes;

use lanes::Lanes;

/// The receipt of messages that no offset waits for.
pub const UNTRACKED: usize = usize::MAX;
/// The receipt of messages that no offset waits for, but somebody who wants to know when the broker appended them.
pub const CLOCK: usize = usize::MAX - 1;

/// What becomes of a message under [`CLOCK`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It was appended at that time of the broker's clock, Unix milliseconds.
    Appended(i64),
    /// It was appended, and the topic does not keep when.
    Untimed,
    /// It will never be.
    Lost,
}

const NUMBER_BITS: u32 = 47;
/// Marks a receipt whose message went by a lane.
const BY_LANE: usize = 1 << NUMBER_BITS;
const SLOT_SHIFT: u32 = 48;

/// Which record a message was made of: the slot of its assignment and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// The assignment's slot; a later assignment of the same partition has another. The last one is nobody's.
    pub slot: u16,
    /// The record's number in its [`Progress`].
    pub number: u64,
}

impl Receipt {
    /// As librdkafka carries it through.
    ///
    /// # Panics
    /// After 2^47 records in one assignment (a million a second for four years).
    #[must_use]
    pub fn pack(self) -> usize {
        assert!(self.number >> NUMBER_BITS == 0, "an assignment outlived its numbers");
        let packed = u64::from(self.slot) << SLOT_SHIFT | self.number;
        usize::try_from(packed).expect("the service runs on 64 bits")
    }

    /// The receipt of a delivery report, if any offset waits for it.
    #[must_use]
    pub fn unpack(packed: usize) -> Option<Self> {
        let wide = packed as u64;
        let slot = u16::try_from(wide >> SLOT_SHIFT).expect("16 bits are left");
        (slot != u16::MAX).then_some(Self { slot, number: wide & ((1 << NUMBER_BITS) - 1) })
    }
}

/// A message that waits in its lane.
struct Waiting {
    key: String,
    payload: String,
    timestamp_ms: Option<i64>,
    receipt: Receipt,
}

/// Sends messages and counts, by record, the acknowledgements they still need.
pub struct Outlet {
    producer: EventProducer,
    noted: Arc<Noted>,
    /// The topic whose messages go by lanes.
    topic: String,
    /// How many partitions it has; none as long as that is not known.
    partitions: Cell<i32>,
    lanes: RefCell<Lanes<Waiting>>,
}

impl Outlet {
    /// Sends by `producer`, whose context notes events in `noted`; what goes to `topic` by lanes.
    #[must_use]
    pub fn new(producer: EventProducer, noted: Arc<Noted>, topic: String) -> Self {
        Self { producer, noted, topic, partitions: Cell::new(0), lanes: RefCell::default() }
    }

    /// The topic whose messages go by lanes has so many partitions; 0 if that is not known just now, and nothing
    /// changes: what went past its lane would overtake what waits there.
    pub fn set_partitions(&self, partitions: i32) {
        if partitions > 0 {
            self.partitions.set(partitions);
        }
    }

    /// Sends a message that was made of record `receipt` to the topic of the lanes, when those before it in its
    /// partition let it.
    pub fn send_by_lane(
        &self,
        progress: &mut Progress,
        receipt: Receipt,
        (key, payload): (&str, String),
        timestamp_ms: Option<i64>,
    ) {
        progress.expect_acknowledgement(receipt.number);
        let partitions = self.partitions.get();
        let bytes = key.len() + payload.len();
        let message = Waiting { key: key.to_owned(), payload, timestamp_ms, receipt };
        if partitions <= 0 {
            // Until it is known where it belongs, the client finds that out.
            return self.hand_over_of_lane(&message, None);
        }
        let partition = partition_of(key, partitions);
        let now = self.lanes.borrow_mut().enter(usize::try_from(partition).unwrap_or(0), message, bytes);
        if let Some(message) = now {
            self.hand_over_of_lane(&message, Some(partition));
        }
    }

    /// A message is delivered, or will never be: those that waited for it are handed over.
    pub fn arrived(&self, receipt: usize, partition: i32) {
        self.drop_refused();
        if let (true, Ok(lane)) = (is_by_lane(receipt), usize::try_from(partition)) {
            let next = self.lanes.borrow_mut().arrived(lane);
            next.iter().for_each(|message| self.hand_over_of_lane(message, Some(partition)));
        }
    }

    /// A signal that is refused must not be overtaken by those after it: sent again, it would count as a replay. What
    /// waits of the same assignments is dropped, before anything is handed over, and made again with it; at most what
    /// was under way with it stays.
    fn drop_refused(&self) {
        let refused = self.noted.refused();
        let slots: BTreeSet<u16> = refused
            .into_iter()
            .filter(|receipt| is_by_lane(*receipt))
            .filter_map(|receipt| Some(Receipt::unpack(receipt)?.slot))
            .collect();
        if !slots.is_empty() {
            self.drop_waiting(|slot| slots.contains(&slot));
        }
    }

    /// Drops what waits of assignments that are no more: whoever begins their partitions makes it again.
    pub fn drop_waiting(&self, is_gone: impl Fn(u16) -> bool) {
        self.lanes.borrow_mut().retain(|message| !is_gone(message.receipt.slot));
    }

    fn hand_over_of_lane(&self, message: &Waiting, partition: Option<i32>) {
        let Waiting { key, payload, timestamp_ms, receipt } = message;
        let packed = receipt.pack() | if partition.is_some() { BY_LANE } else { 0 };
        let mut record = BaseRecord::with_opaque_to(&self.topic, packed).key(key).payload(payload);
        (record.timestamp, record.partition) = (*timestamp_ms, partition);
        self.hand_over(packed, partition.unwrap_or(-1), record);
    }

    /// Sends a message that was made of record `receipt`, whose offset then waits for it.
    pub fn send<K: ToBytes + ?Sized, P: ToBytes + ?Sized>(
        &self,
        progress: &mut Progress,
        receipt: Receipt,
        record: BaseRecord<'_, K, P, usize>,
    ) {
        progress.expect_acknowledgement(receipt.number);
        self.hand_over(receipt.pack(), -1, record.delivery_opaque(receipt.pack()));
    }

    /// Hands a message to the producer, again while its queue is full.
    fn hand_over<K: ToBytes + ?Sized, P: ToBytes + ?Sized>(
        &self,
        receipt: usize,
        partition: i32,
        mut record: BaseRecord<'_, K, P, usize>,
    ) {
        loop {
            match self.producer.send(record) {
                Ok(()) => return,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                    self.producer.poll(Duration::from_millis(10));
                    record = back;
                }
                Err((error, _)) => {
                    self.noted.refuse(receipt, partition, error);
                    return;
                }
            }
        }
    }

    /// Sends a message that no offset waits for, under [`UNTRACKED`] or [`CLOCK`].
    ///
    /// # Errors
    /// It was not taken.
    pub fn send_untracked(&self, topic: &str, partition: i32, payload: &str, receipt: usize) -> Result<(), KafkaError> {
        let record = BaseRecord::with_opaque_to(topic, receipt).partition(partition);
        self.producer.send(record.key("").payload(payload)).map_err(|(error, _)| error)
    }

    /// Lets delivery reports come in, all that are there, for `wait` at most if there are none.
    pub fn poll(&self, wait: Duration) {
        let mut left = self.producer.in_flight_count();
        self.producer.poll(wait);
        // The client gives the reports of one answer at a time; until they are given, their messages count as under
        // way, and nothing more would be read.
        while self.producer.in_flight_count() < left {
            left = self.producer.in_flight_count();
            self.producer.poll(Duration::ZERO);
        }
    }

    /// Messages that are not yet acknowledged, those included that wait in their lanes.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        let waiting = u32::try_from(self.lanes.borrow().waiting()).unwrap_or(u32::MAX);
        self.producer.in_flight_count().unsigned_abs().saturating_add(waiting)
    }

    /// Why the producer will never work again, if so.
    #[must_use]
    pub fn fatal_error(&self) -> Option<String> {
        self.producer.client().fatal_error().map(|(code, reason)| format!("{code}: {reason}"))
    }
}

/// Whether a receipt's message went by a lane.
fn is_by_lane(receipt: usize) -> bool {
    Receipt::unpack(receipt).is_some() && receipt & BY_LANE != 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_come_back_as_they_went() {
        for (slot, number) in [(0, 0), (1, 7), (u16::MAX - 1, 0), (3, (1 << NUMBER_BITS) - 1)] {
            let receipt = Receipt { slot, number };
            assert_eq!(Receipt::unpack(receipt.pack()), Some(receipt));
            assert_eq!(Receipt::unpack(receipt.pack() | BY_LANE), Some(receipt));
        }
        assert_eq!([UNTRACKED, CLOCK].map(Receipt::unpack), [None, None]);
    }
}
