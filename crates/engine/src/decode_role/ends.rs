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
//! long as the device comes under the same one. And it holds within one assignment: what was held back before it is not
//! known. Of a restore that loses no fire: evidence that it would have ended lives on, at most for its window. Of an
//! isolate_restore it may: whoever isolates a device by another partition isolates it until the next end that is
//! forwarded. So those are held back only where the configuration says that nobody does (`forward = "news"`).

use fenghuo_model::{Kind, Policy, Signal};

use super::changes::{AGAIN_AFTER_MS, Origin};

/// So many times that were held back are remembered of each: who says it every half minute has six within reach.
const MOST_HELD: usize = 8;

/// Where no time is remembered.
const EMPTY: i32 = i32::MIN;
/// Earlier than every time.
const NONE: i64 = i64::MIN;

/// Whether a signal is a plain end: it says only that its device is well.
#[must_use]
pub fn is_plain(signal: &Signal) -> bool {
    let Signal { id, building, location, until_ms, by, text, test, .. } = signal;
    let is_bare = id.is_none() && building.is_none() && location.is_none() && until_ms.is_none() && by.is_none();
    // A larger one may not be taken at all.
    let is_short = text.as_ref().is_none_or(|text| text.len() < 10_000);
    matches!(signal.kind, Kind::Restore | Kind::IsolateRestore) && is_bare && is_short && !test
}

/// Whether a signal is one to which ends may matter.
#[must_use]
pub fn may_matter_to(signal: &Signal) -> bool {
    let begins = matches!(signal.kind, Kind::Fire | Kind::Prealarm | Kind::Confirm | Kind::Isolate);
    begins && !signal.test
}

/// Where an end comes from, and when it was.
#[derive(Debug, Clone, Copy)]
pub struct Said {
    /// A hash of its record's key.
    pub key: u64,
    /// The time of its record, Unix milliseconds.
    pub record_ms: i64,
    /// Its event time.
    pub at_ms: i64,
}

/// The ends of one device and kind.
#[derive(Debug, Clone, Copy)]
pub struct End {
    /// The records' key.
    key: u64,
    /// When one was last forwarded, by its record's time.
    forwarded_ms: i64,
    /// The latest event time that was forwarded; [`NONE`] if none was.
    base_ms: i64,
    /// The latest event time of anything that it may end.
    begun_ms: i64,
    /// The event times of what was held back, milliseconds after `base_ms`; [`EMPTY`] where there is none.
    held: [i32; MOST_HELD],
}

impl Default for End {
    fn default() -> Self {
        Self { key: 0, forwarded_ms: 0, base_ms: NONE, begun_ms: NONE, held: [EMPTY; MOST_HELD] }
    }
}

impl End {
    /// Forwards one, or, if it may be held back and can be, remembers it; whether it is forwarded.
    pub fn admit(&mut self, said: Said, origin: Origin<'_>, policy: &Policy, may_hold: bool) -> bool {
        if self.base_ms == NONE {
            // A time of receipt may be ahead of the record's, and the device's of that. What is read again after a
            // restart is dropped downstream: it settles nothing, and lies so far behind at most.
            let slack_ms = 2 * policy.clock.max_ahead_ms + policy.clock.max_behind_ms;
            let begun_ms = origin.latest_ms.max(said.record_ms).saturating_add(slack_ms).max(self.begun_ms);
            *self = Self { base_ms: said.at_ms, begun_ms, ..Self::default() };
        } else if may_hold && self.can_hold(said, origin, policy) {
            self.hold(said.at_ms);
            return false;
        }
        if said.at_ms >= self.base_ms {
            (self.key, self.forwarded_ms) = (said.key, said.record_ms);
            self.forward(said.at_ms);
        }
        true
    }

    /// Whether one changes nothing, and can be remembered.
    pub fn can_hold(&self, said: Said, origin: Origin<'_>, policy: &Policy) -> bool {
        let is_recent = (said.record_ms - self.forwarded_ms).abs() < AGAIN_AFTER_MS;
        // Records may change places, by so much at most as clocks may be ahead.
        let reached_ms = origin.latest_ms.max(said.record_ms) - origin.behind_ms - policy.clock.max_ahead_ms;
        self.base_ms != NONE && self.key == said.key && is_recent && self.is_settled(said.at_ms) && {
            // The earliest gives way if it and the one after it are out of reach: then the last that is stays, which
            // evidence of that time may ask for.
            let is_out = |after: i32| after == EMPTY || self.base_ms + i64::from(after) < reached_ms;
            let out = self.held.iter().filter(|after| is_out(**after)).count();
            let has_room = self.held.contains(&EMPTY) || out > 1;
            let after = i32::try_from(said.at_ms - self.base_ms);
            after.is_ok_and(|after| self.is_held(after) || has_room)
        }
    }

    /// Whether an end of that time changes nothing.
    const fn is_settled(&self, at_ms: i64) -> bool {
        self.base_ms > self.begun_ms && at_ms >= self.base_ms
    }

    fn is_held(&self, after: i32) -> bool {
        after == 0 || self.held.contains(&after)
    }

    /// Remembers a time that can be, in the place of the earliest.
    pub fn hold(&mut self, at_ms: i64) {
        let after = i32::try_from(at_ms - self.base_ms).expect("it was found to be near");
        if !self.is_held(after) {
            *self.held.iter_mut().min().expect("there is room for some") = after;
        }
    }

    /// Something of that time is about to be forwarded that it may end.
    pub fn begin(&mut self, at_ms: i64) {
        self.begun_ms = self.begun_ms.max(at_ms);
    }

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

    /// Forgets that something of that time was held back.
    pub fn drop_held(&mut self, at_ms: i64) {
        let after = at_ms.saturating_sub(self.base_ms);
        self.held.iter_mut().filter(|held| i64::from(**held) == after).for_each(|held| *held = EMPTY);
    }

    /// Takes a time out of those held; it is forwarded.
    fn release(&mut self, at_ms: i64) -> i64 {
        self.drop_held(at_ms);
        self.forward(at_ms);
        at_ms
    }

    /// The earliest end that was held back after `at_ms`, if none that was forwarded lies between.
    pub fn release_after(&mut self, at_ms: i64) -> Option<i64> {
        let next_ms = self.held().filter(|held_ms| *held_ms > at_ms).min()?;
        let is_known = self.base_ms > at_ms && self.base_ms <= next_ms;
        (!is_known).then(|| self.release(next_ms))
    }

    /// The latest end that was held back and is no later than `at_ms`, if none that was forwarded lies between.
    pub fn release_before(&mut self, at_ms: i64) -> Option<i64> {
        let last_ms = self.held().filter(|held_ms| *held_ms <= at_ms).max()?;
        let is_known = self.base_ms >= last_ms && self.base_ms <= at_ms;
        (!is_known).then(|| self.release(last_ms))
    }
}

/// When a signal happened, as the correlator takes it.
pub fn event_time(signal: &Signal, policy: &Policy) -> Option<i64> {
    let Some(received_at_ms) = signal.received_at_ms else { return signal.at_ms };
    Some(signal.at_ms.filter(|at_ms| policy.trusts(*at_ms, received_at_ms)).unwrap_or(received_at_ms))
}

/// An end of that time, as if it came with what it matters to: a time of receipt that was reached already, and beside
/// which its own is believed.
pub fn released(device: &str, kind: Kind, at_ms: i64, with_ms: Option<i64>, policy: &Policy) -> Signal {
    let mut signal = Signal::new(device, kind);
    signal.at_ms = Some(at_ms);
    signal.received_at_ms = with_ms.map(|with_ms| with_ms.min(at_ms).max(at_ms - policy.clock.max_ahead_ms));
    signal
}
