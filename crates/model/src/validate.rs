//! Registry and policy together: what each may say alone, and what together can never work.
//!
//! A registry that reads and a policy that reads may still not fit: a rule that asks for three locations where no
//! building has three, a radius within which nobody has a neighbour. What is found carries file and line.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::policy::{Policy, Rule};
use crate::registry::{BuildingIdx, DeviceIdx, Registry, distance_m};
use crate::time::write_duration;
use crate::words::{Kind, Premises, Sensor};

/// By radio, the same alarm arrives up to so much later (measured in the field, 15 to 93 s).
const RADIO_DELAY_MS: i64 = 93_000;
/// A building farther than this from the middle of its region is probably a mistake, metres.
const FAR_FROM_REGION_M: f64 = 100_000.0;
/// Of findings of one sort so many are listed; the rest is counted.
const LISTED_PER_SORT: usize = 20;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It cannot work.
    Error,
    /// It is probably not meant.
    Warning,
}

/// Something that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// The file it stands in.
    pub file: String,
    /// Its line, from 1; 0 if the file as a whole is meant.
    pub line: usize,
    /// What does not fit, and what to do.
    pub reason: String,
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let severity = match self.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        match self.line {
            0 => write!(f, "{}: {severity}: {}", self.file, self.reason),
            line => write!(f, "{}:{line}: {severity}: {}", self.file, self.reason),
        }
    }
}

/// A policy with the text it was read from, so that findings can name a rule's line.
#[derive(Debug, Clone, Copy)]
pub struct PolicySource<'p> {
    /// The policy.
    pub policy: &'p Policy,
    /// Its file's name.
    pub file: &'p str,
    /// Its text.
    pub text: &'p str,
}

/// Everything that does not fit, errors first, then by file and line.
#[must_use]
pub fn validate(registry: &Registry, registry_file: &str, source: PolicySource<'_>) -> Vec<Finding> {
    let mut check = Check { registry, registry_file, source, findings: Vec::new(), devices_of: devices_of(registry) };
    check.buildings();
    check.regions();
    for (number, rule) in source.policy.rules.iter().enumerate() {
        check.rule(number, rule);
    }
    check
        .findings
        .sort_by(|one, other| (one.severity, &one.file, one.line).cmp(&(other.severity, &other.file, other.line)));
    check.findings
}

fn devices_of(registry: &Registry) -> Vec<Vec<DeviceIdx>> {
    let mut devices_of = vec![Vec::new(); registry.buildings().len()];
    for (number, device) in (0..).zip(registry.devices()) {
        devices_of[device.building as usize].push(number);
    }
    devices_of
}

struct Check<'c> {
    registry: &'c Registry,
    registry_file: &'c str,
    source: PolicySource<'c>,
    findings: Vec<Finding>,
    devices_of: Vec<Vec<DeviceIdx>>,
}

impl Check<'_> {
    fn in_registry(&mut self, severity: Severity, line: u32, reason: String) {
        let file = self.registry_file.to_owned();
        self.findings.push(Finding { severity, file, line: line as usize, reason });
    }

    fn in_rule(&mut self, severity: Severity, number: usize, reason: &str) {
        let rule = &self.source.policy.rules[number];
        let headers =
            self.source.text.lines().enumerate().filter(|(_, line)| line.trim_start().starts_with("[[rule]]"));
        let line = headers.map(|(line, _)| line + 1).nth(number).unwrap_or(0);
        let reason = format!("rule {:?}: {reason}", rule.id);
        self.findings.push(Finding { severity, file: self.source.file.to_owned(), line, reason });
    }

    /// Lists the first findings of a sort one by one and counts the others.
    fn list(&mut self, severity: Severity, found: Vec<(u32, String)>, what: &str) {
        let more = found.len().saturating_sub(LISTED_PER_SORT);
        for (line, reason) in found.into_iter().take(LISTED_PER_SORT) {
            self.in_registry(severity, line, reason);
        }
        if more > 0 {
            self.in_registry(Severity::Warning, 0, format!("{more} more {what}"));
        }
    }

    fn buildings(&mut self) {
        let buildings = self.registry.buildings();
        let nowhere = buildings.iter().filter(|building| building.lon == 0.0 && building.lat == 0.0);
        let nowhere = nowhere.map(|building| {
            (building.line, format!("building {:?} is at (0, 0): its coordinates are missing", building.id))
        });
        self.list(Severity::Error, nowhere.collect(), "buildings at (0, 0)");
        let empty = buildings.iter().zip(&self.devices_of).filter(|(_, devices)| devices.is_empty()).count();
        if empty > 0 {
            self.in_registry(
                Severity::Warning,
                0,
                format!("{empty} buildings have no device: only people can speak for them"),
            );
        }
    }

    /// Buildings far from the middle (the median longitude and latitude) of their region.
    fn regions(&mut self) {
        let mut members: BTreeMap<u32, Vec<BuildingIdx>> = BTreeMap::new();
        for (number, building) in (0..).zip(self.registry.buildings()) {
            members.entry(building.region).or_default().push(number);
        }
        let mut far = Vec::new();
        for numbers in members.values() {
            let median = |coordinate: fn(&crate::registry::Building) -> f64| {
                let mut values: Vec<f64> = numbers.iter().map(|b| coordinate(self.registry.building(*b))).collect();
                values.sort_by(f64::total_cmp);
                values[values.len() / 2]
            };
            let middle = (median(|building| building.lon), median(|building| building.lat));
            for number in numbers {
                let building = self.registry.building(*number);
                let distance = distance_m((building.lon, building.lat), middle);
                if distance > FAR_FROM_REGION_M && (building.lon, building.lat) != (0.0, 0.0) {
                    let region = self.registry.region_of(*number);
                    let reason = format!(
                        "building {:?} lies {:.0} km from the middle of its region {region:?}: wrong region or coordinates?",
                        building.id,
                        distance / 1_000.0
                    );
                    far.push((building.line, reason));
                }
            }
        }
        self.list(Severity::Warning, far, "buildings far from their region");
    }

    fn rule(&mut self, number: usize, rule: &Rule) {
        if let Some(premises) = &rule.premises {
            let present: BTreeSet<&str> =
                self.registry.buildings().iter().map(|building| building.premises.word()).collect();
            let absent: Vec<_> =
                premises.iter().map(|premises| premises.word()).filter(|word| !present.contains(word)).collect();
            if absent.len() == premises.len() {
                let reason = format!("can never hold: no building of the registry is {}", absent.join(" or "));
                return self.in_rule(Severity::Error, number, &reason);
            } else if !absent.is_empty() {
                let reason = format!("no building of the registry is {}", absent.join(" or "));
                self.in_rule(Severity::Warning, number, &reason);
            }
        }
        if let Some(radius_m) = rule.radius_m
            && !(0..).zip(self.registry.buildings()).any(|(b, _)| self.registry.neighbours(b, radius_m).len() > 1)
        {
            let severity = if rule.min_buildings > 1 { Severity::Error } else { Severity::Warning };
            let reason = format!("no building has a neighbour within {radius_m} m");
            return self.in_rule(severity, number, &reason);
        }
        self.window(number, rule);
        self.reachable(number, rule);
    }

    fn window(&mut self, number: usize, rule: &Rule) {
        let needs_two = rule.min_devices.max(rule.min_locations).max(rule.min_classes).max(rule.min_buildings) > 1;
        let radio = self.registry.devices().filter_map(|device| device.address);
        let radio = radio.filter(|address| address.starts_with("imei:")).count();
        if needs_two && rule.window_ms < RADIO_DELAY_MS && radio > 0 {
            let reason = format!(
                "its window of {} is shorter than what radio adds ({}): two alarms of one instant from the {radio} radio \
                 devices may miss each other",
                write_duration(rule.window_ms),
                write_duration(RADIO_DELAY_MS)
            );
            self.in_rule(Severity::Warning, number, &reason);
        }
    }

    /// Whether the devices of any one building (or neighbourhood) could fulfil the rule, alone or with people's help.
    fn reachable(&mut self, number: usize, rule: &Rule) {
        let reach = |building: BuildingIdx| match rule.radius_m {
            Some(radius_m) => self.registry.neighbours(building, radius_m).into_iter().map(|(near, _)| near).collect(),
            None => vec![building],
        };
        let allowed = |premises: Premises| rule.premises.as_ref().is_none_or(|allowed| allowed.contains(&premises));
        let mut most = Most::default();
        for (building, known) in (0..).zip(self.registry.buildings()) {
            if allowed(known.premises) {
                let here = self.most(rule, &reach(building));
                if here.reaches(rule) {
                    return;
                }
                most = most.max(&here);
            }
        }
        let people = rule.kinds.contains(&Kind::Confirm)
            && rule.sensors.as_ref().is_none_or(|sensors| sensors.contains(&Sensor::Operator));
        let what = if rule.radius_m.is_some() { "neighbourhood" } else { "building" };
        let reason = format!(
            "no {what} of this registry has the devices for it (at most {} devices, {} locations, {} classes, {} buildings, score {})",
            most.devices, most.locations, most.classes, most.buildings, most.score
        );
        if people {
            let reason = format!("{reason}; it holds only with what people confirm");
            self.in_rule(Severity::Warning, number, &reason);
        } else {
            self.in_rule(Severity::Error, number, &format!("can never hold: {reason}"));
        }
    }

    fn most(&self, rule: &Rule, buildings: &[BuildingIdx]) -> Most {
        let counts = |sensor: Sensor| rule.sensors.as_ref().is_none_or(|sensors| sensors.contains(&sensor));
        let mut locations: BTreeMap<(BuildingIdx, &str), u32> = BTreeMap::new();
        let mut classes = BTreeSet::new();
        let mut with_devices = BTreeSet::new();
        let mut devices = 0;
        for building in buildings {
            for device in self.devices_of[*building as usize].iter().map(|device| self.registry.device(*device)) {
                if counts(device.sensor) {
                    devices += 1;
                    let weight = self.source.policy.weight(device.sensor);
                    let location = (*building, device.location.unwrap_or(device.id));
                    let largest = locations.entry(location).or_default();
                    *largest = weight.max(*largest);
                    classes.insert(if device.sensor.is_unspecific() { "" } else { device.sensor.word() });
                    with_devices.insert(*building);
                }
            }
        }
        let specific = classes.iter().filter(|class| !class.is_empty()).count();
        Most {
            devices,
            locations: locations.len(),
            classes: specific.max(usize::from(!classes.is_empty())),
            buildings: with_devices.len(),
            score: locations.values().map(|weight| u64::from(*weight)).sum(),
        }
    }
}

/// The most that the devices of one place could show.
#[derive(Debug, Default)]
struct Most {
    devices: usize,
    locations: usize,
    classes: usize,
    buildings: usize,
    score: u64,
}

impl Most {
    fn reaches(&self, rule: &Rule) -> bool {
        self.devices >= rule.min_devices as usize
            && self.locations >= rule.min_locations as usize
            && self.classes >= rule.min_classes as usize
            && self.buildings >= rule.min_buildings as usize
            && self.score >= u64::from(rule.min_score)
    }

    fn max(&self, other: &Self) -> Self {
        Self {
            devices: self.devices.max(other.devices),
            locations: self.locations.max(other.locations),
            classes: self.classes.max(other.classes),
            buildings: self.buildings.max(other.buildings),
            score: self.score.max(other.score),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTRY: &str = r#"{"type":"building","id":"B1","lon":113.75,"lat":23.02,"premises":"rental"}
{"type":"device","id":"D1","building":"B1","sensor":"smoke","location":"301"}
{"type":"device","id":"D2","building":"B1","sensor":"heat","location":"302","address":"imei:1"}
{"type":"building","id":"B2","lon":0,"lat":0}
{"type":"device","id":"D3","building":"B2","sensor":"panel"}
{"type":"building","id":"B3","lon":113.75,"lat":33.02}
{"type":"building","id":"B4","lon":113.751,"lat":23.02}
{"type":"building","id":"B5","lon":113.752,"lat":23.02}"#;

    fn findings(policy: &str) -> Vec<String> {
        let registry = Registry::from_json_lines("city.jsonl", REGISTRY.as_bytes()).unwrap();
        let read = Policy::from_toml("p.toml", policy).unwrap();
        let source = PolicySource { policy: &read, file: "p.toml", text: policy };
        validate(&registry, "city.jsonl", source).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_does_not_fit_is_said_with_file_and_line() {
        let registry_findings = [
            "city.jsonl:4: error: building \"B2\" is at (0, 0): its coordinates are missing",
            "city.jsonl: warning: 3 buildings have no device: only people can speak for them",
            "city.jsonl:6: warning: building \"B3\" lies 1112 km from the middle of its region \"default\": wrong region or coordinates?",
        ];
        for (rule, severity, reason) in [
            ("min_locations = 2", None, ""),
            ("premises = [\"mall\"]", Some("error"), "can never hold: no building of the registry is mall"),
            ("premises = [\"mall\", \"rental\"]", Some("warning"), "no building of the registry is mall"),
            ("min_locations = 3", Some("warning"), "it holds only with what people confirm"),
            (
                "min_locations = 3\nkinds = [\"fire\"]",
                Some("error"),
                "at most 2 devices, 2 locations, 2 classes, 1 buildings",
            ),
            ("min_score = 2001\nsensors = [\"smoke\", \"heat\"]", Some("error"), "score 2000"),
            ("radius_m = 10.0\nmin_buildings = 2", Some("error"), "no building has a neighbour within 10 m"),
            ("radius_m = 10.0", Some("warning"), "no building has a neighbour within 10 m"),
            ("radius_m = 150.0\nmin_buildings = 2\nkinds = [\"fire\"]", Some("error"), "1 buildings"),
        ] {
            let found = findings(&format!("# a policy\n[[rule]]\nid = \"r\"\nwindow = \"2m\"\n{rule}\n"));
            for expected in registry_findings {
                assert!(found.iter().any(|finding| finding == expected), "{expected}\n--\n{found:#?}");
            }
            let of_rule: Vec<_> = found.iter().filter(|finding| finding.starts_with("p.toml")).collect();
            match severity {
                None => assert!(of_rule.is_empty(), "{rule}: {of_rule:?}"),
                Some(severity) => {
                    let place = format!("p.toml:2: {severity}: rule \"r\": ");
                    assert!(of_rule.iter().any(|f| f.starts_with(&place) && f.contains(reason)), "{rule}: {of_rule:?}");
                }
            }
        }
        let short = findings("[[rule]]\nwindow = \"60s\"\nmin_locations = 2");
        assert!(
            short.iter().any(|f| f.contains("its window of 1m is shorter than what radio adds (93s)")),
            "{short:?}"
        );
    }
}
