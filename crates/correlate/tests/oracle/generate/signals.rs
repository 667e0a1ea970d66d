//! What arrives: clustered in place and time, so that windows, holds, horizons and timers are met exactly and by one
//! millisecond missed; with late, early, missing and distrusted times.

use serde_json::{Value, json};

use super::UNIT_MS;
use super::city::{City, SPOTS};
use super::rules::Times;
use crate::random::Random;

/// 2026-11-22T01:58:00Z.
const BEGIN_MS: i64 = 1_795_312_680_000;

/// What a sequence is mostly about: what is rare elsewhere is frequent in some.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Theme {
    /// A little of everything.
    Mixed,
    /// Isolations and their ends, of few devices.
    Isolations,
    /// Restores of few devices.
    Restores,
    /// A panel beside its component, and what makes the component fall silent.
    Panel,
    /// Clears and confirms of several houses.
    People,
    /// More evidence than a decision shows.
    Crowd,
}

/// How a sequence stands while it is written.
struct Writer<'c> {
    random: &'c mut Random,
    city: &'c City,
    times: &'c Times,
    /// Buildings where it happens.
    hot: Vec<String>,
    /// Devices that speak most, by a name of theirs.
    loud: Vec<String>,
    /// What the sequence is mostly about.
    theme: Theme,
    /// About where the clock is.
    now_ms: i64,
    /// Instants of the past: their edges are what later signals aim at.
    marks_ms: Vec<i64>,
    written: Vec<Value>,
}

/// 5 to 60 lines, now and then many more.
pub fn signals(random: &mut Random, city: &City, times: &Times) -> Vec<String> {
    let all: Vec<String> = city.buildings.iter().map(|(id, ..)| id.clone()).collect();
    // Houses of one row, as they follow one another in the registry, and now and then one from elsewhere.
    let row = usize::try_from(random.between(1, 4)).expect("above 0");
    let first = usize::try_from(random.between(0, 7)).expect("not below 0") % all.len();
    let mut hot: Vec<String> = all.iter().cycle().skip(first).take(row.min(all.len())).cloned().collect();
    if random.chance(20) {
        hot.push(random.pick(&all).clone());
    }
    let theme = random.pick_weighted(&[
        (58, Theme::Mixed),
        (if city.has_panel { 60 } else { 0 }, Theme::Panel),
        (15, Theme::Isolations),
        (10, Theme::Restores),
        (15, Theme::People),
        (2, Theme::Crowd),
    ]);
    let length = if theme == Theme::Crowd { random.between(120, 200) } else { random.between(5, 60) };
    let is_hot = |building: &String| hot.contains(building);
    let near: Vec<&String> = city.devices.iter().filter(|(_, b)| is_hot(b)).flat_map(|(names, _)| names).collect();
    let loud = if theme == Theme::Panel {
        ["t", "t", "t:1", "t:1", "u", "u", "v", "v"].map(str::to_owned).to_vec()
    } else if near.is_empty() {
        vec![]
    } else {
        (0..3).map(|_| (*random.pick(&near)).clone()).collect()
    };
    let now_ms = BEGIN_MS;
    let mut writer =
        Writer { random, city, times, hot, loud, theme, now_ms, marks_ms: vec![BEGIN_MS], written: Vec::new() };
    if theme == Theme::Panel {
        writer.let_component_fall_silent();
    }
    for _ in 0..length {
        if theme != Theme::Crowd || writer.random.chance(20) {
            writer.pass_time();
        }
        let line = match writer.random.pick_weighted(&[(7, 0), (7, 1), (86, 2)]) {
            0 => writer.tick(),
            1 => writer.again(),
            _ => writer.signal(),
        };
        writer.written.push(line);
    }
    writer.written.iter().map(Value::to_string).collect()
}

impl Writer<'_> {
    /// An instant from `low_ms` to `high_ms` on the edge of a duration from one that was, or on that one itself:
    /// exactly, or one millisecond beside it. After some tries in vain: `low_ms`.
    fn edge_ms(&mut self, low_ms: i64, high_ms: i64) -> i64 {
        for _ in 0..12 {
            let beside_ms = self.random.pick_weighted(&[(6, 0), (2, 1), (2, -1)]);
            let mark_ms = *self.random.pick(&self.marks_ms[self.marks_ms.len().saturating_sub(12)..]);
            let duration_ms = if self.random.chance(25) { 0 } else { *self.random.pick(&self.times.durations_ms) };
            let edge_ms = mark_ms + duration_ms + beside_ms;
            if low_ms <= edge_ms && edge_ms <= high_ms {
                return edge_ms;
            }
        }
        low_ms
    }

    fn pass_time(&mut self) {
        let far_ms = self.now_ms + 40 * UNIT_MS;
        self.now_ms = match self.random.pick_weighted(&[(24, 0), (24, 1), (9, 2), (1, 3)]) {
            0 => self.now_ms,
            1 => self.now_ms + self.random.between(1, 3) * UNIT_MS,
            2 => self.edge_ms(self.now_ms, far_ms),
            _ => far_ms + self.random.between(0, 40) * UNIT_MS,
        };
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

    fn signal(&mut self) -> Value {
        let kind = self.kind();
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
            let (low_ms, high_ms) = (self.now_ms - 6 * UNIT_MS, self.now_ms + 12 * UNIT_MS);
            line["until"] = json!(self.edge_ms(low_ms, high_ms));
        }
        line
    }

    /// A panel, its component and the component's neighbour speak, the component is restored, others speak: in about
    /// this order of events, arriving in about any. Here a rule comes to hold with no new evidence that it counts.
    fn let_component_fall_silent(&mut self) {
        let elsewhere = self.city.devices.last().map_or("v", |(names, _)| &*names[0]);
        let mut script = [
            ("v", "isolate", 0),
            ("t", "fire", 1),
            ("t:1", "fire", 2),
            ("u", "fire", self.random.between(2, 3)),
            ("v", "fire", self.random.between(3, 5)),
            ("t:1", "restore", self.random.between(3, 4)),
            (elsewhere, "fire", self.random.between(3, 5)),
            ("u", "fire", self.random.between(2, 4)),
        ];
        for place in 0..script.len() - 1 {
            if self.random.chance(25) {
                script.swap(place, place + 1);
            }
        }
        for (device, kind, units) in script.into_iter().filter(|_| self.random.chance(85)) {
            let at_ms = self.now_ms + units * UNIT_MS;
            self.marks_ms.push(at_ms);
            self.written.push(json!({"device": device, "kind": kind, "at": at_ms}));
        }
        self.now_ms += 5 * UNIT_MS;
    }

    fn kind(&mut self) -> &'static str {
        let of = |theme: Theme, usual: i64, then: i64| if self.theme == theme { then } else { usual };
        let of_panel = |usual: i64, then: i64| of(Theme::Panel, usual, then);
        let weights = [
            (of(Theme::Crowd, 50, 400), "fire"),
            (8, "prealarm"),
            (of(Theme::Restores, of_panel(8, 15), 25), "restore"),
            (of(Theme::Isolations, of_panel(3, 8), 20), "isolate"),
            (of(Theme::Isolations, 2, 8), "isolate_restore"),
            (of(Theme::People, 6, 20), "confirm"),
            (of(Theme::People, 6, 20), "clear"),
            (4, "acknowledge"),
            (1, "test"),
            (1, "silence"),
            (1, "reading"),
            (1, "heartbeat"),
        ];
        self.random.pick_weighted(&weights)
    }

    /// A device of the hot buildings, of anywhere, under a registered panel, or of nobody's.
    fn by_device(&mut self, kind: &str) -> Value {
        let devices = &self.city.devices;
        let is_hot = |building: &String| self.hot.contains(building);
        let near: Vec<&String> = devices.iter().filter(|(_, b)| is_hot(b)).flat_map(|(names, _)| names).collect();
        let all: Vec<&String> = devices.iter().flat_map(|(names, _)| names).collect();
        let mut line = json!({"kind": kind});
        let is_about_few = matches!(self.theme, Theme::Isolations | Theme::Restores | Theme::Panel);
        let loud = if is_about_few { 120 } else { 20 };
        let device = match self.random.pick_weighted(&[(75, 0), (10, 1), (7, 2), (7, 3), (2, 4), (loud, 5)]) {
            5 if self.theme == Theme::Panel && kind == "isolate" => "v".to_owned(),
            5 if self.theme == Theme::Panel && kind == "restore" => "t:1".to_owned(),
            5 if !self.loud.is_empty() => self.random.pick(&self.loud).clone(),
            0 if !near.is_empty() => (*self.random.pick(&near)).clone(),
            0 | 1 | 5 if !all.is_empty() => (*self.random.pick(&all)).clone(),
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
        let received_at_ms = match self.random.pick_weighted(&[(76, 0), (8, 1), (4, 2), (12, 3)]) {
            0 => Some(self.now_ms),
            1 => Some(self.now_ms - self.random.between(0, 6) * UNIT_MS),
            2 => Some(self.now_ms - self.times.memory_ms - self.random.between(-1, 1)),
            _ => None,
        };
        let about_ms = received_at_ms.unwrap_or(self.now_ms);
        let choices = [(25, 0), (22, 1), (8, 2), (8, 3), (25, 4), (7, 5), (4, 6)];
        let at_ms = match self.random.pick_weighted(&choices) {
            0 => Some(about_ms),
            1 => Some(about_ms - self.random.between(0, behind_ms / UNIT_MS) * UNIT_MS),
            2 => Some(about_ms - behind_ms - self.random.between(-1, 1)),
            3 => Some(about_ms + ahead_ms + self.random.between(-1, 1)),
            4 => Some(self.edge_ms(about_ms - behind_ms, about_ms + ahead_ms)),
            5 => None,
            _ => Some(about_ms - self.times.memory_ms - self.random.between(-1, 1)),
        };
        if let Some(received_at_ms) = received_at_ms {
            line["received_at"] = json!(received_at_ms);
            self.marks_ms.push(received_at_ms);
        }
        if let Some(at_ms) = at_ms {
            line["at"] = json!(at_ms);
            self.marks_ms.push(at_ms);
        }
    }
}
