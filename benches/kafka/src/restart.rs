//! kill -9 of a static member in the middle of a storm's state, started again at once: the time to its next decision.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fenghuo_benches::table::Report;
use fenghuo_engine::time_of_day::now_ms;
use fenghuo_tests::processes::Member;
use fenghuo_tests::trouble::Trouble;
use serde_json::Value;

use crate::Size;
use crate::city::Pair;
use crate::follow::Follower;
use crate::load::{START_MS, storm, time_of};
use crate::open_loop::{Meant, Plan, Sender, send};
use crate::stand::{Rules, Stand, ended};
use crate::usage::load;
use crate::watch::{Seen, Watch};

/// Records a second meanwhile, and every how many of them is a fire.
const RATE: u32 = 500;
const FIRE_EVERY: u32 = 5;
/// Buildings of the city, and fires that are state when the member is killed.
const BUILDINGS: u32 = 250_000;
const FIRES: usize = 500_000;
/// How many decisions show that a member decides.
const DECISIONS: usize = 100;
/// How long the first decision may take.
const WITHIN: Duration = Duration::from_secs(60);

/// Kills and starts again as often as there are runs.
///
/// # Errors
/// A member or the broker fails, or no decision comes.
pub fn measure(stand: &Stand, size: Size, report: &mut Report) -> Result<(), Trouble> {
    let (stand, fires) = &large(stand, size)?;
    let fires = *fires;
    let scene = stand.scene(&stand.raw_topic("restart"), "signal", Rules::TwoDevices, size.partitions)?;
    // The storm spares the last fifth of the city, where fires are news then.
    let burning = stand.city.names.len() / 5 * 4;
    let last = stand.city.registry.devices().nth(burning).map(|device| device.building).unwrap_or_default();
    let last = &stand.city.registry.buildings()[last as usize].id;
    let spared: Vec<Pair> = stand.city.pairs.iter().filter(|pair| *pair.building > **last).cloned().collect();
    let lasts_ms = time_of(fires as u64, stand.city.names.len()) - START_MS;
    let count = stand.lay(&scene.topic("signals"), storm(&stand.city, burning, fires, now_ms() - lasts_ms - 1_000))?;
    let follower = Follower::new(&stand.brokers, &stand.topics, &scene.group("correlate"), &scene.topic("signals"))?;
    let mut members = vec![scene.member("m0", "all")?];
    follower.wait(count, &mut members)?;
    let mut member = members.remove(0);
    let topics = [scene.topic("dispatch"), scene.topic("watch")];
    let (mut pauses, mut logs) = (Vec::new(), String::new());
    let mut pairs = spared.chunks((spared.len() / size.runs).max(1));
    for _ in 0..size.runs {
        let watch = Watch::start(&stand.brokers, &stand.topics, &topics, &scene.raw)?;
        let plan = Plan {
            topic: &scene.raw,
            rate: RATE,
            fire_every: FIRE_EVERY,
            duration: WITHIN + WITHIN,
            pairs: pairs.next().unwrap_or_default(),
        };
        let (brokers, city, over) = (stand.brokers.as_str(), &stand.city, AtomicBool::new(false));
        let (killed, meant) = std::thread::scope(|scope| {
            let sending = scope.spawn(|| {
                let mut sender = Sender::new(brokers)?;
                let meant = send(&mut sender, city, &plan, || over.load(Ordering::Acquire))?;
                sender.finish().map(|()| meant)
            });
            let killed = kill_and_start(&watch, member, size.partitions as usize, || scene.member("m0", "all"));
            over.store(true, Ordering::Release);
            let meant = sending.join().map_err(|_| Trouble::from("the sender panicked"))??;
            Ok::<_, Trouble>((killed?, meant))
        })?;
        pauses.push(first_after(&watch.end()?, &meant, &scene.raw, killed.at)?.duration_since(killed.at));
        logs += &killed.log;
        member = killed.next;
    }
    ended(member)?;
    pauses.sort();
    let (median, most) = (pauses[pauses.len() / 2], pauses[pauses.len() - 1]);
    let shown = format!("{:.2} s (slowest {:.2})", median.as_secs_f64(), most.as_secs_f64());
    let goal = "≤ 2.5 s with 200000 state records";
    let restored = restored(&logs, size.partitions as usize);
    report.row("kill -9 to the next decision, static member", goal, &shown, &format!("{restored}; {}", load()))?;
    Ok(())
}

/// A larger city beside the same broker, and how many fires are to be state there: a building that speaks is a state
/// record, and the goal is stated for 200 000 of them.
pub fn large(stand: &Stand, size: Size) -> Result<(Stand, usize), Trouble> {
    let (wanted, fires) = if size.is_quick { (size.buildings, 5_000) } else { (size.buildings.max(BUILDINGS), FIRES) };
    Ok((Stand::set(Some(&stand.brokers), wanted)?, fires))
}

/// How many partitions a log says that the correlate role has begun.
pub fn begun(log: &str) -> usize {
    log.matches(" begun role=\"correlate\"").count()
}

/// A kill, and who came next.
struct Killed {
    at: Instant,
    next: Member,
    /// What that one has said.
    log: String,
}

/// Kills a member that decides, starts the next one, and waits until all of its shards decide.
fn kill_and_start(
    watch: &Watch,
    member: Member,
    partitions: usize,
    start: impl Fn() -> Result<Member, Trouble>,
) -> Result<Killed, Trouble> {
    let wait = |until: &dyn Fn() -> bool| {
        let began = Instant::now();
        while !until() {
            if began.elapsed() > WITHIN {
                return Err(Trouble::from("no decision comes"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    };
    let before = watch.count();
    wait(&|| watch.count() > before + DECISIONS)?;
    let log_from = member.log().len();
    let at = Instant::now();
    member.kill();
    let next = start()?;
    let said = || next.log().get(log_from..).unwrap_or_default().to_owned();
    wait(&|| begun(&said()) >= partitions).map_err(|trouble| Trouble::from(format!("{trouble}:\n{}", said())))?;
    let before = watch.count();
    // A backlog from before the kill may give some at once.
    wait(&|| watch.count() > before + 4 * DECISIONS)?;
    let log = said();
    Ok(Killed { at, next, log })
}

/// When the first decision on a fire was seen that was meant to be sent after the kill.
fn first_after(seen: &[Seen], meant: &Meant, raw: &str, killed_at: Instant) -> Result<Instant, Trouble> {
    let is_new = |bytes: &[u8]| {
        let decision: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let devices = decision["evidence"].as_array().into_iter().flatten();
        // The storm before had the same devices; its signals came from elsewhere.
        let own = devices.filter(|one| one["source"].as_str().is_some_and(|source| source.starts_with(raw)));
        own.filter_map(|one| meant.get(one["device"].as_str()?)).any(|meant| *meant > killed_at)
    };
    let first = seen.iter().find(|seen| is_new(&seen.bytes)).map(|seen| seen.at);
    first.ok_or_else(|| Trouble::from("no decision came after the kill"))
}

/// What the log says of restored state: of the last restart's partitions.
pub fn restored(logs: &str, partitions: usize) -> String {
    let field = |line: &str, name: &str| -> Option<u64> {
        let text = line.split_once(&format!("{name}="))?.1;
        text.split_whitespace().next()?.parse().ok()
    };
    let lines: Vec<&str> = logs.lines().filter(|line| line.contains("state restored")).collect();
    let last = &lines[lines.len().saturating_sub(partitions)..];
    let sum = |name| last.iter().filter_map(|line| field(line, name)).sum::<u64>();
    let slowest = last.iter().filter_map(|line| field(line, "took_ms")).max().unwrap_or(0);
    format!("{} state records alive, {} read, restored in {slowest} ms", sum("alive"), sum("read"))
}
