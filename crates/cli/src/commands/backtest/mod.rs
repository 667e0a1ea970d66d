//! `fenghuo backtest`: what another policy would have decided on the same signals, before a county finds out.
//!
//! The signals are read once; two threads correlate them ([`mod@replay`]), one by the old policy, one by the new. What
//! the one confirmed is held against what the other did ([`compare`]), both against the truth where it is known
//! ([`truth`], [`quality`]), and all of it is told to people or programs ([`report`], [`text`]).

mod compare;
mod quality;
mod replay;
mod report;
mod text;
mod truth;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use fenghuo_model::{Input, Policy, Registry};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::failure::{Failure, Outcome};
use crate::form::{Form, FormArgs};
use crate::input::{self, Line, Lines};
use crate::locale::Locale;
use crate::output::{Output, remark};
use crate::phrases::{Phrase, grouped};
use crate::registry_and_policy;
use replay::Replay;
use report::{Report, Side};
use truth::Truth;

const EXAMPLES: &str = "\
Incidents are those that a policy confirmed. One of the old policy and one of the new are the same if their ids are
equal, else if they share a building and were confirmed within 30 minutes of each other. Times are the clock's at
confirmation. TRUTH is JSON Lines as `fenghuo simulate` writes them: building and ignition_ms of every fire, and where
known second_room_ms and spread_to. Exit code 1 on a difference with --check.

Examples:
  fenghuo backtest --registry city.jsonl --signals night.jsonl --policy new.toml --against old.toml
  fenghuo backtest --registry city.jsonl --signals night.jsonl --policy new.toml --truth truth.jsonl --format json
  fenghuo backtest --registry city.jsonl --signals golden.jsonl --policy policy.toml --check";

/// Inputs in a batch: some milliseconds of work, so that handing over costs nothing.
const BATCH_INPUTS: usize = 1024;
/// Batches under way to a thread: enough to level out, too little to fill the memory.
const BATCHES_UNDER_WAY: usize = 16;
/// A run that ends sooner needs no bar.
const LONG_RUN: Duration = Duration::from_secs(1);

/// What may be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Buildings and devices, JSON Lines
    #[arg(long, value_name = "FILE")]
    registry: PathBuf,

    /// Signals in order of arrival, JSON Lines; `-` for standard input
    #[arg(long, value_name = "FILE")]
    signals: PathBuf,

    /// The new rules, TOML
    #[arg(long, value_name = "NEW")]
    policy: PathBuf,

    /// The old rules, TOML [default: the policy that `fenghuo policy` prints]
    #[arg(long, value_name = "OLD")]
    against: Option<PathBuf>,

    /// The fires that there were, JSON Lines
    #[arg(long, value_name = "FILE")]
    truth: Option<PathBuf>,

    /// Exit with 1 if the policies differ in any incident
    #[arg(long)]
    check: bool,

    #[command(flatten)]
    form: FormArgs,
}

/// Replays the signals by both policies and tells the difference.
pub fn execute(args: &Args, locale: &Locale) -> Result<Outcome, Failure> {
    let (registry, new) = registry_and_policy::read(&args.registry, Some(&args.policy))?;
    let old = Arc::new(registry_and_policy::read_policy(args.against.as_deref())?);
    let truth = args.truth.as_deref().map(|path| Truth::read(path, &registry)).transpose()?;
    let mut bar = Bar::over(&args.signals, locale);
    let replayed = replay(&args.signals, &registry, [old, new], truth.as_ref(), &mut bar);
    bar.end();
    let ([old, new], unreadable) = replayed?;
    let old_name = args.against.as_ref().map_or_else(|| "default policy".to_owned(), |path| path.display().to_string());
    let rejected = unreadable + old.rejected();
    let old = Side::new(old_name, &old, truth.as_ref());
    let new = Side::new(args.policy.display().to_string(), &new, truth.as_ref());
    let report = Report::new(old, new, rejected);
    let mut output = Output::standard();
    match args.form.format {
        Form::Json => output.line(report.to_json())?,
        Form::Text => output.text(&text::of(&report, locale))?,
    }
    output.flush()?;
    Ok(if args.check && report.differs() { Outcome::Found } else { Outcome::Clean })
}

/// Both policies over the same inputs, each on a thread of its own; and how many lines could not be read.
fn replay(
    signals: &Path,
    registry: &Arc<Registry>,
    policies: [Arc<Policy>; 2],
    truth: Option<&Truth>,
    bar: &mut Bar<'_>,
) -> Result<([Replay; 2], u64), Failure> {
    let mut inputs = input::open(&[signals.to_owned()])?;
    thread::scope(|scope| {
        let started = policies.map(|policy| {
            let (sender, receiver) = sync_channel::<Arc<Vec<Input>>>(BATCHES_UNDER_WAY);
            let replay = Replay::new(registry, &policy, truth);
            (sender, scope.spawn(move || replay.take_all(receiver.iter())))
        });
        let [(first, old), (second, new)] = started;
        let read = inputs
            .iter_mut()
            .try_fold(0, |unreadable, lines| Ok(unreadable + read_lines(lines, &[&first, &second], bar)?));
        drop((first, second));
        let replays = [old, new].map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        read.map(|unreadable| (replays, unreadable))
    })
}

/// Hands every input to both threads; tells of lines that cannot be read, and counts them.
fn read_lines(lines: &mut Lines, threads: &[&SyncSender<Arc<Vec<Input>>>], bar: &mut Bar<'_>) -> Result<u64, Failure> {
    let mut nowhere = Output::standard();
    let mut batch = Vec::with_capacity(BATCH_INPUTS);
    let mut unreadable = 0;
    // A thread that has gone has panicked, and says so when it is joined.
    let send = |batch: Vec<Input>| {
        let batch = Arc::new(batch);
        threads.iter().all(|thread| thread.send(Arc::clone(&batch)).is_ok())
    };
    while lines.advance(&mut nowhere)? {
        let Line { number, bytes } = lines.current();
        match bytes.ok_or_else(input::too_long).and_then(|line| Input::from_json(line).map_err(|bad| bad.to_string())) {
            Ok(input) => batch.push(input),
            Err(reason) => {
                unreadable += 1;
                remark(format_args!("{}: {reason}", lines.place(number)));
            }
        }
        bar.line(bytes.map_or(0, <[u8]>::len));
        if batch.len() == BATCH_INPUTS && !send(std::mem::replace(&mut batch, Vec::with_capacity(BATCH_INPUTS))) {
            return Ok(unreadable);
        }
    }
    send(batch);
    Ok(unreadable)
}

/// How far the signals' file is read: a bar on standard error, where that is a terminal and the run is long.
struct Bar<'l> {
    bar: ProgressBar,
    locale: &'l Locale,
    started: Instant,
    bytes: u64,
    lines: u64,
}

impl<'l> Bar<'l> {
    /// Over a file; of standard input nobody knows the length.
    fn over(path: &Path, locale: &'l Locale) -> Self {
        let length = path.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
        let template = if length.is_some() { "{bar:30} {percent:>3} %  {msg}" } else { "{spinner} {msg}" };
        let style = ProgressStyle::with_template(template).expect("both templates are constants that a test draws");
        let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr()).with_style(style);
        Self { bar, locale, started: Instant::now(), bytes: 0, lines: 0 }
    }

    fn line(&mut self, bytes: usize) {
        self.bytes += bytes as u64 + 1;
        self.lines += 1;
        if self.lines.is_multiple_of(BATCH_INPUTS as u64) && !self.bar.is_hidden() && self.started.elapsed() >= LONG_RUN
        {
            self.bar.set_position(self.bytes);
            self.bar.set_message(Phrase::BacktestProgress.fill(self.locale.language, &[&grouped(self.lines)]));
        }
    }

    fn end(&self) {
        self.bar.finish_and_clear();
    }
}
