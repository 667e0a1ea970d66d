//! What may be typed: the commands and the options that hold for all of them.

use clap::{Parser, Subcommand};
use jiff::tz::TimeZone;
use tracing_subscriber::EnvFilter;

use crate::commands::{
    accept_gap, apply, backtest, config, correlate, decode, demo, explain, migrate, policy, run, simulate, topics,
    validate,
};
use crate::locale::{self, Language, Locale};
use crate::logging;

const EXIT_CODES: &str = "\
Exit codes:
  0 ok   1 the check found something   2 usage   69 broker unavailable   70 internal   74 input/output
  77 refused by authentication   78 registry, policy or configuration wrong

Examples:
  fenghuo demo
  fenghuo decode --format gb26875 --hex < frames.hex
  fenghuo correlate --registry city.jsonl --drain < signals.jsonl > decisions.jsonl
  fenghuo run --config fenghuo.toml --role all";

/// Turns raw alarms of a city's fire detectors into confirmed fires.
#[derive(Debug, Parser)]
#[command(name = "fenghuo", version, max_term_width = 120, after_help = EXIT_CODES)]
pub struct Arguments {
    /// What is to be done.
    #[command(subcommand)]
    pub command: Command,

    /// Time zone of what is shown to people; JSON stays UTC
    #[arg(long, global = true, value_name = "NAME", default_value = locale::DEFAULT_TIME_ZONE,
          value_parser = locale::parse_time_zone)]
    time_zone: TimeZone,

    /// Language of what is shown to people [default: that of LC_ALL, LC_MESSAGES or LANG]
    #[arg(long, global = true, value_enum)]
    language: Option<Language>,

    /// What to log to standard error, such as `info` or `fenghuo_engine=debug` [default: info for run, else warn]
    #[arg(long, global = true, value_name = "FILTER", env = "FENGHUO_LOG", value_parser = logging::parse_filter)]
    pub log: Option<EnvFilter>,
}

/// The commands, in the order in which a newcomer needs them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The whole path in one process, without a broker, on a synthetic city
    Demo(demo::Args),
    /// The Kafka service: raw topics to signals, signals to decisions
    Run(run::Args),
    /// Shows the topics that must exist against those that do
    Topics(topics::Args),
    /// Puts the configured policy in force in the running service
    Apply(apply::Args),
    /// Shows the effective configuration, and where each value came from
    Config(config::Args),
    /// Goes on behind records that are gone, with a record of who decided so
    AcceptGap(accept_gap::Args),
    /// After more partitions or another region for a building: puts the state where its signals will be
    Migrate(migrate::Args),
    /// Frames of devices to signals
    Decode(decode::Args),
    /// Signals in order of arrival to decisions
    Correlate(correlate::Args),
    /// Why a fire was confirmed, or why nobody was called
    Explain(explain::Args),
    /// What another policy would have decided on the same signals
    Backtest(backtest::Args),
    /// Prints the default policy, or checks one
    Policy(policy::Args),
    /// Checks whether registry and policy fit each other
    Validate(validate::Args),
    /// Writes a synthetic city's registry, raw records and truth
    Simulate(simulate::Args),
}

impl Arguments {
    /// In whose language and zone to speak.
    #[must_use]
    pub fn locale(&self) -> Locale {
        let of_environment = || Language::of_environment(|name| std::env::var(name).ok());
        Locale::new(self.language.unwrap_or_else(of_environment), self.time_zone.clone())
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_form_of_an_answer_has_the_same_words_everywhere() {
        let mut command = Arguments::command();
        let helps = command.get_subcommands_mut().filter_map(|command| {
            let option = command.get_arguments().find(|argument| argument.get_id() == "format")?;
            let values = option.get_possible_values();
            let helps: Vec<_> =
                values.iter().map(|value| format!("{}: {:?}", value.get_name(), value.get_help())).collect();
            helps.iter().any(|help| help.starts_with("json")).then(|| format!("{:?} {helps:?}", option.get_help()))
        });
        let mut helps: Vec<String> = helps.collect();
        assert_eq!(helps.len(), 5, "demo, topics, explain, backtest and validate");
        helps.dedup();
        assert_eq!(helps.len(), 1, "{helps:#?}");
    }

    #[test]
    fn every_command_has_examples() {
        for command in Arguments::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let example = format!("fenghuo {}", command.get_name());
            assert!(help.contains("Examples:") && help.contains(&example), "{}: {help}", command.get_name());
        }
    }
}
