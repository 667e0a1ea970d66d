//! What a round left behind: one line of JSON each, so that a long run can go on where it was interrupted.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;

use fenghuo_tests::trouble::Trouble;
use serde::{Deserialize, Serialize};

use crate::judge::Verdict;

/// How a round ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Every check held.
    Passed,
    /// A check did not hold, or the round did not come to its end.
    Failed,
    /// The fault never happened: nothing was tried, which is no pass.
    NotHit,
    /// It cannot be tried on this machine.
    Skipped,
}

/// A finished round.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Record {
    /// Which fault.
    pub fault: String,
    /// Its seed.
    pub seed: u64,
    /// Whether with the load of the long form.
    pub long: bool,
    /// When its city's night began, Unix milliseconds; part of what repeats it.
    pub start_ms: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// What was wrong.
    pub verdict: Verdict,
    /// How long after the fault each region had seen a new decision, if it saw any, ms.
    pub first_decision_ms: Option<u64>,
    /// The most memory that a member held, MiB.
    pub memory_mib: u64,
    /// How long the round took, s.
    pub seconds: f64,
    /// What was done, what was odd, and why it failed.
    pub notes: Vec<String>,
}

/// The rounds of earlier runs in a file; none if there is no such file.
///
/// # Errors
/// The file cannot be read, or is not ours. A last line that was cut off is passed over.
pub fn read(path: &Path) -> Result<Vec<Record>, Trouble> {
    let text = match std::fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        text => text?,
    };
    let mut records = Vec::new();
    for (number, line) in (1..).zip(text.split_inclusive('\n')) {
        match serde_json::from_str(line) {
            Ok(record) => records.push(record),
            Err(_) if !line.ends_with('\n') => {}
            Err(error) => return Err(Trouble::from(format!("{}: line {number}: {error}", path.display()))),
        }
    }
    Ok(records)
}

/// Appends a round.
///
/// # Errors
/// The file cannot be written.
pub fn append(path: &Path, record: &Record) -> Result<(), Trouble> {
    let mut line = serde_json::to_string(record).map_err(|error| Trouble::from(error.to_string()))?;
    line.push('\n');
    let mut file = OpenOptions::new().create(true).append(true).open(path)?;
    Ok(file.write_all(line.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(seed: u64) -> Record {
        Record {
            fault: "kill".to_owned(),
            seed,
            long: true,
            start_ms: 0,
            outcome: Outcome::Passed,
            verdict: Verdict::default(),
            first_decision_ms: Some(3),
            memory_mib: 40,
            seconds: 1.5,
            notes: Vec::new(),
        }
    }

    #[test]
    fn finished_rounds_are_read_back_and_a_cut_line_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rounds.jsonl");
        assert!(read(&path).unwrap().is_empty());
        append(&path, &record(1)).unwrap();
        append(&path, &record(2)).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{text}{{\"fault\":\"ki")).unwrap();
        assert_eq!(read(&path).unwrap().iter().map(|record| record.seed).collect::<Vec<_>>(), [1, 2]);
        std::fs::write(&path, format!("nothing\n{text}")).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("line 1"));
    }
}
