//! The `fenghuo` command: what was typed, carried out, and an exit code that programs can rely on.
//!
//! This file is the table of contents. Each command is a file of [`commands`] with its `Args` and an `execute`;
//! what they share stands beside it: how one fails ([`failure`]), how lines come in ([`input`]) and go out
//! ([`output`]), in whose language and time zone people are spoken to ([`locale`], [`phrases`]).

mod arguments;
mod city_files;
mod city_plan;
mod commands;
mod failure;
mod form;
mod input;
mod lanes;
mod locale;
mod logging;
mod output;
mod phrases;
mod progress;
mod raw_lines;
mod read_ahead;
mod registry_and_policy;
mod verdict;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};
use failure::{Failure, Outcome};

/// Signals are made by one thread and freed by another, which the system's allocator does slowly.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    logging::start(&arguments);
    match catch_unwind(AssertUnwindSafe(|| execute(&arguments))) {
        Ok(result) => failure::report(&result),
        // A broken invariant: the panic has said what and where.
        Err(_) => failure::internal(),
    }
}

fn execute(arguments: &Arguments) -> Result<Outcome, Failure> {
    let locale = arguments.locale();
    match &arguments.command {
        Command::Demo(args) => commands::demo::execute(args, &locale),
        Command::Run(args) => commands::run::execute(args),
        Command::Topics(args) => commands::topics::execute(args),
        Command::Apply(args) => commands::apply::execute(args),
        Command::Config(args) => commands::config::execute(args),
        Command::AcceptGap(args) => commands::accept_gap::execute(args, &locale),
        Command::Migrate(args) => commands::migrate::execute(args),
        Command::Decode(args) => commands::decode::execute(args),
        Command::Correlate(args) => commands::correlate::execute(args),
        Command::Explain(args) => commands::explain::execute(args, &locale),
        Command::Backtest(args) => commands::backtest::execute(args, &locale),
        Command::Policy(args) => commands::policy::execute(args),
        Command::Validate(args) => commands::validate::execute(args),
        Command::Simulate(args) => commands::simulate::execute(args, &locale),
    }
}
