//! A policy put in force in the middle of a sequence: what is held stays, what comes is judged by the new rules.

#![expect(clippy::unwrap_used, reason = "where the world of a test is not as it should be, the test fails")]

use std::collections::BTreeMap;
use std::sync::Arc;

use fenghuo_correlate::{Correlator, Limits, StateChange};
use fenghuo_model::{Decision, Input, Policy, PolicyChange, Registry};

const REGISTRY: &str = r#"{"type":"building","id":"B1","lon":113.75,"lat":23.02}
{"type":"device","id":"D1","building":"B1","sensor":"smoke","location":"301"}
{"type":"device","id":"D2","building":"B1","sensor":"smoke","location":"302"}
{"type":"device","id":"D3","building":"B1","sensor":"smoke","location":"303"}"#;

const TWO: &str = "[[rule]]\nid = \"two\"\nwindow = \"120s\"\nmin_locations = 2\n";
const THREE: &str = "[[rule]]\nid = \"three\"\nwindow = \"120s\"\nmin_locations = 3\n";

fn registry() -> Arc<Registry> {
    Arc::new(Registry::from_json_lines("registry", REGISTRY.as_bytes()).unwrap())
}

fn policy(text: &str) -> Arc<Policy> {
    Arc::new(Policy::from_toml("policy", text).unwrap())
}

fn fire(device: &str, second: i64) -> String {
    format!(
        "{{\"device\":\"{device}\",\"kind\":\"fire\",\"at\":{0},\"received_at\":{0}}}",
        1_795_312_682_000 + second * 1_000
    )
}

fn change(text: &str) -> String {
    PolicyChange { text: text.to_owned(), policy: policy(text) }.to_json()
}

/// Each decision's word, rule and policy.
fn told(decisions: &[Decision]) -> Vec<(&'static str, Option<String>, String)> {
    let rule = |decision: &Decision| decision.state.as_ref().and_then(|state| state.rule.clone());
    decisions.iter().map(|it| (it.decision.word(), rule(it), it.policy.clone())).collect()
}

fn take(correlator: &mut Correlator, line: &str) -> Vec<Decision> {
    let mut decisions = Vec::new();
    correlator.take(&Input::from_json(line.as_bytes()).unwrap(), &mut decisions).unwrap();
    decisions
}

#[test]
fn what_comes_is_judged_by_the_new_rules_together_with_what_is_there() {
    let (two, three) = (policy(TWO).hash().to_owned(), policy(THREE).hash().to_owned());
    let mut correlator = Correlator::new(registry(), policy(THREE));
    assert_eq!(told(&take(&mut correlator, &fire("D1", 0))), [("suspected", None, three.clone())]);
    assert_eq!(told(&take(&mut correlator, &fire("D2", 10))), []);
    // A change alone decides nothing, although two rooms are there.
    assert_eq!(told(&take(&mut correlator, &change(TWO))), []);
    // A repetition of D2 is evidence like any other, and finds the rule holding.
    let rule = Some("two".to_owned());
    assert_eq!(told(&take(&mut correlator, &fire("D2", 20))), [("confirmed", rule.clone(), two)]);
    // The confirmation stays, though nothing would confirm it any more and its rule is gone.
    assert_eq!(told(&take(&mut correlator, &change(THREE))), []);
    assert_eq!(told(&take(&mut correlator, &fire("D3", 30))), [("update", rule, three)]);
}

#[test]
fn a_restart_under_the_policy_in_force_changes_nothing() {
    let lines = [fire("D1", 0), change(TWO), fire("D2", 10), change(THREE), fire("D3", 30), fire("D1", 40)];
    let mut whole = Correlator::new(registry(), policy(THREE));
    let expected: Vec<Decision> = lines.iter().flat_map(|line| take(&mut whole, line)).collect();
    for restart_after in 1..=lines.len() {
        let mut correlator = Correlator::new(registry(), policy(THREE));
        correlator.keep_changes();
        let mut in_force = policy(THREE);
        let mut decisions = Vec::new();
        for (number, line) in (1..).zip(&lines) {
            decisions.extend(take(&mut correlator, line));
            if let Ok(Input::Policy(change)) = Input::from_json(line.as_bytes()) {
                in_force = change.policy;
            }
            if number == restart_after {
                let mut changes = Vec::new();
                correlator.changes(&mut changes);
                let written = changes.into_iter().filter_map(|StateChange { key, value }| Some((key, value?)));
                let log: BTreeMap<Vec<u8>, Vec<u8>> = written.collect();
                let records = log.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
                correlator =
                    Correlator::restore(registry(), Arc::clone(&in_force), &Limits::default(), records).unwrap();
            }
        }
        assert_eq!(decisions, expected, "restart after {restart_after}");
    }
}
