//! Raw record to visible decision, over both hops, open loop, beside the bare echo of the same run.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use fenghuo_benches::table::Report;
use fenghuo_tests::processes::Member;
use fenghuo_tests::trouble::Trouble;
use hdrhistogram::Histogram;
use serde_json::Value;

use crate::city::Pair;
use crate::echo::Echo;
use crate::open_loop::{Meant, Plan, Sender, records_in, send};
use crate::stand::{Rules, Scene, Stand, ended};
use crate::usage::load;
use crate::watch::{Seen, Watch};
use crate::{Size, usage};

/// Records a second, and every how many of them is a fire.
const RATES: [(u32, u32); 3] = [(1_000, 10), (10_000, 50), (50_000, 100)];
/// How long records are sent before those that count.
const WARM_UP: Duration = Duration::from_secs(5);
/// How long the last decision, and the first, may take.
const LAST_WITHIN: Duration = Duration::from_secs(10);
const FIRST_WITHIN: Duration = Duration::from_secs(60);

/// Measures every rate.
///
/// # Errors
/// A member or the broker fails, or decisions do not come.
pub fn measure(stand: &Stand, size: Size, report: &mut Report) -> Result<(), Trouble> {
    let mut pairs = stand.city.pairs.as_slice();
    if !size.is_quick {
        // A broker that has just started compiles itself; what it takes meanwhile is thrown away.
        Round { stand, size, rate: 10_000, fire_every: 50, duration: WARM_UP, pairs }.echo()?;
    }
    for (rate, fire_every) in RATES {
        let seconds = if size.is_quick && rate > 10_000 { 1 } else { size.seconds };
        let mut round = Round { stand, size, rate, fire_every, duration: Duration::from_secs(seconds.into()), pairs };
        let bare = round.echo()?;
        let took = round.product()?;
        pairs = round.pairs;
        let goal = "p50 ≤ 10 ms, p99 ≤ 25 ms, p99.9 ≤ 60 ms; ≤ 1.4 × the echo";
        let ratio = |share: f64| took.all.value_at_quantile(share) as f64 / bare.value_at_quantile(share).max(1) as f64;
        let beside = format!(
            "{:.1} × the echo's p50, {:.1} × its p99; suspected {}; confirmed {}; {:.2} cores; {}",
            ratio(0.5),
            ratio(0.99),
            shown(&took.suspected),
            shown(&took.confirmed),
            took.cores,
            load()
        );
        let rate_shown = format!("{rate} records a second");
        report.row(&format!("latency, {rate_shown}: bare two-hop echo"), "", &shown(&bare), "")?;
        report.row(&format!("latency, {rate_shown}: record to decision"), goal, &shown(&took.all), &beside)?;
    }
    Ok(())
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 600_000_000, 3).expect("one microsecond to ten minutes with three digits")
}

fn shown(histogram: &Histogram<u64>) -> String {
    let at = |share: f64| histogram.value_at_quantile(share) as f64 / 1_000.0;
    let (p50, p99, p999) = (at(0.5), at(0.99), at(0.999));
    let (most, count) = (histogram.max() as f64 / 1_000.0, histogram.len());
    format!("p50 {p50:.1} ms, p99 {p99:.1}, p99.9 {p999:.1}, most {most:.1} ({count})")
}

/// What the product took.
struct Product {
    suspected: Histogram<u64>,
    confirmed: Histogram<u64>,
    all: Histogram<u64>,
    cores: f64,
}

/// One rate.
struct Round<'r> {
    stand: &'r Stand,
    size: Size,
    rate: u32,
    fire_every: u32,
    duration: Duration,
    /// Who has not burned yet.
    pairs: &'r [Pair],
}

impl<'r> Round<'r> {
    fn pairs_for(&mut self, duration: Duration) -> &'r [Pair] {
        let fires = records_in(self.rate, duration) / u64::from(self.fire_every);
        let wanted = usize::try_from(fires.div_ceil(2)).unwrap_or(usize::MAX);
        let (now, later) = self.pairs.split_at(wanted.min(self.pairs.len()));
        self.pairs = later;
        now
    }

    /// Warms up, then sends; when the fires were meant to be sent, and what was seen.
    fn play(&mut self, scene: &Scene<'_>, watch: &Watch) -> Result<(Meant, &'r [Pair]), Trouble> {
        let city = &self.stand.city;
        let mut sender = Sender::new(&self.stand.brokers)?;
        let plan =
            Plan { topic: &scene.raw, rate: self.rate, fire_every: self.fire_every, duration: WARM_UP, pairs: &[] };
        // Until decisions come, and then for the time of warming up.
        let first = self.pairs_for(Duration::from_secs(2));
        let trial = Plan { rate: 500, fire_every: 50, duration: FIRST_WITHIN, pairs: first, ..plan };
        send(&mut sender, city, &trial, || watch.count() > 0)?;
        if watch.count() == 0 {
            return Err(Trouble::from("no decision came"));
        }
        let warm_up = if self.size.is_quick { Duration::from_secs(1) } else { WARM_UP };
        let warming = self.pairs_for(warm_up);
        send(&mut sender, city, &Plan { duration: warm_up, pairs: warming, ..plan }, || false)?;
        let pairs = self.pairs_for(self.duration);
        let meant = send(&mut sender, city, &Plan { duration: self.duration, pairs, ..plan }, || false)?;
        sender.finish()?;
        if meant.len() < 10 {
            return Err(Trouble::from("the city has too few buildings for that rate: give --buildings"));
        }
        Ok((meant, pairs))
    }

    fn echo(&mut self) -> Result<Histogram<u64>, Trouble> {
        let scene = self.scene("echo")?;
        let echo = Echo::start(&scene)?;
        let watch = Watch::start(&self.stand.brokers, &self.stand.topics, &[scene.topic("dispatch")], "")?;
        // The same records for both: whoever burned here burns again there.
        let kept = self.pairs;
        let (meant, _) = self.play(&scene, &watch)?;
        self.pairs = kept;
        let seen = all_of(watch)?;
        drop(echo);
        Ok(of_echo(&seen, &meant))
    }

    fn product(&mut self) -> Result<Product, Trouble> {
        let scene = self.scene("product")?;
        let member = scene.member("m0", "all")?;
        let topics = [scene.topic("dispatch"), scene.topic("watch")];
        let watch = Watch::start(&self.stand.brokers, &self.stand.topics, &topics, "")?;
        all_begun(&member, self.size.partitions as usize)?;
        let from = usage::Moment::now(&[member.id()], None);
        let (meant, pairs) = self.play(&scene, &watch).map_err(|trouble| with_log(&trouble, &member))?;
        let to = usage::Moment::now(&[member.id()], None);
        let seen = all_of(watch)?;
        let (suspected, confirmed) = of_decisions(&seen, &meant, pairs);
        let mut all = suspected.clone();
        all.add(&confirmed).map_err(|error| Trouble::from(error.to_string()))?;
        let lost = meant.len() as u64 - all.len().min(meant.len() as u64);
        if lost > 0 {
            let trouble = Trouble::from(format!("{lost} of {} fires have no decision", meant.len()));
            return Err(with_log(&trouble, &member));
        }
        ended(member)?;
        let took = usage::Took::between(&from, &to, 1);
        Ok(Product { suspected, confirmed, all, cores: took.used / took.seconds })
    }

    fn scene(&self, what: &str) -> Result<Scene<'r>, Trouble> {
        let raw = self.stand.raw_topic(&format!("{what}-{}", self.rate));
        self.stand.scene(&raw, "signal", Rules::TwoDevices, self.size.partitions)
    }
}

/// Waits until every shard has begun.
fn all_begun(member: &Member, partitions: usize) -> Result<(), Trouble> {
    let deadline = Instant::now() + FIRST_WITHIN;
    while member.log().matches(" begun role=\"correlate\"").count() < partitions {
        if Instant::now() >= deadline {
            return Err(with_log(&Trouble::from("not every shard has begun"), member));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn with_log(trouble: &Trouble, member: &Member) -> Trouble {
    Trouble::from(format!("{trouble}; the member says:\n{}", member.log()))
}

/// Waits until nothing more comes, and gives everything.
fn all_of(watch: Watch) -> Result<Vec<Seen>, Trouble> {
    let deadline = Instant::now() + LAST_WITHIN;
    let mut last = watch.count();
    loop {
        std::thread::sleep(Duration::from_secs(1));
        let count = watch.count();
        if count == last || Instant::now() >= deadline {
            return watch.end();
        }
        last = count;
    }
}

fn note(histogram: &mut Histogram<u64>, from: Instant, to: Instant) {
    let micros = u64::try_from(to.saturating_duration_since(from).as_micros()).unwrap_or(u64::MAX);
    histogram.saturating_record(micros.max(1));
}

/// The echo gives back the records themselves.
fn of_echo(seen: &[Seen], meant: &Meant) -> Histogram<u64> {
    let mut found = histogram();
    for Seen { at, bytes } in seen {
        let record: Value = serde_json::from_slice(bytes).unwrap_or_default();
        if let Some(from) = record["device"].as_str().and_then(|device| meant.get(device)) {
            note(&mut found, *from, *at);
        }
    }
    found
}

/// The first fire of a pair makes its building suspected, the other one confirms it; which is which, the decision says.
fn of_decisions(seen: &[Seen], meant: &Meant, pairs: &[Pair]) -> (Histogram<u64>, Histogram<u64>) {
    let by_building: HashMap<&str, &Pair> = pairs.iter().map(|pair| (pair.building.as_str(), pair)).collect();
    let (mut suspected, mut confirmed) = (histogram(), histogram());
    let decisions: Vec<(Instant, Value)> =
        seen.iter().map(|Seen { at, bytes }| (*at, serde_json::from_slice(bytes).unwrap_or_default())).collect();
    let mut others: HashMap<&str, &str> = HashMap::new();
    for (at, decision) in decisions.iter().filter(|(_, decision)| decision["decision"] == "suspected") {
        let Some(pair) = decision["place"].as_str().and_then(|place| by_building.get(place)) else { continue };
        let Some(first) = decision["evidence"][0]["device"].as_str() else { continue };
        others.insert(&pair.building, pair.devices.iter().find(|device| *device != first).map_or("", |other| other));
        meant.get(first).into_iter().for_each(|from| note(&mut suspected, *from, *at));
    }
    for (at, decision) in decisions.iter().filter(|(_, decision)| decision["decision"] == "confirmed") {
        let other = decision["place"].as_str().and_then(|place| others.get(place));
        other.and_then(|other| meant.get(*other)).into_iter().for_each(|from| note(&mut confirmed, *from, *at));
    }
    (suspected, confirmed)
}
