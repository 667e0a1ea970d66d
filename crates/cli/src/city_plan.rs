//! What may be typed about a synthetic city and its night; the same for `demo` and `simulate`.

use fenghuo_city::Plan;
use fenghuo_model::time::parse_rfc3339;

use crate::failure::Failure;

/// The city and its night; the same plan gives the same bytes on any machine.
#[derive(Debug, clap::Args)]
pub struct PlanArgs {
    /// How many buildings; about five devices each
    #[arg(long, value_name = "N", default_value_t = Plan::default().buildings,
          value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    buildings: u32,

    /// How long the night lasts
    #[arg(long, value_name = "HOURS", default_value_t = Plan::default().hours, value_parser = hours)]
    hours: f64,

    /// Seed of everything
    #[arg(long, value_name = "N", default_value_t = Plan::default().seed)]
    seed: u64,

    /// How many fires are planted, at most one for eight buildings [default: in proportion to buildings and hours]
    #[arg(long, value_name = "N")]
    fires: Option<u32>,

    /// Share of records that are spoiled on purpose, such as 0.01
    #[arg(long, value_name = "SHARE", default_value_t = Plan::default().garbage_share, value_parser = share)]
    garbage: f64,

    /// When the night begins: RFC 3339, or `now` [default: 2026-11-21T20:00:00+08:00]
    #[arg(long, value_name = "TIME", value_parser = start_ms)]
    start: Option<i64>,
}

impl PlanArgs {
    /// The plan.
    ///
    /// # Errors
    /// More fires than the buildings have room for.
    pub fn plan(&self) -> Result<Plan, Failure> {
        let default = Plan::default();
        let plan = Plan {
            seed: self.seed,
            buildings: self.buildings,
            hours: self.hours,
            start_ms: self.start.unwrap_or(default.start_ms),
            fires: self.fires,
            garbage_share: self.garbage,
            ..default
        };
        match (self.fires, plan.most_fires()) {
            (Some(fires), most) if fires > most => Err(Failure::Usage(format!(
                "--fires {fires}: {} buildings have room for at most {most}, one for eight",
                self.buildings
            ))),
            _ => Ok(plan),
        }
    }
}

/// A year is long enough, and far from where milliseconds end.
fn hours(text: &str) -> Result<f64, String> {
    let within = |hours: &f64| (0.0..=8_784.0).contains(hours);
    text.parse().ok().filter(within).ok_or_else(|| "a number of hours from 0 to 8784".to_owned())
}

fn share(text: &str) -> Result<f64, String> {
    let within = |share: &f64| (0.0..1.0).contains(share);
    text.parse().ok().filter(within).ok_or_else(|| "a share from 0 to below 1, such as 0.01".to_owned())
}

fn start_ms(text: &str) -> Result<i64, String> {
    if text == "now" {
        return Ok(jiff::Timestamp::now().as_millisecond());
    }
    parse_rfc3339(text).ok_or_else(|| "`now`, or a time with its offset such as 2026-11-21T20:00:00+08:00".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_out_of_range_are_refused() {
        for (text, expected) in [("0.5", true), ("8784", true), ("-1", false), ("NaN", false), ("inf", false)] {
            assert_eq!(hours(text).is_ok(), expected, "{text}");
        }
        for (text, expected) in [("0", true), ("0.01", true), ("1", false), ("NaN", false), ("1 %", false)] {
            assert_eq!(share(text).is_ok(), expected, "{text}");
        }
        assert_eq!(start_ms("2026-11-21T20:00:00+08:00"), Ok(Plan::default().start_ms));
        assert!(start_ms("2026-11-21 20:00").is_err());
    }
}
