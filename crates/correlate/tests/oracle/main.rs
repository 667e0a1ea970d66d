//! Holds the correlator against an independent oracle, on seeded sequences, field by field.
//!
//! The oracle follows SPEC.md sections 3 and 4 sentence by sentence and knows nothing of how the correlator works.
//! Where they differ, the sequence is shrunk and printed as a scenario. Read [`oracle`] first, then [`region`].
//!
//! `--sequences N` (default 2000), `--seed S`, `--only K` (that one sequence, with everything that was decided).

mod compare;
mod evidence;
mod generate;
mod intake;
mod judging;
mod oracle;
mod publish;
mod random;
mod region;
mod report;
mod restored;
mod shrink;
mod timers;
mod world;

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use compare::{Comparison, Step, compare};
use fenghuo_schemas::faults_by;
use generate::Sequence;
use random::Random;
use report::{Coverage, scenario};

/// The first sequence's seed, if none is given.
const DEFAULT_SEED: u64 = 20_261_122;

/// A run of so many sequences must meet every kind of decision.
const ENOUGH_FOR_COVERAGE: u64 = 2_000;

const THREADS: usize = 2;

/// Of so many sequences, the decisions of one are held against the schema; that takes longer than to decide.
const ONE_BY_SCHEMA: u64 = 20;

/// What was asked for.
struct Wish {
    sequences: u64,
    seed: u64,
    only: Option<u64>,
}

impl Wish {
    /// Reads the flags; what the test runner adds of its own is none of ours.
    fn from_arguments(mut arguments: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut wish = Self { sequences: ENOUGH_FOR_COVERAGE, seed: DEFAULT_SEED, only: None };
        while let Some(flag) = arguments.next() {
            let mut number = || -> Result<u64, String> {
                let text = arguments.next().ok_or_else(|| format!("{flag} needs a number"))?;
                text.parse().map_err(|_| format!("{flag} needs a number, not {text:?}"))
            };
            match flag.as_str() {
                "--sequences" => wish.sequences = number()?,
                "--seed" => wish.seed = number()?,
                "--only" => wish.only = Some(number()?),
                _ => {}
            }
        }
        Ok(wish)
    }

    fn sequence(&self, number: u64) -> Sequence {
        generate::sequence(Random::new(self.seed.wrapping_add(number)).next())
    }

    fn comparison(&self, number: u64) -> Comparison {
        compare(&self.sequence(number)).expect("the generator writes what can be read")
    }
}

fn main() -> ExitCode {
    let mut out = std::io::stdout().lock();
    let wish = match Wish::from_arguments(std::env::args().skip(1)) {
        Ok(wish) => wish,
        Err(reason) => {
            let _ = writeln!(out, "oracle: {reason}");
            return ExitCode::from(2);
        }
    };
    // A panic of either side is a step of the comparison, and is shown there.
    std::panic::set_hook(Box::new(|_| {}));
    let (coverage, differing, faults) = match wish.only {
        Some(number) => {
            let comparison = wish.comparison(number);
            let _ = writeln!(out, "{}", scenario(&wish.sequence(number), &comparison));
            let differing = comparison.first_difference().map(|_| number).into_iter().collect();
            (Coverage::default(), differing, by_schema(&comparison))
        }
        None => run(&wish),
    };
    let _ = writeln!(out, "oracle: {} sequences of seed {}\n{coverage}", wish.sequences, wish.seed);
    if let Some(number) = differing.first() {
        let _ = writeln!(out, "oracle: {} sequences differ: {differing:?}", differing.len());
        let shrunk = shrink::shrink(&wish.sequence(*number));
        let comparison = compare(&shrunk).expect("only what can be read is kept");
        let _ = writeln!(out, "sequence {number} of seed {}, shrunk\n{}", wish.seed, scenario(&shrunk, &comparison));
        return ExitCode::FAILURE;
    }
    if !faults.is_empty() {
        let _ = writeln!(out, "oracle: decisions do not fit their schema\n{}", faults.join("\n"));
        return ExitCode::FAILURE;
    }
    let missing = coverage.missing();
    if wish.only.is_none() && wish.sequences >= ENOUGH_FOR_COVERAGE && !missing.is_empty() {
        let _ = writeln!(out, "oracle: the sequences never led to {missing:?}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// What is wrong with the correlator's decisions by their schema.
fn by_schema(comparison: &Comparison) -> Vec<String> {
    let decisions = comparison.correlator.iter().flat_map(|step| match step {
        Step::Decided(decisions) => decisions.as_slice(),
        Step::Rejected(_) | Step::Panicked(_) => &[],
    });
    decisions.flat_map(|decision| faults_by("decision", decision)).collect()
}

/// Compares every sequence; what was covered, the numbers of those that differ, and what the schema says against some.
fn run(wish: &Wish) -> (Coverage, Vec<u64>, Vec<String>) {
    let next = AtomicU64::new(0);
    let work = || {
        let (mut coverage, mut differing, mut faults) = (Coverage::default(), Vec::new(), Vec::new());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= wish.sequences {
                return (coverage, differing, faults);
            }
            let comparison = wish.comparison(number);
            coverage.add(&comparison.oracle);
            differing.extend(comparison.first_difference().map(|_| number));
            if number.is_multiple_of(ONE_BY_SCHEMA) {
                faults.extend(by_schema(&comparison).into_iter().map(|fault| format!("sequence {number}: {fault}")));
            }
        }
    };
    let (mut coverage, mut differing, mut faults) = (Coverage::default(), Vec::new(), Vec::new());
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            let (covered, differed, faulty) = worker.join().expect("a panic is caught where it happens");
            coverage.merge(covered);
            differing.extend(differed);
            faults.extend(faulty);
        }
    });
    differing.sort_unstable();
    faults.sort_unstable();
    (coverage, differing, faults)
}
