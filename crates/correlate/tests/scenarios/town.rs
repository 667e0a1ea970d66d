//! A town in a few lines: buildings by metres from a fixed point, devices below them; written as the registry's JSON.

use std::fmt::Write as _;

use fenghuo_model::registry::EARTH_RADIUS_M;
use serde_json::{Map, Value, json};

/// Where metres are counted from, degrees east and north.
const ORIGIN: (f64, f64) = (113.75, 23.02);

/// Appends what a line of the notation says, as JSON Lines: `B1 rental at 0 0 region r …` begins a building, and an
/// indented `D1 smoke 301 floor 3 …` (location `-`: none) is a device of the building above it.
///
/// # Errors
/// What cannot be read.
pub fn read_line(words: &[String], is_device: bool, registry: &mut String) -> Result<(), String> {
    if is_device { read_device(words, registry) } else { read_building(words, registry) }
}

fn read_building(words: &[String], registry: &mut String) -> Result<(), String> {
    let [id, premises, rest @ ..] = words else { return Err("a building has an id and premises".to_owned()) };
    let mut line = object("building", id);
    line.insert("premises".to_owned(), json!(premises));
    let mut rest = rest.iter();
    let (mut east_m, mut north_m) = (0.0, 0.0);
    while let Some(key) = rest.next() {
        let mut value = || rest.next().ok_or_else(|| format!("{key:?} without a value"));
        match key.as_str() {
            "at" => (east_m, north_m) = (number(value()?)?, number(value()?)?),
            "floors" => drop(line.insert(key.clone(), integer(value()?)?)),
            _ => drop(line.insert(key.clone(), json!(value()?))),
        }
    }
    let lat = ORIGIN.1 + (north_m / EARTH_RADIUS_M).to_degrees();
    let lon = ORIGIN.0 + (east_m / (EARTH_RADIUS_M * lat.to_radians().cos())).to_degrees();
    line.insert("lon".to_owned(), json!(lon));
    line.insert("lat".to_owned(), json!(lat));
    write_object(line, registry);
    Ok(())
}

fn read_device(words: &[String], registry: &mut String) -> Result<(), String> {
    let [ids, sensor, location, rest @ ..] = words else {
        return Err("a device has an id, a sensor and a location (`-`: none)".to_owned());
    };
    let above = registry.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let building = above.into_iter().find(|line| line["type"] == "building").ok_or("no building above")?;
    for id in expand(ids)? {
        let mut line = object("device", &id);
        line.insert("building".to_owned(), building["id"].clone());
        line.insert("sensor".to_owned(), json!(sensor));
        if location != "-" {
            line.insert("location".to_owned(), json!(location));
        }
        for pair in rest.chunks(2) {
            let [key, value] = pair else { return Err(format!("{:?} without a value", pair[0])) };
            let value = if key == "floor" { integer(value)? } else { json!(value) };
            line.insert(key.clone(), value);
        }
        write_object(line, registry);
    }
    Ok(())
}

/// `D1..D9` as nine names, any other name as itself.
///
/// # Errors
/// A range whose ends do not count up.
pub fn expand(name: &str) -> Result<Vec<String>, String> {
    let Some((first, last)) = name.split_once("..") else { return Ok(vec![name.to_owned()]) };
    let stem = first.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let end = |text: &str| text.strip_prefix(stem).and_then(|digits| digits.parse::<u32>().ok());
    match (end(first), end(last)) {
        (Some(from), Some(to)) if from <= to => Ok((from..=to).map(|number| format!("{stem}{number}")).collect()),
        _ => Err(format!("{name:?} is no range such as D1..D9")),
    }
}

fn object(kind: &str, id: &str) -> Map<String, Value> {
    Map::from_iter([("type".to_owned(), json!(kind)), ("id".to_owned(), json!(id))])
}

fn write_object(line: Map<String, Value>, registry: &mut String) {
    writeln!(registry, "{}", Value::Object(line)).expect("a string takes what is written");
}

fn number(word: &str) -> Result<f64, String> {
    word.parse().map_err(|_| format!("{word:?} is no number"))
}

fn integer(word: &str) -> Result<Value, String> {
    word.parse::<i64>().map(|number| json!(number)).map_err(|_| format!("{word:?} is no whole number"))
}
