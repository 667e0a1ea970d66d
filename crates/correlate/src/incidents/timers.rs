//! Timers in the order in which they fire.
//!
//! Every piece of evidence moves its incident's end, and every merger ends an incident whose timers run. So what moved
//! to later or was called off stays in the heap as it was queued, and is looked at again when its turn comes: each open
//! incident has at most one entry of each kind that counts, due no later than the timer that it stands for. The heap
//! is swept when most of it counts no more.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Slot;
use crate::incident::IncidentId;

/// What fires; in the order in which timers of one incident due at the same time fire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Alarm {
    Close,
    Verify,
    Escalate,
    Update,
}

/// A timer; ordered as timers fire: by due time, incident, and `closed` first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timer {
    pub(crate) due_ms: i64,
    pub(crate) incident: IncidentId,
    pub(crate) alarm: Alarm,
    /// See [`crate::incident::Incident::opened`]; the slot after it never decides, so that a restored list fires in
    /// the same order.
    pub(crate) opened: u64,
    pub(crate) slot: Slot,
}

/// What an entry of the heap is worth when it is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Worth {
    /// It fires when it is due.
    Due,
    /// What it stands for is due later; it is to be queued again.
    Later(i64),
    /// Nothing any more.
    Nothing,
}

/// The queue of a region's timers.
#[derive(Debug, Default)]
pub(super) struct Timers {
    queue: BinaryHeap<Reverse<Timer>>,
}

impl Timers {
    pub(super) fn push(&mut self, timer: Timer) {
        self.queue.push(Reverse(timer));
    }

    /// The first entry if it is queued for a time up to `clock_ms`.
    pub(super) fn first_by(&self, clock_ms: i64) -> Option<Timer> {
        self.queue.peek().map(|Reverse(timer)| *timer).filter(|timer| timer.due_ms <= clock_ms)
    }

    /// Takes the first entry out.
    pub(super) fn pop(&mut self) {
        self.queue.pop();
    }

    /// Sweeps out what counts no more if there can be much of it: more than twice what open incidents can have.
    pub(super) fn sweep(&mut self, open_incidents: usize, counts: impl Fn(&Timer) -> bool) {
        if self.queue.len() > 1_024 + 8 * open_incidents {
            self.queue.retain(|Reverse(timer)| counts(timer));
        }
    }
}
