//! `fenghuo-faults`: one dispatch per fire, through every fault, against a real Kafka of three brokers.
//!
//! It starts brokers of its own, lets members of the real `fenghuo` carry synthetic nights, strikes, and compares what
//! a read_committed reader sees with what the pure crates decide. Round by round it says what it does; at the end
//! stands a table. The exit status is 1 if a check did not hold or a fault never happened.

#![cfg_attr(test, allow(clippy::unwrap_used))]

mod cluster;
mod crew;
mod evidence;
mod faults;
mod judge;
mod overlap;
mod proxy;
mod random;
mod record;
mod report;
mod round;
mod sums;
mod watch;

use std::cell::Cell;
use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use fenghuo_model::time::Rfc3339;
use fenghuo_tests::expected::Replays;
use fenghuo_tests::processes::is_built;
use fenghuo_tests::trouble::Trouble;

use cluster::Cluster;
use faults::Fault;
use record::{Outcome, Record};
use round::{Run, run_round};

/// How often a round is tried in which the fault does not happen.
const TRIES: u32 = 3;

/// One dispatch per fire, through every fault: tries the service against a real Kafka of three brokers
#[derive(Debug, Parser)]
#[command(
    name = "fenghuo-faults",
    after_help = "Examples:
  fenghuo-faults --short
  fenghuo-faults --long --append RELIABILITY.md
  fenghuo-faults --only kill --seed 7 --rounds 1"
)]
struct Arguments {
    /// A few rounds of each fault (the default)
    #[arg(long, conflicts_with = "long")]
    short: bool,
    /// Many rounds; goes on where an interrupted run ended
    #[arg(long)]
    long: bool,
    /// Only these faults
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    only: Vec<String>,
    /// The seed of the first round of each fault; the others follow
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Rounds of each fault, in place of its own number
    #[arg(long)]
    rounds: Option<u64>,
    /// When the nights begin, Unix milliseconds [default: six hours before the current hour]
    #[arg(long, value_name = "MS")]
    start: Option<i64>,
    /// Whether the shards leave replays of the decode role to the rule of duplicates
    #[arg(long)]
    replays_kept: bool,
    /// Where finished rounds are kept, one line of JSON each [default: only for --long, beside the evidence]
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// Where logs and examples of failed rounds go
    #[arg(long, value_name = "DIR", default_value = "target/faults")]
    evidence: PathBuf,
    /// Appends table and remarks to this file
    #[arg(long, value_name = "FILE")]
    append: Option<PathBuf>,
    /// Lists the faults, and does nothing
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(trouble) => {
            say(&format!("fenghuo-faults: {trouble}"));
            ExitCode::from(70)
        }
    }
}

fn say(line: &str) {
    // Nobody is left to tell that nobody listens.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn chosen(arguments: &Arguments) -> Result<Vec<Box<dyn Fault>>, Trouble> {
    let all = faults::all();
    let known: Vec<&str> = all.iter().map(|fault| fault.name()).collect();
    if let Some(unknown) = arguments.only.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(Trouble::from(format!("no fault {unknown}; there are {}", known.join(", "))));
    }
    let is_chosen = |name: &str| arguments.only.is_empty() || arguments.only.iter().any(|only| only == name);
    Ok(all.into_iter().filter(|fault| is_chosen(fault.name())).collect())
}

/// Whether every round passed, or could not be tried here.
fn run(arguments: &Arguments) -> Result<bool, Trouble> {
    let faults = chosen(arguments)?;
    if arguments.list {
        for fault in &faults {
            let (short, long) = (fault.rounds(false), fault.rounds(true));
            say(&format!("{:10} {short:3} {long:4}  {}", fault.name(), fault.does()));
        }
        return Ok(true);
    }
    if !is_built() {
        return Err(Trouble::from("no `fenghuo` beside this program: cargo build --workspace"));
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted))?;
    }
    let beside = arguments.evidence.join("long.jsonl");
    let results = arguments.results.clone().or_else(|| arguments.long.then_some(beside));
    std::fs::create_dir_all(&arguments.evidence)?;
    let began = Instant::now();
    let records = all_rounds(arguments, &faults, results.as_deref(), &interrupted)?;
    let form = if arguments.long { "Long" } else { "Short" };
    let passed = records.iter().all(|record| matches!(record.outcome, Outcome::Passed | Outcome::Skipped));
    let mut text = format!("### {form} form, {}\n\n", Rfc3339(now_ms()));
    text += &report::table(&faults, &records);
    let remarks = report::remarks(&records);
    if !remarks.is_empty() {
        text += &format!("\n{}\n", remarks.join("\n"));
    }
    say(&format!("\n{text}\n{} rounds in {} s", records.len(), began.elapsed().as_secs()));
    if let Some(path) = &arguments.append {
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        write!(file, "\n{text}")?;
    }
    Ok(passed && !interrupted.load(Ordering::Relaxed))
}

fn all_rounds(
    arguments: &Arguments,
    faults: &[Box<dyn Fault>],
    results: Option<&Path>,
    interrupted: &AtomicBool,
) -> Result<Vec<Record>, Trouble> {
    let earlier = results.map_or_else(|| Ok(Vec::new()), record::read)?;
    let is_chosen = |record: &Record| faults.iter().any(|fault| fault.name() == record.fault);
    let is_of_form = |record: &Record| record.long == arguments.long && is_chosen(record);
    let mut records: Vec<Record> = earlier.into_iter().filter(is_of_form).collect();
    let done: BTreeSet<(String, u64)> = records.iter().map(|record| (record.fault.clone(), record.seed)).collect();
    let port_seed = u16::try_from(std::process::id() % 0x1_0000).unwrap_or_default();
    let cluster = Cluster::start(port_seed)?;
    say(&format!("brokers {}, proxies {}", cluster.brokers(), cluster.proxy.addresses()));
    let run = Run {
        cluster: &cluster,
        long: arguments.long,
        start_ms: arguments.start.unwrap_or_else(default_start_ms),
        replays: if arguments.replays_kept { Replays::Kept } else { Replays::Dropped },
        interrupted,
        evidence: &arguments.evidence,
        begun: Cell::new(0),
    };
    for fault in faults {
        let rounds = arguments.rounds.unwrap_or_else(|| fault.rounds(arguments.long));
        for seed in arguments.seed..arguments.seed + rounds {
            if interrupted.load(Ordering::Relaxed) {
                return Ok(records);
            }
            if done.contains(&(fault.name().to_owned(), seed)) {
                continue;
            }
            let mut record = run_round(&run, fault.as_ref(), seed);
            say(&line_of(&record));
            // Whether a fault happens is partly the machine's chance.
            for _ in 1..TRIES {
                if matches!(record.outcome, Outcome::NotHit) && !interrupted.load(Ordering::Relaxed) {
                    record = run_round(&run, fault.as_ref(), seed);
                    say(&line_of(&record));
                }
            }
            if interrupted.load(Ordering::Relaxed) {
                return Ok(records);
            }
            results.map_or(Ok(()), |path| record::append(path, &record))?;
            records.push(record);
        }
    }
    Ok(records)
}

/// What is said of a round when it is over.
fn line_of(record: &Record) -> String {
    let first = record.first_decision_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms} ms"));
    let outcome = match record.outcome {
        Outcome::Passed => "passed",
        Outcome::Failed => "FAILED",
        Outcome::NotHit => "NOT HIT",
        Outcome::Skipped => "skipped",
    };
    let (fault, seed, seconds, found) = (&record.fault, record.seed, record.seconds, record.verdict.found);
    let notes = record.notes.join("; ");
    format!("{fault:10} seed {seed:<4} {outcome:8} {seconds:5.1} s  {found} decisions, next after {first}; {notes}")
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Recent enough for the raw topics' retention, and past: brokers refuse records of the future.
fn default_start_ms() -> i64 {
    const HOUR_MS: i64 = 3_600_000;
    now_ms() / HOUR_MS * HOUR_MS - 6 * HOUR_MS
}
