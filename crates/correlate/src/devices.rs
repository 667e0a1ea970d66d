//! What devices said of themselves: restores that end evidence, isolations that make it count for nothing.

use std::collections::{HashMap, HashSet};

use crate::evidence::DeviceKey;

/// An `isolate` (with the end of its effect) or an `isolate_restore` (without).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Isolation {
    pub(crate) at_ms: i64,
    /// The first instant that is free again; `None` of an isolate_restore.
    pub(crate) until_ms: Option<i64>,
}

/// What one device said of itself, as far as it is remembered.
#[derive(Debug, Default)]
pub(crate) struct Statements {
    /// Event times of restores, ascending.
    pub(crate) restores_ms: Vec<i64>,
    /// By event time, then arrival.
    pub(crate) isolations: Vec<Isolation>,
}

impl Statements {
    /// Drops what can no longer matter: restores older than the memory, for evidence before them is forgotten; of
    /// isolations older than it all but the latest. Whether anything was dropped.
    fn forget(&mut self, before_ms: i64) -> bool {
        let old_restores = self.restores_ms.partition_point(|at_ms| *at_ms < before_ms);
        self.restores_ms.drain(..old_restores);
        let old = self.isolations.partition_point(|isolation| isolation.at_ms < before_ms);
        self.isolations.drain(..old.saturating_sub(1));
        old_restores > 0 || old > 1
    }

    fn is_empty(&self) -> bool {
        self.restores_ms.is_empty() && self.isolations.is_empty()
    }
}

/// Devices of which something else is remembered.
pub(crate) type Touched = HashSet<DeviceKey, foldhash::fast::RandomState>;

/// Restores and isolations of every device of a region.
#[derive(Debug, Default)]
pub(crate) struct Devices {
    by_device: HashMap<DeviceKey, Statements, foldhash::fast::RandomState>,
    /// The number of devices at which forgotten ones are swept out, so that the work stays in proportion.
    sweep_at: usize,
    touched: Option<Touched>,
}

impl Devices {
    /// From now on remembers what changes, for [`Devices::touched`].
    pub(crate) fn keep_touched(&mut self) {
        self.touched.get_or_insert_default();
    }

    /// What changed so far; from now on remembers no changes.
    pub(crate) const fn take_touched(&mut self) -> Option<Touched> {
        self.touched.take()
    }

    /// Puts back what changed.
    pub(crate) fn put_touched(&mut self, touched: Option<Touched>) {
        self.touched = touched;
    }

    /// Everything counts as changed.
    pub(crate) fn touch_all(&mut self) {
        self.touched = Some(self.by_device.keys().cloned().collect());
    }

    /// The devices of which something else is remembered than when this was last asked.
    pub(crate) fn touched(&mut self) -> Vec<DeviceKey> {
        self.touched.as_mut().map(|touched| touched.drain().collect()).unwrap_or_default()
    }

    /// What a device said of itself.
    pub(crate) fn get(&self, device: &DeviceKey) -> Option<&Statements> {
        self.by_device.get(device)
    }

    /// Puts back what a device said of itself.
    /// Two names of which a registry has made one device have said it together.
    pub(crate) fn put_back(&mut self, device: DeviceKey, mut statements: Statements) {
        let held = self.by_device.entry(device).or_default();
        held.restores_ms.append(&mut statements.restores_ms);
        held.restores_ms.sort_unstable();
        held.restores_ms.dedup();
        held.isolations.append(&mut statements.isolations);
        held.isolations.sort_by_key(|isolation| isolation.at_ms);
    }

    /// The number of devices at which forgotten ones are swept out.
    pub(crate) const fn sweep_at(&self) -> usize {
        self.sweep_at
    }

    /// Puts that number back.
    pub(crate) const fn set_sweep_at(&mut self, sweep_at: usize) {
        self.sweep_at = sweep_at;
    }

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
        let statements = self.statements(device, before_ms);
        let place = statements.isolations.partition_point(|earlier| earlier.at_ms <= at_ms);
        statements.isolations.insert(place, Isolation { at_ms, until_ms });
        statements.forget(before_ms);
    }

    /// Whether what the device says for `at_ms` is isolated, by what has arrived so far.
    pub(crate) fn is_isolated(&mut self, device: &DeviceKey, at_ms: i64, before_ms: i64) -> bool {
        let Some(statements) = self.by_device.get_mut(device) else { return false };
        if statements.forget(before_ms)
            && let Some(touched) = &mut self.touched
        {
            touched.insert(device.clone());
        }
        let later = statements.isolations.partition_point(|isolation| isolation.at_ms <= at_ms);
        let latest = later.checked_sub(1).map(|place| statements.isolations[place]);
        latest.and_then(|isolation| isolation.until_ms).is_some_and(|until_ms| at_ms < until_ms)
    }

    /// The earliest event time at which evidence of the device still counts at `instant_ms`: not older than the window,
    /// and either not before the device's last restore or still within the hold. What counts is all from then to
    /// `instant_ms`, both included.
    pub(crate) fn alive_from_ms(&self, device: &DeviceKey, instant_ms: i64, window_ms: i64, hold_ms: i64) -> i64 {
        let restores_ms = self.by_device.get(device).map_or(&[] as &[i64], |statements| &statements.restores_ms);
        let passed = restores_ms.partition_point(|restore_ms| *restore_ms <= instant_ms);
        let oldest_ms = instant_ms - window_ms;
        match passed.checked_sub(1) {
            Some(last) => oldest_ms.max(restores_ms[last].min(instant_ms - hold_ms + 1)),
            None => oldest_ms,
        }
    }

    /// Whether a restore of the device is remembered.
    pub(crate) fn has_restored(&self, device: &DeviceKey) -> bool {
        self.by_device.get(device).is_some_and(|statements| !statements.restores_ms.is_empty())
    }

    /// Whether a restore of the device lies after `after_ms` and not after `until_ms`.
    pub(crate) fn restored_between(&self, device: &DeviceKey, after_ms: i64, until_ms: i64) -> bool {
        self.first_restore_after_ms(device, after_ms).is_some_and(|restore_ms| restore_ms <= until_ms)
    }

    /// The event time of the device's first restore after `after_ms`.
    pub(crate) fn first_restore_after_ms(&self, device: &DeviceKey, after_ms: i64) -> Option<i64> {
        let restores_ms = &self.by_device.get(device)?.restores_ms;
        restores_ms.get(restores_ms.partition_point(|restore_ms| *restore_ms <= after_ms)).copied()
    }

    fn statements(&mut self, device: &DeviceKey, before_ms: i64) -> &mut Statements {
        if self.by_device.len() >= self.sweep_at.max(1_024) {
            let touched = &mut self.touched;
            self.by_device.retain(|device, statements| {
                if statements.forget(before_ms)
                    && let Some(touched) = touched
                {
                    touched.insert(device.clone());
                }
                !statements.is_empty()
            });
            self.sweep_at = self.by_device.len() * 2;
        }
        if let Some(touched) = &mut self.touched {
            touched.insert(device.clone());
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
