//! `fenghuo apply`: puts the configured policy in force in a running service.

use std::io::{self, Write as _};

use clap::Args as ClapArgs;
use fenghuo_engine::apply;

use super::run::{Chosen, on_signals};
use crate::failure::{Failure, Outcome};

/// Puts the configured policy in force: a record in every signals partition, from which on its rules judge
///
/// The running members need no restart, and a restart alone changes no rule: what is in force stands in the log, so
/// that every decision has one policy and can be made again. Open incidents and evidence stay.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  fenghuo policy policy.toml
  fenghuo validate --registry city.jsonl --policy policy.toml
  fenghuo apply --config fenghuo.toml")]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
}

/// Writes the records; prints what is in force now.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    let config = args.chosen.read()?;
    let applied = apply::policy(&config, &on_signals()?)?;
    let apply::Applied { policy, topic, partitions } = applied;
    writeln!(io::stdout(), "policy {policy} is in force in all {partitions} partitions of {topic}")
        .map_err(Failure::output)?;
    Ok(Outcome::Clean)
}
