//! `fenghuo validate`: whether registry and policy fit each other, before a county finds out.

use clap::ValueEnum;
use fenghuo_model::policy::DEFAULT_TEXT;
use fenghuo_model::validate::{Finding, PolicySource, Severity, validate};

use crate::failure::{Failure, Outcome};
use crate::output::{Output, remark};
use crate::registry_and_policy::RulesArgs;

const EXAMPLES: &str = "\
Finds what each file may say alone and what together can never work: a rule for which no building has the
devices, a radius without neighbours, premises that do not occur, missing coordinates. Exit code 1 if there is an
error (with --deny-warnings: or a warning), 78 if a file cannot be read as what it should be.

Examples:
  fenghuo validate --registry city.jsonl --policy policy.toml
  fenghuo validate --registry city.jsonl --format json --deny-warnings";

/// What may be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[command(flatten)]
    rules: RulesArgs,

    /// How findings are written
    #[arg(long, value_enum, default_value = "text")]
    format: Format,

    /// Let warnings fail too
    #[arg(long)]
    deny_warnings: bool,
}

/// How findings are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One line each, for people
    Text,
    /// One JSON object a line, for programs
    Json,
}

/// Checks registry and policy together.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    let (registry, policy) = args.rules.read()?;
    let (file, text) = match &args.rules.policy {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| Failure::file(path, error))?;
            (path.display().to_string(), text)
        }
        None => ("default policy".to_owned(), DEFAULT_TEXT.to_owned()),
    };
    let source = PolicySource { policy: &policy, file: &file, text: &text };
    let findings = validate(&registry, &args.rules.registry.display().to_string(), source);
    let mut output = Output::standard();
    for finding in &findings {
        output.line(match args.format {
            Format::Text => finding.to_string(),
            Format::Json => serde_json::to_string(finding).expect("a finding has string keys"),
        })?;
    }
    output.flush()?;
    let count = |severity| findings.iter().filter(|finding: &&Finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    remark(format_args!(
        "{} buildings, {} devices, {} rules: {errors} errors, {warnings} warnings",
        registry.buildings().len(),
        registry.devices().len(),
        policy.rules.len()
    ));
    Ok(if errors > 0 || (args.deny_warnings && warnings > 0) { Outcome::Found } else { Outcome::Clean })
}
