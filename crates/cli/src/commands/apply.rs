//! `fenghuo apply`: puts the configured policy, or a registry, in force in a running service.

use std::io::{self, Write as _};
use std::path::PathBuf;

use clap::Args as ClapArgs;
use fenghuo_engine::apply::{self, Applied};

use super::run::{Chosen, on_signals};
use crate::failure::{Failure, Outcome};

/// Puts the configured policy, or a registry, in force: a record in every signals partition, from which on it holds
///
/// The running members need no restart, and a restart alone changes no rule: what is in force stands in the log, so
/// that every decision has one policy and one registry and can be made again. Open incidents and evidence stay.
///
/// A registry is put beside the configured file as FILE.VERSION, where the members of this machine find it; to other
/// machines that file must be copied first. One that lacks a building that burns, or moves a building to another
/// region (that is for `fenghuo migrate`), is refused. Once a registry was put in force, a Fenghuo that
/// does not know this command cannot take the state over any more.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  fenghuo policy policy.toml
  fenghuo validate --registry city.jsonl --policy policy.toml
  fenghuo apply --config fenghuo.toml
  fenghuo apply --config fenghuo.toml --registry city-2026-12.jsonl")]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,

    /// Puts this registry in force, not the policy; without FILE, the configured one as it is now
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    registry: Option<Option<PathBuf>>,
}

/// Writes the records; prints what is in force now.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    let config = args.chosen.read()?;
    let shutdown = on_signals()?;
    let told = match &args.registry {
        None => {
            let Applied { version, topic, partitions } = apply::policy(&config, &shutdown)?;
            format!("policy {version} is in force in all {partitions} partitions of {topic}")
        }
        Some(file) => {
            let (applied, lies) = apply::registry(&config, file.as_deref(), &shutdown)?;
            let Applied { version, topic, partitions } = applied;
            format!(
                "registry {version} is in force in all {partitions} partitions of {topic}; members find it in {}",
                lies.display()
            )
        }
    };
    writeln!(io::stdout(), "{told}").map_err(Failure::output)?;
    Ok(Outcome::Clean)
}
