//! Another registry in the middle of a sequence: everything held is written as records and read back by the new one.
//!
//! So there is one way from records to regions, whether the process or only the registry is a new one. What is other
//! then than what the log holds (a device that has become a registered one, a region that is gone) comes with the next
//! changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use fenghuo_model::Registry;

use super::key::{self, Kind};
use super::{StateChange, StateError, Written};
use crate::Correlator;
use crate::region::Region;
use crate::{devices, incidents};

type Records = BTreeMap<Vec<u8>, Vec<u8>>;

impl Correlator {
    /// Puts another registry in force: what arrives from now on is placed by it, what is held stays. After an error
    /// everything is as it was.
    ///
    /// # Errors
    /// A building of an open incident is gone, or any building changes its region: its evidence would be torn apart,
    /// so that only `fenghuo migrate` does that.
    pub fn change_registry(&mut self, registry: Arc<Registry>) -> Result<(), StateError> {
        let before = self.records();
        let mut next = self.under(registry, &before)?;
        if self.counters_written.is_some() {
            let mut pending = Vec::new();
            self.changes(&mut pending);
            next.amend(self.keys_written(&before), &before, &mut pending);
            next.pending = pending;
        } else {
            next.stop_keeping();
        }
        *self = next;
        Ok(())
    }

    /// Whether [`Correlator::change_registry`] would do it.
    ///
    /// # Errors
    /// As there.
    pub fn require_fit(&mut self, registry: Arc<Registry>) -> Result<(), StateError> {
        let before = self.records();
        self.under(registry, &before).map(|_| ())
    }

    fn under(&self, registry: Arc<Registry>, records: &Records) -> Result<Self, StateError> {
        require_regions(&self.registry, &registry)?;
        self.require_buildings(&registry)?;
        let records = records.iter().map(|(key, value)| (key.as_slice(), value.as_slice()));
        Self::restore(registry, Arc::clone(&self.policy), &self.limits, records)
    }

    /// No building that burns may be missing; of several, the same one is named whichever order they are held in.
    fn require_buildings(&self, registry: &Registry) -> Result<(), StateError> {
        let incidents = self.regions.iter().flat_map(|(_, region)| region.incidents.iter());
        let burning = incidents.flat_map(|incident| &incident.members);
        let ids = burning.map(|member| &self.registry.building(member.building).id);
        match ids.filter(|id| registry.building_by_id(id).is_none()).min() {
            Some(building) => Err(StateError::UnknownBuilding { building: building.to_string() }),
            None => Ok(()),
        }
    }

    /// After [`Correlator::restore`] by another registry than the one that the records were written by: what of the
    /// records has become something else comes with the next changes.
    pub fn amend_records<'r>(&mut self, records: impl IntoIterator<Item = (&'r [u8], &'r [u8])>) {
        let before: Records = records.into_iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        let mut pending = std::mem::take(&mut self.pending);
        self.amend(before.keys().cloned().collect(), &before, &mut pending);
        self.pending = pending;
    }

    /// Appends what differs from records that stand in the log; from then on everything counts as written.
    fn amend(&mut self, mut keys: BTreeSet<Vec<u8>>, before: &Records, out: &mut Vec<StateChange>) {
        for (key, value) in self.write_all() {
            let is_there = keys.remove(&key) && before.get(&key) == Some(&value);
            // The accepted signals are put together anew, under keys that may have meant fewer of them.
            if !is_there || is_accepted(&key) {
                out.push(StateChange { key, value: Some(value) });
            }
        }
        out.extend(keys.into_iter().map(|key| StateChange { key, value: None }));
    }

    /// The keys of the records that stand in the log, where every change was written; `all` is every record there is.
    fn keys_written(&self, all: &Records) -> BTreeSet<Vec<u8>> {
        let accepted = self.regions.iter().flat_map(|(_, region)| region.accepted_keys());
        all.keys().filter(|key| !is_accepted(key)).cloned().chain(accepted).collect()
    }

    /// Every record there is; what was written stays as it was.
    fn records(&mut self) -> Records {
        let counters_written = self.counters_written.clone();
        let written: Vec<Option<Written>> = self.regions.iter_mut().map(|(_, region)| region.written.take()).collect();
        let touched: Vec<_> = self.regions.iter_mut().map(|(_, region)| region.take_touched()).collect();
        let all = self.write_all();
        self.counters_written = counters_written;
        for (((_, region), written), touched) in self.regions.iter_mut().zip(written).zip(touched) {
            region.written = written;
            region.put_touched(touched);
        }
        all
    }

    /// Every record there is; from then on everything counts as written.
    fn write_all(&mut self) -> Records {
        let mut all = Vec::new();
        self.counters_written = Some(None);
        self.regions.iter_mut().for_each(|(_, region)| region.forget_written());
        self.own_changes(&mut all);
        all.into_iter().filter_map(|StateChange { key, value }| Some((key, value?))).collect()
    }

    fn stop_keeping(&mut self) {
        self.counters_written = None;
        for (_, region) in &mut self.regions {
            region.written = None;
            region.take_touched();
        }
    }
}

impl Region {
    fn accepted_keys(&self) -> impl Iterator<Item = Vec<u8>> {
        let numbers = self.written.iter().flat_map(|written| &written.chunks);
        numbers.map(|number| Kind::Accepted.key(&self.name, &number.to_string()))
    }

    /// From now on everything counts as changed.
    fn forget_written(&mut self) {
        let accepted_to = self.duplicates.first_number();
        let unplaced = self.unplaced.keys().cloned().collect();
        self.written = Some(Written { accepted_to, unplaced, ..Written::default() });
        self.incidents.touch_all();
        self.devices.touch_all();
    }

    fn take_touched(&mut self) -> (Option<incidents::Touched>, Option<devices::Touched>) {
        (self.incidents.take_touched(), self.devices.take_touched())
    }

    fn put_touched(&mut self, (of_incidents, of_devices): (Option<incidents::Touched>, Option<devices::Touched>)) {
        self.incidents.put_touched(of_incidents);
        self.devices.put_touched(of_devices);
    }
}

fn is_accepted(key: &[u8]) -> bool {
    matches!(key::parse(key), Some((Kind::Accepted, ..)))
}

/// No building may change its region.
fn require_regions(before: &Registry, after: &Registry) -> Result<(), StateError> {
    for building in after.buildings() {
        let Some(held) = before.building_by_id(&building.id) else { continue };
        let (was, is) = (before.region_of(held), &after.regions()[building.region as usize]);
        if was != is {
            let (building, before, now) = (building.id.to_string(), was.to_string(), is.to_string());
            return Err(StateError::OtherRegion { building, before, now });
        }
    }
    Ok(())
}
