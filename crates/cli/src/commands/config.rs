//! `fenghuo config`: the configuration in effect, and where each value came from.

use std::io::{self, Write as _};

use clap::Args as ClapArgs;

use super::run::Chosen;
use crate::failure::{Failure, Outcome};

/// Prints the configuration in effect, with where each value came from
///
/// Defaults give way to the file, the file to the environment (FENGHUO__KAFKA__BROKERS), the environment to flags.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  fenghuo config --config fenghuo.toml
  FENGHUO__KAFKA__GROUP=trial fenghuo config --config fenghuo.toml --set http.listen=127.0.0.1:9000")]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
}

/// Prints `key = "value"  # origin` lines, aligned.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    let config = args.chosen.read()?;
    let settings: Vec<(String, String)> = config
        .settings()
        .iter()
        .map(|setting| (format!("{} = {:?}", setting.key, setting.text), setting.origin.to_string()))
        .collect();
    let width = settings.iter().map(|(setting, _)| setting.chars().count()).max().unwrap_or(0);
    let mut output = io::stdout().lock();
    for (setting, origin) in settings {
        writeln!(output, "{setting:width$}  # {origin}").map_err(Failure::output)?;
    }
    output.flush().map_err(Failure::output)?;
    Ok(Outcome::Clean)
}
