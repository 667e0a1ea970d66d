//! Processor time and memory of processes, and how busy the machine was, as the system tells them.

use std::time::{Duration, Instant};

/// The system's unit of processor time in its process files: a hundredth of a second on every Linux.
const TICK: Duration = Duration::from_millis(10);

/// The processor time, user and system, that a process has used so far; nothing once it has ended.
#[must_use]
pub fn processor_time(process: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name, in brackets, may hold anything; the fields behind it are numbered from 3.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field - 3)?.parse::<u32>().ok();
    Some(TICK * (ticks(14)? + ticks(15)?))
}

/// The mean number of processes that wanted to run in the last minute.
#[must_use]
pub fn load() -> String {
    let average = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let last_minute = average.split(' ').next().unwrap_or_default();
    format!("load of the last minute {last_minute}")
}

/// A moment in the lives of some processes.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// When.
    pub at: Instant,
    /// What they had used.
    pub used: Duration,
    /// What the broker had used, if it is ours.
    pub broker: Option<Duration>,
}

impl Moment {
    /// Now.
    #[must_use]
    pub fn now(processes: &[u32], broker: Option<u32>) -> Self {
        let used = processes.iter().filter_map(|process| processor_time(*process)).sum();
        Self { at: Instant::now(), used, broker: broker.and_then(processor_time) }
    }
}

/// What a stretch of work took.
#[derive(Debug, Clone, Copy)]
pub struct Took {
    /// How much was done.
    pub count: u64,
    /// In which time, seconds.
    pub seconds: f64,
    /// Processor time of the processes that did it, seconds.
    pub used: f64,
    /// Of the broker meanwhile.
    pub broker: Option<f64>,
}

impl Took {
    /// Of `count` done between two moments.
    #[must_use]
    pub fn between(from: &Moment, to: &Moment, count: u64) -> Self {
        Self {
            count,
            seconds: to.at.duration_since(from.at).as_secs_f64().max(1e-6),
            used: to.used.saturating_sub(from.used).as_secs_f64(),
            broker: from.broker.zip(to.broker).map(|(from, to)| to.saturating_sub(from).as_secs_f64()),
        }
    }

    /// Millions a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.count as f64 / self.seconds / 1e6
    }

    /// Seconds of processor time for a million.
    #[must_use]
    pub fn each_million(&self) -> f64 {
        self.used * 1e6 / self.count.max(1) as f64
    }

    /// The broker's seconds for a million.
    #[must_use]
    pub fn brokers_million(&self) -> Option<f64> {
        self.broker.map(|used| used * 1e6 / self.count.max(1) as f64)
    }
}

/// The run in the middle by rate, and how far the rates lie apart as a share of its own.
///
/// # Panics
/// There is none.
#[must_use]
pub fn median(mut runs: Vec<Took>) -> (Took, f64) {
    runs.sort_by(|one, other| one.rate().total_cmp(&other.rate()));
    let middle = runs[runs.len() / 2];
    let spread = (runs[runs.len() - 1].rate() - runs[0].rate()) / middle.rate();
    (middle, spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_shows_in_the_processor_time_of_this_process() {
        let own = std::process::id();
        let before = Moment::now(&[own], None);
        let mut number = 1_u64;
        while processor_time(own).unwrap() < before.used + Duration::from_millis(50) {
            number = std::hint::black_box(number.wrapping_mul(6_364_136_223_846_793_005) + 1);
        }
        let took = Took::between(&before, &Moment::now(&[own], None), 1_000);
        assert!(took.used >= 0.05 && took.seconds > 0.0, "{took:?} {number}");
        assert!(took.each_million() >= 50.0 && took.brokers_million().is_none());
    }

    #[test]
    fn the_median_is_the_run_in_the_middle() {
        let run = |seconds| Took { count: 1_000_000, seconds, used: seconds, broker: None };
        let (middle, spread) = median(vec![run(1.0), run(4.0), run(2.0)]);
        assert!((middle.rate() - 0.5).abs() < 1e-9 && (spread - 1.5).abs() < 1e-9, "{middle:?} {spread}");
    }
}
