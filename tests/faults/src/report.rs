//! The table of a run: what was tried how often, and what came of it.

use std::fmt::Write as _;

use crate::faults::Fault;
use crate::record::{Outcome, Record};

const HEAD: &str = "\
| fault | rounds | passed | failed | not hit | skipped | decisions | lost | repeated | with other bytes | spurious | two open \
| signals wrong | fires missed | counted, wrong | all regions decide again, ms: median, most | member, MiB |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
";

/// A Markdown table, one row a fault, in the order of `faults`; those without rounds are left out.
pub fn table(faults: &[Box<dyn Fault>], records: &[Record]) -> String {
    let mut text = HEAD.to_owned();
    for fault in faults {
        let rounds: Vec<&Record> = records.iter().filter(|record| record.fault == fault.name()).collect();
        if !rounds.is_empty() {
            row(&mut text, fault.name(), &rounds);
        }
    }
    text
}

fn row(text: &mut String, name: &str, rounds: &[&Record]) {
    let ended = |outcome| rounds.iter().filter(|record| record.outcome == outcome).count();
    let sum = |count: fn(&Record) -> u64| rounds.iter().map(|record| count(record)).sum::<u64>();
    let cells = [
        rounds.len() as u64,
        ended(Outcome::Passed) as u64,
        ended(Outcome::Failed) as u64,
        ended(Outcome::NotHit) as u64,
        ended(Outcome::Skipped) as u64,
        sum(|record| record.verdict.found),
        sum(|record| record.verdict.lost + record.verdict.lost_on_watch),
        sum(|record| record.verdict.repeated),
        sum(|record| record.verdict.repeated_otherwise + record.verdict.altered),
        sum(|record| record.verdict.spurious + record.verdict.early + record.verdict.misplaced),
        sum(|record| record.verdict.two_open),
        sum(|record| record.verdict.signals_missing + record.verdict.signals_excess),
        sum(|record| record.verdict.fires_missed),
    ];
    let mut firsts: Vec<u64> = rounds.iter().filter_map(|record| record.first_decision_ms).collect();
    firsts.sort_unstable();
    let first = match (firsts.get(firsts.len() / 2), firsts.last()) {
        (Some(median), Some(most)) => format!("{median}, {most}"),
        _ => "none".to_owned(),
    };
    let memory = rounds.iter().map(|record| record.memory_mib).max().unwrap_or_default();
    let cells = cells.map(|cell| cell.to_string()).join(" | ");
    let counted = rounds.iter().filter(|record| record.verdict.is_counted).count();
    let wrong = sum(|record| record.verdict.miscounted);
    writeln!(text, "| {name} | {cells} | {counted}, {wrong} | {first} | {memory} |")
        .expect("a text takes all that is written to it");
}

/// What failed or was not tried, one line a round, with how to repeat it.
pub fn remarks(records: &[Record]) -> Vec<String> {
    let not_passed = records.iter().filter(|record| record.outcome != Outcome::Passed);
    let line = |record: &Record| {
        let form = if record.long { "--long" } else { "--short" };
        let how =
            format!("{form} --only {} --seed {} --rounds 1 --start {}", record.fault, record.seed, record.start_ms);
        format!("- {:?}: `{how}`: {}", record.outcome, record.notes.join("; "))
    };
    not_passed.map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults;
    use crate::judge::Verdict;

    #[test]
    fn rows_add_up_and_remarks_say_how_to_repeat() {
        let record = |seed, outcome, first| Record {
            fault: "kill".to_owned(),
            seed,
            long: false,
            start_ms: 7,
            outcome,
            verdict: Verdict { found: 10, repeated: 1, ..Verdict::default() },
            first_decision_ms: first,
            memory_mib: seed,
            seconds: 1.0,
            notes: vec!["why".to_owned()],
        };
        let records = [
            record(1, Outcome::Failed, Some(5)),
            record(2, Outcome::Passed, Some(9)),
            record(3, Outcome::Passed, None),
        ];
        let text = table(&faults::all(), &records);
        let columns = text.lines().next().unwrap().matches('|').count();
        assert_eq!(text.lines().map(|line| line.matches('|').count()).collect::<Vec<_>>(), [columns; 3]);
        assert!(
            text.ends_with("| kill | 3 | 2 | 1 | 0 | 0 | 30 | 0 | 3 | 0 | 0 | 0 | 0 | 0 | 0, 0 | 9, 9 | 3 |\n"),
            "{text}"
        );
        assert_eq!(remarks(&records), ["- Failed: `--short --only kill --seed 1 --rounds 1 --start 7`: why"]);
    }
}
