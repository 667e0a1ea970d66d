//! Makes a sequence smaller while a difference stays: fewer lines, rules, keys and fields.

use serde_json::Value;

use crate::compare::compare;
use crate::generate::Sequence;

/// The smallest sequence found in which oracle and correlator still differ.
pub fn shrink(sequence: &Sequence) -> Sequence {
    let mut smallest = sequence.clone();
    loop {
        let before = size(&smallest);
        drop_items(&mut smallest, |sequence| &mut sequence.inputs);
        drop_items(&mut smallest, |sequence| &mut sequence.policy.rules);
        drop_items(&mut smallest, |sequence| &mut sequence.registry);
        for rule in 0..smallest.policy.rules.len() {
            drop_items(&mut smallest, |sequence| &mut sequence.policy.rules[rule]);
        }
        for table in 0..smallest.policy.tables.len() {
            drop_items(&mut smallest, |sequence| &mut sequence.policy.tables[table].1);
        }
        for line in 0..smallest.inputs.len() {
            drop_fields(&mut smallest, |sequence| &mut sequence.inputs[line]);
        }
        for line in 0..smallest.registry.len() {
            drop_fields(&mut smallest, |sequence| &mut sequence.registry[line]);
        }
        if size(&smallest) == before {
            return smallest;
        }
    }
}

fn size(sequence: &Sequence) -> usize {
    let lines = |lines: &[String]| lines.iter().map(|line| line.len() + 1).sum::<usize>();
    lines(&sequence.inputs) + lines(&sequence.registry) + sequence.policy.to_toml().len()
}

fn differs(sequence: &Sequence) -> bool {
    compare(sequence).is_some_and(|comparison| comparison.first_difference().is_some())
}

/// Leaves out ever smaller stretches of a list, the last ones first.
fn drop_items<T>(smallest: &mut Sequence, list: impl Fn(&mut Sequence) -> &mut Vec<T>) {
    let mut stretch = list(smallest).len().div_ceil(2);
    while stretch > 0 {
        let mut end = list(smallest).len();
        while end > 0 {
            let begin = end.saturating_sub(stretch);
            let mut candidate = smallest.clone();
            list(&mut candidate).drain(begin..end);
            if differs(&candidate) {
                *smallest = candidate;
            }
            end = begin;
        }
        stretch /= 2;
    }
}

/// Leaves out one field of a JSON line after the other.
fn drop_fields(smallest: &mut Sequence, line: impl Fn(&mut Sequence) -> &mut String) {
    let Ok(Value::Object(fields)) = serde_json::from_str(line(smallest)) else { return };
    for name in fields.keys() {
        let Ok(Value::Object(mut fewer)) = serde_json::from_str(line(smallest)) else { return };
        fewer.remove(name);
        let mut candidate = smallest.clone();
        *line(&mut candidate) = Value::Object(fewer).to_string();
        if differs(&candidate) {
            *smallest = candidate;
        }
    }
}
