//! `fenghuo policy`: the default policy as documentation, or the check of one's own.

use std::path::PathBuf;

use fenghuo_model::policy::DEFAULT_TEXT;

use crate::failure::{Failure, Outcome};
use crate::output::Output;
use crate::registry_and_policy;

const EXAMPLES: &str = "\
Without FILE, prints the default policy with its explanations: a text to copy and change.
With FILE, checks it: prints the hash that decisions carry and the file's name, or every fault (exit code 78).

Examples:
  fenghuo policy > policy.toml
  fenghuo policy policy.toml";

/// What may be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// Policy to check
    file: Option<PathBuf>,
}

/// Prints the default policy, or checks one.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    let mut output = Output::standard();
    match &args.file {
        None => output.text(DEFAULT_TEXT)?,
        Some(path) => {
            let policy = registry_and_policy::read_policy(Some(path))?;
            output.line(format!("{}  {}", policy.hash(), path.display()))?;
        }
    }
    output.flush()?;
    Ok(Outcome::Clean)
}
