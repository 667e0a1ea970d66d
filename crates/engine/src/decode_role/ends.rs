//! Ends of alarms and of isolations that are only said again: held back, and said after all where one comes to matter.
//!
//! A gateway that is asked how its detectors are says of each that it is well: a restore and an isolate_restore, all
//! day. One that repeats what was forwarded changes no decision, unless there is something that it ends:
//!
//! - a restore matters to evidence of its device of an earlier time, and only if no restore between them is known: it
//!   is held back if one of no later time was forwarded, and of a later time than all evidence;
//! - an isolate_restore in the same way to isolations of earlier times.
//!
//! Evidence and isolations may arrive late, of an earlier time than what was held back. So the times that were held
//! back are remembered, [`MOST_HELD`] of each device and kind, and what came to matter is released, before what it
//! matters to: of the restores the earliest after late evidence, of the isolate_restores the earliest after a late
//! isolation. And since an isolation may have come by another raw partition, say from people, with evidence comes the
//! latest isolate_restore before it. Where no more can be remembered, nothing more is held back.
//!
//! What went before the assignment, or before a device was first remembered, is not known: as if something had begun as
//! late as any record before can say.
//!
//! All this holds for a device whose evidence comes by the raw partition by which it says that it is well. So it is
//! asked of records with a key, which names the device or its gateway and so keeps it in one partition, and only as
//! long as the device comes under the same one.

use std::hash::BuildHasher;

use fenghuo_model::{Kind, Policy, Registry, Signal};
use hashbrown::HashTable;

use super::changes::{AGAIN_AFTER_MS, Origin};

/// How many devices and kinds a raw partition remembers; the ends of any more are forwarded.
const MOST_KNOWN: usize = 1_000_000;

/// So many times that were held back are remembered of each: who says it every half minute has ten within reach.
const MOST_HELD: usize = 12;

/// What was said of one device and kind.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// Device and kind; a hash of 64 bits, as in [`super::changes`].
    whose: u64,
    /// The records' key.
    key: u64,
    /// When it was last forwarded, by its record's time.
    forwarded_ms: i64,
    /// The latest event time that was forwarded.
    base_ms: i64,
    /// The latest event time of anything that it may end.
    begun_ms: i64,
    /// The event times of what was held back, milliseconds after `base_ms`; [`EMPTY`] where there is none.
    held: [i32; MOST_HELD],
}

const EMPTY: i32 = i32::MIN;

impl Known {
    /// The event times that were held back.
    fn held(&self) -> impl Iterator<Item = i64> {
        self.held.iter().filter(|after| **after != EMPTY).map(|after| self.base_ms + i64::from(*after))
    }

    /// The latest that was forwarded is now of that time, unless it is of a later one.
    fn forward(&mut self, at_ms: i64) {
        let later_ms = at_ms.saturating_sub(self.base_ms).max(0);
        for after in self.held.iter_mut().filter(|after| **after != EMPTY) {
            // What lies weeks back is out of reach.
            *after = i32::try_from(i64::from(*after).saturating_sub(later_ms)).unwrap_or(EMPTY);
        }
        self.base_ms += later_ms;
    }

    /// Whether an end of that time changes nothing.
    const fn is_settled(&self, at_ms: i64) -> bool {
        self.base_ms > self.begun_ms && at_ms >= self.base_ms
    }

    /// Remembers a time, in the place of one before which nothing can come any more; whether there was room.
    fn hold(&mut self, at_ms: i64, reached_ms: i64) -> bool {
        let Ok(after) = i32::try_from(at_ms - self.base_ms) else { return false };
        if after == 0 || self.held.contains(&after) {
            return true;
        }
        let base_ms = self.base_ms;
        let oldest = self.held.iter_mut().min().expect("there is room for some");
        let has_room = *oldest == EMPTY || base_ms + i64::from(*oldest) < reached_ms;
        if has_room {
            *oldest = after;
        }
        has_room
    }

    /// Forgets that something of that time was held back.
    fn drop_held(&mut self, at_ms: i64) {
        let after = at_ms - self.base_ms;
        self.held.iter_mut().filter(|held| i64::from(**held) == after).for_each(|held| *held = EMPTY);
    }

    /// Takes a time out of those held; it is forwarded.
    fn release(&mut self, at_ms: i64) -> i64 {
        self.drop_held(at_ms);
        self.forward(at_ms);
        at_ms
    }

    /// The earliest end that was held back after `at_ms`, if none that was forwarded lies between.
    fn release_after(&mut self, at_ms: i64) -> Option<i64> {
        let next_ms = self.held().filter(|held_ms| *held_ms > at_ms).min()?;
        let is_known = self.base_ms > at_ms && self.base_ms <= next_ms;
        (!is_known).then(|| self.release(next_ms))
    }

    /// The latest end that was held back and is no later than `at_ms`, if none that was forwarded lies between.
    fn release_before(&mut self, at_ms: i64) -> Option<i64> {
        let last_ms = self.held().filter(|held_ms| *held_ms <= at_ms).max()?;
        let is_known = self.base_ms >= last_ms && self.base_ms <= at_ms;
        (!is_known).then(|| self.release(last_ms))
    }
}

/// What one raw partition said of ends.
#[derive(Debug, Default)]
pub struct Ends {
    known: HashTable<Known>,
    hasher: foldhash::quality::RandomState,
}

impl Ends {
    /// Whether a signal is a plain end: it says only that its device is well.
    #[must_use]
    pub fn is_plain(signal: &Signal) -> bool {
        let Signal { id, building, location, until_ms, by, test, .. } = signal;
        let is_bare = id.is_none() && building.is_none() && location.is_none() && until_ms.is_none() && by.is_none();
        matches!(signal.kind, Kind::Restore | Kind::IsolateRestore) && is_bare && !test
    }

    /// Whether a signal is one to which ends may matter.
    #[must_use]
    pub fn may_matter_to(signal: &Signal) -> bool {
        let begins = matches!(signal.kind, Kind::Fire | Kind::Prealarm | Kind::Confirm | Kind::Isolate);
        begins && !signal.test
    }

    /// Whether a plain end is to be forwarded, given where it comes from; if so, it counts as forwarded.
    /// `may_hold`: whether it may be held back at all.
    pub fn admit(&mut self, signal: &Signal, origin: Origin<'_>, policy: &Policy, may_hold: bool) -> bool {
        let at_ms = event_time(signal, policy);
        let (Some(key), Some(record_ms), Some(at_ms)) = (origin.key, origin.record_ms, at_ms) else { return true };
        let key = self.hasher.hash_one(key);
        let whose = self.hasher.hash_one((&signal.device, signal.kind));
        let Some(known) = self.known.find_mut(whose, |known| known.whose == whose) else {
            if self.known.len() < MOST_KNOWN {
                // A time of receipt may be ahead of the record's, and the device's of that.
                let begun_ms = origin.latest_ms.max(record_ms) + 2 * policy.clock.max_ahead_ms;
                let held = [EMPTY; MOST_HELD];
                let known = Known { whose, key, forwarded_ms: record_ms, base_ms: at_ms, begun_ms, held };
                self.known.insert_unique(whose, known, |known| known.whose);
            }
            return true;
        };
        let is_recent = (record_ms - known.forwarded_ms).abs() < AGAIN_AFTER_MS;
        // A time of receipt may lie behind the record's, and the device's behind that; records may change places.
        let reached_ms = origin.latest_ms.max(record_ms) - 2 * policy.clock.max_behind_ms - policy.clock.max_ahead_ms;
        if may_hold && known.key == key && is_recent && known.is_settled(at_ms) && known.hold(at_ms, reached_ms) {
            return false;
        }
        if at_ms >= known.base_ms {
            (known.key, known.forwarded_ms) = (key, record_ms);
            known.forward(at_ms);
        }
        true
    }

    /// Takes in evidence or an isolation that is about to be forwarded; appends the ends that must be before it.
    pub fn begin(&mut self, signal: &Signal, policy: &Policy, registry: &Registry, out: &mut Vec<Signal>) {
        let Some(at_ms) = event_time(signal, policy).filter(|_| !self.known.is_empty()) else { return };
        // What one says under its address, another may say under its id.
        let device = registry.device_by_name(&signal.device).map(|device| registry.device(device));
        let others = device.iter().flat_map(|device| [Some(device.id), device.address]).flatten();
        let names = [&*signal.device].into_iter().chain(others.filter(|name| *name != signal.device));
        for name in names {
            let mut release = |kind, at: Option<i64>| {
                out.extend(at.map(|at_ms| released(name, kind, at_ms, signal.received_at_ms, policy)));
            };
            if signal.kind == Kind::Isolate {
                let Some(known) = self.of(name, Kind::IsolateRestore) else { continue };
                // One of the same time that came before is over.
                known.drop_held(at_ms);
                release(Kind::IsolateRestore, known.release_after(at_ms));
                known.begun_ms = known.begun_ms.max(at_ms);
                continue;
            }
            release(
                Kind::IsolateRestore,
                self.of(name, Kind::IsolateRestore).and_then(|known| known.release_before(at_ms)),
            );
            if let Some(known) = self.of(name, Kind::Restore) {
                release(Kind::Restore, known.release_after(at_ms));
                known.begun_ms = known.begun_ms.max(at_ms);
            }
        }
    }

    fn of(&mut self, device: &str, kind: Kind) -> Option<&mut Known> {
        let whose = self.hasher.hash_one((device, kind));
        self.known.find_mut(whose, |known| known.whose == whose)
    }
}

/// When a signal happened, as the correlator takes it.
fn event_time(signal: &Signal, policy: &Policy) -> Option<i64> {
    let Some(received_at_ms) = signal.received_at_ms else { return signal.at_ms };
    Some(signal.at_ms.filter(|at_ms| policy.trusts(*at_ms, received_at_ms)).unwrap_or(received_at_ms))
}

/// An end of that time, as if it came with what it matters to: a time of receipt that was reached already, and beside
/// which its own is believed.
fn released(device: &str, kind: Kind, at_ms: i64, with_ms: Option<i64>, policy: &Policy) -> Signal {
    let mut signal = Signal::new(device, kind);
    signal.at_ms = Some(at_ms);
    signal.received_at_ms = with_ms.map(|with_ms| with_ms.min(at_ms).max(at_ms - policy.clock.max_ahead_ms));
    signal
}
