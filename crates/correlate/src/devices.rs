//! What devices said of themselves: restores that end evidence, isolations that make it count for nothing.

use std::collections::HashMap;

use crate::evidence::{DeviceKey, Evidence};

/// An `isolate` (with the end of its effect) or an `isolate_restore` (without).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Isolation {
    at_ms: i64,
    /// The first instant that is free again; `None` of an isolate_restore.
    until_ms: Option<i64>,
}

#[derive(Debug, Default)]
struct Statements {
    /// Event times of restores, ascending.
    restores_ms: Vec<i64>,
    /// By event time, then arrival.
    isolations: Vec<Isolation>,
}

impl Statements {
    /// Drops what can no longer matter: restores older than the memory, for evidence before them is forgotten; of
    /// isolations older than it all but the latest.
    fn forget(&mut self, before_ms: i64) {
        let old = self.restores_ms.partition_point(|at_ms| *at_ms < before_ms);
        self.restores_ms.drain(..old);
        let old = self.isolations.partition_point(|isolation| isolation.at_ms < before_ms);
        self.isolations.drain(..old.saturating_sub(1));
    }
}

/// Restores and isolations of every device of a region.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    by_device: HashMap<DeviceKey, Statements, foldhash::fast::RandomState>,
    /// The number of devices at which forgotten ones are swept out, so that the work stays in proportion.
    sweep_at: usize,
}

impl Devices {
    /// A restore with event time `at_ms`; what happened before `before_ms` is forgotten.
    pub(crate) fn restore(&mut self, device: &DeviceKey, at_ms: i64, before_ms: i64) {
        if at_ms < before_ms {
            return;
        }
        let restores_ms = &mut self.statements(device, before_ms).restores_ms;
        let place = restores_ms.partition_point(|earlier_ms| *earlier_ms < at_ms);
        if restores_ms.get(place) != Some(&at_ms) {
            restores_ms.insert(place, at_ms);
        }
    }

    /// An isolation from `at_ms` that ends before `until_ms`; with `None` an isolate_restore.
    pub(crate) fn isolate(&mut self, device: &DeviceKey, at_ms: i64, until_ms: Option<i64>, before_ms: i64) {
        let isolations = &mut self.statements(device, before_ms).isolations;
        let place = isolations.partition_point(|earlier| earlier.at_ms <= at_ms);
        isolations.insert(place, Isolation { at_ms, until_ms });
        self.statements(device, before_ms);
    }

    /// Whether what the device says for `at_ms` is isolated, by what has arrived so far.
    pub(crate) fn is_isolated(&mut self, device: &DeviceKey, at_ms: i64, before_ms: i64) -> bool {
        let Some(statements) = self.by_device.get_mut(device) else { return false };
        statements.forget(before_ms);
        let later = statements.isolations.partition_point(|isolation| isolation.at_ms <= at_ms);
        let latest = later.checked_sub(1).map(|place| statements.isolations[place]);
        latest.and_then(|isolation| isolation.until_ms).is_some_and(|until_ms| at_ms < until_ms)
    }

    /// Whether the evidence counts at `instant_ms` for a window: not before it, not after its window, and not after its
    /// device restored, unless still within the hold.
    pub(crate) fn is_alive(&self, evidence: &Evidence, instant_ms: i64, window_ms: i64, hold_ms: i64) -> bool {
        let at_ms = evidence.at_ms;
        let within = at_ms <= instant_ms && instant_ms <= at_ms + window_ms;
        within && (instant_ms < at_ms + hold_ms || !self.restored_between(evidence, instant_ms))
    }

    /// Whether a restore of the evidence's device lies after it and not after `instant_ms`.
    fn restored_between(&self, evidence: &Evidence, instant_ms: i64) -> bool {
        let Some(statements) = self.by_device.get(&evidence.device) else { return false };
        let after = statements.restores_ms.partition_point(|restore_ms| *restore_ms <= evidence.at_ms);
        statements.restores_ms.get(after).is_some_and(|restore_ms| *restore_ms <= instant_ms)
    }

    fn statements(&mut self, device: &DeviceKey, before_ms: i64) -> &mut Statements {
        if self.by_device.len() >= self.sweep_at.max(1_024) {
            self.by_device.retain(|_, statements| {
                statements.forget(before_ms);
                !(statements.restores_ms.is_empty() && statements.isolations.is_empty())
            });
            self.sweep_at = self.by_device.len() * 2;
        }
        let statements = self.by_device.entry(device.clone()).or_default();
        statements.forget(before_ms);
        statements
    }

    /// How many devices have a restore or an isolation that is remembered.
    pub(crate) fn len(&self) -> usize {
        self.by_device.len()
    }
}
