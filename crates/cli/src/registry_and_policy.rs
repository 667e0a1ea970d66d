//! Reads the registry and policy that a command is given; all that is wrong in both at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fenghuo_model::{Fault, Policy, Registry};

use crate::failure::Failure;

/// Where registry and rules are, for every command that needs both.
#[derive(Debug, clap::Args)]
pub struct RulesArgs {
    /// Buildings and devices, JSON Lines
    #[arg(long, value_name = "FILE")]
    pub registry: PathBuf,

    /// Rules, TOML [default: the policy that `fenghuo policy` prints]
    #[arg(long, value_name = "FILE")]
    pub policy: Option<PathBuf>,
}

impl RulesArgs {
    /// Reads both, as [`read`] does.
    ///
    /// # Errors
    /// As those of [`read`].
    pub fn read(&self) -> Result<(Arc<Registry>, Arc<Policy>), Failure> {
        read(&self.registry, self.policy.as_deref())
    }
}

/// The registry, and the policy or the default one.
///
/// # Errors
/// A file cannot be read, or what stands in one of them is wrong; then the faults of both.
pub fn read(registry: &Path, policy: Option<&Path>) -> Result<(Arc<Registry>, Arc<Policy>), Failure> {
    let bytes = fs::read(registry).map_err(|error| Failure::file(registry, error))?;
    let policy = parse_policy(policy)?;
    let registry = Registry::from_json_lines(&registry.display().to_string(), &bytes);
    match (registry, policy) {
        (Ok(registry), Ok(policy)) => Ok((Arc::new(registry), Arc::new(policy))),
        (registry, policy) => {
            let faults = [registry.err(), policy.err()].into_iter().flatten().flatten().collect::<Vec<_>>();
            Err(faults.into())
        }
    }
}

/// The policy, or the default one.
///
/// # Errors
/// The file cannot be read, or what stands in it is wrong.
pub fn read_policy(path: Option<&Path>) -> Result<Policy, Failure> {
    Ok(parse_policy(path)??)
}

fn parse_policy(path: Option<&Path>) -> Result<Result<Policy, Vec<Fault>>, Failure> {
    let Some(path) = path else { return Ok(Ok(Policy::default())) };
    let file = path.display().to_string();
    let bytes = fs::read(path).map_err(|error| Failure::file(path, error))?;
    Ok(match std::str::from_utf8(&bytes) {
        Ok(text) => Policy::from_toml(&file, text),
        Err(error) => {
            let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            Err(vec![Fault { file, line, reason: "not UTF-8".to_owned(), excerpt: None }])
        }
    })
}
