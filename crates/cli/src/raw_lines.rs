//! Raw records as lines of text: hexadecimal digits, and the timestamped form that `simulate` writes.
//!
//! A timestamped line is the record's timestamp in Unix milliseconds, a tab, its source (`topic/partition/offset`, may
//! be empty), a tab, and the record: as text, or after `0x` in hexadecimal digits. Every record has such a line, and
//! the line gives back the same bytes.

use std::borrow::Cow;
use std::io::Write as _;

const HEX_MARK: &[u8] = b"0x";
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// A record with what its topic knows of it.
#[derive(Debug, PartialEq, Eq)]
pub struct Timestamped<'l> {
    /// When the platform received it, Unix milliseconds.
    pub timestamp_ms: i64,
    /// Where it came from.
    pub source: Option<&'l str>,
    /// The bytes.
    pub bytes: Cow<'l, [u8]>,
}

impl<'l> Timestamped<'l> {
    /// Reads a line.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn parse(line: &'l [u8]) -> Result<Self, String> {
        let mut fields = line.splitn(3, |byte| *byte == b'\t');
        let mut field = || fields.next().ok_or("a line is timestamp, tab, source, tab, record".to_owned());
        let (timestamp, source, record) = (field()?, field()?, field()?);
        let timestamp_ms = std::str::from_utf8(timestamp)
            .ok()
            .and_then(|text| text.parse().ok())
            .and_then(fenghuo_model::time::writable)
            .ok_or("the timestamp is no time in Unix milliseconds")?;
        let source = std::str::from_utf8(source).map_err(|_| "the source is not UTF-8")?;
        let bytes = match record.strip_prefix(HEX_MARK) {
            Some(digits) => Cow::Owned(parse_hex(digits)?),
            None => Cow::Borrowed(record),
        };
        Ok(Self { timestamp_ms, source: (!source.is_empty()).then_some(source), bytes })
    }

    /// Appends the line, without its end; as text where that is readable and gives back the same bytes.
    pub fn write(&self, line: &mut Vec<u8>) {
        write!(line, "{}\t{}\t", self.timestamp_ms, self.source.unwrap_or("")).expect("a vector takes all bytes");
        let is_text = std::str::from_utf8(&self.bytes).is_ok_and(|text| !text.contains(char::is_control))
            && !self.bytes.starts_with(HEX_MARK);
        if is_text {
            line.extend_from_slice(&self.bytes);
            return;
        }
        line.extend_from_slice(HEX_MARK);
        for byte in self.bytes.iter() {
            line.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

/// Reads hexadecimal digits; blanks may stand anywhere.
///
/// # Errors
/// Says what is no digit, or that half a byte is missing.
pub fn parse_hex(text: &[u8]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut high: Option<u8> = None;
    for (column, character) in (1..).zip(text) {
        let digit = match character {
            b'0'..=b'9' => character - b'0',
            b'a'..=b'f' => character - b'a' + 10,
            b'A'..=b'F' => character - b'A' + 10,
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            _ => return Err(format!("no hexadecimal digit at column {column}")),
        };
        high = match high {
            None => Some(digit),
            Some(high) => {
                bytes.push(high << 4 | digit);
                None
            }
        };
    }
    if high.is_some() { Err("an odd number of hexadecimal digits".to_owned()) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hexadecimal_digits_are_read_with_blanks() {
        for (text, expected) in [
            ("", Ok(vec![])),
            ("40 40 0A", Ok(vec![0x40, 0x40, 10])),
            ("4040fF\r", Ok(vec![0x40, 0x40, 255])),
            ("4 0", Ok(vec![0x40])),
            ("40 4", Err("an odd number of hexadecimal digits".to_owned())),
            ("40 4g", Err("no hexadecimal digit at column 5".to_owned())),
        ] {
            assert_eq!(parse_hex(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn timestamped_lines_are_read() {
        let no_form = "a line is timestamp, tab, source, tab, record";
        let no_time = "the timestamp is no time in Unix milliseconds";
        for (line, expected) in [
            ("17\traw/0/3\t{\"a\":\t1}", Ok((17, Some("raw/0/3"), b"{\"a\":\t1}".to_vec()))),
            ("-17\t\t0x40 40", Ok((-17, None, b"@@".to_vec()))),
            ("17\t\t", Ok((17, None, vec![]))),
            ("17\tabc", Err(no_form)),
            ("soon\t\ta", Err(no_time)),
            ("9223372036854775807\t\ta", Err(no_time)),
            ("17\t\t0x4", Err("an odd number of hexadecimal digits")),
        ] {
            let read = Timestamped::parse(line.as_bytes());
            let read = read.map(|read| (read.timestamp_ms, read.source, read.bytes.into_owned()));
            assert_eq!(read, expected.map_err(str::to_owned), "{line}");
        }
    }

    #[test]
    fn what_is_text_is_written_as_text() {
        for (bytes, expected) in [
            (&b"{\"a\":1}"[..], "17\t\t{\"a\":1}"),
            ("火".as_bytes(), "17\t\t火"),
            (b"@@\x00", "17\t\t0x404000"),
            (b"a\nb", "17\t\t0x610a62"),
            (b"0x40", "17\t\t0x30783430"),
            (b"\xff", "17\t\t0xff"),
        ] {
            let mut line = Vec::new();
            Timestamped { timestamp_ms: 17, source: None, bytes: bytes.into() }.write(&mut line);
            assert_eq!(String::from_utf8(line).unwrap(), expected);
        }
    }

    proptest! {
        #[test]
        fn a_line_always_gives_back_its_record(
            timestamp_ms in 0..fenghuo_model::time::LATEST_MS,
            source in proptest::option::of("[a-z.]{1,8}/[0-9]/[0-9]{1,3}"),
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let record = Timestamped { timestamp_ms, source: source.as_deref(), bytes: bytes.into() };
            let mut line = Vec::new();
            record.write(&mut line);
            prop_assert!(!line.contains(&b'\n'));
            prop_assert_eq!(Timestamped::parse(&line), Ok(record));
        }
    }
}
