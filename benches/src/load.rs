//! Loads at the scale of a city: rows of signals over a registry of any size, drawn from a seed.
//!
//! The city's own night holds what a night holds, mostly the heartbeats of the few thousand transmission devices. That
//! flatters caches. Here every signal is of a device drawn from all of them, so that nothing is at hand.

use std::sync::Arc;

use fenghuo_city::{City, Plan};
use fenghuo_model::{Input, Kind, Registry, Signal};
use serde_json::Number;

/// When the first signal arrives, Unix milliseconds.
const START_MS: i64 = 1_795_312_682_000;
/// On average a device says something once in so many milliseconds.
const EVERY_MS: u64 = 60_000;

/// A sequence of numbers that look random and follow from the seed (splitmix64).
#[derive(Debug, Clone, Copy)]
pub struct Draw(pub u64);

impl Draw {
    /// The next number below `limit`, which is at least 1.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((u128::from(mixed ^ (mixed >> 31)) * u128::from(limit)) >> 64) as u64
    }

    /// One of a list, which is not empty.
    pub fn of<'l, T>(&mut self, list: &'l [T]) -> &'l T {
        let at = self.below(list.len() as u64);
        &list[usize::try_from(at).expect("it is below the list's length")]
    }
}

/// A city's registry as JSON Lines: so many buildings, about five devices each.
#[must_use]
pub fn registry_text(buildings: u32) -> String {
    City::new(&Plan { seed: 7, buildings, hours: 0.1, fires: Some(0), ..Plan::default() }).registry_json_lines()
}

/// The names under which the registry's devices speak: every second one its id, the others their address.
#[must_use]
pub fn device_names(registry: &Registry) -> Vec<String> {
    let named = (0_u32..).zip(registry.devices()).map(|(number, device)| match device.address {
        Some(address) if number % 2 == 1 => address.to_string(),
        _ => device.id.to_string(),
    });
    named.collect()
}

/// A city's everyday: of a thousand signals so many are alarms (two fires and a restore in turn), the others
/// heartbeats and, each third, readings.
#[must_use]
pub fn mix(names: &[String], count: usize, alarms_per_mille: u64) -> Vec<Signal> {
    let mut draw = Draw(1);
    let per_ms = (names.len() as u64 / EVERY_MS).max(1);
    let signals = (0..count as u64).map(|number| {
        let kind = match (draw.below(1_000) < alarms_per_mille, draw.below(3)) {
            (true, 0) => Kind::Restore,
            (true, _) => Kind::Fire,
            (false, 0) => Kind::Reading,
            (false, _) => Kind::Heartbeat,
        };
        let name = draw.of(names);
        let mut signal = timed(name, kind, number / per_ms, &mut draw);
        if kind == Kind::Reading {
            signal.value = Number::from_f64(draw.below(1_000) as f64 / 10.0);
            signal.unit = Some("Cel".to_owned());
        }
        signal
    });
    signals.collect()
}

/// Fires and nothing else, of all these devices in no order.
#[must_use]
pub fn storm(names: &[String], count: usize) -> Vec<Signal> {
    let mut draw = Draw(2);
    let per_ms = (names.len() as u64 / EVERY_MS).max(1);
    let signals = (0..count as u64).map(|number| {
        let name = draw.of(names);
        timed(name, Kind::Fire, number / per_ms, &mut draw)
    });
    signals.collect()
}

/// Every one of these devices fires, again and again, round after round, five seconds each.
#[must_use]
pub fn repeating(names: &[String], count: usize) -> Vec<Signal> {
    let mut draw = Draw(3);
    let length = names.len() as u64;
    let spoken = names.iter().cycle().take(count).zip(0..);
    spoken.map(|(name, number)| timed(name, Kind::Fire, number * 5_000 / length, &mut draw)).collect()
}

fn timed(name: &str, kind: Kind, after_ms: u64, draw: &mut Draw) -> Signal {
    let received_ms = START_MS + i64::try_from(after_ms).expect("a load of hours");
    let mut signal = Signal::new(name, kind);
    signal.received_at_ms = Some(received_ms);
    signal.at_ms = Some(received_ms - i64::try_from(draw.below(2_000)).expect("two seconds"));
    signal
}

/// Signals as a correlator takes them.
#[must_use]
pub fn as_inputs(signals: Vec<Signal>) -> Vec<Input> {
    signals.into_iter().map(|signal| Input::Signal(Box::new(signal))).collect()
}

/// A city's registry and its devices' names.
///
/// # Panics
/// If the city writes a registry that cannot be read.
#[must_use]
pub fn scale(buildings: u32) -> (Arc<Registry>, Vec<String>) {
    let text = registry_text(buildings);
    let registry = Registry::from_json_lines("city", text.as_bytes()).expect("the city's registry has no faults");
    let names = device_names(&registry);
    (Arc::new(registry), names)
}
