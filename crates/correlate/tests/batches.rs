//! However inputs are handed over, one by one or as lists of any length: the same is decided, and told of each.

#![expect(clippy::unwrap_used, reason = "where the world of a test is not as it should be, the test fails")]

use std::sync::Arc;

use fenghuo_correlate::{Correlator, Rejected};
use fenghuo_model::{Decision, Input, Policy, Registry};

const HOUSES: u32 = 30;

fn street() -> Arc<Registry> {
    let house = |house: u32| {
        let lon = 113.75 + f64::from(house) * 0.000_3;
        format!(
            "{{\"type\":\"building\",\"id\":\"B{house}\",\"lon\":{lon},\"lat\":23.0}}\n\
             {{\"type\":\"device\",\"id\":\"D{house}\",\"building\":\"B{house}\",\"address\":\"gb:{house}:1\"}}\n\
             {{\"type\":\"device\",\"id\":\"gb:{house}\",\"building\":\"B{house}\",\"address\":\"D{house}:x\"}}\n"
        )
    };
    let lines: String = (0..HOUSES).map(house).collect();
    Arc::new(Registry::from_json_lines("street", lines.as_bytes()).unwrap())
}

/// Ids, addresses and strangers in turn, ticks and rejected signals among them.
fn inputs() -> Vec<Input> {
    let line = |number: u32| {
        let (house, at_ms) = (number * 7 % HOUSES, 1_795_312_682_000_i64 + i64::from(number) * 900);
        let device = match number % 5 {
            0 => format!("D{house}"),
            1 => format!("gb:{house}:1"),
            2 => format!("gb:{house}"),
            3 => format!("D{house}:x"),
            _ => format!("gb:{house}:1:stranger"),
        };
        match number % 11 {
            10 => format!("{{\"tick\":{at_ms}}}"),
            9 => format!("{{\"device\":\"{device}\",\"kind\":\"fire\"}}"),
            _ => format!("{{\"device\":\"{device}\",\"kind\":\"fire\",\"received_at\":{at_ms}}}"),
        }
    };
    (0..1_500).map(|number| Input::from_json(line(number).as_bytes()).unwrap()).collect()
}

type Told = Vec<(usize, Result<(), Rejected>, usize)>;

fn in_lists_of(length: usize) -> (Vec<Decision>, Told) {
    let mut correlator = Correlator::new(street(), Arc::new(Policy::default()));
    let (mut decisions, mut told) = (Vec::new(), Vec::new());
    for (number, list) in inputs().chunks(length).enumerate() {
        correlator.take_all(list, &mut decisions, |place, taken, count| {
            told.push((number * length + place, taken, count));
        });
    }
    correlator.drain(&mut decisions);
    (decisions, told)
}

#[test]
fn lists_of_any_length_give_the_same_as_one_by_one() {
    let mut correlator = Correlator::new(street(), Arc::new(Policy::default()));
    let (mut decisions, mut told) = (Vec::new(), Vec::new());
    for (place, input) in inputs().iter().enumerate() {
        let taken = correlator.take(input, &mut decisions);
        told.push((place, taken, decisions.len()));
    }
    correlator.drain(&mut decisions);
    assert!(decisions.len() > 20 && told.iter().any(|(_, taken, _)| taken.is_err()));
    for length in [1, 2, 31, 32, 33, 256, 300, 1_500] {
        let (others, others_told) = in_lists_of(length);
        assert_eq!(others_told, told, "lists of {length}");
        assert_eq!(others, decisions, "lists of {length}");
    }
}
