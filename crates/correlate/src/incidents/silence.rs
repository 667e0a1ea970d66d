//! Which suspected incident was silent for the longest: asked only where there are more open incidents than may be.
//!
//! So nothing is kept until it is first asked. From then on it is a heap as that of the timers: who spoke again stands
//! in it as before, and is looked at when its turn comes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Slot, Timer};
use crate::incident::{Incident, IncidentId};

/// In the order in which they would close.
type Entry = (i64, IncidentId, u64, Slot);

/// The suspected incidents by when they close, once somebody has asked.
#[derive(Debug, Default)]
pub(super) struct Silence {
    queue: Option<BinaryHeap<Reverse<Entry>>>,
}

impl Silence {
    /// A suspected incident has opened, or closes earlier than it would have.
    pub(super) fn note(&mut self, timer: &Timer) {
        if let Some(queue) = &mut self.queue {
            queue.push(Reverse((timer.due_ms, timer.incident, timer.opened, timer.slot)));
        }
    }

    /// The suspected incident that closes first.
    pub(super) fn longest(&mut self, slots: &[Option<Incident>]) -> Option<Slot> {
        let entry = |slot: Slot| {
            let incident = slots[slot as usize].as_ref().filter(|incident| !incident.is_confirmed())?;
            Some((incident.due.close_ms?, incident.id, incident.opened, slot))
        };
        let all = || (0..).take(slots.len()).filter_map(entry).map(Reverse).collect();
        if self.queue.as_ref().is_some_and(|queue| queue.len() > 1_024 + 2 * slots.len()) {
            self.queue = None;
        }
        let queue = self.queue.get_or_insert_with(all);
        while let Some(Reverse(first)) = queue.peek().copied() {
            let (_, _, opened, slot) = first;
            match entry(slot).filter(|now| now.2 == opened) {
                Some(now) if now == first => return Some(slot),
                now => {
                    queue.pop();
                    queue.extend(now.map(Reverse));
                }
            }
        }
        None
    }
}
