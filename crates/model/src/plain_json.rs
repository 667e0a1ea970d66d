//! A scanner of plain JSON: what nearly every line of a machine is, objects and scalars without escapes.
//!
//! Signals, pushes of clouds and the lines of a registry are read by it in one pass: no allocation, texts borrowed, and
//! the caller's fields filled as they come. It goes on only while it is sure: keys and texts hold neither escapes nor
//! control characters, numbers have at most 15 digits and no exponent. Of anything else, wrong JSON too, it says
//! nothing, and the caller has the full parser read the line from its beginning; each caller has a property test that
//! holds that both say the same.

use serde_json::Number;

/// What 15 digits write is below 2⁵³, so that an `f64` holds it exactly.
const MOST_DIGITS: usize = 15;

/// The powers of ten by which a number's digits are divided; both are exact, so that the quotient is rounded once, as
/// the full parser's is.
const POWERS_OF_TEN: [f64; MOST_DIGITS + 1] =
    [1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15];

/// A plain value that is neither object nor array.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Plain<'l> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without a fraction.
    Integer(i64),
    /// A number with a fraction.
    Fraction(f64),
    /// A text, as it is written.
    Text(&'l str),
}

impl<'l> Plain<'l> {
    /// The text, or that there is none for it is `null`; nothing of any other value.
    #[must_use]
    pub const fn text_or_null(self) -> Option<Option<&'l str>> {
        match self {
            Self::Text(text) => Some(Some(text)),
            Self::Null => Some(None),
            _ => None,
        }
    }

    /// The integer, or that there is none for it is `null`; nothing of any other value.
    #[must_use]
    pub const fn integer_or_null(self) -> Option<Option<i64>> {
        match self {
            Self::Integer(number) => Some(Some(number)),
            Self::Null => Some(None),
            _ => None,
        }
    }

    /// The number as the full parser reads it, if it is one.
    #[must_use]
    pub fn number(self) -> Option<Number> {
        match self {
            Self::Integer(number) => Some(u64::try_from(number).map_or_else(|_| number.into(), Number::from)),
            Self::Fraction(number) => Number::from_f64(number),
            _ => None,
        }
    }
}

/// A line that is being read.
#[derive(Debug)]
pub struct Scan<'l> {
    text: &'l str,
    at: usize,
}

impl<'l> Scan<'l> {
    /// At the line's beginning; nothing if it is no UTF-8.
    #[must_use]
    pub fn new(line: &'l [u8]) -> Option<Self> {
        Some(Self { text: std::str::from_utf8(line).ok()?, at: 0 })
    }

    /// Passes over an object, handing over each key; `field` passes over its value.
    #[inline]
    pub fn object(&mut self, mut field: impl FnMut(&mut Self, &'l str) -> Option<()>) -> Option<()> {
        self.expect(b'{')?;
        if self.next()? == b'}' {
            self.at += 1;
            return Some(());
        }
        loop {
            self.expect(b'"')?;
            let key = self.text()?;
            self.expect(b':')?;
            field(self, key)?;
            let next = self.next()?;
            self.at += 1;
            match next {
                b',' => {}
                b'}' => return Some(()),
                _ => return None,
            }
        }
    }

    /// Passes over a value that is neither object nor array.
    #[inline]
    pub fn value(&mut self) -> Option<Plain<'l>> {
        match self.next()? {
            b'"' => {
                self.at += 1;
                self.text().map(Plain::Text)
            }
            b't' => self.word("true", Plain::Bool(true)),
            b'f' => self.word("false", Plain::Bool(false)),
            b'n' => self.word("null", Plain::Null),
            _ => self.number(),
        }
    }

    /// Whether an object is next.
    pub fn is_at_object(&mut self) -> bool {
        self.next() == Some(b'{')
    }

    /// That nothing but blanks is left.
    pub fn end(&mut self) -> Option<()> {
        self.next().is_none().then_some(())
    }

    /// The next byte that is no blank; it is not passed over.
    #[inline]
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = *self.text.as_bytes().get(self.at)?;
            if byte > b' ' || !matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    /// Passes over this byte and the blanks before it.
    #[inline]
    fn expect(&mut self, byte: u8) -> Option<()> {
        let found = self.next()? == byte;
        self.at += 1;
        found.then_some(())
    }

    /// The text whose opening quote was passed over; eight bytes at a time.
    #[inline]
    fn text(&mut self) -> Option<&'l str> {
        let from = self.at;
        let bytes = self.text.as_bytes();
        let mut at = from;
        while let Some(eight) = bytes.get(at..)?.first_chunk::<8>() {
            let stops = stops(u64::from_le_bytes(*eight));
            at += (stops.trailing_zeros() / 8) as usize;
            if stops != 0 {
                break;
            }
        }
        while let byte = *bytes.get(at)?
            && byte != b'"'
        {
            if byte < b' ' || byte == b'\\' {
                return None;
            }
            at += 1;
        }
        self.at = at + 1;
        self.text.get(from..at)
    }

    fn word(&mut self, word: &str, meaning: Plain<'l>) -> Option<Plain<'l>> {
        let found = self.text.as_bytes().get(self.at..)?.starts_with(word.as_bytes());
        self.at += word.len();
        found.then_some(meaning)
    }

    fn number(&mut self) -> Option<Plain<'l>> {
        let rest = self.text.as_bytes().get(self.at..)?;
        let (is_negative, bytes) = match rest {
            [b'-', bytes @ ..] => (true, bytes),
            bytes => (false, bytes),
        };
        let (whole, whole_digits) = digits(0, bytes);
        // No zero before other digits, and no -0, which is no integer.
        let is_odd = bytes.first() == Some(&b'0') && (whole_digits > 1 || is_negative);
        if whole_digits == 0 || is_odd {
            return None;
        }
        let signed = |number: i64| if is_negative { number.wrapping_neg() } else { number };
        let (value, count, length) = if let Some((b'.', places)) = bytes[whole_digits..].split_first() {
            let (all, places) = digits(whole, places);
            let by = POWERS_OF_TEN.get(places).filter(|_| places > 0)?;
            (Plain::Fraction(signed(all) as f64 / by), whole_digits + places, whole_digits + 1 + places)
        } else {
            (Plain::Integer(signed(whole)), whole_digits, whole_digits)
        };
        self.at += length + usize::from(is_negative);
        let is_whole = count <= MOST_DIGITS && !matches!(bytes.get(length), Some(b'e' | b'E' | b'.'));
        is_whole.then_some(value)
    }
}

/// The number that the digits at the beginning write behind those before them, and how many there are; beyond
/// [`MOST_DIGITS`] some number.
#[inline]
fn digits(before: i64, bytes: &[u8]) -> (i64, usize) {
    let mut number = before;
    let mut count = 0;
    while let Some(digit @ b'0'..=b'9') = bytes.get(count) {
        number = number.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
        count += 1;
    }
    (number, count)
}

/// The lowest set bit stands in the first of eight bytes that is a quote, a backslash or a control character; no bit
/// without one. Bits above it may be set without reason.
#[inline]
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
    use serde_json::Value;

    use super::*;

    fn scalar(line: &str) -> Option<Plain<'_>> {
        let mut scan = Scan::new(line.as_bytes())?;
        let value = scan.value()?;
        scan.end()?;
        Some(value)
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 20_000, rng_seed: RngSeed::Fixed(191), failure_persistence: None, ..ProptestConfig::default()
        })]

        /// Numbers as they may be written, and what looks like them.
        #[test]
        fn a_number_is_what_the_full_parser_reads(
            text in prop_oneof![
                "-?[0-9]{1,17}", "-?[0-9]{1,9}[.][0-9]{0,9}", "[-0-9.eE+]{1,6}", any::<f64>().prop_map(|n| n.to_string()),
            ],
        ) {
            if let Some(plain) = scalar(&text) {
                prop_assert_eq!(plain.number().map(Value::Number), serde_json::from_str::<Value>(&text).ok());
            }
        }

        #[test]
        fn a_text_is_what_the_full_parser_reads(text in "[\"]?[ -~\u{0}-\u{20}é火\u{7f}\\\\\"]{0,20}[\"]? ?") {
            if let Some(plain) = scalar(&text) {
                let full = serde_json::from_str::<String>(&text).ok();
                if let Plain::Text(text) = plain {
                    prop_assert_eq!(full.as_deref(), Some(text));
                }
            }
        }
    }

    #[test]
    fn what_is_plain_is_read() {
        for (line, expected) in [
            ("\"火 7\"", Some(Plain::Text("火 7"))),
            (" -68.5 ", Some(Plain::Fraction(-68.5))),
            ("1795312690000", Some(Plain::Integer(1_795_312_690_000))),
            ("999999999999999", Some(Plain::Integer(999_999_999_999_999))),
            ("1000000000000000", None),
            ("null", Some(Plain::Null)),
            ("true", Some(Plain::Bool(true))),
            ("nul", None),
            ("-0", None),
            ("01", None),
            ("1.", None),
            ("1e2", None),
            ("\"a\\n\"", None),
            ("[]", None),
            ("\"", None),
            ("", None),
        ] {
            assert_eq!(scalar(line), expected, "{line}");
        }
        let mut seen = Vec::new();
        let mut scan = Scan::new(b" { \"a\" : 1 , \"b\":{\"c\":true} } ").unwrap();
        let read = scan.object(|scan, key| {
            seen.push(key);
            if scan.is_at_object() { scan.object(|scan, _| scan.value().map(|_| ())) } else { scan.value().map(|_| ()) }
        });
        assert_eq!((read, scan.end(), seen), (Some(()), Some(()), vec!["a", "b"]));
        for broken in ["{", "{\"a\":1,}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{a:1}", "{,}"] {
            assert_eq!(
                Scan::new(broken.as_bytes()).unwrap().object(|scan, _| scan.value().map(|_| ())),
                None,
                "{broken}"
            );
        }
    }
}
