//! Warm standby: the state of partitions that others hold, read along, so that taking one over is short.
//!
//! A reader of its own ([`follower`]) follows the state topic's partitions that this process does not hold, one after
//! the other as long as there is room, those first that come next after its own ones. Whoever takes one over reads on
//! from where the follower stands, instead of the whole log; either way the last record of each key is what counts, and
//! comes out. It is a help and no more: what is in doubt is dropped, and the log is read.
//!
//! In doubt is whoever fell behind: of what is gone a compacted log says so for an hour (`delete.retention.ms`), and
//! who reads on later than that would keep it for ever. So it counts when everything was read that stood there at an
//! instant, and from one such instant to the next no more than ten minutes may pass. That a topic was made anew under
//! running members is noticed only where it is shorter than before; no other part of the role survives that either.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::ledger::StateRecords;
use crate::time_of_day;

pub mod follower;

/// Others' partitions are followed only once our own have been the same for so long: who comes and goes reads nothing
/// in vain.
const CALM: Duration = Duration::from_secs(3);

/// What was not known to be whole for so long is dropped.
const FRESH: Duration = Duration::from_mins(10);
/// So long the first reading may take.
const FIRST_READING: Duration = Duration::from_mins(30);

/// What a record takes in memory beside its key and value, bytes: about.
const OF_A_RECORD: usize = 100;

/// The state of a partition as its log says it up to some offset.
#[derive(Debug, Clone, Default)]
pub struct Followed {
    // Most records are read several times over; in their order they are put once.
    records: HashMap<Vec<u8>, Vec<u8>>,
    next_offset: Option<i64>,
    bytes: usize,
}

impl Followed {
    /// The offset behind the last record that was read; nothing if none was.
    #[must_use]
    pub const fn next_offset(&self) -> Option<i64> {
        self.next_offset
    }

    /// How many records are alive.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The log's next record; without a value its key is gone.
    pub fn add(&mut self, offset: i64, key: &[u8], value: Option<&[u8]>) {
        let size = |value: &[u8]| key.len() + value.len() + OF_A_RECORD;
        let before = match value {
            Some(value) => {
                self.bytes += size(value);
                self.records.insert(key.to_vec(), value.to_vec())
            }
            None => self.records.remove(key),
        };
        self.bytes -= before.map_or(0, |before| size(&before));
        self.next_offset = Some(offset + 1);
    }

    /// The last record of each key, in the order of the keys.
    #[must_use]
    pub fn into_records(self) -> StateRecords {
        self.records.into_iter().collect()
    }
}

/// A partition that is followed.
struct Along {
    state: Followed,
    /// Whether all that stood there was read once.
    is_ready: bool,
    /// When everything that stood there was read in the end; of one that is not ready, when it was begun.
    whole_at: Moment,
    /// An instant, and the end of the log then: once that is read, it was whole then.
    check: Option<(Moment, i64)>,
}

impl Along {
    fn begun() -> Self {
        Self { state: Followed::default(), is_ready: false, whole_at: Moment::now(), check: None }
    }

    /// Everything was read that stood there at an instant; whether it can still be gone on from.
    fn whole(&mut self, at: Moment) -> bool {
        let limit = if self.is_ready { FRESH } else { FIRST_READING };
        let is_fresh = self.whole_at.is_within(limit, &at);
        (self.whole_at, self.is_ready) = (at, true);
        is_fresh
    }
}

/// An instant by both clocks of the machine: one stands still while the machine does, the other may be set.
#[derive(Debug, Clone, Copy)]
struct Moment {
    at: Instant,
    time_of_day_ms: i64,
}

impl Moment {
    fn now() -> Self {
        Self { at: Instant::now(), time_of_day_ms: time_of_day::now_ms() }
    }

    /// Whether it lies less than `limit` before another one.
    fn is_within(&self, limit: Duration, now: &Self) -> bool {
        let by_date_ms = (now.time_of_day_ms - self.time_of_day_ms).unsigned_abs();
        now.at.duration_since(self.at) < limit && u128::from(by_date_ms) < limit.as_millis()
    }
}

/// What a process follows; its seats and its follower share it.
#[derive(Clone)]
pub struct Standby {
    kept: Arc<Mutex<Kept>>,
}

struct Kept {
    /// How much may be held in memory, bytes.
    room: usize,
    /// Partitions of our own, and since when they are these.
    own: BTreeSet<i32>,
    own_since: Instant,
    along: BTreeMap<i32, Along>,
    /// Others' partitions as they are wanted, and of these those for which there was no room.
    wanted: Vec<i32>,
    too_large: BTreeSet<i32>,
    /// How often one was gone on from.
    taken: u64,
}

impl Kept {
    fn bytes(&self) -> usize {
        self.along.values().map(|along| along.state.bytes).sum()
    }

    /// Drops what is wanted least until the rest has room.
    fn make_room(&mut self) {
        while self.bytes() > self.room {
            let last = self.wanted.iter().rev().find(|partition| self.along.contains_key(partition));
            let last = last.or_else(|| self.along.keys().next()).copied();
            let Some(last) = last else { return };
            self.along.remove(&last);
            self.too_large.insert(last);
            tracing::info!(partition = last, room = self.room, "no room to stand by for this partition's state");
        }
    }
}

/// What the follower is to read from now on.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    /// No longer these.
    leave: Vec<i32>,
    /// This one too, from its beginning.
    begin: Option<i32>,
}

impl Default for Standby {
    /// Follows nothing.
    fn default() -> Self {
        Self::with_room(0)
    }
}

impl Standby {
    /// Holds so many bytes of others' state.
    #[must_use]
    pub fn with_room(room: usize) -> Self {
        let kept = Kept {
            room,
            own: BTreeSet::new(),
            own_since: Instant::now(),
            along: BTreeMap::new(),
            wanted: Vec::new(),
            too_large: BTreeSet::new(),
            taken: 0,
        };
        Self { kept: Arc::new(Mutex::new(kept)) }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there is room for anything.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.kept().room > 0
    }

    /// These partitions are our own from now on. To be said before any of them is taken.
    pub fn own(&self, partitions: impl IntoIterator<Item = i32>) {
        let mut kept = self.kept();
        let own = partitions.into_iter().collect();
        if kept.own != own {
            kept.own = own;
            kept.own_since = Instant::now();
            kept.too_large.clear();
        }
    }

    /// What is known of a partition that is taken over, if it can be gone on from; it is followed no more.
    #[must_use]
    pub fn take(&self, partition: i32) -> Option<Followed> {
        let along = self.kept().along.remove(&partition)?;
        let is_usable = along.whole_at.is_within(FRESH, &Moment::now()) && along.state.next_offset.is_some();
        self.kept().taken += u64::from(is_usable);
        is_usable.then_some(along.state)
    }

    /// How many partitions are followed and were read up to their ends.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.kept().along.values().filter(|along| along.is_ready).count()
    }

    /// How often a partition's state was gone on from.
    #[must_use]
    pub fn taken(&self) -> u64 {
        self.kept().taken
    }

    /// What is to be read by one who reads `assigned`, of a topic with so many partitions: at most one more, once all
    /// others were read.
    fn choose(&self, partitions: i32, assigned: &BTreeSet<i32>) -> Change {
        let mut kept = self.kept();
        let is_over = |partition: &&i32| !kept.along.contains_key(partition);
        let leave: Vec<i32> = assigned.iter().filter(is_over).copied().collect();
        kept.wanted = likely(partitions, &kept.own);
        // Where there was no room for one, there is none for others.
        let may_begin = kept.own_since.elapsed() >= CALM
            && kept.too_large.is_empty()
            && kept.along.values().all(|along| along.is_ready);
        // What is still to be left is begun another time: its reader stands somewhere.
        let is_new = |partition: &&i32| !assigned.contains(partition) && !kept.along.contains_key(partition);
        let begin = kept.wanted.iter().find(is_new).copied().filter(|_| may_begin);
        if let Some(partition) = begin {
            kept.along.insert(partition, Along::begun());
        }
        Change { leave, begin }
    }

    /// Partitions of whose logs is to be asked how far they are written.
    fn unchecked(&self) -> Vec<i32> {
        let kept = self.kept();
        kept.along.iter().filter(|(_, along)| along.check.is_none()).map(|(partition, _)| *partition).collect()
    }

    /// At an instant a partition's log was written up to an offset.
    fn check(&self, partition: i32, at: Moment, end: i64) {
        if let Some(along) = self.kept().along.get_mut(&partition) {
            along.check = Some((at, end));
        }
    }

    /// The next record of a partition's log.
    fn add(&self, partition: i32, offset: i64, key: &[u8], value: Option<&[u8]>) {
        let mut kept = self.kept();
        let Some(along) = kept.along.get_mut(&partition) else { return };
        along.state.add(offset, key, value);
        let checked = along.check.take_if(|(_, end)| offset + 1 >= *end);
        if kept.bytes() > kept.room {
            kept.make_room();
        }
        drop(kept);
        if let Some((at, _)) = checked {
            self.whole(partition, at);
        }
    }

    /// The end of a partition's log was reached. In steady traffic that is never said: there is always more.
    fn at_end(&self, partition: i32) {
        self.whole(partition, Moment::now());
    }

    /// Everything of a partition was read that stood there at an instant; if that is too long after the last one, it
    /// begins anew.
    fn whole(&self, partition: i32, at: Moment) {
        let mut kept = self.kept();
        let Some(along) = kept.along.get_mut(&partition) else { return };
        let was_ready = along.is_ready;
        if along.whole(at) {
            if !was_ready {
                let (alive, bytes) = (along.state.len(), along.state.bytes);
                tracing::info!(partition, alive, bytes, "standing by for this partition");
            }
            return;
        }
        let dropped = kept.along.remove(&partition);
        drop(kept);
        tracing::info!(partition, "stood by too far behind: this partition is read anew");
        drop(dropped);
    }

    /// Forgets everything: the reader lost its place.
    fn forget(&self) {
        let dropped = std::mem::take(&mut self.kept().along);
        drop(dropped);
    }
}

/// The partitions that are not our own, the likely ones first: those that come next after our own.
fn likely(partitions: i32, own: &BTreeSet<i32>) -> Vec<i32> {
    let distance = |partition: i32| own.iter().map(|own| (partition - own).rem_euclid(partitions)).min().unwrap_or(0);
    let mut others: Vec<i32> = (0..partitions).filter(|partition| !own.contains(partition)).collect();
    others.sort_by_key(|partition| (distance(*partition), *partition));
    others
}

#[cfg(test)]
mod tests;
