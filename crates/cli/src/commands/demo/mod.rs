//! `fenghuo demo`: the whole path in one process: city → raw records → decode → correlate → decisions.
//!
//! Two threads: one makes the night and decodes it ([`night`]), this one correlates; a bounded channel between them
//! keeps the order, so that the result is the same to the byte however fast either is. What is shown meanwhile is
//! [`show`], what it all was worth against the truth is [`crate::verdict`], the table at the end is [`report`].

mod night;
mod report;
mod show;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Instant;

use fenghuo_city::City;
use fenghuo_correlate::Correlator;
use fenghuo_model::{Decision, Registry};

use crate::city_files;
use crate::city_plan::PlanArgs;
use crate::failure::{Failure, Outcome};
use crate::form::{Form, FormArgs};
use crate::locale::Locale;
use crate::output::Output;
use crate::registry_and_policy;
use crate::verdict::Verdict;
use night::Batch;
use report::{Amounts, Report};
use show::Show;

/// The policy that is recommended for a city, as a file to copy.
const CITY_POLICY: &str = include_str!("../../../../../deploy/policy-city.toml");

const EXAMPLES: &str = "\
For people it shows the fires as they are confirmed, then a table; for programs one JSON object at the end.
Files of --out: registry.jsonl, policy.toml, truth.jsonl, raw.*.tsv (see `fenghuo decode --timestamped`), signals.jsonl
and decisions.jsonl. `fenghuo correlate --drain` with the first two on signals.jsonl gives the last, to the byte.

Examples:
  fenghuo demo
  fenghuo demo --buildings 5000 --hours 6 --seed 7 --language zh
  fenghuo demo --out city
  fenghuo demo --format json > report.json";

/// Batches under way between the threads: enough to level out, too little to fill the memory.
const BATCHES_UNDER_WAY: usize = 16;

/// What may be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    plan: PlanArgs,

    /// Rules, TOML [default: the recommended ones of deploy/policy-city.toml, which --out writes as policy.toml]
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,

    /// Folder for all that goes in and comes out
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    #[command(flatten)]
    form: FormArgs,
}

/// Plays a night and reports.
pub fn execute(args: &Args, locale: &Locale) -> Result<Outcome, Failure> {
    let file = args.policy.as_deref();
    let source = registry_and_policy::read_policy_file(file, ("deploy/policy-city.toml", CITY_POLICY))?;
    let policy = Arc::new(source.policy);
    let plan = args.plan.plan()?;
    let city = City::new(&plan);
    if let Some(directory) = &args.out {
        city_files::write_city(directory, &city)?;
        let path = directory.join("policy.toml");
        fs::write(&path, source.text).map_err(|error| Failure::file(&path, error))?;
    }
    let registry = Arc::new(Registry::from_json_lines("synthetic city", city.registry_json_lines().as_bytes())?);
    let mut show = Show::new(locale, args.form.format == Form::Text, &plan);
    show.city(&plan, &registry, city.truth().len())?;

    let started = Instant::now();
    let (sender, receiver) = sync_channel(BATCHES_UNDER_WAY);
    let mut stage = Stage {
        correlator: Correlator::new(Arc::clone(&registry), Arc::clone(&policy)),
        decisions: Vec::new(),
        file: args.out.as_deref().map(decisions_file).transpose()?,
        verdict: Verdict::new(city.truth()),
        amounts: Amounts::default(),
    };
    thread::scope(|scope| {
        let (city, clock) = (&city, &policy.clock);
        let maker = scope.spawn(move || night::play(city, clock, args.out.as_deref(), &sender));
        let correlated = stage.correlate(receiver, &mut show);
        let made = maker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        made.and(correlated)
    })?;
    let report = Report::new(&plan, &registry, &stage.verdict, &stage.amounts, stage.correlator.counters());
    show.report(&report, started.elapsed(), args.out.as_deref())?;
    Ok(Outcome::Clean)
}

fn decisions_file(directory: &Path) -> Result<Output, Failure> {
    Output::file(&directory.join("decisions.jsonl"))
}

/// The second half of the path.
struct Stage {
    correlator: Correlator,
    decisions: Vec<Decision>,
    file: Option<Output>,
    verdict: Verdict,
    amounts: Amounts,
}

impl Stage {
    /// Correlates until the night is over and no timer is left; a failure closes the channel, which ends the night.
    fn correlate(&mut self, batches: Receiver<Batch>, show: &mut Show<'_>) -> Result<(), Failure> {
        for batch in batches {
            self.amounts.add(&batch);
            let rejected = &mut self.amounts.rejected;
            self.correlator.take_all(&batch.inputs, &mut self.decisions, |_, taken, _| {
                *rejected += u64::from(taken.is_err());
            });
            self.publish(show)?;
            show.progress(batch.until_ms, self.amounts.records);
        }
        self.correlator.drain(&mut self.decisions);
        self.publish(show)?;
        self.file.as_mut().map_or(Ok(()), Output::flush)
    }

    fn publish(&mut self, show: &mut Show<'_>) -> Result<(), Failure> {
        for decision in self.decisions.drain(..) {
            if let Some(file) = &mut self.file {
                file.line(decision.to_json())?;
            }
            self.amounts.decisions += 1;
            self.verdict.take(&decision);
            show.decision(&decision)?;
        }
        Ok(())
    }
}
