//! Where a worker's messages leave: each with a receipt that says of which record of which assignment it was made.

use std::sync::Arc;
use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::ToBytes;
use rdkafka::producer::{BaseRecord, Producer};

use crate::events::{Event, Noted};
use crate::kafka::EventProducer;
use crate::progress::Progress;

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

const NUMBER_BITS: u32 = 48;

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
    /// After 2^48 records in one assignment (a million a second for nine years).
    #[must_use]
    pub fn pack(self) -> usize {
        assert!(self.number >> NUMBER_BITS == 0, "an assignment outlived its numbers");
        let packed = u64::from(self.slot) << NUMBER_BITS | self.number;
        usize::try_from(packed).expect("the service runs on 64 bits")
    }

    /// The receipt of a delivery report, if any offset waits for it.
    #[must_use]
    pub fn unpack(packed: usize) -> Option<Self> {
        let wide = packed as u64;
        let slot = u16::try_from(wide >> NUMBER_BITS).expect("16 bits are left");
        (slot != u16::MAX).then_some(Self { slot, number: wide & ((1 << NUMBER_BITS) - 1) })
    }
}

/// Sends messages and counts, by record, the acknowledgements they still need.
pub struct Outlet {
    producer: EventProducer,
    noted: Arc<Noted>,
}

impl Outlet {
    /// Sends by `producer`, whose context notes events in `noted`.
    #[must_use]
    pub const fn new(producer: EventProducer, noted: Arc<Noted>) -> Self {
        Self { producer, noted }
    }

    /// Sends a message that was made of record `receipt`, whose offset then waits for it.
    pub fn send<K: ToBytes + ?Sized, P: ToBytes + ?Sized>(
        &self,
        progress: &mut Progress,
        receipt: Receipt,
        record: BaseRecord<'_, K, P, usize>,
    ) {
        let mut waiting = Some(record.delivery_opaque(receipt.pack()));
        self.hand_over(progress, receipt, |producer| {
            let record = waiting.take().expect("it comes back whenever it is not taken");
            producer.send(record).map_err(|(error, back)| {
                waiting = Some(back);
                error
            })
        });
    }

    /// Hands a message to the producer by `send`, again while its queue is full.
    pub fn hand_over(
        &self,
        progress: &mut Progress,
        receipt: Receipt,
        mut send: impl FnMut(&EventProducer) -> Result<(), KafkaError>,
    ) {
        progress.expect_acknowledgement(receipt.number);
        loop {
            match send(&self.producer) {
                Ok(()) => return,
                Err(KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) => {
                    self.producer.poll(Duration::from_millis(10));
                }
                Err(error) => {
                    self.noted.push(Event::NotDelivered { receipt: receipt.pack(), error });
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
        let mut left = self.in_flight();
        self.producer.poll(wait);
        // The client gives the reports of one answer at a time; until they are given, their messages count as under
        // way, and nothing more would be read.
        while self.in_flight() < left {
            left = self.in_flight();
            self.producer.poll(Duration::ZERO);
        }
    }

    /// Messages that are not yet acknowledged.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.producer.in_flight_count().unsigned_abs()
    }

    /// Why the producer will never work again, if so.
    #[must_use]
    pub fn fatal_error(&self) -> Option<String> {
        self.producer.client().fatal_error().map(|(code, reason)| format!("{code}: {reason}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn receipts_come_back_as_they_went() {
        for (slot, number) in [(0, 0), (1, 7), (u16::MAX - 1, 0), (3, (1 << NUMBER_BITS) - 1)] {
            let receipt = Receipt { slot, number };
            assert_eq!(Receipt::unpack(receipt.pack()), Some(receipt));
        }
        assert_eq!([UNTRACKED, CLOCK].map(Receipt::unpack), [None, None]);
    }
}
