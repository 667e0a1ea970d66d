//! `fenghuo topics`: the topics that must exist, against those that do.

use std::io::{self, Write as _};

use clap::Args as ClapArgs;
use fenghuo_engine::topics::{Creation, Finding, compare};
use fenghuo_model::time::parse_duration_ms;

use super::run::{Chosen, on_signals};
use crate::failure::{Failure, Outcome};
use crate::form::{Form, FormArgs};

/// Shows which topics must exist, with partitions, retention and compaction, against those that do
///
/// Exit status 1 if one is missing or differs.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  fenghuo topics --config fenghuo.toml
  fenghuo topics --config fenghuo.toml --create --partitions 16 --replication 3 --keep 30d
  fenghuo topics --config fenghuo.toml --format json")]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// Creates those that are missing; existing ones are left as they are
    #[arg(long)]
    create: bool,
    /// Partitions of created topics
    #[arg(long, default_value_t = 4, requires = "create", value_parser = clap::value_parser!(i32).range(1..))]
    partitions: i32,
    /// Replicas of each partition of created topics
    #[arg(long, default_value_t = 1, requires = "create", value_parser = clap::value_parser!(i32).range(1..))]
    replication: i32,
    /// How long created topics keep records, by their timestamps, such as 30d or forever [default: the least that
    /// works]
    #[arg(long, requires = "create", value_name = "DURATION", value_parser = keep_ms)]
    keep: Option<i64>,
    #[command(flatten)]
    form: FormArgs,
}

/// Milliseconds; -1 is Kafka's word for no limit.
fn keep_ms(text: &str) -> Result<i64, String> {
    let duration = if text == "forever" { Some(-1) } else { parse_duration_ms(text).filter(|ms| *ms > 0) };
    duration.ok_or_else(|| "expected a duration such as 30d, or forever".to_owned())
}

/// Compares, and creates what is missing if told to.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    let config = args.chosen.read()?;
    let creation = Creation { partitions: args.partitions, replication: args.replication, keep_ms: args.keep };
    let findings = compare(&config, args.create.then_some(creation), &on_signals()?)?;
    let mut output = io::stdout().lock();
    for line in lines(&findings, args.form.format) {
        writeln!(output, "{line}").map_err(Failure::output)?;
    }
    output.flush().map_err(Failure::output)?;
    Ok(if findings.iter().all(Finding::is_right) { Outcome::Clean } else { Outcome::Found })
}

fn lines(findings: &[Finding], form: Form) -> Vec<String> {
    if form == Form::Json {
        let json = |finding| serde_json::to_string(finding).expect("a finding has string keys only");
        return findings.iter().map(json).collect();
    }
    let width = findings.iter().map(|finding| finding.topic.len()).max().unwrap_or(0).max(5);
    let mut lines =
        vec![format!("{:width$}  {:19}  {:>10}  {:>8}  STATE", "TOPIC", "PURPOSE", "PARTITIONS", "REPLICAS")];
    for finding in findings {
        let state = match (finding.is_right(), finding.created) {
            (true, true) => "created".to_owned(),
            (true, false) => "ok".to_owned(),
            (false, _) => finding.differences.join("; "),
        };
        lines.push(format!(
            "{:width$}  {:19}  {:>10}  {:>8}  {state}",
            finding.topic, finding.purpose, finding.partitions, finding.replication
        ));
    }
    lines
}
