//! One sequence through the oracle and through the correlator, step by step, and the first step where they differ.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use fenghuo_correlate::Rejected;
use fenghuo_model::{Input, Policy, Registry};
use serde_json::Value;

use crate::generate::Sequence;
use crate::intake::Reason;
use crate::oracle::Oracle;
use crate::restored::Restored;

/// What one input, or the drain, made one side do.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// It decided this.
    Decided(Vec<Value>),
    /// It rejected the input.
    Rejected(Reason),
    /// It broke.
    Panicked(String),
}

/// What both sides did; the last step is the drain.
#[derive(Debug, Clone)]
pub struct Comparison {
    /// What the text says.
    pub oracle: Vec<Step>,
    /// What the correlator did.
    pub correlator: Vec<Step>,
}

impl Comparison {
    /// The first step where they differ.
    pub fn first_difference(&self) -> Option<usize> {
        let steps = self.oracle.len().max(self.correlator.len());
        (0..steps).find(|step| self.oracle.get(*step) != self.correlator.get(*step))
    }
}

/// Runs both; nothing if registry or policy cannot be read.
pub fn compare(sequence: &Sequence) -> Option<Comparison> {
    let registry = Arc::new(Registry::from_json_lines("registry", sequence.registry.join("\n").as_bytes()).ok()?);
    let policy = Arc::new(Policy::from_toml("policy", &sequence.policy.to_toml()).ok()?);
    let inputs: Vec<Input> = sequence.inputs.iter().filter_map(|line| Input::from_json(line.as_bytes()).ok()).collect();

    let mut oracle = Oracle::new(&registry, &policy);
    let by_oracle = steps(&inputs, |input| match input {
        Some(input) => oracle.take(input),
        None => Ok(oracle.drain()),
    });
    let mut correlator = Restored::new(&registry, &policy, sequence.inputs.len() as u64);
    let by_correlator = steps(&inputs, |input| {
        let mut decisions = Vec::new();
        match input {
            Some(input) => correlator.take(input, &mut decisions).map_err(|rejected| reason(&rejected))?,
            None => correlator.drain(&mut decisions),
        }
        let written = decisions.iter().map(serde_json::to_value);
        Ok(written.collect::<Result<_, _>>().expect("a decision has string keys and finite numbers only"))
    });
    Some(Comparison { oracle: by_oracle, correlator: by_correlator })
}

fn reason(rejected: &Rejected) -> Reason {
    match rejected {
        Rejected::NoTime => Reason::NoTime,
        Rejected::NoBuilding(_) => Reason::NoBuilding,
        Rejected::RegistryElsewhere(_) => unreachable!("no sequence changes its registry"),
    }
}

/// Every input in turn, then nothing, which means the drain. After a panic there is no further step.
fn steps(inputs: &[Input], mut take: impl FnMut(Option<&Input>) -> Result<Vec<Value>, Reason>) -> Vec<Step> {
    let mut steps = Vec::new();
    for input in inputs.iter().map(Some).chain([None]) {
        match catch_unwind(AssertUnwindSafe(|| take(input))) {
            Ok(Ok(decisions)) => steps.push(Step::Decided(decisions)),
            Ok(Err(reason)) => steps.push(Step::Rejected(reason)),
            Err(payload) => {
                steps.push(Step::Panicked(message(&*payload)));
                break;
            }
        }
    }
    steps
}

/// What a panic said.
pub fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().cloned();
    text.or_else(|| payload.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_else(|| "no message".to_owned())
}
