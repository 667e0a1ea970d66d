//! A transaction that hangs, forged: written by frames of our own, of which no coordinator hears.
//!
//! No client does this; brokers that died together have left such ones behind. The frames are those of Kafka's
//! protocol guide: `InitProducerId` 1, `Produce` 3, `TxnOffsetCommit` 0, record batches of version 2. A broker takes
//! them only with `transaction.partition.verification.enable=false`, for it would ask the coordinator.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::trouble::Trouble;

const PRODUCE: i16 = 0;
const INIT_PRODUCER_ID: i16 = 22;
const TXN_OFFSET_COMMIT: i16 = 28;

/// The producer that stands behind a transactional id.
pub struct Forger {
    broker: TcpStream,
    id: String,
    producer: i64,
    epoch: i16,
}

impl Forger {
    /// Takes the id from whoever has it.
    ///
    /// # Errors
    /// The broker refuses.
    pub fn of(broker: &str, id: &str) -> Result<Self, Trouble> {
        let mut forger = Self { broker: TcpStream::connect(broker)?, id: id.to_owned(), producer: 0, epoch: 0 };
        let mut body = string(id);
        body.extend(60_000_i32.to_be_bytes());
        let answer = forger.ask(INIT_PRODUCER_ID, 1, &body)?;
        // Throttle time, error, producer id, epoch.
        require(&answer, 4)?;
        forger.producer = i64::from_be_bytes(part(&answer, 6)?);
        forger.epoch = i16::from_be_bytes(part(&answer, 14)?);
        Ok(forger)
    }

    /// Writes a record, a decision of that id, as part of a transaction that was never begun.
    ///
    /// # Errors
    /// The broker refuses.
    pub fn write(
        &mut self,
        (topic, partition): (&str, i32),
        key: &[u8],
        value: &[u8],
        id: &str,
    ) -> Result<(), Trouble> {
        let batch = self.batch(key, value, id);
        let mut body = string(&self.id);
        body.extend((-1_i16).to_be_bytes());
        body.extend(30_000_i32.to_be_bytes());
        body.extend(1_i32.to_be_bytes());
        body.extend(string(topic));
        body.extend(1_i32.to_be_bytes());
        body.extend(partition.to_be_bytes());
        body.extend(length(&batch).to_be_bytes());
        body.extend(batch);
        let answer = self.ask(PRODUCE, 3, &body)?;
        // One topic with its name, one partition, its number, its error.
        require(&answer, 4 + 2 + topic.len() + 4 + 4)
    }

    /// Commits an offset of a group as part of a transaction that was never begun.
    ///
    /// # Errors
    /// The broker refuses.
    pub fn commit_offset(&mut self, group: &str, (topic, partition): (&str, i32), offset: i64) -> Result<(), Trouble> {
        let mut body = [string(&self.id), string(group)].concat();
        body.extend(self.producer.to_be_bytes());
        body.extend(self.epoch.to_be_bytes());
        body.extend(1_i32.to_be_bytes());
        body.extend(string(topic));
        body.extend(1_i32.to_be_bytes());
        body.extend(partition.to_be_bytes());
        body.extend(offset.to_be_bytes());
        body.extend(string(""));
        let answer = self.ask(TXN_OFFSET_COMMIT, 0, &body)?;
        // Throttle time, one topic with its name, one partition, its number, its error.
        require(&answer, 4 + 4 + 2 + topic.len() + 4 + 4)
    }

    fn batch(&self, key: &[u8], value: &[u8], id: &str) -> Vec<u8> {
        const TRANSACTIONAL: i16 = 0x10;
        let mut record = vec![0, 0, 0];
        for bytes in [key, value] {
            record.extend(varint(length(bytes)));
            record.extend(bytes);
        }
        record.extend(varint(1));
        for bytes in [b"ce_id", id.as_bytes()] {
            record.extend(varint(length(bytes)));
            record.extend(bytes);
        }
        let mut signed = TRANSACTIONAL.to_be_bytes().to_vec();
        signed.extend(0_i32.to_be_bytes());
        let now_ms = std::time::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_millis());
        let now_ms = i64::try_from(now_ms).unwrap_or(i64::MAX).to_be_bytes();
        signed.extend([now_ms, now_ms, self.producer.to_be_bytes()].concat());
        signed.extend(self.epoch.to_be_bytes());
        signed.extend([0_i32.to_be_bytes(), 1_i32.to_be_bytes()].concat());
        signed.extend(varint(length(&record)));
        signed.extend(record);
        let mut batch = 0_i64.to_be_bytes().to_vec();
        // What follows: the leader's epoch, the version, the checksum, and what it is of.
        batch.extend((4 + 1 + 4 + length(&signed)).to_be_bytes());
        batch.extend((-1_i32).to_be_bytes());
        batch.push(2);
        batch.extend(crc32c(&signed).to_be_bytes());
        batch.extend(signed);
        batch
    }

    fn ask(&mut self, api: i16, version: i16, body: &[u8]) -> Result<Vec<u8>, Trouble> {
        let mut request = [api.to_be_bytes(), version.to_be_bytes()].concat();
        request.extend(7_i32.to_be_bytes());
        request.extend(string("forger"));
        request.extend(body);
        self.broker.write_all(&[&length(&request).to_be_bytes()[..], &request].concat())?;
        let mut size = [0; 4];
        self.broker.read_exact(&mut size)?;
        let mut answer = vec![0; u32::from_be_bytes(size) as usize];
        self.broker.read_exact(&mut answer)?;
        // The correlation id.
        Ok(answer.split_off(4))
    }
}

fn string(text: &str) -> Vec<u8> {
    let length = i16::try_from(text.len()).unwrap_or(i16::MAX);
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

fn length(bytes: &[u8]) -> i32 {
    i32::try_from(bytes.len()).unwrap_or(i32::MAX)
}

/// Zigzag and seven bits a byte, the lowest first.
fn varint(number: i32) -> Vec<u8> {
    let mut left = (number.cast_unsigned() << 1) ^ (number >> 31).cast_unsigned();
    let mut bytes = Vec::new();
    while left >= 0x80 {
        bytes.push(left.to_le_bytes()[0] | 0x80);
        left >>= 7;
    }
    bytes.push(left.to_le_bytes()[0]);
    bytes
}

/// Castagnoli's checksum, bit by bit.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 };
    !bytes.iter().fold(!0, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

fn part<const N: usize>(answer: &[u8], at: usize) -> Result<[u8; N], Trouble> {
    let found = answer.get(at..at + N).and_then(|found| found.try_into().ok());
    found.ok_or_else(|| Trouble::from(format!("an answer of {} bytes", answer.len())))
}

fn require(answer: &[u8], at: usize) -> Result<(), Trouble> {
    match i16::from_be_bytes(part(answer, at)?) {
        0 => Ok(()),
        code => Err(Trouble::from(format!("the broker refuses: error {code}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksum_and_numbers_are_those_of_their_definitions() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!([varint(0), varint(-1), varint(63), varint(150)], [vec![0], vec![1], vec![126], vec![172, 2]]);
    }
}
