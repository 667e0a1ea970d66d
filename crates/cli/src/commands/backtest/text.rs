//! A backtest for people, in their language and time zone; values stand before the words.

use std::fmt::Display;

use super::quality::{ByName, Score, share};
use super::report::{Pair, Report, Seconds, Side, Told};
use crate::locale::Locale;
use crate::phrases::{Phrase, grouped};

/// Incidents of one kind that are listed before the rest is counted.
const LISTED: usize = 20;

/// The whole result, lines with their ends.
pub fn of(report: &Report, locale: &Locale) -> String {
    let page = Page { locale };
    let (old, new) = (&report.old, &report.new);
    let signals = grouped(report.signals);
    let rejected = grouped(report.rejected);
    let head = [&signals as &dyn Display, &rejected, &old.policy, &old.hash, &new.policy, &new.hash];
    let mut lines = vec![page.say(Phrase::BacktestHead, &head), String::new(), page.say(Phrase::BacktestTable, &[])];
    lines.extend(page.table(old, new));
    lines.push(String::new());
    lines.push(page.say(Phrase::BacktestDifferences, &[]));
    lines.extend(page.differences(report));
    if let (Some(old), Some(new)) = (&old.quality, &new.quality) {
        lines.extend([String::new(), page.say(Phrase::BacktestGroups, &[])]);
        lines.extend(groups(&old.premises, &new.premises));
        lines.push(String::new());
        lines.extend(groups(&old.villages, &new.villages));
    }
    lines.push(String::new());
    lines.join("\n")
}

struct Page<'l> {
    locale: &'l Locale,
}

impl Page<'_> {
    fn say(&self, phrase: Phrase, values: &[&dyn Display]) -> String {
        phrase.fill(self.locale.language, values)
    }

    /// A value by the old policy, by the new one, and what it is.
    fn row(&self, [old, new]: [&str; 2], phrase: Phrase, gaps: &[&dyn Display]) -> String {
        format!("{old:>16} {new:>16}  {}", self.say(phrase, gaps))
    }

    fn table(&self, old: &Side, new: &Side) -> Vec<String> {
        let count = |of: fn(&Side) -> u64, phrase| self.row([&grouped(of(old)), &grouped(of(new))], phrase, &[]);
        let time = |of: fn(&Seconds) -> f64, phrase| {
            let shown = |side: &Side| {
                side.time_to_confirm_s.as_ref().map_or_else(|| "-".to_owned(), |times| format!("{:.1} s", of(times)))
            };
            self.row([&shown(old), &shown(new)], phrase, &[])
        };
        let mut rows = vec![
            count(|side| side.incidents, Phrase::BacktestOpened),
            count(|side| side.verify, Phrase::BacktestVerify),
            count(|side| side.escalated, Phrase::BacktestEscalated),
            count(|side| side.confirmed as u64, Phrase::BacktestConfirmed),
            time(|times| times.median, Phrase::BacktestMedian),
            time(|times| times.p90, Phrase::BacktestP90),
            time(|times| times.max, Phrase::BacktestMax),
        ];
        if let (Some(old), Some(new)) = (&old.quality, &new.quality) {
            rows.extend(self.quality(&old.total, &new.total));
        }
        rows
    }

    fn quality(&self, old: &Score, new: &Score) -> [String; 3] {
        let row = |part: fn(&Score) -> (u32, u32), phrase| {
            self.row([&of_whole(part(old)), &of_whole(part(new))], phrase, &[&part(old).1])
        };
        [
            row(|score| (score.fires_confirmed, score.fires), Phrase::BacktestFires),
            row(|score| (score.fires_of_two_rooms_confirmed, score.fires_of_two_rooms), Phrase::BacktestTwoRooms),
            row(|score| (score.real, score.confirmations), Phrase::BacktestReal),
        ]
    }

    fn differences(&self, report: &Report) -> Vec<String> {
        let found = &report.differences;
        let mut lines = Vec::new();
        for (phrase, list) in [(Phrase::BacktestGained, &found.gained), (Phrase::BacktestLost, &found.lost)] {
            lines.push(self.count(list.len(), phrase));
            self.list(list, &mut lines, |told| self.told(told));
        }
        for (phrase, list) in [
            (Phrase::BacktestEarlier, &found.earlier),
            (Phrase::BacktestLater, &found.later),
            (Phrase::BacktestJoined, &found.joined),
            (Phrase::BacktestSplit, &found.split),
        ] {
            lines.push(self.count(list.len(), phrase));
            self.list(list, &mut lines, |pair| self.pair(pair));
        }
        lines.push(self.count(found.unchanged, Phrase::BacktestUnchanged));
        lines
    }

    fn count(&self, count: usize, phrase: Phrase) -> String {
        format!("{:>16}  {}", grouped(count as u64), self.say(phrase, &[]))
    }

    fn list<T>(&self, list: &[T], lines: &mut Vec<String>, line: impl Fn(&T) -> String) {
        lines.extend(list.iter().take(LISTED).map(|each| format!("                    {}", line(each))));
        let more = list.len().saturating_sub(LISTED);
        if more > 0 {
            lines.push(format!("                    {}", self.say(Phrase::BacktestMore, &[&grouped(more as u64)])));
        }
    }

    fn told(&self, told: &Told) -> String {
        let real = match told.real {
            None => String::new(),
            Some(true) => format!("  {}", self.say(Phrase::BacktestWasReal, &[])),
            Some(false) => format!("  {}", self.say(Phrase::BacktestWasFalse, &[])),
        };
        let Told { incident, place, premises, village, rule, .. } = told;
        let at = self.locale.date_and_time(told.confirmed_at.0);
        format!("{at}  {place}  {premises}  {village}  {rule}  {incident}{real}")
    }

    fn pair(&self, pair: &Pair) -> String {
        let apart_ms = pair.new.confirmed_at.0 - pair.old.confirmed_at.0;
        let (sign, apart_ms) = (if apart_ms < 0 { '-' } else { '+' }, apart_ms.unsigned_abs());
        let line = format!("{sign}{}.{:03} s  {}", apart_ms / 1_000, apart_ms % 1_000, self.told(&pair.new));
        if pair.old.incident == pair.new.incident { line } else { format!("{line} (<- {})", pair.old.incident) }
    }
}

/// `38 (95.0 %)`; without a share where there is nothing to share.
fn of_whole((part, whole): (u32, u32)) -> String {
    let count = grouped(part.into());
    match share(part, whole) {
        Some(share) => format!("{count} ({:.1} %)", share * 100.0),
        None => count,
    }
}

/// A line for each name that either side has.
fn groups(old: &ByName<Score>, new: &ByName<Score>) -> Vec<String> {
    let mut names: Vec<&String> = old.keys().chain(new.keys()).collect();
    names.sort_unstable();
    names.dedup();
    let line = |name: &String| {
        let [old, new] = [old, new].map(|scores| scores.get(name).copied().unwrap_or_default());
        let real = |score: &Score| format!("{}/{}", score.real, score.confirmations);
        let (confirmed_old, confirmed_new) = (old.fires_confirmed, new.fires_confirmed);
        let fires = format!("{:>8} {confirmed_old:>7} {confirmed_new:>7}", old.fires.max(new.fires));
        format!("{fires} {:>11} {:>11}  {name}", real(&old), real(&new))
    };
    names.into_iter().map(line).collect()
}
