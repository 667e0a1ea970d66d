//! The correlate role's shard over a log in memory, with everything going wrong that can, seed by seed.
//!
//! The shard, its pace and what it writes are the real ones; the broker ([`broker`]), the processes ([`member`])
//! and the time are not. What is read in the end must be what a plain correlator decides on the signals in their order
//! ([`oracle`], [`check`]). Read [`round`] first.
//!
//! `--seeds N` (default 6000), `--seed S`, `--only K` (that one round, and what happened in it).

mod broker;
mod check;
#[path = "../../../correlate/tests/oracle/generate/mod.rs"]
mod generate;
mod ledger;
mod member;
mod oracle;
#[path = "../../../correlate/tests/oracle/random.rs"]
mod random;
mod report;
mod round;
mod signals;

use std::io::Write as _;
use std::panic::catch_unwind;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use random::Random;
use report::Coverage;
use round::{Outcome, round};

/// The first round's seed, if none is given.
const DEFAULT_SEED: u64 = 20_261_126;

/// A run of so many rounds must meet everything.
const ENOUGH_FOR_COVERAGE: u64 = 6_000;

const THREADS: usize = 2;

/// So many rounds are told of.
const MOST_TOLD: usize = 5;

/// After so many failed rounds no further ones are begun.
const MOST_FAILED: u64 = 5;

/// What was asked for.
struct Wish {
    rounds: u64,
    seed: u64,
    only: Option<u64>,
}

impl Wish {
    /// Reads the flags; what the test runner adds of its own is none of ours.
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut wish = Self { rounds: ENOUGH_FOR_COVERAGE, seed: DEFAULT_SEED, only: None };
        while let Some(flag) = arguments.next() {
            let mut number = || -> Result<u64, String> {
                let text = arguments.next().ok_or_else(|| format!("{flag} needs a number"))?;
                text.parse().map_err(|_| format!("{flag} needs a number, not {text:?}"))
            };
            match flag.as_str() {
                "--seeds" => wish.rounds = number()?,
                "--seed" => wish.seed = number()?,
                "--only" => wish.only = Some(number()?),
                _ => {}
            }
        }
        Ok(wish)
    }

    /// A panic is a complaint like any other.
    fn outcome(&self, number: u64) -> Outcome {
        let seed = Random::new(self.seed.wrapping_add(number)).next();
        catch_unwind(|| round(seed, self.only.is_some())).unwrap_or_else(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no text");
            let complaints = vec![format!("panicked: {text}")];
            Outcome { complaints, story: Vec::new(), coverage: Coverage::default() }
        })
    }
}

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let wish = match Wish::from_arguments(std::env::args().skip(1)) {
        Ok(wish) => wish,
        Err(reason) => {
            let _ = writeln!(out, "simulation: {reason}");
            return ExitCode::from(2);
        }
    };
    std::panic::set_hook(Box::new(|_| {}));
    let (coverage, mut failed, story) = run(&wish);
    for line in story {
        let _ = writeln!(out, "{line}");
    }
    failed.sort_unstable_by_key(|(number, _)| *number);
    let _ = writeln!(out, "simulation: {} rounds of seed {}\n{coverage}", wish.rounds, wish.seed);
    for (number, complaints) in failed.iter().take(MOST_TOLD) {
        let _ = writeln!(out, "round {number} (--seed {} --only {number}):", wish.seed);
        for complaint in complaints {
            let _ = writeln!(out, "  {complaint}");
        }
    }
    if !failed.is_empty() {
        let _ = writeln!(out, "simulation: {} rounds failed", failed.len());
        return ExitCode::FAILURE;
    }
    let missing = coverage.missing();
    if wish.only.is_none() && wish.rounds >= ENOUGH_FOR_COVERAGE && !missing.is_empty() {
        let _ = writeln!(out, "simulation: the rounds never met {missing:?}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// A round's number, and what must not be.
type Failed = (u64, Vec<String>);

/// Goes through every round, or the one asked for, which is told as a story.
fn run(wish: &Wish) -> (Coverage, Vec<Failed>, Vec<String>) {
    let (first, end) = wish.only.map_or((0, wish.rounds), |only| (only, only + 1));
    let (next, failures) = (AtomicU64::new(first), AtomicU64::new(0));
    let work = || {
        let (mut coverage, mut failed, mut stories) = (Coverage::default(), Vec::new(), Vec::new());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= end || failures.load(Ordering::Relaxed) >= MOST_FAILED {
                return (coverage, failed, stories);
            }
            let outcome = wish.outcome(number);
            coverage.merge(&outcome.coverage);
            stories.extend(outcome.story);
            if !outcome.complaints.is_empty() {
                failures.fetch_add(1, Ordering::Relaxed);
                failed.push((number, outcome.complaints));
            }
        }
    };
    let (mut coverage, mut failed, mut stories) = (Coverage::default(), Vec::new(), Vec::new());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let (covered, complained, told) = worker.join().expect("a panic is caught where it happens");
            coverage.merge(&covered);
            failed.extend(complained);
            stories.extend(told);
        }
    });
    (coverage, failed, stories)
}
