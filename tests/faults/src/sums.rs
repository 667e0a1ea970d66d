//! What the members say that they counted, beside what the topics hold.
//!
//! Who is killed says nothing, and a shard that lost its partition has counted a transaction that never was: sums are
//! compared where nobody strikes, every process ended in order, and nobody began anew or lost a partition because the
//! machine stood still for longer than a session.

use std::path::Path;

use fenghuo_tests::trouble::Trouble;
use serde_json::Value;

use crate::evidence;

/// What all processes of a round counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// Decisions published.
    pub decisions: u64,
    /// Of these, those for dispatch.
    pub dispatched: u64,
    /// Records of the signals topic that were taken.
    pub judged: u64,
    /// Records of the raw topics that were taken.
    pub raw: u64,
    /// Records on the dead-letter topic.
    pub dead_letters: u64,
}

/// The sums of a round by the logs in its folder, if all of them are known.
///
/// # Errors
/// A log cannot be read.
pub fn of_logs(folder: &Path) -> Result<Option<Sums>, Trouble> {
    let mut sums = Sums::default();
    for path in evidence::logs(folder)? {
        let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
        match of_log(&text) {
            Some(of_log) => sums.add(of_log),
            None => return Ok(None),
        }
    }
    Ok(Some(sums))
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.decisions += other.decisions;
        self.dispatched += other.dispatched;
        self.judged += other.judged;
        self.raw += other.raw;
        self.dead_letters += other.dead_letters;
    }

    /// In which of them `self`, what the topics hold, differs from what was counted.
    pub fn differences(&self, counted: &Self) -> Vec<String> {
        let rows = [
            ("decisions", self.decisions, counted.decisions),
            ("decisions for dispatch", self.dispatched, counted.dispatched),
            ("signals and ticks", self.judged, counted.judged),
            ("raw records", self.raw, counted.raw),
            ("dead letters", self.dead_letters, counted.dead_letters),
        ];
        let differ = rows.into_iter().filter(|(_, held, counted)| held != counted);
        differ.map(|(what, held, counted)| format!("{held} {what}, {counted} counted")).collect()
    }
}

/// Of one member's log, its restarts included: each process writes its counters as a line of JSON when it ends.
fn of_log(text: &str) -> Option<Sums> {
    let begun = text.matches(": starting role=").count();
    let ended: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    if ended.len() != begun || ["begins anew", "lost=true"].iter().any(|word| text.contains(word)) {
        return None;
    }
    let sum = |role: &str, name: &str| ended.iter().filter_map(|all| all[role][name].as_u64()).sum::<u64>();
    Some(Sums {
        decisions: sum("correlate", "decisions"),
        dispatched: sum("correlate", "dispatched"),
        judged: sum("correlate", "records"),
        raw: sum("decode", "records"),
        dead_letters: sum("decode", "dead_letters") + sum("correlate", "rejected"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_known_where_every_process_ended_in_order() {
        let start = "2026 INFO fenghuo_engine::service: starting role=\"all\"\n";
        let end = "{\"correlate\":{\"decisions\":3,\"dispatched\":1,\"records\":9,\"rejected\":1},\
                   \"decode\":{\"records\":7,\"dead_letters\":2}}\n";
        let sums = Sums { decisions: 3, dispatched: 1, judged: 9, raw: 7, dead_letters: 3 };
        assert_eq!(of_log(&format!("{start}{end}")), Some(sums));
        let twice = of_log(&format!("{start}{end}{start}{end}")).unwrap();
        assert_eq!((twice.decisions, twice.dead_letters), (6, 6));
        assert_eq!(of_log(&format!("{start}{start}{end}")), None);
        assert_eq!(of_log(&format!("{start} the shard begins anew from the log\n{end}")), None);
        assert_eq!(of_log(&format!("{start} revoked role=\"decode\" partitions=raw/0 lost=true\n{end}")), None);
        assert_eq!(sums.differences(&sums), Vec::<String>::new());
        assert_eq!(sums.differences(&Sums { raw: 8, ..sums }), ["7 raw records, 8 counted"]);
    }
}
