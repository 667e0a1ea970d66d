//! Windows: the evidence of each building that is not yet forgotten, in the order of event time.
//!
//! A window has one writer, the region that owns it, so that nothing here is shared, locked or atomic. It lives as long
//! as its building's incident: evidence is forgotten before its incident closes.

use std::collections::HashMap;
use std::sync::Arc;

use fenghuo_model::registry::BuildingIdx;

use crate::evidence::Evidence;

/// The windows of a region's buildings.
#[derive(Debug, Default)]
pub(crate) struct Windows {
    by_building: HashMap<BuildingIdx, Vec<Arc<Evidence>>, foldhash::fast::RandomState>,
}

/// What a rule may look at.
#[derive(Debug, Clone, Copy)]
pub(crate) enum View<'w> {
    /// Everything remembered that happened at or after an instant; before it, it is forgotten.
    Since(&'w Windows, i64),
    /// One piece of evidence that arrived so late that it is judged alone.
    Alone(&'w [Arc<Evidence>; 1]),
}

impl<'w> View<'w> {
    /// The evidence of a building, by (event time, arrival).
    pub(crate) fn of(self, building: BuildingIdx) -> &'w [Arc<Evidence>] {
        match self {
            Self::Since(windows, since_ms) => {
                let window = windows.by_building.get(&building).map_or(&[] as &[_], Vec::as_slice);
                &window[window.partition_point(|evidence| evidence.at_ms < since_ms)..]
            }
            Self::Alone(alone) if alone[0].building == building => alone,
            Self::Alone(_) => &[],
        }
    }
}

impl Windows {
    /// Adds evidence to its building's window, and drops there what happened before `since_ms`.
    pub(crate) fn add(&mut self, evidence: Arc<Evidence>, since_ms: i64) {
        let window = self.by_building.entry(evidence.building).or_default();
        let forgotten = window.partition_point(|evidence| evidence.at_ms < since_ms);
        window.drain(..forgotten);
        let place = window.partition_point(|earlier| earlier.at_ms <= evidence.at_ms);
        window.insert(place, evidence);
    }

    /// Wipes the evidence of a building for which `is_wiped` says so.
    pub(crate) fn wipe(&mut self, building: BuildingIdx, is_wiped: impl Fn(&Evidence) -> bool) {
        if let Some(window) = self.by_building.get_mut(&building) {
            window.retain(|evidence| !is_wiped(evidence));
        }
    }

    /// Drops a building's window.
    pub(crate) fn remove(&mut self, building: BuildingIdx) {
        self.by_building.remove(&building);
    }

    /// How many pieces of evidence are remembered.
    pub(crate) fn len(&self) -> usize {
        self.by_building.values().map(Vec::len).sum()
    }
}
