//! `fenghuo migrate`: the state follows its signals into other partitions and regions, with the group stopped.

use std::io::{self, Write as _};

use clap::Args as ClapArgs;
use fenghuo_engine::migrate::{Migration, Order, migrate};
use fenghuo_engine::time_of_day;
use fenghuo_model::time::Rfc3339;

use super::run::{Chosen, on_signals};
use crate::failure::{Failure, Outcome};

/// Shows what has to move after the number of partitions or a building's region has changed, and moves it
///
/// The signals of a region stand in one partition, and its open incidents in the same one of the state topic. If the
/// number of partitions is raised, or the registry puts a building into another region, `run` refuses to start until
/// the state has followed. All members must be stopped. What they left in the signals topic is taken first; then one
/// transaction moves everything, or nothing, and records who did it in the state topic.
///
/// The open incident of a building goes with it, under its id, if the whole incident goes to one region. Signals that
/// were accepted already are not remembered in the other region: one that comes again counts once more.
///
/// Exit status 1 if there is something to be done and it was not done.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Examples:
  fenghuo migrate --config fenghuo.toml
  fenghuo migrate --config fenghuo.toml --yes --by wang@duty-1
  fenghuo migrate --config fenghuo.toml --set registry=city-as-it-was.jsonl --yes --by wang@duty-1")]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// Does it
    #[arg(long, requires = "by")]
    yes: bool,
    /// Who does it, such as wang@duty-1
    #[arg(long, value_name = "WHO", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    by: Option<String>,
}

/// Looks, and migrates if told to.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    let config = args.chosen.read()?;
    let order = args.by.as_ref().filter(|_| args.yes).map(|by| Order { by: by.clone(), at: now() });
    let migration = migrate(&config, order.as_ref(), &on_signals()?)?;
    let (lines, outcome) = described(&migration, order.is_some());
    let mut output = io::stdout().lock();
    for line in lines {
        writeln!(output, "{line}").map_err(Failure::output)?;
    }
    output.flush().map_err(Failure::output)?;
    Ok(outcome)
}

fn now() -> String {
    Rfc3339(time_of_day::now_ms()).to_string()
}

/// What an operator needs to know, before and after.
fn described(migration: &Migration, is_ordered: bool) -> (Vec<String>, Outcome) {
    let Migration { rest, plan } = migration;
    let mut lines = Vec::new();
    if plan.before != plan.after {
        lines.push(format!("partitions  {} before, {} now", plan.before, plan.after));
    }
    for (partition, left) in rest {
        let what = if is_ordered { "were taken first" } else { "are to be taken first" };
        lines.push(format!("partition {partition}: {left} signals and ticks {what}"));
    }
    for moved in &plan.regions {
        let (from, to, records) = (moved.from, moved.to, moved.records);
        lines.push(format!("region {}: partition {from} → {to}, {records} records", moved.region));
    }
    for moved in &plan.buildings {
        let (from, to, incident) = (&moved.from, &moved.to, &moved.incident);
        lines.push(format!("building {}: region {from} → {to}, with incident {incident}", moved.building));
    }
    let doubled = plan.doubled.iter();
    lines.extend(doubled.map(|id| format!("incident {id}: goes on as another one of the same building")));
    lines.extend(plan.gone.iter().map(|region| format!("region {region}: has no building any more; nothing is kept")));
    let is_open = !plan.is_nothing() || !rest.is_empty();
    let (end, outcome) = match (is_open, is_ordered) {
        (false, _) => ("nothing is to be migrated", Outcome::Clean),
        (true, true) if plan.is_nothing() => ("nothing else was to be migrated", Outcome::Clean),
        (true, true) => ("migrated: the service may start", Outcome::Clean),
        (true, false) => ("nothing was migrated: with --yes --by WHO it is", Outcome::Found),
    };
    lines.push(end.to_owned());
    (lines, outcome)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fenghuo_engine::migrate::plan::{Plan, RegionMove};

    #[test]
    fn what_is_to_be_done_and_what_was() {
        let region = RegionMove { region: "hongmei".to_owned(), from: 1, to: 4, records: 17 };
        let writes = vec![(4, b"region/7/hongmei/".to_vec(), Some(Vec::new()))];
        let plan = Plan { before: 2, after: 5, regions: vec![region], writes, ..Plan::default() };
        let nothing = Plan { before: 5, after: 5, ..Plan::default() };
        for (plan, rest, is_ordered, expected, outcome) in [
            (
                &plan,
                vec![(1, 7)],
                false,
                &["2 before, 5 now", "7 signals and ticks are", "1 → 4, 17", "with --yes"][..],
                Outcome::Found,
            ),
            (&plan, vec![(1, 7)], true, &["7 signals and ticks were taken", "the service may start"], Outcome::Clean),
            (&nothing, vec![], true, &["nothing is to be migrated"], Outcome::Clean),
            (&nothing, vec![(1, 7)], false, &["are to be taken", "with --yes"], Outcome::Found),
            (&nothing, vec![(1, 7)], true, &["were taken", "nothing else"], Outcome::Clean),
        ] {
            let (lines, found) = described(&Migration { rest, plan: plan.clone() }, is_ordered);
            let text = lines.join("\n");
            assert_eq!(found, outcome, "{text}");
            expected.iter().for_each(|part| assert!(text.contains(part), "{part}:\n{text}"));
        }
    }
}
