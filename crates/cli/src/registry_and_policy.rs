//! Reads the registry and policy that a command is given; all that is wrong in both at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fenghuo_model::policy::DEFAULT_TEXT;
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

    /// Reads both, and keeps the text of the policy.
    ///
    /// # Errors
    /// As those of [`read`].
    pub fn read_with_text(&self) -> Result<(Arc<Registry>, PolicyFile), Failure> {
        read_with_text(&self.registry, self.policy.as_deref())
    }
}

/// A policy with the text that it was read from.
#[derive(Debug)]
pub struct PolicyFile {
    /// How the file was named.
    pub name: String,
    /// What stands in it, without a byte order mark.
    pub text: String,
    /// What that means.
    pub policy: Policy,
}

/// The registry, and the policy or the default one.
///
/// # Errors
/// A file cannot be read, or what stands in one of them is wrong; then the faults of both.
pub fn read(registry: &Path, policy: Option<&Path>) -> Result<(Arc<Registry>, Arc<Policy>), Failure> {
    let (registry, file) = read_with_text(registry, policy)?;
    Ok((registry, Arc::new(file.policy)))
}

fn read_with_text(registry: &Path, policy: Option<&Path>) -> Result<(Arc<Registry>, PolicyFile), Failure> {
    let bytes = fs::read(registry).map_err(|error| Failure::file(registry, error))?;
    let policy = parse_policy(policy, DEFAULT)?;
    let registry = Registry::from_json_lines(&registry.display().to_string(), &bytes);
    match (registry, policy) {
        (Ok(registry), Ok(policy)) => Ok((Arc::new(registry), policy)),
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
    Ok(read_policy_file(path, DEFAULT)?.policy)
}

/// The policy with its text, or that of the given name and text.
///
/// # Errors
/// The file cannot be read, or what stands in it is wrong.
pub fn read_policy_file(path: Option<&Path>, default: (&str, &str)) -> Result<PolicyFile, Failure> {
    Ok(parse_policy(path, default)??)
}

/// Name and text of the default policy.
const DEFAULT: (&str, &str) = ("default policy", DEFAULT_TEXT);

fn parse_policy(path: Option<&Path>, default: (&str, &str)) -> Result<Result<PolicyFile, Vec<Fault>>, Failure> {
    let (name, bytes) = match path {
        Some(path) => {
            let bytes = fs::read(path).map_err(|error| Failure::file(path, error))?;
            (path.display().to_string(), bytes)
        }
        None => (default.0.to_owned(), default.1.as_bytes().to_vec()),
    };
    Ok(match std::str::from_utf8(&bytes) {
        Ok(text) => {
            let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
            Policy::from_toml(&name, &text).map(|policy| PolicyFile { name, text, policy })
        }
        Err(error) => {
            let line = bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count() + 1;
            Err(vec![Fault { file: name, line, reason: "not UTF-8".to_owned(), excerpt: None }])
        }
    })
}
