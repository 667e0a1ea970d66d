//! `fenghuo run`: the Kafka service, from its configuration to its exit code.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use clap::Args as ClapArgs;
use fenghuo_engine::{Config, Failure as EngineFailure, Role, Shutdown};

use crate::failure::{Failure, Outcome};

/// Which configuration, and what of it is overruled.
#[derive(Debug, ClapArgs)]
pub struct Chosen {
    /// The configuration, TOML
    #[arg(short, long, value_name = "FILE")]
    config: PathBuf,
    /// The brokers to begin with, host:port, separated by commas; overrules the file
    #[arg(long, value_name = "HOST:PORT,…")]
    brokers: Option<String>,
    /// Overrules any key of the configuration, such as kafka.group=test
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_and_value)]
    set: Vec<(String, String)>,
}

fn key_and_value(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

impl Chosen {
    /// Reads it, with what the environment says.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(&self) -> Result<Config, Failure> {
        let text = std::fs::read_to_string(&self.config).map_err(|source| Failure::file(&self.config, source))?;
        let environment =
            std::env::vars_os().filter_map(|(key, value)| Some((key.into_string().ok()?, value.into_string().ok()?)));
        let mut flags = self.set.clone();
        flags.extend(self.brokers.iter().map(|brokers| ("kafka.brokers".to_owned(), brokers.clone())));
        // A byte order mark, which some editors write, is no key.
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        Ok(Config::load(&self.config.display().to_string(), text, environment, &flags)?)
    }
}

/// Runs the Kafka service: raw records to signals (decode), signals to decisions (correlate), or both
///
/// It ends at SIGTERM or SIGINT: what is under way is finished and committed; a second signal ends it at once.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  fenghuo run --config fenghuo.toml --role all
  fenghuo run --config fenghuo.toml --role correlate --brokers kafka-1:9092,kafka-2:9092
  FENGHUO__KAFKA__GROUP=trial fenghuo run --config fenghuo.toml --role decode")]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// What this process does: decode, correlate or all
    #[arg(short, long, default_value = "all", value_parser = role)]
    role: Role,
}

fn role(text: &str) -> Result<Role, String> {
    let found = Role::ALL.into_iter().find(|role| role.word() == text);
    found.ok_or_else(|| "expected decode, correlate or all".to_owned())
}

/// Runs until told to end; what was counted goes to standard error as one JSON line.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    let config = args.chosen.read()?;
    let shutdown = on_signals()?;
    let counted = fenghuo_engine::run(&config, args.role, &shutdown)?;
    let what = || "standard error".to_owned();
    writeln!(io::stderr(), "{counted}").map_err(|source| Failure::Io { what: what(), source })?;
    Ok(Outcome::Clean)
}

/// A shutdown that SIGTERM and SIGINT ask for.
pub fn on_signals() -> Result<Shutdown, Failure> {
    Shutdown::on_signals().map_err(|source| Failure::Io { what: "listening for signals".to_owned(), source })
}

impl From<EngineFailure> for Failure {
    fn from(failure: EngineFailure) -> Self {
        match failure {
            EngineFailure::Configuration(faults) => faults.into(),
            EngineFailure::File { path, source } => Self::file(Path::new(&path), source),
            EngineFailure::Unavailable { .. } => Self::BrokerUnavailable(failure.to_string()),
            EngineFailure::Refused { .. } => Self::Refused(failure.to_string()),
            EngineFailure::Client { .. } | EngineFailure::Panicked(_) => Self::Internal(failure.to_string()),
        }
    }
}
