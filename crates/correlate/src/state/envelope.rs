//! The bytes of a state record: magic, version, length, CRC-32, then the record by bincode.
//!
//! The only file that knows bincode, which has no upstream any more: a successor replaces this file and no other. The
//! form is Fenghuo's own, between two of its processes, and never a public one.

use bincode::config::{Configuration, standard};
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The newest version that is read.
pub const VERSION: u8 = 2;

/// The version of a correlator's own records. A record says the oldest version in whose form it is, so that the Fenghuo
/// before this one reads whatever it would have written itself.
pub const OF_CORRELATOR: u8 = 1;

const MAGIC: [u8; 2] = *b"FH";
/// Magic, version, length (4 bytes, little-endian) and CRC-32 (likewise) of the record.
const HEAD_BYTES: usize = 11;

/// Most records have fewer.
pub(super) const USUAL_BYTES: usize = 512;

/// Writes behind the bytes that are there.
struct Behind<'b>(&'b mut Vec<u8>);

impl Writer for Behind<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

/// What is wrong with bytes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Written by a newer Fenghuo.
    Newer(u8),
    /// Not what was written.
    Damaged(String),
}

const fn form() -> Configuration {
    standard()
}

/// The bytes of one of a correlator's own records.
pub(super) fn write<T: Serialize>(record: &T) -> Vec<u8> {
    write_as(OF_CORRELATOR, record, USUAL_BYTES)
}

/// The bytes of a record in the form of a version; there will be about so many, for which there is room at once.
pub(super) fn write_as<T: Serialize>(version: u8, record: &T, about: usize) -> Vec<u8> {
    debug_assert!(version <= VERSION, "what is written can be read");
    let mut bytes = Vec::with_capacity(HEAD_BYTES + about);
    bytes.extend_from_slice(&MAGIC);
    bytes.push(version);
    // The head's rest, once the body is known.
    bytes.resize(HEAD_BYTES, 0);
    bincode::serde::encode_into_writer(record, Behind(&mut bytes), form())
        .expect("records hold nothing that bincode cannot write");
    let (head, body) = bytes.split_at_mut(HEAD_BYTES);
    let length = u32::try_from(body.len()).expect("a record is far below 4 GiB");
    head[3..7].copy_from_slice(&length.to_le_bytes());
    head[7..].copy_from_slice(&crc32fast::hash(body).to_le_bytes());
    bytes
}

/// The version in whose form a record is, as far as its head says.
pub(super) fn version_of(bytes: &[u8]) -> Option<u8> {
    bytes.strip_prefix(&MAGIC)?.first().copied()
}

/// The record of some bytes.
pub(super) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Unreadable> {
    let damaged = |reason: &str| Unreadable::Damaged(reason.to_owned());
    let Some((head, body)) = bytes.split_first_chunk::<HEAD_BYTES>() else {
        return Err(damaged("shorter than its head"));
    };
    let [m0, m1, version, l0, l1, l2, l3, c0, c1, c2, c3] = *head;
    if [m0, m1] != MAGIC {
        return Err(damaged("it does not begin as a state record does"));
    }
    if version > VERSION {
        return Err(Unreadable::Newer(version));
    }
    if u32::from_le_bytes([l0, l1, l2, l3]) as usize != body.len() {
        return Err(damaged("its length is not the one it names"));
    }
    if u32::from_le_bytes([c0, c1, c2, c3]) != crc32fast::hash(body) {
        return Err(damaged("its check sum is wrong"));
    }
    match bincode::serde::decode_from_slice(body, form()) {
        Ok((record, read)) if read == body.len() => Ok(record),
        Ok(_) => Err(damaged("something stands behind the record")),
        Err(error) => Err(Unreadable::Damaged(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let record = (7_i64, "洪梅".to_owned(), vec![Some(1_u32), None]);
        assert_eq!(read(&write(&record)), Ok(record));
    }

    /// Any single bit that differs is noticed, and any missing end.
    #[test]
    fn damage_is_noticed() {
        let whole = write(&(7_i64, "smoke".to_owned()));
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            // The version alone has no check sum: another known one there is read as the same form.
            let is_known = bytes[2] != whole[2] && bytes[2] <= VERSION;
            assert!(is_known || read::<(i64, String)>(&bytes).is_err(), "bit {bit}");
        }
        for length in 0..whole.len() {
            assert!(read::<(i64, String)>(&whole[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_newer_version_is_named() {
        let mut bytes = write(&1_u8);
        bytes[2] = VERSION + 1;
        assert_eq!(read::<u8>(&bytes), Err(Unreadable::Newer(VERSION + 1)));
    }
}
