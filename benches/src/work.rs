//! Fixed pieces of work, small enough for a processor that is simulated: what the gate of instruction counts measures.
//!
//! Each is prepared first; only what [`Work::run`] does is counted.

use std::sync::Arc;

use fenghuo_city::{Channel, RawRecord};
use fenghuo_correlate::Correlator;
use fenghuo_decode::{Decoded, Record, signs_of_life};
use fenghuo_model::{Decision, Input, Policy, Registry};

use crate::load::{as_inputs, device_names, mix, repeating, storm};
use crate::{Fingerprint, city, decode_into, inputs, registry};

/// Records of one format.
const RECORDS: usize = 1_000;

/// A piece of work, prepared.
pub struct Work {
    /// How much goes in: records, signals or lines.
    pub taken: usize,
    what: What,
    policy: Arc<Policy>,
    /// How many signs of life each record holds, if nothing else.
    told: Vec<Option<u32>>,
    decoded: Vec<Decoded>,
    decisions: Vec<Decision>,
}

enum What {
    Decode(Vec<RawRecord>),
    /// The change filter's glance before a record is decoded.
    Glance(Vec<RawRecord>),
    Correlate(Arc<Registry>, Vec<Input>),
    Path(Arc<Registry>, Vec<RawRecord>),
    Load(String),
}

/// The names of all pieces of work.
pub const NAMES: [&str; 12] = [
    "decode/gb26875",
    "decode/ctwing",
    "decode/signal",
    "glance/gb26875",
    "glance/ctwing",
    "glance/signal",
    "correlate/night",
    "correlate/mix",
    "correlate/storm",
    "correlate/repeating",
    "path/night",
    "registry/load",
];

impl Work {
    /// Prepares the piece of that name, one of [`NAMES`].
    #[must_use]
    pub fn prepare(name: &str) -> Option<Self> {
        let policy = Arc::new(Policy::default());
        let city = city();
        let known = Arc::new(registry(&city));
        let names = device_names(&known);
        let of = |channel, what: fn(Vec<RawRecord>) -> What| {
            let records: Vec<_> = city.night().filter(|raw| raw.channel == channel).take(RECORDS).collect();
            (records.len(), what(records))
        };
        let (taken, what) = match name {
            "decode/gb26875" => of(Channel::Gb26875, What::Decode),
            "decode/ctwing" => of(Channel::Ctwing, What::Decode),
            "decode/signal" => of(Channel::Signal, What::Decode),
            "glance/gb26875" => of(Channel::Gb26875, What::Glance),
            "glance/ctwing" => of(Channel::Ctwing, What::Glance),
            "glance/signal" => of(Channel::Signal, What::Glance),
            "correlate/night" => {
                (5_000, What::Correlate(known, inputs(&city, &policy).into_iter().take(5_000).collect()))
            }
            "correlate/mix" => (5_000, What::Correlate(known, as_inputs(mix(&names, 5_000, 1)))),
            "correlate/storm" => (1_000, What::Correlate(known, as_inputs(storm(&names, 1_000)))),
            "correlate/repeating" => (3_000, What::Correlate(known, as_inputs(repeating(&names[..500], 3_000)))),
            "path/night" => (5_000, What::Path(known, city.night().take(5_000).collect())),
            "registry/load" => {
                // So few that one thread reads and adds them: of another, valgrind would not count.
                let lines: Vec<_> = city.registry_lines().take(RECORDS).collect();
                (lines.len(), What::Load(lines.join("\n")))
            }
            _ => return None,
        };
        let told = Vec::with_capacity(RECORDS);
        Some(Self { taken, what, policy, told, decoded: Vec::new(), decisions: Vec::new() })
    }

    /// Does it; how much came out.
    #[inline(never)]
    pub fn run(&mut self) -> usize {
        match &self.what {
            What::Decode(records) => {
                records.iter().for_each(|raw| decode_into(raw, &self.policy, &mut self.decoded));
                self.decoded.len()
            }
            What::Glance(records) => {
                let clock = &self.policy.clock;
                self.told.extend(records.iter().map(|raw| {
                    let record = Record { bytes: &raw.bytes, timestamp_ms: Some(raw.timestamp_ms), source: None };
                    signs_of_life(raw.channel.format(), &record, clock)
                }));
                self.told.iter().flatten().count()
            }
            What::Correlate(registry, inputs) => {
                let mut correlator = Correlator::new(Arc::clone(registry), Arc::clone(&self.policy));
                for input in inputs {
                    // A rejected signal is counted by the correlator, and part of a real night.
                    let _ = correlator.take(input, &mut self.decisions);
                }
                correlator.drain(&mut self.decisions);
                self.decisions.len()
            }
            What::Path(registry, records) => {
                let mut correlator = Correlator::new(Arc::clone(registry), Arc::clone(&self.policy));
                for raw in records {
                    decode_into(raw, &self.policy, &mut self.decoded);
                    for decoded in self.decoded.drain(..) {
                        if let Decoded::Signal(signal) = decoded {
                            let _ = correlator.take(&Input::Signal(signal), &mut self.decisions);
                        }
                    }
                }
                correlator.drain(&mut self.decisions);
                self.decisions.len()
            }
            What::Load(text) => {
                Registry::from_json_lines("city", text.as_bytes()).map_or(0, |registry| registry.devices().len())
            }
        }
    }

    /// A hash of what came out.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        match self.what {
            What::Decode(_) => Fingerprint::of_decoded(&self.decoded),
            What::Glance(_) => {
                let mut fingerprint = Fingerprint::default();
                self.told.iter().for_each(|told| fingerprint.take(&format!("{told:?}")));
                fingerprint
            }
            _ => Fingerprint::of_decisions(&self.decisions),
        }
    }
}
