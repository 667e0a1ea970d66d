//! Seeded sequences: a small registry, a policy and the lines that arrive, all as text, so that they can be shrunk and
//! printed as they are.

mod city;
mod rules;
mod signals;

use crate::random::Random;

/// The unit in which the generator counts: coarse, so that instants meet exactly.
pub const UNIT_MS: i64 = 500;

/// One sequence: everything that both sides are given.
#[derive(Debug, Clone)]
pub struct Sequence {
    /// The registry's lines.
    pub registry: Vec<String>,
    /// The policy.
    pub policy: PolicyText,
    /// The signals and ticks, in order of arrival.
    pub inputs: Vec<String>,
}

/// A policy whose rules and lines can be left out one by one.
#[derive(Debug, Clone)]
pub struct PolicyText {
    /// Tables other than rules: the name, and its lines.
    pub tables: Vec<(&'static str, Vec<String>)>,
    /// The lines of each rule.
    pub rules: Vec<Vec<String>>,
}

impl PolicyText {
    /// As TOML.
    pub fn to_toml(&self) -> String {
        let table = |(name, lines): &(&str, Vec<String>)| format!("[{name}]\n{}\n", lines.join("\n"));
        let rule = |lines: &Vec<String>| format!("[[rule]]\n{}\n", lines.join("\n"));
        self.tables.iter().map(table).chain(self.rules.iter().map(rule)).collect()
    }
}

/// The sequence of a seed.
pub fn sequence(seed: u64) -> Sequence {
    let mut random = Random::new(seed);
    let city = city::city(&mut random);
    let (policy, times) = rules::policy(&mut random, &city);
    let inputs = signals::signals(&mut random, &city, &times);
    Sequence { registry: city.lines(), policy, inputs }
}
