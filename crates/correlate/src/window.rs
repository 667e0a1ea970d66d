//! A building's window: its evidence by voice, each voice's pieces in the order of event time.
//!
//! A window has one writer, the region that owns it, so that nothing here is shared, locked or atomic. It belongs to
//! its building's incident and moves with it; rules look only at what is not yet forgotten.

use std::hash::BuildHasher;

use fenghuo_model::registry::Registry;
use hashbrown::HashTable;
use smallvec::{SmallVec, smallvec};

use crate::evidence::{Heard, Piece, Voice};
use crate::shows::Shows;

/// The times that a voice spoke; most speak once or twice, which stands in place.
pub(crate) type Pieces = SmallVec<[Piece; 2]>;

/// What one voice said.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) voice: Voice,
    /// By (event time, arrival); never empty.
    pub(crate) pieces: Pieces,
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
        // Nearly always it is the latest.
        let is_latest = self.pieces.last().is_none_or(|last| last.at_ms <= piece.at_ms);
        let place = if is_latest {
            self.pieces.len()
        } else {
            self.pieces.partition_point(|earlier| earlier.at_ms <= piece.at_ms)
        };
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

/// What became of evidence in a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Added {
    /// The number of its voice's series.
    pub(crate) series: usize,
    /// Whether it was folded into the piece before it rather than stored.
    pub(crate) folded: bool,
    /// Whether older pieces were folded to make room.
    pub(crate) dropped: bool,
}

/// Up to so many voices are looked through one by one.
const FEW_VOICES: usize = 8;

/// The evidence of one building.
#[derive(Debug, Default)]
pub(crate) struct Window {
    series: Vec<Series>,
    /// The numbers of the series by a hash of their voices, as soon as they are more than a few.
    by_voice: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    pieces: usize,
    shows: Shows,
    /// The first of the policy's rules (a bit each) that its voices cannot fulfil whenever they speak; nothing until
    /// that is reckoned for the voices that there are.
    pub(crate) hopeless: Option<u64>,
}

impl Window {
    /// A window of what each voice said.
    pub(crate) fn of(series: Vec<Series>, registry: &Registry) -> Self {
        let mut window = Self { series, ..Self::default() };
        window.count_anew(registry);
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

    /// What it shows.
    pub(crate) fn shows(&self) -> &Shows {
        &self.shows
    }

    /// The number of a voice's series, if it has spoken.
    pub(crate) fn find(&self, heard: &Heard<'_>) -> Option<usize> {
        if self.series.len() <= FEW_VOICES {
            return self.series.iter().position(|series| heard.is(&series.voice));
        }
        let is_it = |number: &u32| heard.is(&self.series[*number as usize].voice);
        self.by_voice.find(self.hasher.hash_one(heard), is_it).map(|number| *number as usize)
    }

    /// Adds a voice that has not spoken with its first piece; whether it shows a new location ([`Shows::take`]).
    pub(crate) fn begin(&mut self, voice: Voice, piece: Piece, registry: &Registry) -> bool {
        let shows_location = self.shows.take(&voice, &self.series, registry);
        self.series.push(Series { voice, pieces: smallvec![piece] });
        self.pieces += 1;
        self.hopeless = None;
        match self.series.len() {
            count if count == FEW_VOICES + 1 => self.index(),
            count if count > FEW_VOICES => self.index_series(count - 1),
            _ => {}
        }
        shows_location
    }

    /// Adds a piece of a voice that has spoken; in a full window a repeat is folded into the piece before it, if every
    /// rule then still sees the same.
    pub(crate) fn go_on(&mut self, number: usize, piece: Piece, folding: &Folding<impl Fn(i64, i64) -> bool>) -> Added {
        let series = &mut self.series[number];
        let before = series.pieces.len();
        let is_full = self.pieces >= folding.full_at;
        if is_full {
            series.fold_forgotten(folding.since_ms);
        }
        let dropped = series.pieces.len() < before;
        let folded = is_full && series.fold(&piece, folding.within_ms, &folding.is_apart);
        if !folded {
            series.insert(piece);
        }
        self.pieces = self.pieces + series.pieces.len() - before;
        Added { series: number, folded, dropped }
    }

    /// Wipes the pieces for which `is_wiped` says so.
    pub(crate) fn wipe(&mut self, is_wiped: impl Fn(&Voice, &Piece) -> bool, registry: &Registry) {
        for series in &mut self.series {
            let Series { voice, pieces } = series;
            pieces.retain(|piece| !is_wiped(voice, piece));
        }
        self.series.retain(|series| !series.pieces.is_empty());
        self.count_anew(registry);
    }

    fn count_anew(&mut self, registry: &Registry) {
        self.pieces = self.series.iter().map(|series| series.pieces.len()).sum();
        self.shows = Shows::of(&self.series, registry);
        self.hopeless = None;
        self.index();
    }

    fn index(&mut self) {
        self.by_voice.clear();
        if self.series.len() > FEW_VOICES {
            (0..self.series.len()).for_each(|number| self.index_series(number));
        }
    }

    fn index_series(&mut self, number: usize) {
        let Self { series, by_voice, hasher, .. } = self;
        let hash = |number: usize| hasher.hash_one(Heard::of(&series[number].voice));
        let stored = u32::try_from(number).expect("voices of a building are counted in 32 bits");
        by_voice.insert_unique(hash(number), stored, |other| hash(*other as usize));
    }
}
