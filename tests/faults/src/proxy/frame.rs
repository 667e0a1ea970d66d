//! Kafka's frames: a length of four bytes, big-endian, then so many bytes; and the little of a head that we need.
//!
//! A request begins with api key (2 bytes), api version (2) and correlation id (4); an answer with the correlation id.
//! That is the same in every version of every request (<https://kafka.apache.org/protocol#protocol_messages>), so that
//! nothing here depends on what the client speaks.

use std::fmt;

/// The largest frame that we believe in; brokers refuse larger ones by default (`socket.request.max.bytes`).
pub const LARGEST_FRAME_BYTES: usize = 100 * 1024 * 1024;
const LENGTH_BYTES: usize = 4;

/// A frame whose length cannot be: the two sides do not speak Kafka, or we lost our place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrongLength(pub i32);

impl fmt::Display for WrongLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a frame of {} bytes", self.0)
    }
}

/// Cuts a stream of bytes into frames.
#[derive(Debug, Default)]
pub struct Frames {
    unread: Vec<u8>,
}

impl Frames {
    /// Takes what arrived, however it was cut.
    pub fn push(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// The next whole frame, its length in front; nothing until it has arrived.
    ///
    /// # Errors
    /// Its length is negative or beyond [`LARGEST_FRAME_BYTES`].
    pub fn next_frame(&mut self) -> Result<Option<Vec<u8>>, WrongLength> {
        let Some(length) = self.unread.first_chunk::<LENGTH_BYTES>() else { return Ok(None) };
        let length = i32::from_be_bytes(*length);
        let body = usize::try_from(length).ok().filter(|body| *body <= LARGEST_FRAME_BYTES);
        let whole = body.ok_or(WrongLength(length))? + LENGTH_BYTES;
        if self.unread.len() < whole {
            return Ok(None);
        }
        let rest = self.unread.split_off(whole);
        Ok(Some(std::mem::replace(&mut self.unread, rest)))
    }
}

/// The head of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestHead {
    /// What is asked: 0 produce, 25 add offsets, 26 end of transaction, …
    pub api_key: i16,
    /// In which version.
    pub api_version: i16,
    /// What the answer will begin with.
    pub correlation_id: i32,
}

/// The head of a whole request frame; nothing if it is too short to have one.
pub fn request_head(frame: &[u8]) -> Option<RequestHead> {
    let head: &[u8; 8] = frame.get(LENGTH_BYTES..)?.first_chunk()?;
    Some(RequestHead {
        api_key: i16::from_be_bytes([head[0], head[1]]),
        api_version: i16::from_be_bytes([head[2], head[3]]),
        correlation_id: i32::from_be_bytes([head[4], head[5], head[6], head[7]]),
    })
}

/// The correlation id of a whole answer frame; nothing if it is too short to have one.
pub fn answered_id(frame: &[u8]) -> Option<i32> {
    let id: &[u8; 4] = frame.get(LENGTH_BYTES..)?.first_chunk()?;
    Some(i32::from_be_bytes(*id))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(body: &[u8]) -> Vec<u8> {
        let length = i32::try_from(body.len()).unwrap();
        [&length.to_be_bytes()[..], body].concat()
    }

    #[test]
    fn frames_come_out_whole_however_they_were_cut() {
        let sent = [frame(b"one"), frame(b""), frame(&[7; 300])];
        let bytes = sent.concat();
        for step in 1..=bytes.len() {
            let mut frames = Frames::default();
            let mut found = Vec::new();
            for piece in bytes.chunks(step) {
                frames.push(piece);
                while let Some(frame) = frames.next_frame().unwrap() {
                    found.push(frame);
                }
            }
            assert_eq!(found, sent, "in pieces of {step}");
        }
    }

    #[test]
    fn a_length_that_cannot_be_is_an_error() {
        let largest = i32::try_from(LARGEST_FRAME_BYTES).unwrap();
        for (length, expected) in [
            (-1, Err(WrongLength(-1))),
            (largest + 1, Err(WrongLength(largest + 1))),
            (largest, Ok(None)),
            (0, Ok(Some(vec![0; 4]))),
        ] {
            let mut frames = Frames::default();
            frames.push(&length.to_be_bytes());
            assert_eq!(frames.next_frame(), expected, "{length}");
        }
        let mut frames = Frames::default();
        frames.push(&[0, 0, 0]);
        assert_eq!(frames.next_frame(), Ok(None));
    }

    #[test]
    fn heads_are_read_where_they_stand() {
        // EndTxn (26) version 1, correlation id 258, then a client id.
        let request = frame(&[0, 26, 0, 1, 0, 0, 1, 2, 0, 1, b'x']);
        assert_eq!(request_head(&request), Some(RequestHead { api_key: 26, api_version: 1, correlation_id: 258 }));
        assert_eq!(request_head(&frame(&[0, 26, 0, 1, 0, 0, 1])), None);
        assert_eq!(answered_id(&frame(&[255, 255, 255, 254])), Some(-2));
        assert_eq!(answered_id(&frame(&[1, 2, 3])), None);
        assert_eq!(answered_id(&[]), None);
    }
}
