//! Who is near whom: a building's neighbours, looked up once while it has evidence.

use std::collections::HashMap;
use std::sync::Arc;

use fenghuo_model::registry::{BuildingIdx, Registry};

/// Buildings near a building, itself included, by number, with their distances in metres.
pub(crate) type Neighbours = Arc<[(BuildingIdx, f64)]>;

/// The neighbours of the buildings that have evidence, up to the policy's largest radius.
#[derive(Debug, Default)]
pub(crate) struct Neighbourhoods {
    near: HashMap<BuildingIdx, Neighbours, foldhash::fast::RandomState>,
}

impl Neighbourhoods {
    /// The buildings of the region at most `radius_m` from `building`; the radius is the same at every call.
    pub(crate) fn of(&mut self, registry: &Registry, building: BuildingIdx, radius_m: f64) -> Neighbours {
        let near = self.near.entry(building).or_insert_with(|| registry.neighbours(building, radius_m).into());
        Arc::clone(near)
    }

    /// The same without looking them up first, if they were.
    pub(crate) fn known(&self, building: BuildingIdx) -> Option<&Neighbours> {
        self.near.get(&building)
    }

    /// Forgets a building's neighbours.
    pub(crate) fn remove(&mut self, building: BuildingIdx) {
        self.near.remove(&building);
    }
}
