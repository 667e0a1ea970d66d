//! The evidence that an incident's decisions show: all of it by event time, or of much the earliest and the latest.
//!
//! Decisions about a large incident would otherwise sort thousands of pieces to show 64 of them, each time. So what the
//! last decision showed is kept, and what came since is put in its place. Where more came since than is shown, or
//! evidence went, the next decision looks at everything again: a decision then pays for the signals before it, each of
//! which only had to be noted.

use std::cmp::Ordering;

use fenghuo_model::decision::EvidenceEntry;
use fenghuo_model::shared::Shared;

use crate::evidence::{Piece, Voice};
use crate::incident::Member;

/// Of more evidence than twice this, the earliest and the latest so many are shown.
const AT_EITHER_END: usize = 32;

/// A piece that is shown.
#[derive(Debug)]
struct Item {
    arrival: u64,
    entry: Shared<EvidenceEntry>,
}

/// A piece that came since: where it stands.
#[derive(Debug, Clone, Copy)]
struct Fresh {
    member: usize,
    series: usize,
    at_ms: i64,
    arrival: u64,
}

/// What decisions show of an incident's evidence.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    items: Vec<Item>,
    /// How many pieces there are, `fresh` apart.
    stored: usize,
    fresh: Vec<Fresh>,
    /// Whether all is to be looked at again.
    is_stale: bool,
}

impl Shown {
    /// A piece was stored.
    pub(crate) fn note(&mut self, member: usize, series: usize, piece: (i64, u64)) {
        if self.is_stale {
            return;
        }
        let (at_ms, arrival) = piece;
        self.fresh.push(Fresh { member, series, at_ms, arrival });
        if self.fresh.len() > 2 * AT_EITHER_END {
            self.recall();
        }
    }

    /// What was shown holds no more.
    pub(crate) fn recall(&mut self) {
        self.is_stale = true;
        self.fresh.clear();
        self.items.clear();
    }

    /// Whether anything came since.
    pub(crate) fn is_up_to_date(&self) -> bool {
        !self.is_stale && self.fresh.is_empty()
    }

    /// Takes what another incident shows, both being up to date.
    pub(crate) fn absorb(&mut self, other: Self) {
        if !self.is_up_to_date() || !other.is_up_to_date() || other.stored > other.items.len() {
            self.recall();
            return;
        }
        other.items.into_iter().for_each(|item| self.insert(item));
    }

    /// Puts in what came since; `entry` says how a piece is shown.
    pub(crate) fn refresh(
        &mut self,
        members: &[Member],
        order: impl Fn((&Voice, &Piece), (&Voice, &Piece)) -> Ordering,
        entry: impl Fn(&Voice, &Piece) -> EvidenceEntry,
    ) {
        let item = |voice: &Voice, piece: &Piece| Item { arrival: piece.arrival, entry: entry(voice, piece).into() };
        if std::mem::take(&mut self.is_stale) {
            let mut pieces: Vec<(&Voice, &Piece)> = Vec::new();
            self.stored = 0;
            for series in members.iter().flat_map(|member| member.window.series()) {
                self.stored += series.pieces.len();
                let with_voice = |piece| (&series.voice, piece);
                if series.pieces.len() > 2 * AT_EITHER_END {
                    // None between can be shown.
                    pieces.extend(series.pieces[..AT_EITHER_END].iter().map(with_voice));
                    pieces.extend(series.pieces[series.pieces.len() - AT_EITHER_END..].iter().map(with_voice));
                } else {
                    pieces.extend(series.pieces.iter().map(with_voice));
                }
            }
            if pieces.len() > 2 * AT_EITHER_END {
                pieces.select_nth_unstable_by(AT_EITHER_END - 1, |one, other| order(*one, *other));
                let latest_from = pieces.len() - 2 * AT_EITHER_END;
                pieces[AT_EITHER_END..].select_nth_unstable_by(latest_from, |one, other| order(*one, *other));
                pieces.drain(AT_EITHER_END..AT_EITHER_END + latest_from);
            }
            pieces.sort_unstable_by(|one, other| order(*one, *other));
            self.items = pieces.into_iter().map(|(voice, piece)| item(voice, piece)).collect();
            return;
        }
        for Fresh { member, series, at_ms, arrival } in std::mem::take(&mut self.fresh) {
            let series = &members[member].window.series()[series];
            let found = series.between(at_ms, at_ms).iter().find(|piece| piece.arrival == arrival);
            let piece = found.expect("evidence that goes is recalled");
            self.insert(item(&series.voice, piece));
        }
    }

    fn insert(&mut self, item: Item) {
        let place = self.items.partition_point(|other| before(other, &item));
        self.stored += 1;
        if self.stored <= 2 * AT_EITHER_END {
            self.items.insert(place, item);
        } else if place != AT_EITHER_END {
            // The one that now stands between the earliest and the latest is shown no more.
            self.items.insert(place, item);
            self.items.remove(AT_EITHER_END);
        }
    }

    /// When the earliest happened.
    pub(crate) fn first_ms(&self) -> Option<i64> {
        self.items.first().map(|item| item.entry.at.0)
    }

    /// The entries in their order.
    pub(crate) fn entries(&self) -> Vec<Shared<EvidenceEntry>> {
        self.items.iter().map(|item| item.entry.clone()).collect()
    }
}

/// Whether a piece comes before another one: by event time, device, kind and arrival.
fn before(one: &Item, other: &Item) -> bool {
    let rest = |item: &Item| item.arrival;
    let (here, there) = (&one.entry, &other.entry);
    here.at
        .0
        .cmp(&there.at.0)
        .then_with(|| here.device.cmp(&there.device))
        .then_with(|| here.kind.word().cmp(there.kind.word()))
        .then_with(|| rest(one).cmp(&rest(other)))
        .is_lt()
}
