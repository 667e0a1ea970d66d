//! How much goes through: prepared topics are read to their end, by a member that has just begun.
//!
//! A run is timed from the moment when a member says that it begins to read a partition, so that starting and loading
//! the registry are not in it, to the commit of the last record. Prepared records lie there before a member begins.

use std::time::Duration;

use fenghuo_benches::table::Report;
use fenghuo_tests::processes::Member;
use fenghuo_tests::topics::Isolation;
use fenghuo_tests::trouble::Trouble;

use crate::follow::Follower;
use crate::load::{START_MS, frames as frame_lines, mix as mix_lines, storm as storm_lines};
use crate::stand::{Rules, Scene, Stand, ended};
use crate::usage::{Moment, Took, load, median};
use crate::{Size, floor, oracle};

/// Where four members run, which takes longer, a run has so many times less than the mix.
const SCALE_OUT_SHARE: usize = 4;
/// And of a storm's signals, which cost more.
pub const STORM_SHARE: usize = 16;

/// Which way records go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    /// raw → decode → signals.
    Decode,
    /// raw → decode → signals → correlate → dispatch and watch.
    Both,
    /// signals → correlate → dispatch and watch.
    Correlate,
}

impl Way {
    const fn role(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Both => "all",
            Self::Correlate => "correlate",
        }
    }
}

/// A run's outcome.
struct Run {
    took: Took,
    most_mib: u64,
    counted: serde_json::Value,
}

/// Lets members read a scene's topics to their end.
fn run(scene: &Scene<'_>, way: Way, count: u64, members: u32) -> Result<Run, Trouble> {
    let stand = scene.stand;
    let follow = |role: &str, topic: &str| Follower::new(&stand.brokers, &stand.topics, &scene.group(role), topic);
    let (role, topic) =
        if way == Way::Correlate { ("correlate", scene.topic("signals")) } else { ("decode", scene.raw.clone()) };
    let (first, second) = (follow(role, &topic)?, follow("correlate", &scene.topic("signals"))?);
    let started = (0..members).map(|number| scene.member(&format!("m{number}"), way.role()));
    let mut members: Vec<Member> = started.collect::<Result<_, _>>()?;
    let processes: Vec<u32> = members.iter().map(Member::id).collect();
    begun(&mut members)?;
    let from = Moment::now(&processes, stand.broker());
    first.wait(count, &mut members)?;
    if way == Way::Both {
        let ends = stand.topics.ends(&scene.topic("signals"), Isolation::Uncommitted)?;
        let end: i64 = ends.iter().map(|(_, high)| high).sum();
        second.wait(u64::try_from(end).unwrap_or(0), &mut members)?;
    }
    let to = Moment::now(&processes, stand.broker());
    let most_mib = members.iter().filter_map(Member::memory_mib).map(|memory| memory.most).max().unwrap_or(0);
    let took = Took::between(&from, &to, count);
    let mut counted = serde_json::Value::Null;
    for member in members {
        counted = ended(member)?;
    }
    Ok(Run { took, most_mib, counted })
}

/// Waits until a member has begun to read a partition.
fn begun(members: &mut [Member]) -> Result<(), Trouble> {
    while !members.iter().any(|member| member.log().contains(" begun ")) {
        for member in members.iter_mut() {
            if member.ended()?.is_some() {
                return Err(Trouble::from(format!("a member has ended:\n{}", member.log())));
            }
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// What is measured, and how its line is headed.
struct Said<'w> {
    what: &'w str,
    goal: &'w str,
    way: Way,
    members: u32,
    count: u64,
}

/// Runs it several times, checks what was decided in the last run, and writes a line; the run in the middle.
fn row<'s>(
    said: &Said<'_>,
    size: Size,
    floor: Option<Took>,
    report: &mut Report,
    mut prepare: impl FnMut() -> Result<Scene<'s>, Trouble>,
) -> Result<Took, Trouble> {
    let mut runs = Vec::new();
    let mut most_mib = 0;
    let mut last = None;
    for number in 0..size.warm_ups + size.runs {
        let scene = prepare()?;
        let done = run(&scene, said.way, said.count, said.members)?;
        if number >= size.warm_ups {
            runs.push(done.took);
        }
        most_mib = most_mib.max(done.most_mib);
        last = Some((scene, done.counted));
    }
    let (took, spread) = median(runs);
    let mut beside = Vec::new();
    if let Some(floor) = floor {
        let (rate, each) = (took.rate() / floor.rate(), took.each_million() / floor.each_million());
        beside.push(format!("{:.0} % of the floor's rate, {each:.1} × its CPU", rate * 100.0));
    }
    beside.extend(took.brokers_million().map(|each| format!("broker {each:.2} CPU s a million")));
    beside.push(format!("{most_mib} MiB at most"));
    if let Some((scene, counted)) = last.filter(|_| said.way != Way::Decode) {
        let decided = oracle::check(&scene)?;
        beside.push(format!("{} decisions as correlate makes them, hash {:016x}", decided.count, decided.hash));
        beside.extend(of_state(&scene, &counted));
    }
    let shown =
        format!("{:.3} M/s (spread {:.0} %), {:.2} CPU s a million", took.rate(), spread * 100.0, took.each_million());
    beside.push(load());
    report.row(said.what, said.goal, &shown, &beside.join("; "))?;
    Ok(took)
}

/// What the correlate role wrote for each signal.
fn of_state(scene: &Scene<'_>, counted: &serde_json::Value) -> Option<String> {
    let number = |name: &str| counted["correlate"][name].as_f64();
    let (signals, records, transactions) = (number("signals")?, number("state_records")?, number("transactions")?);
    let bytes = scene.stand.bytes_of(&scene.topic("state"));
    let each = bytes.map(|bytes| format!(" of {:.0} bytes in the log", bytes as f64 / records.max(1.0)));
    Some(format!(
        "{:.2} state records a signal{}, {:.0} signals a transaction",
        records / signals.max(1.0),
        each.unwrap_or_default(),
        signals / transactions.max(1.0)
    ))
}

/// The floor of a topic: the same number of runs, and its line.
fn floor_of(stand: &Stand, size: Size, topic: &str, what: &str, report: &mut Report) -> Result<Took, Trouble> {
    let mut runs = Vec::new();
    let mut bytes = 0.0;
    for number in 0..size.warm_ups + size.runs {
        let (took, length) = floor::run(&stand.brokers, topic)?;
        bytes = length;
        if number >= size.warm_ups {
            runs.push(took);
        }
    }
    let (took, spread) = median(runs);
    let shown =
        format!("{:.3} M/s (spread {:.0} %), {:.2} CPU s a million", took.rate(), spread * 100.0, took.each_million());
    report.row(what, "", &shown, &format!("batches, only counted; {bytes:.0} bytes a record; {}", load()))?;
    Ok(took)
}

/// The city mix in the native form: the floor, the decode role alone, both roles, and the neighbourhood rule on top.
///
/// # Errors
/// A member or the broker fails, or what was decided is not what follows.
pub fn mix(stand: &Stand, size: Size, report: &mut Report) -> Result<(), Trouble> {
    let raw = stand.raw_topic("signal");
    let scene = |rules| stand.scene(&raw, "signal", rules, size.partitions);
    drop(scene(Rules::TwoDevices)?);
    let count = stand.lay(&raw, mix_lines(&stand.city, size.records))?;
    let floor = floor_of(stand, size, &raw, "mix, JSON: the floor", report)?;
    let said = Said { what: "mix, JSON: decode role alone", goal: "", way: Way::Decode, members: 1, count };
    row(&said, size, Some(floor), report, || scene(Rules::TwoDevices))?;
    let goal = "≥ 2.0 M/s, ≥ 70 % of the floor, ≤ 0.65 CPU s a million";
    let said = Said { what: "mix, JSON: both roles", goal, way: Way::Both, members: 1, count };
    let two = row(&said, size, Some(floor), report, || scene(Rules::TwoDevices))?;
    let said = Said { what: "mix, JSON: with the neighbourhood rule", goal: "≤ 10 % more CPU", ..said };
    let more = row(&said, size, Some(floor), report, || scene(Rules::Neighbourhood))?;
    let ratio = more.each_million() / two.each_million() - 1.0;
    report.row(
        "mix, JSON: what the neighbourhood rule costs",
        "≤ 10 %",
        &format!("{:+.0} % CPU", ratio * 100.0),
        "",
    )?;
    Ok(())
}

/// The city mix in frames.
///
/// # Errors
/// As [`mix`].
pub fn frames(stand: &Stand, size: Size, report: &mut Report) -> Result<(), Trouble> {
    let raw = stand.raw_topic("gb26875");
    let scene = || stand.scene(&raw, "gb26875", Rules::TwoDevices, size.partitions);
    drop(scene()?);
    let count = stand.lay(&raw, frame_lines(&stand.city, size.records))?;
    let floor = floor_of(stand, size, &raw, "mix, frames: the floor", report)?;
    let said = Said { what: "mix, frames: decode role alone", goal: "", way: Way::Decode, members: 1, count };
    row(&said, size, Some(floor), report, scene)?;
    let goal = "≤ 0.55 CPU s a million";
    let said = Said { what: "mix, frames: both roles", goal, way: Way::Both, members: 1, count };
    row(&said, size, Some(floor), report, scene)?;
    Ok(())
}

/// Fires and nothing else, laid on the signals topic.
///
/// # Errors
/// As [`mix`].
pub fn storm(stand: &Stand, size: Size, report: &mut Report) -> Result<(), Trouble> {
    let mut measure = |what, goal, rules| -> Result<Took, Trouble> {
        let mut floor = None;
        let count = size.records / STORM_SHARE;
        let prepare = || {
            let scene = stand.scene(&stand.raw_topic("none"), "signal", rules, size.partitions)?;
            stand.lay(&scene.topic("signals"), storm_lines(&stand.city, stand.city.names.len(), count, START_MS))?;
            if floor.is_none() {
                floor = Some(floor::run(&stand.brokers, &scene.topic("signals"))?.0);
            }
            Ok(scene)
        };
        let said = Said { what, goal, way: Way::Correlate, members: 1, count: count as u64 };
        let took = row(&said, size, None, report, prepare)?;
        if let Some(floor) = floor {
            let shown = format!("{:.3} M/s, {:.2} CPU s a million", floor.rate(), floor.each_million());
            report.row(&format!("{what}: the floor"), "", &shown, "batches, only counted, once")?;
        }
        Ok(took)
    };
    let two = measure("storm", "≥ 0.8 M/s, ≤ 1.6 CPU s a million", Rules::TwoDevices)?;
    let more = measure("storm: with the neighbourhood rule", "≤ 10 % more CPU", Rules::Neighbourhood)?;
    let ratio = more.each_million() / two.each_million() - 1.0;
    report.row("storm: what the neighbourhood rule costs", "≤ 10 %", &format!("{:+.0} % CPU", ratio * 100.0), "")?;
    Ok(())
}

/// Eight partitions, read by one member and by four: that they share the work, and what it costs.
///
/// # Errors
/// As [`mix`].
pub fn scale_out(stand: &Stand, size: Size, report: &mut Report) -> Result<(), Trouble> {
    const PARTITIONS: u32 = 8;
    let raw = stand.raw_topic("scale-out");
    let scene = || stand.scene(&raw, "signal", Rules::TwoDevices, PARTITIONS);
    drop(scene()?);
    let count = stand.lay(&raw, mix_lines(&stand.city, size.records / SCALE_OUT_SHARE))?;
    let said = Said { what: "scale-out: 8 partitions, 1 member", goal: "", way: Way::Both, members: 1, count };
    let one = row(&said, size, None, report, scene)?;
    let said = Said { what: "scale-out: 8 partitions, 4 members", members: 4, ..said };
    let four = row(&said, size, None, report, scene)?;
    let shown = format!("{:+.0} % CPU", (four.each_million() / one.each_million() - 1.0) * 100.0);
    report.row("scale-out: four members instead of one", "", &shown, "on the same cores, so no faster")?;
    Ok(())
}
