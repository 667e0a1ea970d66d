//! What the service says of itself while it works: to standard error, filtered as asked.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

use crate::arguments::{Arguments, Command};

/// Starts logging; without a wish, the service tells what it does and every other command only what is wrong.
pub fn start(arguments: &Arguments) {
    let default = if matches!(arguments.command, Command::Run(_)) { "info" } else { "warn" };
    let filter = arguments.log.clone().unwrap_or_else(|| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr)
        .init();
}

/// Reads a filter such as `info` or `fenghuo_engine=debug,warn`.
///
/// # Errors
/// Says what is wrong with it.
pub fn parse_filter(text: &str) -> Result<EnvFilter, String> {
    EnvFilter::try_new(text).map_err(|error| error.to_string())
}
