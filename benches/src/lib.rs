//! What the benches work on, and the hash of what they make of it.
//!
//! Everything comes from a small synthetic city, so that the mix is that of a real night: nearly all heartbeats and
//! readings, some nuisance, a few fires. A bench whose result nobody looks at may measure an error path for years;
//! hence each prints how much came out, and a hash of it, and runs once in every test run.

pub mod floor;
pub mod load;
pub mod table;
pub mod work;

use std::io::{self, Write};

use fenghuo_city::{City, Plan, RawRecord};
use fenghuo_decode::{Decoded, Options, Record, decode_record};
use fenghuo_model::{Decision, Input, Policy, Registry, Signal};

/// The city of all benches: a village quarter of one evening.
#[must_use]
pub fn city() -> City {
    City::new(&Plan { seed: 7, buildings: 500, hours: 1.0, fires: Some(8), ..Plan::default() })
}

/// The city's registry.
#[must_use]
pub fn registry(city: &City) -> Registry {
    let lines = city.registry_json_lines();
    Registry::from_json_lines("city", lines.as_bytes()).expect("the city writes a registry without faults")
}

/// What one raw record says, appended to `decoded`, which the caller clears.
pub fn decode_into(raw: &RawRecord, policy: &Policy, decoded: &mut Vec<Decoded>) {
    let record = Record { bytes: &raw.bytes, timestamp_ms: Some(raw.timestamp_ms), source: None };
    decode_record(raw.channel.format(), &record, &policy.clock, &Options::default(), decoded);
}

/// The night's signals, in the order of their arrival.
#[must_use]
pub fn inputs(city: &City, policy: &Policy) -> Vec<Input> {
    let mut decoded = Vec::new();
    for raw in city.night() {
        decode_into(&raw, policy, &mut decoded);
    }
    let signal = |decoded| match decoded {
        Decoded::Signal(signal) => Some(Input::Signal(signal)),
        Decoded::Rejected(_) => None,
    };
    decoded.into_iter().filter_map(signal).collect()
}

/// A hash (64-bit FNV-1a) of text after text: equal results have equal hashes, on any machine and in any release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    /// Takes one text, and that it ended there.
    pub fn take(&mut self, text: &str) {
        for byte in text.bytes().chain([b'\n']) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Of signals, in their order.
    #[must_use]
    pub fn of_decoded(decoded: &[Decoded]) -> Self {
        let mut fingerprint = Self::default();
        for one in decoded {
            match one {
                Decoded::Signal(signal) => fingerprint.take(&Signal::to_json(signal)),
                Decoded::Rejected(rejection) => fingerprint.take(&rejection.reason),
            }
        }
        fingerprint
    }

    /// Of decisions, in their order.
    #[must_use]
    pub fn of_decisions(decisions: &[Decision]) -> Self {
        let mut fingerprint = Self::default();
        decisions.iter().for_each(|decision| fingerprint.take(&decision.to_json()));
        fingerprint
    }
}

impl std::fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Prints what a bench's work came to.
///
/// # Errors
/// Standard output is closed.
pub fn tell(bench: &str, taken: usize, made: usize, fingerprint: Fingerprint) -> io::Result<()> {
    writeln!(io::stdout(), "{bench}: {taken} in, {made} out, hash {fingerprint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_published_one_and_sees_where_texts_end() {
        let hash = |texts: &[&str]| {
            let mut fingerprint = Fingerprint::default();
            texts.iter().for_each(|text| fingerprint.take(text));
            fingerprint.0
        };
        assert_eq!(hash(&[]), 0xcbf2_9ce4_8422_2325);
        assert_eq!(hash(&["a"]), 0x089b_dc07_b544_e7b2); // FNV-1a of "a\n"
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
    }

    #[test]
    fn the_benches_work_on_fires_too() {
        let city = city();
        let inputs = inputs(&city, &Policy::default());
        let fires = inputs
            .iter()
            .filter(|input| matches!(input, Input::Signal(signal) if signal.kind == fenghuo_model::Kind::Fire));
        assert!(fires.count() > city.truth().len());
        assert!(!registry(&city).regions().is_empty());
    }
}
