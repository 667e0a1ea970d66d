//! How time passes for the regions: by what the records prove, and, where all are silent, by the broker's clock.
//!
//! While records come, they alone say how late it is. After one alarm of a battery detector nothing may come for
//! hours, and a region's clock must go on all the same, or nobody is ever asked to look. So the time that the records
//! have reached goes on by the broker's time that has passed since: a difference of two times of one broker, so that a
//! replay of last year's night goes on from last year's time, second by second. The time of day of no process takes
//! part.
//!
//! Silence says something only while somebody listens: from one answer of the broker to the next, at most
//! [`MOST_STEP_MS`] count. That is also what a jump of the broker's clock can do; a clock that is set back counts
//! nothing.

use super::survey::Standing;

/// How far behind the broker's time the time stays in silence: as late as a gateway's record may come and still be
/// judged before the timers that it should have forestalled.
pub const LATENCY_MS: i64 = 5_000;

/// How much time counts at most between two answers of the broker: a session's time, so that a takeover loses nothing.
pub const MOST_STEP_MS: i64 = 15_000;

/// How far the time has come; it is committed with the first raw partition, for whoever writes the ticks next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Passage {
    /// The latest time of any record forwarded and the broker's time since, Unix milliseconds.
    pub reached_ms: Option<i64>,
    /// The broker's time when that was so; nothing if a record was the last to say how late it is.
    pub heard_ms: Option<i64>,
    /// The last tick.
    pub tick_ms: Option<i64>,
}

impl Passage {
    /// The broker said how late it is by its own clock.
    pub fn hear(&mut self, broker_ms: i64) {
        if let (Some(reached_ms), Some(heard_ms)) = (self.reached_ms, self.heard_ms) {
            let since_ms = broker_ms.saturating_sub(heard_ms).clamp(0, MOST_STEP_MS);
            self.reached_ms = Some(reached_ms.saturating_add(since_ms));
        }
        self.heard_ms = Some(broker_ms);
    }

    /// The time that would have passed if no record waited: the latest forwarded, or that of the silence since.
    pub fn free_ms(&mut self, standings: &[Standing]) -> Option<i64> {
        let latest_ms = standings.iter().filter_map(|standing| standing.progress_ms).max();
        if latest_ms > self.reached_ms {
            (self.reached_ms, self.heard_ms) = (latest_ms, None);
        }
        let silent_ms = self.reached_ms.map(|reached_ms| reached_ms.saturating_sub(LATENCY_MS));
        latest_ms.max(silent_ms.filter(|_| latest_ms.is_some()))
    }

    /// The next tick, if time has passed: the least progress of the partitions where records wait, or, where none
    /// waits, [`Self::free_ms`]. Nothing while a partition with waiting records was never forwarded.
    pub fn next_tick(&mut self, standings: &[Standing]) -> Option<i64> {
        let free_ms = self.free_ms(standings);
        let waiting = standings.iter().filter(|standing| standing.waits).map(|standing| standing.progress_ms);
        // None is less than any time: it holds everything back.
        let passed_ms = waiting.min().unwrap_or(free_ms);
        if passed_ms <= self.tick_ms {
            return None;
        }
        self.tick_ms = passed_ms;
        passed_ms
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use Step::{Busy, Hear, Quiet};

    const fn busy(progress_ms: Option<i64>) -> Standing {
        Standing { progress_ms, next_ms: None, next: Some(7), end: 9, waits: true, has_gap: false }
    }

    const fn quiet(progress_ms: Option<i64>) -> Standing {
        Standing { progress_ms, next_ms: None, next: Some(9), end: 9, waits: false, has_gap: false }
    }

    #[test]
    fn the_slowest_with_work_left_sets_the_time() {
        for (standings, expected) in [
            (vec![], None),
            (vec![quiet(None)], None),
            (vec![quiet(None), quiet(Some(5))], Some(5)),
            (vec![quiet(Some(3)), quiet(Some(5))], Some(5)),
            (vec![busy(Some(3)), quiet(Some(5))], Some(3)),
            (vec![busy(Some(9)), quiet(Some(5))], Some(9)),
            (vec![busy(Some(9)), busy(Some(7)), quiet(Some(1))], Some(7)),
            (vec![busy(None), busy(Some(7)), quiet(Some(9))], None),
        ] {
            assert_eq!(Passage::default().next_tick(&standings), expected, "{standings:?}");
        }
    }

    const DAY_MS: i64 = 86_400_000;

    /// What may happen to the one who writes the ticks.
    #[derive(Debug, Clone, Copy)]
    enum Step {
        /// The broker answers at that time of its clock.
        Hear(i64),
        /// All is forwarded up to that time; the tick expected.
        Quiet(i64, Option<i64>),
        /// Records wait behind that time; the tick expected.
        Busy(i64, Option<i64>),
    }

    fn check(what: &str, steps: &[Step]) {
        let mut passage = Passage::default();
        for (number, step) in steps.iter().enumerate() {
            let (standing, expected) = match step {
                Hear(broker_ms) => {
                    passage.hear(*broker_ms);
                    continue;
                }
                Quiet(progress_ms, expected) => (quiet(Some(*progress_ms)), expected),
                Busy(progress_ms, expected) => (busy(Some(*progress_ms)), expected),
            };
            assert_eq!(passage.next_tick(&[standing]), *expected, "{what}, step {number}");
        }
    }

    #[test]
    fn in_silence_the_brokers_time_goes_on() {
        let replay =
            [Quiet(1_000, Some(1_000)), Hear(DAY_MS), Quiet(1_000, None), Hear(DAY_MS + 4_000), Quiet(1_000, None)];
        check("it stays behind by a latency", &replay);
        let goes_on =
            [Hear(DAY_MS + 6_500), Quiet(1_000, Some(2_500)), Hear(DAY_MS + 7_500), Quiet(1_000, Some(3_500))];
        check("a replay goes on from its own time", &[&replay[..], &goes_on].concat());
        let silence = [Quiet(1_000, Some(1_000)), Hear(10), Hear(9_010), Quiet(1_000, Some(5_000))];
        let leads =
            [Quiet(20_000, Some(20_000)), Hear(10_010), Quiet(20_000, None), Hear(16_010), Quiet(0, Some(21_000))];
        check("a record that leads begins it anew", &[&silence[..], &leads].concat());
        let late = [Quiet(4_000, None), Hear(10_010), Quiet(4_000, Some(6_000))];
        check("one that comes late does not stop it", &[&silence[..], &late].concat());
        let waits = [Hear(10_010), Busy(1_000, None), Busy(5_500, Some(5_500)), Quiet(5_600, Some(6_000))];
        check("what waits holds it back, and it catches up", &[&silence[..], &waits].concat());
        check("without any record there is no time", &[Hear(10), Hear(9_000), Hear(20_000)]);
    }

    #[test]
    fn a_clock_that_jumps_does_little() {
        let ahead = [Quiet(0, Some(0)), Hear(10), Hear(DAY_MS), Quiet(0, Some(10_000)), Hear(DAY_MS + 1_000)];
        check("ahead: one step", &[&ahead[..], &[Quiet(0, Some(11_000))]].concat());
        let back = [Quiet(0, Some(0)), Hear(DAY_MS), Hear(DAY_MS + 6_000), Quiet(0, Some(1_000)), Hear(1_000)];
        check("back: nothing", &[&back[..], &[Quiet(0, None), Hear(2_000), Quiet(0, Some(2_000))]].concat());
    }

    #[test]
    fn whoever_takes_over_goes_on() {
        let mut before = Passage::default();
        before.next_tick(&[quiet(Some(1_000))]);
        before.hear(50_000);
        before.hear(58_000);
        assert_eq!(before.next_tick(&[quiet(Some(1_000))]), Some(4_000));
        let mut after = before;
        assert_eq!(after.next_tick(&[quiet(Some(1_000))]), None);
        after.hear(68_500);
        assert_eq!(after.next_tick(&[quiet(Some(1_000))]), Some(14_500), "the takeover's ten seconds count");
    }

    proptest! {
        /// Whatever happens: ticks rise, never above the least progress where records wait, nor above what the records
        /// and the broker's answers allow.
        #[test]
        fn ticks_rise_and_keep_below_what_waits(
            rounds in prop::collection::vec(
                (prop::collection::vec((prop::option::of(0_i64..100_000), any::<bool>()), 0..4), -50_000_i64..100_000),
                1..60,
            ),
        ) {
            let mut passage = Passage::default();
            let (mut last_ms, mut latest_ms, mut allowed_ms) = (None, None, 0);
            for (partitions, broker_ms) in rounds {
                let standings: Vec<Standing> = partitions
                    .iter()
                    .map(|(progress_ms, waits)| if *waits { busy(*progress_ms) } else { quiet(*progress_ms) })
                    .collect();
                latest_ms = latest_ms.max(partitions.iter().filter_map(|(progress_ms, _)| *progress_ms).max());
                if let Some(tick_ms) = passage.next_tick(&standings) {
                    prop_assert!(Some(tick_ms) > last_ms);
                    let waiting = standings.iter().filter(|standing| standing.waits);
                    for standing in waiting {
                        prop_assert!(Some(tick_ms) <= standing.progress_ms);
                    }
                    prop_assert!(Some(tick_ms) <= latest_ms.map(|latest_ms: i64| latest_ms + allowed_ms));
                    last_ms = Some(tick_ms);
                }
                prop_assert_eq!(passage.tick_ms, last_ms);
                passage.hear(broker_ms);
                allowed_ms += MOST_STEP_MS;
            }
        }
    }
}
