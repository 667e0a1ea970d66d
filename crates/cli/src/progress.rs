//! How far a night is: a bar on standard error with event time and records per second, where that is a terminal.

use std::time::{Duration, Instant};

use fenghuo_city::Plan;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::locale::Locale;
use crate::phrases::{Phrase, grouped};

/// More often than this nobody can read it.
const EVERY: Duration = Duration::from_millis(100);

/// A bar over the night's event time.
pub struct Progress {
    bar: ProgressBar,
    start_ms: i64,
    started: Instant,
    shown: Instant,
}

impl Progress {
    /// A bar over the plan's night.
    pub fn over(plan: &Plan) -> Self {
        let length = u64::try_from(plan.end_ms() - plan.start_ms).unwrap_or(0);
        let style = ProgressStyle::with_template("{bar:30} {percent:>3} %  {msg}")
            .expect("the template is a constant that a test draws");
        let bar = ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::stderr()).with_style(style);
        Self::of(bar, plan.start_ms)
    }

    /// No bar.
    pub fn hidden() -> Self {
        Self::of(ProgressBar::hidden(), 0)
    }

    fn of(bar: ProgressBar, start_ms: i64) -> Self {
        let now = Instant::now();
        Self { bar, start_ms, started: now, shown: now }
    }

    /// The night has come to `until_ms` with so many records.
    pub fn at(&mut self, locale: &Locale, until_ms: i64, records: u64) {
        let now = Instant::now();
        if self.bar.is_hidden() || now.duration_since(self.shown) < EVERY {
            return;
        }
        self.shown = now;
        let elapsed_ms = u64::try_from(now.duration_since(self.started).as_millis()).unwrap_or(u64::MAX);
        let per_second = records.saturating_mul(1_000) / elapsed_ms.max(1);
        self.bar.set_position(u64::try_from(until_ms - self.start_ms).unwrap_or(0));
        self.bar.set_message(
            Phrase::Progress
                .fill(locale.language, &[&locale.date_and_time(until_ms), &grouped(records), &grouped(per_second)]),
        );
    }

    /// Does something to the terminal without the bar in its way.
    pub fn aside<T>(&self, act: impl FnOnce() -> T) -> T {
        self.bar.suspend(act)
    }

    /// Takes the bar away.
    pub fn end(&self) {
        self.bar.finish_and_clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_can_be_drawn() {
        let progress = Progress::over(&Plan::default());
        assert_eq!(progress.bar.length(), Some(12 * 3_600_000));
        assert_eq!(progress.aside(|| 7), 7);
        progress.end();
    }
}
