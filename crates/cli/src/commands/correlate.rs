//! `fenghuo correlate`: signals in order of arrival to decisions, one process, no broker.

use std::path::PathBuf;

use fenghuo_correlate::{Correlator, Counters};
use fenghuo_model::{Decision, Input};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::failure::{Failure, Outcome};
use crate::input::{self, Line, Lines};
use crate::output::{Output, remark};
use crate::registry_and_policy::RulesArgs;

const EXAMPLES: &str = "\
Signals are JSON, one a line; a line {\"tick\":MS} or {\"tick\":MS,\"region\":\"NAME\"} moves the clock.
Decisions go to standard output, one JSON object a line, at the latest when the input pauses.
A bad line goes to standard error as `line N: reason` (`FILE: line N: reason` for files) and the rest goes on;
the exit code is then 1. The last line on standard error is the summary, one JSON object.

Examples:
  fenghuo correlate --registry city.jsonl --policy policy.toml --drain < signals.jsonl > decisions.jsonl
  fenghuo decode --format gb26875 --hex < frames.hex | fenghuo correlate --registry city.jsonl
  fenghuo correlate --registry city.jsonl monday.jsonl tuesday.jsonl";

/// What may be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    rules: RulesArgs,

    /// At the end of the input, let the clock run until no timer is left
    #[arg(long)]
    drain: bool,

    /// Signals, one file after the other; standard input without any, or for `-`
    files: Vec<PathBuf>,
}

/// Correlates what comes in.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    let (registry, policy) = args.rules.read()?;
    let inputs = input::open(&args.files)?;
    let mut run = Run {
        correlator: Correlator::new(registry, policy),
        decisions: Vec::new(),
        output: Output::standard(),
        tally: Tally::default(),
    };
    for mut lines in inputs {
        while lines.advance(&mut run.output)? {
            run.take(&lines)?;
        }
    }
    if args.drain {
        run.correlator.drain(&mut run.decisions);
        run.publish()?;
    }
    run.output.flush()?;
    remark(Summary::of(run.correlator.counters(), &run.tally).to_json());
    Ok(if run.tally.rejected == 0 { Outcome::Clean } else { Outcome::Found })
}

struct Run {
    correlator: Correlator,
    decisions: Vec<Decision>,
    output: Output,
    tally: Tally,
}

/// What the command itself counts.
#[derive(Default)]
struct Tally {
    rejected: u64,
    decisions: u64,
}

impl Run {
    /// Takes the line that was read last; a bad one is told and counted.
    fn take(&mut self, lines: &Lines) -> Result<(), Failure> {
        let Line { number, bytes } = lines.current();
        let taken = match bytes.ok_or_else(input::too_long).and_then(|line| Input::from_json(line).map_err(text_of)) {
            Ok(input) => self.correlator.take(&input, &mut self.decisions).map_err(text_of),
            Err(reason) => Err(reason),
        };
        if let Err(reason) = taken {
            self.tally.rejected += 1;
            remark(format_args!("{}: {reason}", lines.place(number)));
        }
        self.publish()
    }

    fn publish(&mut self) -> Result<(), Failure> {
        for decision in self.decisions.drain(..) {
            self.tally.decisions += 1;
            self.output.line(decision.to_json())?;
        }
        Ok(())
    }
}

fn text_of(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The last line on standard error; after the five counters of the contract whatever else the correlator counts.
#[derive(Serialize)]
struct Summary {
    signals: u64,
    duplicates: u64,
    rejected: u64,
    incidents: u64,
    confirmed: u64,
    decisions: u64,
    #[serde(flatten)]
    others: Map<String, Value>,
}

impl Summary {
    /// Of all rejected lines, the correlator saw only those that could be read as a signal.
    fn of(counters: &Counters, tally: &Tally) -> Self {
        let mut others = match serde_json::to_value(counters) {
            Ok(Value::Object(counters)) => counters,
            _ => Map::new(),
        };
        for named in ["signals", "duplicates", "rejected", "incidents", "confirmed", "decisions"] {
            others.remove(named);
        }
        Self {
            signals: counters.signals,
            duplicates: counters.duplicates,
            rejected: tally.rejected,
            incidents: counters.incidents,
            confirmed: counters.confirmed,
            decisions: tally.decisions,
            others,
        }
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers under string keys are always JSON")
    }
}
