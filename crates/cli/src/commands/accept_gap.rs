//! `fenghuo accept-gap`: goes on behind records that are gone, with a record of who decided so.

use std::io::{self, Write as _};

use clap::Args as ClapArgs;
use fenghuo_engine::events::TopicPartition;
use fenghuo_engine::gaps::{Acceptance, Gap, Look, accept, look};
use fenghuo_engine::time_of_day;
use fenghuo_model::time::Rfc3339;

use super::run::{Chosen, on_signals};
use crate::failure::{Failure, Outcome};
use crate::locale::Locale;

/// Shows what a stopped partition lacks, and accepts the loss, so that it goes on
///
/// A partition whose next record is gone (aged out, deleted, the topic made anew) is stopped, and says so in the log.
/// Find out first whether the records can be had elsewhere: what is accepted as lost is never read. Who accepted it,
/// when, and of which offsets, is kept in the state topic; the service goes on within ten seconds.
///
/// Exit status 1 if there is a gap and it was not accepted.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  fenghuo accept-gap --config fenghuo.toml --topic raw.gb26875 --partition 2
  fenghuo accept-gap --config fenghuo.toml --topic raw.gb26875 --partition 2 --yes --by wang@duty-1")]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// A raw topic, or the signals topic
    #[arg(long, value_name = "NAME")]
    topic: String,
    /// The partition that is stopped
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(i32).range(0..))]
    partition: i32,
    /// Accepts the loss
    #[arg(long, requires = "by")]
    yes: bool,
    /// Who accepts it, such as wang@duty-1
    #[arg(long, value_name = "WHO", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    by: Option<String>,
}

/// Looks, and accepts if told to.
pub fn execute(args: &Args, locale: &Locale) -> Result<Outcome, Failure> {
    let config = args.chosen.read()?;
    let partition = TopicPartition { topic: args.topic.as_str().into(), partition: args.partition };
    let found = look(&config, &partition, &on_signals()?)?;
    let mut lines = described(&partition, &found, locale);
    let outcome = match (&found.gap, args.by.as_deref().filter(|_| args.yes)) {
        (None, _) => Outcome::Clean,
        (Some(_), None) => {
            lines.push("nothing was accepted: with --yes --by WHO it is".to_owned());
            Outcome::Found
        }
        (Some(gap), Some(by)) => {
            let acceptance = acceptance_of(gap, by);
            accept(&config, &acceptance)?;
            let (to, key, state) = (acceptance.to, acceptance.key(), &config.topics.state);
            lines.push(format!(
                "accepted: the service goes on at {to} within ten seconds; recorded in {state} as {key}"
            ));
            Outcome::Clean
        }
    };
    let mut output = io::stdout().lock();
    for line in lines {
        writeln!(output, "{line}").map_err(Failure::output)?;
    }
    output.flush().map_err(Failure::output)?;
    Ok(outcome)
}

fn acceptance_of(gap: &Gap, by: &str) -> Acceptance {
    let at_ms = time_of_day::now_ms();
    Acceptance {
        topic: gap.partition.topic.to_string(),
        partition: gap.partition.partition,
        from: gap.next,
        to: gap.low,
        by: by.to_owned(),
        at: Rfc3339(at_ms).to_string(),
    }
}

/// What an operator needs to know before deciding.
fn described(partition: &TopicPartition, found: &Look, locale: &Locale) -> Vec<String> {
    let (low, high) = found.log;
    let mut lines = vec![format!("{partition}, read by {}", found.group)];
    lines.push(match found.next {
        Some(next) => format!("  to be read next   {next}"),
        None => "  to be read next   the first that is there: nothing was ever read".to_owned(),
    });
    lines.push(if low == high {
        format!("  in the log        nothing; the next record will be {high}")
    } else {
        format!("  in the log        {low} to {}", high - 1)
    });
    let instant = |ms: i64| format!("{} ({})", locale.date_and_time(ms), locale.zone_name());
    match (&found.gap, &found.accepted) {
        (None, None) => lines.push("  no gap: nothing is to be accepted".to_owned()),
        (_, Some(Acceptance { to, by, at, .. })) => {
            lines.push(format!("  accepted already  by {by} at {at}: the service goes on at {to}"));
        }
        (Some(gap), None) => {
            lines.push(match gap.lost() {
                Some(lost) => format!("  gone              {lost} offsets, {} to {}", gap.next, gap.low - 1),
                None => format!(
                    "  gone              nobody knows what: the log ends before {}, it was cut, or is another of that name; \
                     all that is there is read",
                    gap.next
                ),
            });
            let forwarded = found.forwarded_to_ms.map_or_else(|| "unknown".to_owned(), instant);
            let there = found.there_from_ms.map_or_else(|| "nothing is there".to_owned(), instant);
            lines.push(format!("  forwarded up to   {forwarded}"));
            lines.push(format!("  there again from  {there}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::locale::{Language, parse_time_zone};

    #[test]
    fn what_is_gone_and_since_when() {
        let partition = TopicPartition { topic: "raw.x".into(), partition: 2 };
        let locale = Locale::new(Language::En, parse_time_zone("Asia/Shanghai").unwrap());
        let accepted = |gap: &Gap| Acceptance { at: "T".to_owned(), ..acceptance_of(gap, "wang") };
        for (next, log, is_accepted, expected) in [
            (
                Some(1_042),
                (2_000, 2_311),
                false,
                &["1042", "2000 to 2310", "958 offsets, 1042 to 1999", "09:58:02"][..],
            ),
            (Some(1_042), (2_000, 2_000), false, &["nothing; the next record will be 2000", "958 offsets"]),
            (Some(1_042), (0, 7), false, &["nobody knows what: the log ends before 1042"]),
            (Some(1_042), (2_000, 2_311), true, &["accepted already  by wang at T: the service goes on at 2000"]),
            (Some(5), (0, 7), false, &["0 to 6", "no gap"]),
            (None, (3, 7), false, &["nothing was ever read", "no gap"]),
        ] {
            let gap = next.and_then(|next| Gap::before(&partition, next, log));
            let accepted = gap.as_ref().filter(|_| is_accepted).map(accepted);
            let gap = gap.filter(|_| !is_accepted);
            let forwarded_to_ms = Some(1_795_312_682_000);
            let group = "fenghuo.decode".to_owned();
            let look = Look { group, next, log, gap, accepted, forwarded_to_ms, there_from_ms: None };
            let text = described(&partition, &look, &locale).join("\n");
            for part in expected {
                assert!(text.contains(part), "{part}:\n{text}");
            }
        }
    }
}
