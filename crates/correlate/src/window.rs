//! A building's window: its evidence by voice, each voice's pieces in the order of event time.
//!
//! A window has one writer, the region that owns it, so that nothing here is shared, locked or atomic. It belongs to
//! its building's incident and moves with it; rules look only at what is not yet forgotten.

use std::collections::HashMap;

use crate::evidence::{Evidence, Piece, Voice};

/// What one voice said.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) voice: Voice,
    /// By (event time, arrival); never empty.
    pub(crate) pieces: Vec<Piece>,
}

impl Series {
    /// The pieces with event times from `from_ms` to `to_ms`, both included.
    pub(crate) fn between(&self, from_ms: i64, to_ms: i64) -> &[Piece] {
        let first = self.pieces.partition_point(|piece| piece.at_ms < from_ms);
        let end = self.pieces.partition_point(|piece| piece.at_ms <= to_ms);
        &self.pieces[first..end.max(first)]
    }

    /// Earliest and latest event time.
    pub(crate) fn span_ms(&self) -> (i64, i64) {
        let [first, ..] = self.pieces.as_slice() else { unreachable!("a series without pieces is removed") };
        (first.at_ms, self.pieces[self.pieces.len() - 1].at_ms)
    }

    fn insert(&mut self, piece: Piece) {
        let place = self.pieces.partition_point(|earlier| earlier.at_ms <= piece.at_ms);
        self.pieces.insert(place, piece);
    }

    /// Folds the piece into one from less than `within_ms` before, if there is one and `is_apart` does not say that
    /// something lies between them.
    fn fold(&mut self, piece: &Piece, within_ms: i64, is_apart: impl Fn(i64, i64) -> bool) -> bool {
        let later = self.pieces.partition_point(|earlier| earlier.at_ms <= piece.at_ms);
        let Some(earlier) = self.pieces[..later].last_mut() else { return false };
        let folds = piece.at_ms - earlier.at_ms < within_ms && !is_apart(earlier.at_ms, piece.at_ms);
        earlier.repeats += usize::from(folds);
        folds
    }

    /// Folds what lies before `since_ms`, where no rule looks any more, into the first piece; what a confirmation
    /// counted stays.
    fn fold_forgotten(&mut self, since_ms: i64) {
        let forgotten = self.pieces.partition_point(|piece| piece.at_ms < since_ms);
        if forgotten > 2 {
            let mut folded = 0;
            let mut number = 0;
            self.pieces.retain(|piece| {
                number += 1;
                let stays = number == 1 || number > forgotten || piece.counted;
                folded += if stays { 0 } else { 1 + piece.repeats };
                stays
            });
            self.pieces[0].repeats += folded;
        }
    }
}

/// How evidence is kept when its building's window is full.
pub(crate) struct Folding<R: Fn(i64, i64) -> bool> {
    /// Pieces from which on a window is full.
    pub(crate) full_at: usize,
    /// Repeats within less than this are folded.
    pub(crate) within_ms: i64,
    /// Before this, rules do not look.
    pub(crate) since_ms: i64,
    /// Whether the voice's device restored between two event times.
    pub(crate) is_apart: R,
}

/// The evidence of one building.
#[derive(Debug, Default)]
pub(crate) struct Window {
    series: Vec<Series>,
    by_voice: HashMap<Voice, usize, foldhash::fast::RandomState>,
    pieces: usize,
}

impl Window {
    /// A window of what each voice said.
    pub(crate) fn of(series: Vec<Series>) -> Self {
        let mut window = Self { series, ..Self::default() };
        window.count_anew();
        window
    }

    /// What each voice said, in no order that matters.
    pub(crate) fn series(&self) -> &[Series] {
        &self.series
    }

    pub(crate) fn series_mut(&mut self) -> &mut [Series] {
        &mut self.series
    }

    /// How many pieces are stored.
    pub(crate) fn stored(&self) -> usize {
        self.pieces
    }

    /// Whether the voice has spoken.
    pub(crate) fn has(&self, voice: &Voice) -> bool {
        self.by_voice.contains_key(voice)
    }

    /// Adds evidence; in a full window a repeat is folded into the piece before it, if every rule then still sees the
    /// same. Whether it was folded.
    pub(crate) fn add(&mut self, evidence: Evidence, folding: &Folding<impl Fn(i64, i64) -> bool>) -> bool {
        let Evidence { voice, piece } = evidence;
        let Some(number) = self.by_voice.get(&voice) else {
            self.by_voice.insert(voice.clone(), self.series.len());
            self.series.push(Series { voice, pieces: vec![piece] });
            self.pieces += 1;
            return false;
        };
        let series = &mut self.series[*number];
        let before = series.pieces.len();
        let folded = self.pieces >= folding.full_at && {
            series.fold_forgotten(folding.since_ms);
            series.fold(&piece, folding.within_ms, &folding.is_apart)
        };
        if !folded {
            series.insert(piece);
        }
        self.pieces = self.pieces + series.pieces.len() - before;
        folded
    }

    /// Wipes the pieces for which `is_wiped` says so.
    pub(crate) fn wipe(&mut self, is_wiped: impl Fn(&Voice, &Piece) -> bool) {
        for series in &mut self.series {
            let Series { voice, pieces } = series;
            pieces.retain(|piece| !is_wiped(voice, piece));
        }
        self.series.retain(|series| !series.pieces.is_empty());
        self.count_anew();
    }

    fn count_anew(&mut self) {
        self.by_voice = self.series.iter().enumerate().map(|(number, series)| (series.voice.clone(), number)).collect();
        self.pieces = self.series.iter().map(|series| series.pieces.len()).sum();
    }
}
