//! `fenghuo simulate`: a synthetic city's registry, raw records and truth, to files or into the raw topics.

use std::fmt::Display;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use fenghuo_city::{City, RawRecord};
use fenghuo_sinks::RawProducer;

use crate::city_files::{self, RawFiles, Sources};
use crate::city_plan::PlanArgs;
use crate::failure::{Failure, Outcome};
use crate::locale::Locale;
use crate::output::remark;
use crate::phrases::{Phrase, grouped};
use crate::progress::Progress;

const EXAMPLES: &str = "\
--out writes registry.jsonl, truth.jsonl and, without --brokers, the raw records as raw.*.tsv (timestamped lines,
see `fenghuo decode --timestamped`). --brokers produces the raw records into the topics raw.gb26875, raw.ctwing,
raw.signal and raw.people, with their keys and timestamps. The same options give the same records, wherever they go.

Examples:
  fenghuo simulate --out city
  fenghuo simulate --out city --buildings 1000 --hours 2 --garbage 0.01
  fenghuo simulate --brokers 127.0.0.1:9092 --speed 60
  fenghuo simulate --brokers 127.0.0.1:9092 --start now --speed 1";

/// Longer than a handshake takes anywhere on earth.
const CONNECTED_WITHIN: Duration = Duration::from_secs(5);

/// The time of librdkafka's own patience with a record.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(300);

/// What may be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[group(id = "target", required = true, multiple = true, args = ["out", "brokers"])]
pub struct Args {
    #[command(flatten)]
    plan: PlanArgs,

    /// Folder for registry, truth and (without --brokers) raw records; files that are there are begun anew
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Brokers whose raw topics take the records
    #[arg(long, value_name = "HOST:PORT,...")]
    brokers: Option<String>,

    /// Property for librdkafka, such as security.protocol=SSL; may be given several times
    #[arg(long, value_name = "KEY=VALUE", requires = "brokers", value_parser = property)]
    property: Vec<(String, String)>,

    /// How many times faster than life; 0 is as fast as possible
    #[arg(long, value_name = "FACTOR", default_value_t = 0.0, value_parser = at_least_zero)]
    speed: f64,

    /// Records per second at most; 0 is as fast as possible
    #[arg(long, value_name = "N", default_value_t = 0.0, value_parser = at_least_zero)]
    rate: f64,
}

fn property(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a property looks like KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

fn at_least_zero(text: &str) -> Result<f64, String> {
    let fits = |number: &f64| number.is_finite() && *number >= 0.0;
    text.parse().ok().filter(fits).ok_or_else(|| "a number of at least 0".to_owned())
}

/// Where the raw records go.
enum Target {
    Files(RawFiles),
    Topics(RawProducer),
}

/// Plays a night into files or topics.
pub fn execute(args: &Args, locale: &Locale) -> Result<Outcome, Failure> {
    let plan = args.plan.plan()?;
    // The brokers first: where they are away, nothing else is begun.
    let producer = args.brokers.as_deref().map(|brokers| connect(brokers, &args.property)).transpose()?;
    let city = City::new(&plan);
    if let Some(directory) = &args.out {
        city_files::write_city(directory, &city)?;
    }
    let mut target = match (producer, &args.out) {
        (Some(producer), _) => Target::Topics(producer),
        (None, Some(directory)) => Target::Files(RawFiles::create(directory)?),
        (None, None) => return Err(Failure::Usage("give --out or --brokers".to_owned())),
    };
    let pace = Pace { speed: args.speed, rate: args.rate, start_ms: plan.start_ms };
    let mut progress = Progress::over(&plan);
    let started = Instant::now();
    let mut sources = Sources::default();
    let (mut records, mut unreadable) = (0_u64, 0_u64);
    for raw in city.night() {
        if let Some(due) = pace.due(raw.timestamp_ms, records) {
            thread::sleep(due.saturating_sub(started.elapsed()));
        }
        target.put(&raw, &mut sources)?;
        records += 1;
        unreadable += u64::from(raw.unreadable);
        progress.at(locale, raw.timestamp_ms, records);
    }
    target.finish()?;
    progress.end();
    let amounts: [&dyn Display; 3] = [&grouped(records), &grouped(unreadable), &city.truth().len()];
    remark(Phrase::Simulated.fill(locale.language, &amounts));
    Ok(Outcome::Clean)
}

impl Target {
    fn put(&mut self, raw: &RawRecord, sources: &mut Sources) -> Result<(), Failure> {
        match self {
            Self::Files(files) => files.write(raw, &sources.next(raw.channel)),
            Self::Topics(producer) => {
                let sent = producer.send(raw.channel.topic(), raw.key.as_bytes(), &raw.bytes, raw.timestamp_ms);
                sent.map_err(|error| Failure::BrokerUnavailable(error.to_string()))
            }
        }
    }

    fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Files(mut files) => files.flush(),
            Self::Topics(producer) => match producer.finish(ACKNOWLEDGED_WITHIN) {
                Ok(_) => Ok(()),
                Err(error) => Err(Failure::BrokerUnavailable(error.to_string())),
            },
        }
    }
}

/// A producer, if one of the brokers answers at all: librdkafka itself would wait and fill its queue first.
fn connect(brokers: &str, properties: &[(String, String)]) -> Result<RawProducer, Failure> {
    let reasons: Vec<String> = brokers.split(',').map_while(|broker| reach(broker.trim()).err()).collect();
    if reasons.len() == brokers.split(',').count() {
        return Err(Failure::BrokerUnavailable(format!("no broker answers: {}", reasons.join("; "))));
    }
    let properties = properties.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    RawProducer::new(brokers, properties).map_err(|error| Failure::Configuration(error.to_string()))
}

fn reach(broker: &str) -> Result<(), String> {
    let addresses = broker.to_socket_addrs().map_err(|error| format!("{broker}: {error}"))?;
    let mut reason = format!("{broker}: the name has no address");
    for address in addresses {
        match TcpStream::connect_timeout(&address, CONNECTED_WITHIN) {
            Ok(_) => return Ok(()),
            Err(error) => reason = format!("{broker}: {error}"),
        }
    }
    Err(reason)
}

/// When records are due.
struct Pace {
    speed: f64,
    rate: f64,
    start_ms: i64,
}

impl Pace {
    /// How long after the start the record with that timestamp and place is due; nothing if nothing was asked for.
    #[expect(clippy::cast_precision_loss, reason = "nobody waits for 2^52 records or milliseconds")]
    fn due(&self, timestamp_ms: i64, place: u64) -> Option<Duration> {
        let by_speed = (timestamp_ms - self.start_ms).max(0) as f64 / 1_000.0 / self.speed;
        let by_rate = place as f64 / self.rate;
        let asked = [(self.speed, by_speed), (self.rate, by_rate)].into_iter().filter(|(factor, _)| *factor > 0.0);
        asked.filter_map(|(_, seconds)| Duration::try_from_secs_f64(seconds).ok()).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_due_by_speed_and_rate_whichever_is_later() {
        for (speed, rate, timestamp_ms, place, expected_ms) in [
            (0.0, 0.0, 61_000, 7, None),
            (1.0, 0.0, 61_000, 7, Some(60_000)),
            (60.0, 0.0, 61_000, 7, Some(1_000)),
            (60.0, 0.0, 900, 7, Some(0)),
            (0.0, 2.0, 61_000, 7, Some(3_500)),
            (60.0, 2.0, 61_000, 7, Some(3_500)),
            (10.0, 2.0, 61_000, 7, Some(6_000)),
        ] {
            let pace = Pace { speed, rate, start_ms: 1_000 };
            assert_eq!(pace.due(timestamp_ms, place), expected_ms.map(Duration::from_millis), "{speed} {rate}");
        }
    }
}
