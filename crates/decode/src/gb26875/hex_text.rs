//! Frames that some gateways forward as hex text: the bytes behind the digits.

/// The bytes that a record of nothing but hex digits and white space stands for; nothing if it is none.
///
/// A start mark is no hex digit, so that a record of binary frames never is one. A word's digits are pairs from its
/// left; a digit left over is a byte of its own, as some print it (`40 40 1 0`).
pub(super) fn bytes(record: &[u8]) -> Option<Vec<u8>> {
    if !record.iter().all(|byte| byte.is_ascii_hexdigit() || byte.is_ascii_whitespace()) {
        return None;
    }
    let mut bytes = Vec::with_capacity(record.len() / 2);
    for word in record.split(u8::is_ascii_whitespace) {
        for pair in word.chunks(2) {
            bytes.push(pair.iter().try_fold(0, |byte, digit| Some(byte << 4 | nibble(*digit)?))?);
        }
    }
    Some(bytes)
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_bytes_and_anything_else_is_binary() {
        for (record, expected) in [
            (&b"40 40 01 00"[..], Some(vec![0x40, 0x40, 1, 0])),
            (b"40400100\r\n", Some(vec![0x40, 0x40, 1, 0])),
            (b"aB\tCd", Some(vec![0xAB, 0xCD])),
            (b"40 40 1 0", Some(vec![0x40, 0x40, 1, 0])),
            (b"4040f", Some(vec![0x40, 0x40, 0x0F])),
            (b" \n", Some(vec![])),
            (b"@@\x01\x00", None),
            (b"40,40", None),
            (b"0x40", None),
        ] {
            assert_eq!(bytes(record), expected, "{record:?}");
        }
    }
}
