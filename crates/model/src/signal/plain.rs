//! The fast way to read a signal's JSON: for what nearly every line is, one flat object without escapes.
//!
//! One pass over the bytes, no allocation, texts borrowed. It reads only what it is sure of: an object whose keys and
//! texts hold neither escapes nor control characters, and whose values are texts, numbers of at most 15 digits without
//! an exponent, `true`, `false` or `null`. Of anything else, wrong JSON too, it says nothing, and the full parser in
//! `read.rs` reads the line from its beginning; a property test there holds that both say the same.

use serde_json::Number;

use super::read::{Fields, Scalar};

/// What 15 digits write is below 2⁵³, so that an `f64` holds it exactly.
const MOST_DIGITS: usize = 15;

/// The powers of ten by which a number's digits are divided; both are exact, so that the quotient is rounded once, as
/// the full parser's is.
const POWERS_OF_TEN: [f64; MOST_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// The fields of a plain line; nothing of any other.
pub(super) fn read(bytes: &[u8]) -> Option<Fields<'_>> {
    let mut line = Line { text: std::str::from_utf8(bytes).ok()?, at: 0 };
    let mut fields = Fields::default();
    line.expect(b'{')?;
    if line.next()? == b'}' {
        line.at += 1;
    } else {
        loop {
            line.expect(b'"')?;
            let name = line.text()?;
            line.expect(b':')?;
            let value = line.value()?;
            if let Some(field) = fields.named(name) {
                *field = value;
            }
            match line.next()? {
                b',' => line.at += 1,
                b'}' => break line.at += 1,
                _ => return None,
            }
        }
    }
    line.next().is_none().then_some(fields)
}

/// A line that is being read.
struct Line<'l> {
    text: &'l str,
    at: usize,
}

impl<'l> Line<'l> {
    /// The next byte that is no blank; it is not passed over.
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Passes over this byte and the blanks before it.
    fn expect(&mut self, byte: u8) -> Option<()> {
        let found = self.next()? == byte;
        self.at += 1;
        found.then_some(())
    }

    /// The text whose opening quote was passed over; eight bytes at a time.
    fn text(&mut self) -> Option<&'l str> {
        let from = self.at;
        let bytes = self.text.as_bytes();
        while let Some(eight) = bytes.get(self.at..)?.first_chunk::<8>() {
            let stops = stops(u64::from_le_bytes(*eight));
            self.at += (stops.trailing_zeros() / 8) as usize;
            if stops != 0 {
                break;
            }
        }
        while let byte = *bytes.get(self.at)?
            && byte != b'"'
        {
            if byte < b' ' || byte == b'\\' {
                return None;
            }
            self.at += 1;
        }
        let text = self.text.get(from..self.at);
        self.at += 1;
        text
    }

    fn value(&mut self) -> Option<Scalar<'l>> {
        match self.next()? {
            b'"' => {
                self.at += 1;
                Some(Scalar::Text(self.text()?.into()))
            }
            b't' => self.word("true", Scalar::Bool(true)),
            b'f' => self.word("false", Scalar::Bool(false)),
            b'n' => self.word("null", Scalar::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &str, meaning: Scalar<'l>) -> Option<Scalar<'l>> {
        let found = self.text.as_bytes().get(self.at..)?.starts_with(word.as_bytes());
        self.at += word.len();
        found.then_some(meaning)
    }

    fn number(&mut self) -> Option<Scalar<'l>> {
        let bytes = self.text.as_bytes();
        let negative = bytes.get(self.at) == Some(&b'-');
        self.at += usize::from(negative);
        let from = self.at;
        let whole = self.digits(0)?;
        // No zero before other digits, and no -0, which is no integer.
        if bytes.get(from) == Some(&b'0') && (self.at > from + 1 || negative) {
            return None;
        }
        let mut digits = self.at - from;
        let fraction = bytes.get(self.at) == Some(&b'.');
        let mut all = whole;
        let mut places = 0;
        if fraction {
            self.at += 1;
            let point = self.at;
            all = self.digits(whole)?;
            places = self.at - point;
            digits += places;
        }
        if digits > MOST_DIGITS || matches!(bytes.get(self.at), Some(b'e' | b'E' | b'.')) {
            return None;
        }
        let signed = if negative { -all } else { all };
        let number = if fraction {
            Number::from_f64(signed as f64 / POWERS_OF_TEN[places])?
        } else if negative {
            Number::from(signed)
        } else {
            Number::from(all.unsigned_abs())
        };
        Some(Scalar::Number(number))
    }

    /// The digits from here on behind those before them, at least one and few enough for 64 bits.
    fn digits(&mut self, before: i64) -> Option<i64> {
        let from = self.at;
        let mut number = before;
        while let Some(digit @ b'0'..=b'9') = self.text.as_bytes().get(self.at) {
            number = number.checked_mul(10)?.checked_add(i64::from(digit - b'0'))?;
            self.at += 1;
        }
        (self.at > from).then_some(number)
    }
}

/// The lowest set bit stands in the first of eight bytes that is a quote, a backslash or a control character; no bit
/// without one. Bits above it may be set without reason.
const fn stops(eight: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    const fn below(eight: u64, limit: u8) -> u64 {
        eight.wrapping_sub(ONES * limit as u64) & !eight
    }
    let quote = below(eight ^ (ONES * b'"' as u64), 1);
    let backslash = below(eight ^ (ONES * b'\\' as u64), 1);
    (quote | backslash | below(eight, b' ')) & HIGH
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::signal::read::parse_any;

    /// A value as it may be written, plain or not.
    fn value() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "\"[a-zA-Z0-9:/ .火-]{0,20}\"",
            1 => "\"[a-z\\\\nu0-9\"\u{1}\u{7f}é]{0,9}\"",
            2 => "-?[0-9]{1,17}",
            2 => "-?[0-9]{1,9}[.][0-9]{0,9}",
            1 => "-?[0-9.eE+-]{1,6}",
            1 => "true|false|null|tru|nulll|-|",
            1 => "\\[1,\"a\"\\]|\\{\"b\":2\\}|[{}\\[\\],:]",
            1 => any::<f64>().prop_map(|number| number.to_string()),
            1 => any::<i64>().prop_map(|number| number.to_string()),
        ]
    }

    fn line() -> impl Strategy<Value = String> {
        let name = prop_oneof![
            6 => prop::sample::select(vec!["id", "device", "kind", "at", "received_at", "value", "test", "tick", "policy"]),
            1 => Just("else"),
            1 => Just("k\\u0069nd"),
        ];
        let blank = prop_oneof![4 => Just(""), 1 => Just(" "), 1 => Just("\r\n\t")];
        let field = (blank.clone(), name, blank.clone(), blank, value())
            .prop_map(|(a, name, b, c, value)| format!("{a}\"{name}\"{b}:{c}{value}"));
        (prop::collection::vec(field, 0..6), prop::sample::select(vec!["}", "} ", "},", "} x", "", ",}"]))
            .prop_map(|(fields, end)| format!("{{{}{end}", fields.join(",")))
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 20_000, rng_seed: RngSeed::Fixed(191), failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn what_it_reads_the_full_parser_reads_too(
            line in line(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
        ) {
            let mut bytes = line.into_bytes();
            for _ in 0..2 {
                if let Some(fields) = read(&bytes) {
                    prop_assert_eq!(Ok(fields), parse_any(&bytes));
                }
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
    }

    #[test]
    fn what_devices_and_fenghuo_itself_write_is_plain() {
        for line in [
            r#"{"id":"7","device":"D1","kind":"fire","at":"2026-11-22T01:58:02.000Z","text":"浓烟","test":true}"#,
            r#" { "device" : "D1" , "kind" : "reading" , "value" : -68.5 , "received_at" : 1795312690000 , "id" : null } "#,
            "{}",
        ] {
            assert!(read(line.as_bytes()).is_some(), "{line}");
        }
    }
}
