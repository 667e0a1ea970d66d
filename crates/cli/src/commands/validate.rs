//! `fenghuo validate`: whether registry and policy fit each other, before a county finds out.

use fenghuo_model::validate::{Finding, PolicySource, Severity, validate};

use crate::failure::{Failure, Outcome};
use crate::form::{Form, FormArgs};
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

    #[command(flatten)]
    form: FormArgs,

    /// Let warnings fail too
    #[arg(long)]
    deny_warnings: bool,
}

/// Checks registry and policy together.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    let (registry, file) = args.rules.read_with_text()?;
    let source = PolicySource { policy: &file.policy, file: &file.name, text: &file.text };
    let findings = validate(&registry, &args.rules.registry.display().to_string(), source);
    let mut output = Output::standard();
    for finding in &findings {
        output.line(match args.form.format {
            Form::Text => finding.to_string(),
            Form::Json => serde_json::to_string(finding).expect("a finding has string keys"),
        })?;
    }
    output.flush()?;
    let count = |severity| findings.iter().filter(|finding: &&Finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    remark(format_args!(
        "{} buildings, {} devices, {} rules: {errors} errors, {warnings} warnings",
        registry.buildings().len(),
        registry.devices().len(),
        file.policy.rules.len()
    ));
    Ok(if errors > 0 || (args.deny_warnings && warnings > 0) { Outcome::Found } else { Outcome::Clean })
}
