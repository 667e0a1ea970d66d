//! What is sent: the city mix as JSON of 191 bytes or as frames of 78, and storms, each drawn from a seed.

use fenghuo_benches::load::Draw;
use fenghuo_decode::Options;
use fenghuo_decode::gb26875::Object;
use fenghuo_decode::gb26875::frame::{self, Head};
use fenghuo_model::{Kind, Signal};
use serde_json::Number;

use crate::city::{City, Wired};

/// When the first record of a prepared load arrives, Unix milliseconds: the same in every run.
pub const START_MS: i64 = 1_795_312_682_000;
/// Of a thousand records of the mix so many are alarms: two fires and a restore in turn.
pub const ALARMS_PER_MILLE: u64 = 10;
/// On average a device says something once in so many milliseconds.
const EVERY_MS: u64 = 60_000;
/// The length of a record in the native form, bytes.
const JSON_BYTES: usize = 191;

/// A record on its way.
#[derive(Debug, Clone)]
pub struct Line {
    /// Its key.
    pub key: String,
    /// Its value.
    pub bytes: Vec<u8>,
    /// Its timestamp, Unix milliseconds.
    pub at_ms: i64,
}

/// A statement of a device, as a record of the native form.
#[must_use]
pub fn json(name: &str, kind: Kind, number: u64, at_ms: i64, source: Option<String>) -> Vec<u8> {
    let mut signal = Signal::new(name, kind);
    signal.id = Some(format!("{number:016x}"));
    signal.received_at_ms = Some(at_ms);
    signal.at_ms = Some(at_ms - i64::try_from(number % 2_000).unwrap_or(0));
    if kind == Kind::Reading {
        signal.value = Number::from_f64((number % 1_000) as f64 / 10.0);
        signal.unit = Some("Cel".to_owned());
    }
    signal.source = source;
    let length = signal.to_json().len() + r#","text":"""#.len();
    signal.text = JSON_BYTES.checked_sub(length).map(|room| "-".repeat(room));
    signal.to_json().into_bytes()
}

fn kind_of(draw: &mut Draw) -> Kind {
    match (draw.below(1_000) < ALARMS_PER_MILLE, draw.below(3)) {
        (true, 0) => Kind::Restore,
        (true, _) => Kind::Fire,
        (false, 0) => Kind::Reading,
        (false, _) => Kind::Heartbeat,
    }
}

fn place_in(draw: &mut Draw, length: usize) -> usize {
    usize::try_from(draw.below(length as u64)).expect("it is below the list's length")
}

/// The time of a record by its number, of so many devices that speak, Unix milliseconds.
#[must_use]
pub fn time_of(number: u64, devices: usize) -> i64 {
    START_MS + i64::try_from(number * EVERY_MS / (devices as u64).max(1)).unwrap_or(0)
}

/// The city mix in the native form, keyed by device.
pub fn mix(city: &City, count: usize) -> impl Iterator<Item = Line> {
    let mut draw = Draw(1);
    (0..count as u64).map(move |number| {
        let kind = kind_of(&mut draw);
        let name = &city.names[place_in(&mut draw, city.names.len())];
        let at_ms = time_of(number, city.names.len());
        Line { key: name.clone(), bytes: json(name, kind, number, at_ms, None), at_ms }
    })
}

/// The city mix in frames of one component's state, keyed by transmission device: fires, else normal states.
pub fn frames(city: &City, count: usize) -> impl Iterator<Item = Line> {
    const NORMAL: u16 = 1;
    const FIRE: u16 = 2;
    let mut draw = Draw(2);
    (0..count as u64).map(move |number| {
        let state = if kind_of(&mut draw) == Kind::Fire { FIRE } else { NORMAL };
        let Wired { source, component } = city.wired[place_in(&mut draw, city.wired.len())];
        let at_ms = time_of(number, city.wired.len());
        let serial = u16::try_from(number % 65_536).unwrap_or(0);
        let head = Head::of_sending(serial, at_ms, source, 0x4419_FFFF_0001);
        let object = Object::ComponentState { component, state, text: "三楼走廊".into(), at_ms: Some(at_ms) };
        let mut bytes = Vec::with_capacity(78);
        frame::write(&head, &[object], Options::default().utc_offset_s, &mut bytes).expect("one object fits");
        Line { key: fenghuo_decode::gb26875::address::transmission_device(source), bytes, at_ms }
    })
}

/// Fires of the first `devices` in no order, as the decode role writes them: keyed by region, with their source.
pub fn storm(city: &City, devices: usize, count: usize, begin_ms: i64) -> impl Iterator<Item = Line> {
    let mut draw = Draw(3);
    (0..count as u64).map(move |number| {
        let place = place_in(&mut draw, devices);
        let at_ms = begin_ms + time_of(number, city.names.len()) - START_MS;
        let source = Some(format!("raw.storm/0/{number}"));
        let bytes = json(&city.names[place], Kind::Fire, number, at_ms, source);
        Line { key: city.regions[place].clone(), bytes, at_ms }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_as_long_as_they_are_said_to_be_and_can_be_read() {
        let city = City::new(1_000).unwrap();
        let mut fires = 0;
        for line in mix(&city, 5_000).chain(storm(&city, city.names.len(), 100, START_MS)) {
            assert_eq!(line.bytes.len(), JSON_BYTES);
            let input = fenghuo_model::Input::from_json(&line.bytes).unwrap();
            fires += usize::from(matches!(input, fenghuo_model::Input::Signal(signal) if signal.kind == Kind::Fire));
        }
        assert!((120..200).contains(&fires), "{fires}");
        assert!(frames(&city, 100).all(|line| line.bytes.len() == 78));
    }
}
