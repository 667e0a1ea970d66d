//! What arrives: clustered in place and time, so that windows, holds, horizons and timers are met exactly and by one
//! millisecond missed; with late, early, missing and distrusted times.

use serde_json::{Value, json};

use super::UNIT_MS;
use super::city::{City, SPOTS};
use super::rules::Times;
use crate::random::Random;

/// 2026-11-22T01:58:00Z.
const BEGIN_MS: i64 = 1_795_312_680_000;

/// How a sequence stands while it is written.
struct Writer<'c> {
    random: &'c mut Random,
    city: &'c City,
    times: &'c Times,
    /// Buildings where it happens, by their places in the city's list.
    hot: Vec<String>,
    /// About where the clock is.
    now_ms: i64,
    /// Instants of the past: their edges are what later signals aim at.
    marks_ms: Vec<i64>,
    written: Vec<Value>,
}

/// 5 to 60 lines, now and then many more.
pub fn signals(random: &mut Random, city: &City, times: &Times) -> Vec<String> {
    let all: Vec<String> = city.buildings.iter().map(|(id, ..)| id.clone()).collect();
    let hot = (0..random.between(1, 4)).map(|_| random.pick(&all).clone()).collect();
    let length = if random.chance(1) { random.between(150, 250) } else { random.between(5, 60) };
    let is_dense = length > 60;
    let mut writer = Writer { random, city, times, hot, now_ms: BEGIN_MS, marks_ms: vec![BEGIN_MS], written: Vec::new() };
    for _ in 0..length {
        if !is_dense || writer.random.chance(20) {
            writer.pass_time();
        }
        let line = match writer.random.pick_weighted(&[(7, 0), (7, 1), (86, 2)]) {
            0 => writer.tick(),
            1 => writer.again(),
            _ => writer.signal(is_dense),
        };
        writer.written.push(line);
    }
    writer.written.iter().map(Value::to_string).collect()
}

impl Writer<'_> {
    /// An instant on the edge of a duration from one that was: exactly, or one millisecond beside it.
    fn edge_ms(&mut self) -> i64 {
        let beside_ms = self.random.pick_weighted(&[(6, 0), (2, 1), (2, -1)]);
        let mark_ms = *self.random.pick(&self.marks_ms[self.marks_ms.len().saturating_sub(12)..]);
        mark_ms + self.random.pick(&self.times.durations_ms) + beside_ms
    }

    fn pass_time(&mut self) {
        let step_ms = match self.random.pick_weighted(&[(5, 0), (10, 1), (6, 2), (1, 3)]) {
            0 => 0,
            1 => self.random.between(1, 4) * UNIT_MS,
            2 => self.edge_ms() - self.now_ms,
            _ => self.random.between(20, 80) * UNIT_MS,
        };
        self.now_ms += step_ms.max(0);
    }

    fn tick(&mut self) -> Value {
        let late_ms = self.random.pick_weighted(&[(8, 0), (1, UNIT_MS), (1, -UNIT_MS)]);
        let mut line = json!({"tick": self.now_ms + late_ms});
        if self.random.chance(60) {
            line["region"] = json!(self.random.pick(&["r1", "r1", "r2", "r3", "unplaced", "nowhere"]));
        }
        line
    }

    /// A line that was written before, as it was or received anew.
    fn again(&mut self) -> Value {
        if self.written.is_empty() {
            return self.tick();
        }
        let mut line = self.random.pick(&self.written[self.written.len().saturating_sub(10)..]).clone();
        if line.get("received_at").is_some() && self.random.chance(60) {
            line["received_at"] = json!(self.now_ms);
        }
        line
    }

    fn signal(&mut self, is_dense: bool) -> Value {
        let kind = self.random.pick_weighted(&[
            (if is_dense { 400 } else { 50 }, "fire"),
            (8, "prealarm"),
            (8, "restore"),
            (4, "isolate"),
            (3, "isolate_restore"),
            (7, "confirm"),
            (if is_dense { 1 } else { 9 }, "clear"),
            (4, "acknowledge"),
            (1, "test"),
            (1, "silence"),
            (1, "reading"),
            (1, "heartbeat"),
        ]);
        let mut line = match kind {
            "confirm" | "clear" | "acknowledge" => self.by_people(kind),
            _ => self.by_device(kind),
        };
        self.put_times(&mut line);
        if self.random.chance(20) {
            line["id"] = json!(self.random.pick(&["a", "b", "c"]));
        }
        if self.random.chance(4) {
            line["test"] = json!(true);
        }
        if self.random.chance(20) {
            line["source"] = json!(format!("raw.gb26875/3/{}", self.written.len()));
        }
        if kind == "isolate" && self.random.chance(40) {
            line["until"] = json!(self.edge_ms());
        }
        line
    }

    /// A device of the hot buildings, of anywhere, under a registered panel, or of nobody's.
    fn by_device(&mut self, kind: &str) -> Value {
        let is_hot = |building: &String| self.hot.contains(building);
        let near: Vec<&Vec<String>> =
            self.city.devices.iter().filter(|(_, building)| is_hot(building)).map(|(names, _)| names).collect();
        let all: Vec<&Vec<String>> = self.city.devices.iter().map(|(names, _)| names).collect();
        let mut line = json!({"kind": kind});
        let device = match self.random.pick_weighted(&[(75, 0), (10, 1), (7, 2), (7, 3), (2, 4)]) {
            0 if !near.is_empty() => self.random.pick(self.random_names(&near)).clone(),
            0 | 1 if !all.is_empty() => self.random.pick(self.random_names(&all)).clone(),
            2 if !self.city.addresses.is_empty() => {
                format!("{}:{}", self.random.pick(&self.city.addresses), self.random.pick(&["1", "9", "9:1"]))
            }
            4 => "nobody's".to_owned(),
            _ => {
                line["building"] = json!(self.random.pick(&self.hot));
                self.random.pick(&["X1", "X1:1", "X2"]).to_string()
            }
        };
        line["device"] = json!(device);
        if self.random.chance(5) {
            line["building"] = json!(self.random.pick(&self.hot));
        }
        if self.random.chance(20) {
            line["location"] = json!(self.random.pick(&SPOTS));
        }
        if self.random.chance(15) {
            line["sensor"] = json!(self.random.pick(&["smoke", "heat", "unknown", "panel", "call_point", "laser"]));
        }
        line
    }

    fn by_people(&mut self, kind: &str) -> Value {
        let mut line = json!({"kind": kind});
        let registered = self.city.devices.first().map_or("duty-1", |(names, _)| &*names[0]);
        line["device"] = json!(self.random.pick(&["duty-1", "duty-1", "duty-2", registered, "X1", "p:7"]));
        match self.random.pick_weighted(&[(88, 0), (5, 1), (7, 2)]) {
            0 => line["building"] = json!(self.random.pick(&self.hot)),
            1 => line["building"] = json!("B99"),
            _ => {}
        }
        if self.random.chance(30) {
            line["location"] = json!(self.random.pick(&["hall", "301", "302", "duty-1", "D1"]));
        }
        if kind == "clear" && self.random.chance(60) {
            line["by"] = json!("officer 5");
        }
        if kind == "clear" && self.random.chance(60) {
            line["cause"] = json!("cooking");
        }
        line
    }

    /// Receipt about now, the event about then; each missing, late, early or out of all bounds at times.
    fn put_times(&mut self, line: &mut Value) {
        let (behind_ms, ahead_ms) = (self.times.max_behind_ms, self.times.max_ahead_ms);
        let received_at_ms = match self.random.pick_weighted(&[(80, 0), (8, 1), (2, 2), (10, 3)]) {
            0 => Some(self.now_ms),
            1 => Some(self.now_ms - self.random.between(0, 6) * UNIT_MS),
            2 => Some(self.now_ms - self.times.memory_ms - self.random.between(-1, 1)),
            _ => None,
        };
        let about_ms = received_at_ms.unwrap_or(self.now_ms);
        let at_ms = match self.random.pick_weighted(&[(30, 0), (30, 1), (8, 2), (8, 3), (12, 4), (8, 5), (2, 6), (2, 7)]) {
            0 => Some(about_ms),
            1 => Some(about_ms - self.random.between(0, behind_ms / UNIT_MS) * UNIT_MS),
            2 => Some(about_ms - behind_ms - self.random.between(-1, 1)),
            3 => Some(about_ms + ahead_ms + self.random.between(-1, 1)),
            4 => Some(self.edge_ms().min(about_ms + ahead_ms)),
            5 => None,
            6 => Some(about_ms - self.times.memory_ms - self.random.between(-1, 1)),
            _ => Some(about_ms - 400_000_000),
        };
        if let Some(received_at_ms) = received_at_ms {
            line["received_at"] = json!(received_at_ms);
            self.marks_ms.push(received_at_ms);
        }
        // Without a receipt an event that is far off would move the clock there for good.
        if let Some(at_ms) = at_ms {
            line["at"] = json!(at_ms);
            self.marks_ms.push(at_ms);
        }
    }
}
