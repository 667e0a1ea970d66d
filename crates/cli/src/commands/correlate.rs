//! `fenghuo correlate`: signals in order of arrival to decisions, one process, no broker.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use fenghuo_correlate::Correlator;
use fenghuo_engine::registries::Registries;
use fenghuo_model::{Decision, Input};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::failure::{Failure, Outcome};
use crate::input::{self, Line, Lines};
use crate::lanes::{self, Lanes};
use crate::output::{Output, remark};
use crate::read_ahead::{ReadAhead, Stretch};
use crate::registry_and_policy::RulesArgs;

const EXAMPLES: &str = "\
Signals are JSON, one a line; a line {\"tick\":MS} or {\"tick\":MS,\"region\":\"NAME\"} moves the clock;
a line {\"policy\":\"TOML\"} puts another policy in force from there on, a line {\"registry\":\"VERSION\"} the registry that
lies beside the given one as FILE.VERSION (`fenghuo apply` puts it there).
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

    /// Threads that share the regions; what comes out is the same on any number [default: as many as there are cores]
    #[arg(long, value_name = "N", value_parser = threads)]
    threads: Option<NonZeroUsize>,

    /// Signals, one file after the other; standard input without any, or for `-`
    files: Vec<PathBuf>,
}

/// More than any machine has cores, and few enough to start.
const MOST_THREADS: usize = 1_024;

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    let number = text.parse().ok().filter(|threads: &NonZeroUsize| threads.get() <= MOST_THREADS);
    number.ok_or_else(|| format!("a whole number from 1 to {MOST_THREADS}"))
}

/// Correlates what comes in.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    let (registry, policy) = args.rules.read()?;
    let registries = Registries::beside(&args.rules.registry);
    let inputs = input::open(&args.files)?;
    let mut out = Out { output: Output::standard(), tally: Tally::default() };
    let threads = args.threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let counters = if threads == NonZeroUsize::MIN {
        on_one_thread((Correlator::new(registry, policy), &registries), inputs, args.drain, &mut out)?
    } else {
        on_threads(Lanes::new(&registry, &policy, Arc::new(registries), threads), inputs, args.drain, &mut out)?
    };
    out.output.flush()?;
    remark(Summary::of(counters, &out.tally).to_json());
    Ok(if out.tally.rejected == 0 { Outcome::Clean } else { Outcome::Found })
}

/// One line after the other; gives the counters.
fn on_one_thread(
    (mut correlator, registries): (Correlator, &Registries),
    inputs: Vec<Lines>,
    drain: bool,
    out: &mut Out,
) -> Result<Map<String, Value>, Failure> {
    let mut decisions = Vec::new();
    for mut lines in inputs {
        while lines.advance(&mut out.output)? {
            let Line { number, bytes } = lines.current();
            let read = bytes.ok_or_else(input::too_long);
            let taken = read.and_then(|line| Input::from_json(line).map_err(text_of)).and_then(|input| match input {
                Input::Registry(change) => {
                    let found = registries.find(&change.version)?;
                    correlator.change_registry(found.registry).map_err(text_of)
                }
                input => correlator.take(&input, &mut decisions).map_err(text_of),
            });
            if let Err(reason) = taken {
                out.reject(&lines.place(number), &reason);
            }
            out.publish(&mut decisions)?;
        }
    }
    if drain {
        correlator.drain(&mut decisions);
        out.publish(&mut decisions)?;
    }
    Ok(lanes::named(correlator.counters()))
}

/// Batch after batch, of all lines that are there; gives the counters.
fn on_threads(mut lanes: Lanes, inputs: Vec<Lines>, drain: bool, out: &mut Out) -> Result<Map<String, Value>, Failure> {
    let ahead = ReadAhead::start(inputs);
    let mut batch = Vec::new();
    while ahead.gather(&mut batch, &mut out.output)? {
        let lines: Vec<Option<&[u8]>> = batch.iter().flat_map(Stretch::lines).collect();
        let places: Vec<_> = batch.iter().flat_map(Stretch::places).collect();
        for said in lanes.take(&lines) {
            match said.what {
                Ok(decision) => out.decision(&decision)?,
                Err(reason) => {
                    let (path, number) = places[said.line];
                    out.reject(&input::place(path, number), &reason);
                }
            }
        }
    }
    ahead.end()?;
    if drain {
        for said in lanes.drain() {
            said.what.iter().try_for_each(|decision| out.decision(decision))?;
        }
    }
    Ok(lanes.counters())
}

/// What goes out, and what the command itself counts.
struct Out {
    output: Output,
    tally: Tally,
}

#[derive(Default)]
struct Tally {
    rejected: u64,
    decisions: u64,
}

impl Out {
    /// Tells and counts a bad line.
    fn reject(&mut self, place: &str, reason: &str) {
        self.tally.rejected += 1;
        remark(format_args!("{place}: {reason}"));
    }

    fn decision(&mut self, json: &str) -> Result<(), Failure> {
        self.tally.decisions += 1;
        self.output.line(json)
    }

    fn publish(&mut self, decisions: &mut Vec<Decision>) -> Result<(), Failure> {
        decisions.drain(..).try_for_each(|decision| self.decision(&decision.to_json()))
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
    fn of(mut counters: Map<String, Value>, tally: &Tally) -> Self {
        let mut taken = |name: &str| counters.remove(name).and_then(|count| count.as_u64()).unwrap_or(0);
        let [signals, duplicates, _, incidents, confirmed] =
            ["signals", "duplicates", "rejected", "incidents", "confirmed"].map(&mut taken);
        Self {
            signals,
            duplicates,
            rejected: tally.rejected,
            incidents,
            confirmed,
            decisions: tally.decisions,
            others: counters,
        }
    }

    fn to_json(&self) -> String {
        serde_json::to_string(self).expect("numbers under string keys are always JSON")
    }
}
