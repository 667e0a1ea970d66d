//! kill -9 of a member that does not come back: how soon another one has its partitions, standing by and not.

use std::time::{Duration, Instant};

use fenghuo_benches::table::Report;
use fenghuo_engine::time_of_day::now_ms;
use fenghuo_tests::processes::Member;
use fenghuo_tests::trouble::Trouble;

use crate::Size;
use crate::follow::Follower;
use crate::load::{START_MS, storm, time_of};
use crate::restart::{begun, large, restored};
use crate::stand::{Rules, Stand, ended};
use crate::usage::load;

/// How much state may be read along.
const STANDING_BY: &str = "correlate.standby=2GiB";
const NOT_STANDING_BY: &str = "correlate.standby=0MiB";
/// How long the members may take to be ready, and to take over.
const WITHIN: Duration = Duration::from_secs(120);

/// Kills as often as there are runs, of two members each, one way and the other.
///
/// # Errors
/// A member or the broker fails, or the partitions are not taken over.
pub fn measure(stand: &Stand, size: Size, report: &mut Report) -> Result<(), Trouble> {
    let (stand, fires) = &large(stand, size)?;
    let mut cells = Vec::new();
    for setting in [STANDING_BY, NOT_STANDING_BY] {
        let mut pauses = Vec::new();
        let mut logs = String::new();
        for _ in 0..size.runs {
            let (pause, log) = take_over(stand, size.partitions, *fires, setting)?;
            pauses.push(pause);
            logs += &log;
        }
        pauses.sort();
        let restored = restored(&logs, size.partitions as usize / 2);
        cells.push((pauses[pauses.len() / 2], restored));
    }
    let shown = format!("{:.2} s; without standby {:.2} s", cells[0].0.as_secs_f64(), cells[1].0.as_secs_f64());
    let notes = format!("{}; without standby {}; {}", cells[0].1, cells[1].1, load());
    report.row("kill -9 to its partitions begun elsewhere, 10 s session", "session + 3 s", &shown, &notes)?;
    Ok(())
}

/// How long after the death of one of two members the other has its partitions, and what that one said then.
fn take_over(stand: &Stand, partitions: u32, fires: usize, setting: &str) -> Result<(Duration, String), Trouble> {
    let scene = stand.scene(&stand.raw_topic("takeover"), "signal", Rules::TwoDevices, partitions)?;
    let devices = stand.city.names.len();
    let begin_ms = now_ms() - (time_of(fires as u64, devices) - START_MS) - 1_000;
    let count = stand.lay(&scene.topic("signals"), storm(&stand.city, devices, fires, begin_ms))?;
    let follower = Follower::new(&stand.brokers, &stand.topics, &scene.group("correlate"), &scene.topic("signals"))?;
    let start = |name| scene.member_with(name, "correlate", &[setting]);
    let mut members = [start("m0")?, start("m1")?];
    let half = partitions as usize / 2;
    until("both have their partitions", &members, || members.iter().all(|member| begun(&member.log()) >= half))?;
    follower.wait(count, &mut members)?;
    if setting == STANDING_BY {
        let is_ready = |member: &Member| member.log().matches("standing by for").count() >= half;
        until("both stand by", &members, || members.iter().all(is_ready))?;
    }
    let [stays, dies] = members;
    let log_from = stays.log().len();
    let said = || stays.log().get(log_from..).unwrap_or_default().to_owned();
    let at = Instant::now();
    dies.kill();
    until("the other takes over", std::slice::from_ref(&stays), || begun(&said()) >= half)?;
    let (pause, log) = (at.elapsed(), said());
    ended(stays)?;
    Ok((pause, log))
}

fn until(what: &str, members: &[Member], is_so: impl Fn() -> bool) -> Result<(), Trouble> {
    let began = Instant::now();
    while !is_so() {
        if began.elapsed() > WITHIN {
            let logs: String = members.iter().map(Member::log).collect();
            return Err(Trouble::from(format!("not within {WITHIN:?}: {what}\n{logs}")));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
