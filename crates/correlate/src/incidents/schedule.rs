//! When an incident's timers are due, and which fires next.

use super::timers::{Alarm, Timer, Worth};
use super::{Incidents, Slot};
use crate::incident::{DueTimes, Incident};

impl Incidents {
    /// Changes an incident's due times.
    pub(crate) fn schedule(&mut self, slot: Slot, change: impl FnOnce(&mut DueTimes)) {
        let incident = self.get_mut(slot);
        let (id, opened) = (incident.id, incident.opened);
        change(&mut incident.due);
        let DueTimes { close_ms, verify_ms, escalate_ms, update_ms } = incident.due;
        let is_suspected = !incident.is_confirmed();
        let mut queue = [None; 4];
        for ((alarm, due_ms), entry) in [
            (Alarm::Close, close_ms),
            (Alarm::Verify, verify_ms),
            (Alarm::Escalate, escalate_ms),
            (Alarm::Update, update_ms),
        ]
        .into_iter()
        .zip(&mut queue)
        {
            let queued_ms = incident.queued.of(alarm);
            // What is queued for an earlier time is looked at then.
            if let Some(due_ms) = due_ms
                && queued_ms.is_none_or(|queued_ms| queued_ms > due_ms)
            {
                *queued_ms = Some(due_ms);
                *entry = Some(Timer { due_ms, incident: id, alarm, opened, slot });
            }
        }
        for timer in queue.into_iter().flatten() {
            self.timers.push(timer);
            if timer.alarm == Alarm::Close && is_suspected {
                self.silence.note(&timer);
            }
        }
        let open = self.len();
        let Self { timers, slots, .. } = self;
        timers.sweep(open, |timer| queued(slots, timer).is_some());
    }

    /// The next timer due at or before `clock_ms`.
    pub(crate) fn next_due(&mut self, clock_ms: i64) -> Option<Timer> {
        while let Some(timer) = self.timers.first_by(clock_ms) {
            match worth(&self.slots, &timer) {
                Worth::Due => return Some(timer),
                Worth::Later(due_ms) => {
                    self.timers.pop();
                    self.timers.push(Timer { due_ms, ..timer });
                    *self.beside_state(timer.slot).queued.of(timer.alarm) = Some(due_ms);
                }
                Worth::Nothing => {
                    self.timers.pop();
                    if queued(&self.slots, &timer).is_some() {
                        *self.beside_state(timer.slot).queued.of(timer.alarm) = None;
                    }
                }
            }
        }
        None
    }

    /// When the next timer is due.
    pub(crate) fn next_due_ms(&mut self) -> Option<i64> {
        self.next_due(i64::MAX).map(|timer| timer.due_ms)
    }

    /// The suspected incident that was silent for the longest.
    pub(crate) fn longest_silent_suspected(&mut self) -> Option<Slot> {
        self.silence.longest(&self.slots)
    }
}

/// The incident for which an entry of the queue counts.
fn queued<'i>(slots: &'i [Option<Incident>], timer: &Timer) -> Option<&'i Incident> {
    let incident = slots[timer.slot as usize].as_ref().filter(|incident| incident.opened == timer.opened)?;
    (incident.queued.at(timer.alarm) == Some(timer.due_ms)).then_some(incident)
}

/// What an entry of the queue is worth, as the incidents stand.
fn worth(slots: &[Option<Incident>], timer: &Timer) -> Worth {
    match queued(slots, timer).and_then(|incident| incident.due.at(timer.alarm)) {
        Some(due_ms) if due_ms > timer.due_ms => Worth::Later(due_ms),
        Some(_) => Worth::Due,
        None => Worth::Nothing,
    }
}
