//! Reads a policy from TOML; all that is wrong at once, with file, line, caret and the nearest key.

use toml::de::DeValue;

use super::{ClockTrust, IncidentTimes, LONGEST_WINDOW_MS, Policy, Rule};
use crate::time::write_duration;
use crate::toml_text::{Fault, Faults, Table, did_you_mean, parse};
use crate::words::{Kind, Premises, Sensor};

const EVIDENCE_KINDS: [Kind; 3] = [Kind::Fire, Kind::Confirm, Kind::Prealarm];

impl Policy {
    /// Reads TOML; `file` is its name in messages. What is missing has the default policy's value; a byte order mark at
    /// the beginning, which some editors write, is passed over.
    ///
    /// # Errors
    /// Every fault of the file, in the order of the lines.
    pub fn from_toml(file: &str, text: &str) -> Result<Self, Vec<Fault>> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut faults = Faults::new(file, text);
        let document = parse(text, &mut faults);
        let mut root = Table::root(&document);
        let clock = read_clock(root.table("clock", &mut faults), &mut faults);
        let mut dedup = root.table("dedup", &mut faults);
        let dedup_horizon_ms = dedup.duration_ms("horizon", &mut faults).unwrap_or(600_000);
        dedup.finish(&mut faults);
        let mut evidence = root.table("evidence", &mut faults);
        let hold_ms = evidence.duration_ms("hold", &mut faults).unwrap_or(30_000);
        let isolate_max_ms = evidence.duration_ms("isolate_max", &mut faults).unwrap_or(24 * 3_600_000);
        evidence.finish(&mut faults);
        let incident_table = root.table("incident", &mut faults);
        let incident_span = incident_table.span().clone();
        let incident = read_incident(incident_table, &mut faults);
        let weights = read_weights(&root.table("weights", &mut faults), &mut faults);
        let rules = match root.tables("rule", &mut faults) {
            Some(tables) => read_rules(tables, &weights, &mut faults),
            None => default_rules(),
        };
        root.finish(&mut faults);
        let policy =
            Policy { clock, dedup_horizon_ms, hold_ms, isolate_max_ms, incident, weights, rules, hash: String::new() };
        let least_ms = policy.memory_ms() + policy.clock.max_ahead_ms;
        for (key, value_ms) in [
            ("close_after", policy.incident.close_after_ms),
            ("close_confirmed_after", policy.incident.close_confirmed_after_ms),
        ] {
            if value_ms <= least_ms {
                faults.at(&incident_span, format!(
                    "`{key}` = \"{}\" must be longer than \"{}\" (the longest window + 2 · max_behind + 2 · max_ahead), \
                     or evidence would outlive its incident",
                    write_duration(value_ms), write_duration(least_ms),
                ));
            }
        }
        faults.into_result(policy.seal())
    }
}

fn default_rules() -> Vec<Rule> {
    let rule = |id: &str, window_s: i64| Rule {
        id: id.to_owned(),
        window_ms: window_s * 1_000,
        kinds: vec![Kind::Fire, Kind::Confirm],
        sensors: None,
        premises: None,
        radius_m: None,
        min_devices: 1,
        min_locations: 1,
        min_classes: 1,
        min_buildings: 1,
        min_score: 0,
        min_span_ms: 0,
    };
    let stating = vec![Sensor::CallPoint, Sensor::WaterFlow, Sensor::Operator];
    vec![
        Rule { sensors: Some(stating), ..rule("stated", 120) },
        Rule { min_locations: 2, ..rule("two-locations", 120) },
        Rule { min_classes: 2, ..rule("two-classes", 120) },
        Rule { radius_m: Some(150.0), min_locations: 3, min_buildings: 2, ..rule("neighbours", 180) },
    ]
}

fn read_clock(mut table: Table<'_, '_>, faults: &mut Faults<'_>) -> ClockTrust {
    let clock = ClockTrust {
        max_behind_ms: table.duration_ms("max_behind", faults).unwrap_or(120_000),
        max_ahead_ms: table.duration_ms("max_ahead", faults).unwrap_or(60_000),
    };
    table.finish(faults);
    clock
}

fn read_incident(mut table: Table<'_, '_>, faults: &mut Faults<'_>) -> IncidentTimes {
    let incident = IncidentTimes {
        verify_after_ms: table.duration_ms("verify_after", faults).unwrap_or(30_000),
        escalate_after_ms: table.duration_ms("escalate_after", faults).unwrap_or(180_000),
        update_every_ms: table.duration_ms("update_every", faults).unwrap_or(10_000),
        close_after_ms: table.duration_ms("close_after", faults).unwrap_or(30 * 60_000),
        close_confirmed_after_ms: table.duration_ms("close_confirmed_after", faults).unwrap_or(6 * 3_600_000),
    };
    table.finish(faults);
    incident
}

fn read_weights(table: &Table<'_, '_>, faults: &mut Faults<'_>) -> Vec<u32> {
    let mut weights = vec![1_000; Sensor::ALL.len()];
    for (key, value) in table.entries() {
        let word = key.get_ref().as_ref();
        let Some(sensor) = Sensor::from_word(word) else {
            let words: Vec<_> = Sensor::ALL.iter().map(|sensor| sensor.word()).collect();
            faults.at(&key.span(), format!("unknown sensor `{word}` in [weights]{}", did_you_mean(word, &words)));
            continue;
        };
        let weight = match value.get_ref() {
            DeValue::Integer(number) => u32::from_str_radix(number.as_str(), number.radix()).ok(),
            _ => None,
        };
        match weight {
            Some(weight) => weights[sensor as usize] = weight,
            None => faults.at(&value.span(), format!("the weight of `{word}` is a whole number of thousandths")),
        }
    }
    weights
}

fn read_rules(tables: Vec<Table<'_, '_>>, weights: &[u32], faults: &mut Faults<'_>) -> Vec<Rule> {
    let mut rules: Vec<Rule> = Vec::new();
    for (number, mut table) in (1..).zip(tables) {
        let span = table.span().clone();
        let rule = Rule {
            id: table.string("id", faults).unwrap_or_else(|| format!("rule-{number}")),
            window_ms: read_window_ms(&mut table, faults),
            kinds: table
                .read("kinds", faults, |value| read_words(value, "kind", &EVIDENCE_KINDS, Kind::word))
                .unwrap_or_else(|| vec![Kind::Fire, Kind::Confirm]),
            sensors: table.read("sensors", faults, |value| read_words(value, "sensor", Sensor::ALL, Sensor::word)),
            premises: table
                .read("premises", faults, |value| read_words(value, "premises", Premises::ALL, Premises::word)),
            radius_m: table.read("radius_m", faults, read_radius_m),
            min_devices: table.integer("min_devices", 1, faults).unwrap_or(1),
            min_locations: table.integer("min_locations", 1, faults).unwrap_or(1),
            min_classes: table.integer("min_classes", 1, faults).unwrap_or(1),
            min_buildings: table.integer("min_buildings", 1, faults).unwrap_or(1),
            min_score: table.integer("min_score", 0, faults).unwrap_or(0),
            min_span_ms: table.duration_ms("min_span", faults).unwrap_or(0),
        };
        table.finish(faults);
        if rules.iter().any(|other| other.id == rule.id) {
            faults.at(&span, format!("the rule id {:?} stands twice", rule.id));
        }
        if let Some(reason) = why_never(&rule, weights) {
            faults.at(&span, format!("rule {:?} can never hold: {reason}", rule.id));
        }
        rules.push(rule);
    }
    rules
}

fn read_window_ms(table: &mut Table<'_, '_>, faults: &mut Faults<'_>) -> i64 {
    if !table.has("window") {
        faults.at(table.span(), "a rule needs `window`, such as \"120s\"");
    }
    let window_ms = table.read("window", faults, |value| {
        let window_ms = value.as_str().and_then(crate::time::parse_duration_ms);
        let window_ms = window_ms.ok_or("is a duration with its unit, such as \"120s\"")?;
        if window_ms > LONGEST_WINDOW_MS { Err("is at most \"1h\"".to_owned()) } else { Ok(window_ms) }
    });
    window_ms.unwrap_or(0)
}

fn read_radius_m(value: &DeValue<'_>) -> Result<f64, String> {
    let radius_m: Option<f64> = match value {
        DeValue::Float(number) => number.as_str().parse().ok(),
        DeValue::Integer(number) => number.as_str().parse().ok(),
        _ => None,
    };
    radius_m
        .filter(|radius_m| radius_m.is_finite() && *radius_m > 0.0)
        .ok_or_else(|| "is a distance in metres above 0".to_owned())
}

fn read_words<T: Copy>(
    value: &DeValue<'_>,
    what: &str,
    all: &[T],
    word: fn(T) -> &'static str,
) -> Result<Vec<T>, String> {
    let DeValue::Array(items) = value else { return Err(format!("is a list, such as [\"{}\"]", word(all[0]))) };
    let read = |item: &DeValue<'_>| {
        let text = item.as_str().unwrap_or_default();
        let words: Vec<_> = all.iter().map(|value| word(*value)).collect();
        let unknown = || format!("holds the unknown {what} {text:?}{}", did_you_mean(text, &words));
        all.iter().copied().find(|value| word(*value) == text).ok_or_else(unknown)
    };
    items.iter().map(|item| read(item.get_ref())).collect()
}

/// Why no evidence whatsoever can fulfil the rule.
fn why_never(rule: &Rule, weights: &[u32]) -> Option<String> {
    let all_sensors: Vec<Sensor> = Sensor::ALL.to_vec();
    let listed = rule.sensors.as_ref().unwrap_or(&all_sensors);
    // A person's word is always of the sensor operator.
    let only_people = rule.kinds == [Kind::Confirm];
    let possible: Vec<Sensor> =
        listed.iter().copied().filter(|sensor| !only_people || *sensor == Sensor::Operator).collect();
    let specific = Sensor::ALL.iter().filter(|sensor| possible.contains(sensor) && !sensor.is_unspecific()).count();
    let most_classes = specific.max(usize::from(!possible.is_empty()));
    if rule.kinds.is_empty() {
        Some("`kinds` is empty".to_owned())
    } else if listed.is_empty() {
        Some("`sensors` is empty".to_owned())
    } else if possible.is_empty() {
        Some(
            "`kinds` lists only what people say, whose sensor is operator, and `sensors` does not list that".to_owned(),
        )
    } else if rule.premises.as_ref().is_some_and(Vec::is_empty) {
        Some("`premises` is empty".to_owned())
    } else if rule.min_classes as usize > most_classes {
        Some(format!(
            "`min_classes` is {}, but at most {most_classes} can come together (panel and unknown count only alone)",
            rule.min_classes
        ))
    } else if rule.min_buildings > 1 && rule.radius_m.is_none() {
        Some("`min_buildings` above 1 needs `radius_m`".to_owned())
    } else if rule.min_span_ms > rule.window_ms {
        Some("`min_span` is longer than `window`".to_owned())
    } else if rule.min_score > 0 && possible.iter().all(|sensor| weights[*sensor as usize] == 0) {
        Some("`min_score` is above 0, and every sensor that counts weighs 0".to_owned())
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::DEFAULT_TEXT;

    fn faults(text: &str) -> String {
        let faults = Policy::from_toml("p.toml", text).unwrap_err();
        faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn the_printed_default_is_what_an_empty_file_means() {
        let printed = Policy::from_toml("default", DEFAULT_TEXT).unwrap();
        let empty = Policy::from_toml("empty", "").unwrap();
        assert_eq!(printed, empty);
        assert_eq!(printed.hash(), empty.hash());
        assert_eq!(printed.hash().len(), 16);
        assert_eq!(printed.memory_ms(), 480_000);
        let other = Policy::from_toml("other", "[dedup]\nhorizon = \"11m\"").unwrap();
        assert_ne!(other.hash(), empty.hash());
    }

    #[test]
    fn a_fault_names_line_caret_and_nearest_key() {
        let expected =
            "p.toml:2: unknown key `horizn` in [dedup]; did you mean `horizon`?\n    horizn = \"10m\"\n    ^^^^^^";
        assert_eq!(faults("[dedup]\nhorizn = \"10m\""), expected);
    }

    #[test]
    fn a_byte_order_mark_at_the_beginning_is_passed_over() {
        let text = "[dedup]\nhorizon = \"11m\"";
        let marked = Policy::from_toml("p.toml", &format!("\u{feff}{text}")).unwrap();
        assert_eq!(marked.hash(), Policy::from_toml("p.toml", text).unwrap().hash());
        assert_eq!(faults("\u{feff}dedup = 1"), faults("dedup = 1"), "the caret stands right");
    }

    #[test]
    fn everything_wrong_is_found_at_once() {
        let text = "[clock]\nmax_behind = 120\n[[rule]]\nid = \"a\"\n[[rule]]\nid = \"b\"\nwindow = \"2h\"\n[[rule]]\nid = \"b\"\nwindow = \"1m\"\nsensors = [\"smok\"]\n[liveness]\n";
        let found = faults(text);
        for expected in [
            "p.toml:2: `max_behind` is a duration",
            "p.toml:3: a rule needs `window`",
            "p.toml:7: `window` is at most \"1h\"",
            "p.toml:8: the rule id \"b\" stands twice",
            "p.toml:11: `sensors` holds the unknown sensor \"smok\"; did you mean `smoke`?",
            "p.toml:12: unknown key `liveness`",
        ] {
            assert!(found.contains(expected), "{expected}\n--\n{found}");
        }
        assert!(faults("= 1").contains("p.toml:1: not TOML"));
    }

    #[test]
    fn a_rule_that_can_never_hold_is_refused() {
        for (rule, reason) in [
            ("kinds = []", "`kinds` is empty"),
            ("sensors = []", "`sensors` is empty"),
            ("premises = []", "`premises` is empty"),
            ("kinds = [\"confirm\"]\nsensors = [\"smoke\"]", "only what people say"),
            ("sensors = [\"smoke\", \"panel\"]\nmin_classes = 2", "at most 1"),
            ("sensors = [\"panel\", \"unknown\"]\nmin_classes = 2", "at most 1"),
            ("min_classes = 12", "at most 11"),
            ("min_buildings = 2", "needs `radius_m`"),
            ("min_span = \"61s\"", "longer than `window`"),
            ("sensors = [\"smoke\"]\nmin_score = 1\n[weights]\nsmoke = 0", "weighs 0"),
        ] {
            let found = faults(&format!("[[rule]]\nwindow = \"60s\"\n{rule}"));
            assert!(found.contains("can never hold") && found.contains(reason), "{rule}\n--\n{found}");
        }
        assert!(Policy::from_toml("p", "[[rule]]\nwindow = \"60s\"\nmin_classes = 11\nmin_span = \"60s\"").is_ok());
    }

    #[test]
    fn incidents_outlive_their_evidence() {
        assert!(
            faults("[incident]\nclose_after = \"9m\"").contains("`close_after` = \"9m\" must be longer than \"9m\"")
        );
        assert!(Policy::from_toml("p", "[incident]\nclose_after = \"541s\"").is_ok());
    }
}
