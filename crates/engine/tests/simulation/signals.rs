//! What the decode role writes into the signals partition: signals of several raw partitions, each with its source,
//! sent again from anywhere when a member died; ticks; garbage; a raw topic deleted and made anew.

use std::collections::VecDeque;
use std::sync::Arc;

use fenghuo_engine::registries::{Registries, Version};
use fenghuo_engine::sources::Rules;
use fenghuo_model::{Input, Policy, RegistryChange, Signal};
use serde_json::{Value, json};

use crate::generate;
use crate::random::Random;

/// What can never be read.
const GARBAGE: [&str; 4] = ["", "[]", "{\"device\":", "{\"device\":\"D1\",\"kind\":\"dance\"}"];

/// A record of the signals partition; its offset is its place.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// Its value.
    pub payload: String,
    /// Whether the decode role sent it before: it must leave no trace.
    pub is_replay: bool,
}

/// Everything that a round is given.
pub struct Script {
    /// Registry and policy.
    pub rules: Rules,
    /// The signals partition, in the order of its offsets.
    pub arrivals: Vec<Arrival>,
    /// What comes after the end, to see that the state goes on as it should.
    pub later: Vec<Input>,
}

/// A raw partition and what was made of it.
struct Raw {
    name: &'static str,
    next_offset: i64,
    index: u32,
    highest_received_ms: i64,
    sent: Vec<(i64, String)>,
    again: VecDeque<String>,
}

/// The script of a seed.
pub fn script(seed: u64, random: &mut Random) -> Script {
    let mut sequence = generate::sequence(seed);
    let kept = usize::try_from(random.between(0, 8)).unwrap_or(0).min(sequence.inputs.len() / 3);
    let later = sequence.inputs.split_off(sequence.inputs.len() - kept);
    let versions = versions(&sequence.registry, random);
    let policy = Policy::from_toml("policy", &sequence.policy.to_toml());
    let names: Vec<Arc<str>> = versions.iter().map(|version| Arc::clone(&version.name)).collect();
    let mut writer = Writer { changes_registry: random.chance(40), random, raws: raws(), names, arrivals: Vec::new() };
    sequence.inputs.iter().for_each(|line| writer.line(line));
    while writer.raws.iter().any(|raw| !raw.again.is_empty()) {
        writer.send_again();
    }
    Script {
        rules: Rules {
            registry: versions[0].clone(),
            registries: Arc::new(Registries::of(versions)),
            policy: Arc::new(policy.expect("the generator writes what can be read")),
            policy_text: sequence.policy.to_toml().into(),
        },
        arrivals: writer.arrivals,
        later: later.iter().filter_map(|line| Input::from_json(line.as_bytes()).ok()).collect(),
    }
}

/// The registry, and others that lack some of its lines.
fn versions(lines: &[String], random: &mut Random) -> Vec<Version> {
    let whole = Version::read("registry", lines.join("\n").as_bytes()).expect("the generator writes what can be read");
    let mut versions = vec![whole];
    for _ in 0..3 {
        let kept: Vec<&str> = lines.iter().filter(|_| random.chance(85)).map(String::as_str).collect();
        // A device whose building is not there is no registry.
        versions.extend(Version::read("registry", kept.join("\n").as_bytes()));
    }
    versions
}

fn raws() -> Vec<Raw> {
    ["raw.a/0", "raw.a/1", "raw.b/0"].map(raw).into()
}

const fn raw(name: &'static str) -> Raw {
    Raw { name, next_offset: 0, index: 0, highest_received_ms: i64::MIN, sent: Vec::new(), again: VecDeque::new() }
}

struct Writer<'r> {
    random: &'r mut Random,
    raws: Vec<Raw>,
    /// The versions of the registry that are at hand.
    names: Vec<Arc<str>>,
    changes_registry: bool,
    arrivals: Vec<Arrival>,
}

impl Writer<'_> {
    fn line(&mut self, line: &str) {
        if self.random.chance(3) {
            let payload = (*self.random.pick(&GARBAGE)).to_owned();
            self.arrivals.push(Arrival { payload, is_replay: false });
        }
        if self.changes_registry && self.random.chance(4) {
            let unknown = Arc::from("0123456789abcdef");
            let version = self.random.pick(&[&self.names[..], &[unknown]].concat()).to_string();
            self.arrivals.push(Arrival { payload: RegistryChange { version }.to_json(), is_replay: false });
        }
        match (Signal::from_json(line.as_bytes()), serde_json::from_str::<Value>(line)) {
            (Ok(signal), Ok(value)) => self.signal(&signal, value),
            _ => self.arrivals.push(Arrival { payload: line.to_owned(), is_replay: false }),
        }
        if self.random.chance(8) {
            self.rewind();
        }
        if self.random.chance(60) {
            self.send_again();
        }
    }

    fn signal(&mut self, signal: &Signal, mut value: Value) {
        let place = usize::try_from(self.random.between(0, 2)).unwrap_or(0);
        let received_ms = signal.received_at_ms.or(signal.at_ms).unwrap_or(i64::MIN);
        let (random, raw) = (&mut *self.random, &mut self.raws[place]);
        // Along a raw partition nothing new comes before what is sent again.
        let again = raw.again.drain(..).map(|payload| Arrival { payload, is_replay: true });
        self.arrivals.extend(again);
        if random.chance(4) && received_ms > raw.highest_received_ms {
            (raw.next_offset, raw.index) = (0, 0);
            raw.sent.clear();
        }
        if random.chance(30) && !raw.sent.is_empty() {
            raw.index += 1;
        } else {
            // Some records hold no signal.
            raw.next_offset += random.pick_weighted(&[(5, 1), (1, 2), (1, 3)]);
            raw.index = 0;
        }
        raw.highest_received_ms = raw.highest_received_ms.max(received_ms);
        let (offset, index) = (raw.next_offset - 1, raw.index);
        let mut source = format!("{}/{offset}", raw.name);
        if index > 0 {
            source += &format!("/{index}");
        }
        value["source"] = json!(source);
        let payload = value.to_string();
        raw.sent.push((offset, payload.clone()));
        self.arrivals.push(Arrival { payload, is_replay: false });
    }

    /// A member died: another goes on from an offset that was committed once. It may be any, the first as well.
    fn rewind(&mut self) {
        let place = usize::try_from(self.random.between(0, 2)).unwrap_or(0);
        let raw = &mut self.raws[place];
        if raw.sent.is_empty() {
            return;
        }
        let from = match self.random.between(0, 2) {
            0 => 0,
            1 => raw.sent[raw.sent.len() - 1].0,
            _ => self.random.pick(&raw.sent).0,
        };
        raw.again = raw.sent.iter().filter(|(offset, _)| *offset >= from).map(|(_, payload)| payload.clone()).collect();
    }

    fn send_again(&mut self) {
        for raw in &mut self.raws {
            let count = usize::try_from(self.random.between(0, 3)).unwrap_or(0).min(raw.again.len());
            let again = raw.again.drain(..count).map(|payload| Arrival { payload, is_replay: true });
            self.arrivals.extend(again);
        }
    }
}
