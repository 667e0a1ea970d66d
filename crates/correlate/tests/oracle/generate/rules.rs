//! Policies: short windows, all filters and minima, and times that are multiples of one unit or just beside one.

use fenghuo_model::Policy;
use fenghuo_model::registry::distance_m;

use super::city::{City, PREMISES};
use super::{PolicyText, UNIT_MS};
use crate::random::Random;

/// The durations of a policy, so that signals can be put upon their edges.
pub struct Times {
    /// Each of them, milliseconds.
    pub durations_ms: Vec<i64>,
    /// How far device clocks are believed backward.
    pub max_behind_ms: i64,
    /// How far forward.
    pub max_ahead_ms: i64,
    /// H.
    pub memory_ms: i64,
}

/// A policy that can be read.
pub fn policy(random: &mut Random, city: &City) -> (PolicyText, Times) {
    loop {
        let text = attempt(random, city);
        if let Ok(policy) = Policy::from_toml("policy.toml", &text.to_toml()) {
            let mut durations_ms: Vec<i64> = policy.rules.iter().map(|rule| rule.window_ms).collect();
            durations_ms.extend(policy.rules.iter().map(|rule| rule.min_span_ms));
            let times = &policy.incident;
            durations_ms.extend([policy.dedup_horizon_ms, policy.hold_ms, policy.isolate_max_ms]);
            durations_ms.extend([times.verify_after_ms, times.escalate_after_ms, times.update_every_ms]);
            durations_ms.extend([times.close_after_ms, times.close_confirmed_after_ms, policy.memory_ms()]);
            let (max_behind_ms, max_ahead_ms) = (policy.clock.max_behind_ms, policy.clock.max_ahead_ms);
            return (text, Times { durations_ms, max_behind_ms, max_ahead_ms, memory_ms: policy.memory_ms() });
        }
    }
}

fn attempt(random: &mut Random, city: &City) -> PolicyText {
    // A short memory is one that sequences outlive.
    let is_forgetful = random.chance(40);
    let mut units = |low: i64, high: i64| random.between(low, high) * UNIT_MS;
    let (behind_ms, ahead_ms) = if is_forgetful { (units(0, 2), units(0, 1)) } else { (units(1, 8), units(0, 6)) };
    let longest = if is_forgetful { 4 } else { 10 };
    let windows_ms: Vec<i64> = (0..4).map(|_| units(1, longest)).collect();
    let (hold_ms, horizon_ms, isolate_max_ms) = (units(0, 6), units(0, 12), units(1, 12));
    let (verify_ms, escalate_ms, update_ms) = (units(0, 6), units(0, 6), units(0, 6));
    let count = usize::try_from(random.pick_weighted(&[(2, 1), (4, 2), (4, 3), (2, 4)])).expect("few");
    let mut rules: Vec<Vec<String>> =
        windows_ms[..count].iter().zip(1..).map(|(window_ms, number)| rule(random, city, number, *window_ms)).collect();
    if city.has_panel && random.chance(60) {
        rules[0].truncate(2);
        rules[0].push("min_locations = 2".to_owned());
    }
    let longest_ms = windows_ms[..count].iter().max().copied().unwrap_or(0);
    let least_ms = longest_ms + 2 * behind_ms + 2 * ahead_ms;
    let mut close_ms = || least_ms + random.pick_weighted(&[(3, 1), (2, UNIT_MS), (2, 2_000), (2, 10_000)]);
    let (close_ms, close_confirmed_ms) = (close_ms(), close_ms());
    let line = |key: &str, ms: i64| format!("{key} = \"{ms}ms\"");
    let mut tables = vec![
        ("clock", vec![line("max_behind", behind_ms), line("max_ahead", ahead_ms)]),
        ("dedup", vec![line("horizon", horizon_ms)]),
        ("evidence", vec![line("hold", hold_ms), line("isolate_max", isolate_max_ms)]),
        (
            "incident",
            vec![
                line("verify_after", verify_ms),
                line("escalate_after", escalate_ms),
                line("update_every", update_ms),
                line("close_after", close_ms),
                line("close_confirmed_after", close_confirmed_ms),
            ],
        ),
    ];
    if random.chance(60) {
        let weights = ["smoke", "heat", "panel", "unknown", "operator"];
        let weigh = |sensor: &&str| format!("{sensor} = {}", random.between(0, 4) * 500);
        tables.push(("weights", weights.iter().map(weigh).collect()));
    }
    PolicyText { tables, rules }
}

fn rule(random: &mut Random, city: &City, number: i64, window_ms: i64) -> Vec<String> {
    let mut lines = vec![format!("id = \"rule-{number}\""), format!("window = \"{window_ms}ms\"")];
    let is_neighbourhood = random.chance(45);
    let mut put = |lines: &mut Vec<String>, percent: i64, choices: &[&str]| {
        if random.chance(percent) {
            lines.push((*random.pick(choices)).to_owned());
        }
    };
    put(
        &mut lines,
        45,
        &[
            "kinds = [\"fire\"]",
            "kinds = [\"confirm\"]",
            "kinds = [\"prealarm\"]",
            "kinds = [\"fire\", \"prealarm\"]",
            "kinds = [\"fire\", \"confirm\", \"prealarm\"]",
        ],
    );
    put(
        &mut lines,
        20,
        &[
            "sensors = [\"smoke\", \"heat\"]",
            "sensors = [\"smoke\", \"panel\", \"unknown\"]",
            "sensors = [\"call_point\", \"water_flow\", \"operator\"]",
        ],
    );
    put(&mut lines, 30, &["min_devices = 2", "min_devices = 3"]);
    put(&mut lines, 45, &["min_locations = 2", "min_locations = 2", "min_locations = 3"]);
    put(&mut lines, 25, &["min_classes = 2", "min_classes = 2", "min_classes = 3"]);
    put(&mut lines, 20, &["min_score = 1000", "min_score = 1500", "min_score = 2500"]);
    if is_neighbourhood {
        put(&mut lines, 70, &["min_buildings = 2", "min_buildings = 2", "min_buildings = 3"]);
    }
    if random.chance(12) {
        let span_ms = random.between(0, window_ms / UNIT_MS) * UNIT_MS;
        lines.push(format!("min_span = \"{span_ms}ms\""));
    }
    if random.chance(15) {
        lines.push(format!("premises = [\"{}\", \"mall\"]", random.pick(&PREMISES)));
    }
    if is_neighbourhood {
        lines.push(format!("radius_m = {:?}", radius_m(random, city)));
    }
    lines
}

/// Round ones, and now and then exactly the distance of two buildings.
fn radius_m(random: &mut Random, city: &City) -> f64 {
    if random.chance(25) {
        let (one, other) = (random.pick(&city.buildings), random.pick(&city.buildings));
        let exactly_m = distance_m((one.1, one.2), (other.1, other.2));
        if exactly_m > 0.0 {
            return exactly_m;
        }
    }
    random.pick_weighted(&[(4, 150.0), (1, 100.0), (1, 60.0), (2, 300.0), (1, 0.5)])
}
