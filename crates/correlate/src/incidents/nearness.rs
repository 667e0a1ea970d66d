//! What the incidents' neighbourhoods are to know of them, and which incidents are near each other by their buildings.

use std::collections::BTreeSet;
use std::sync::Arc;

use fenghuo_model::Policy;
use fenghuo_model::registry::{BuildingIdx, Registry};

use super::{Incidents, Seat, Slot};
use crate::evidence::{DeviceKey, Heard, Voice};
use crate::incident::Incident;
use crate::neighbourhoods::{Lit, Neighbourhoods};

impl Incidents {
    /// From now on the rules are these: who is near whom is looked up anew.
    pub(crate) fn put_in_force(&mut self, policy: &Arc<Policy>, may_end: impl Fn(&DeviceKey) -> bool) {
        self.neighbourhoods = Neighbourhoods::new(Arc::clone(&self.registry), Arc::clone(policy));
        for incident in self.slots.iter_mut().flatten() {
            incident.adjacent.clear();
            incident.members.iter_mut().for_each(|member| member.window.hopeless = None);
        }
        let lit: BTreeSet<Lit> = self.by_building.values().copied().collect();
        // Numbers that were given back are lit for a moment, so that each is the next one.
        for number in (0..).take(self.seats.len()) {
            let seat = self.seats[number as usize];
            self.neighbourhoods.light(number, seat.building);
            if lit.contains(&number) {
                self.tell_neighbourhood(number, &may_end);
                self.link(number);
            } else {
                self.neighbourhoods.darken(number);
            }
        }
    }

    /// Somebody spoke in a lit building; see [`Neighbourhoods::hear`].
    pub(crate) fn hear(&mut self, lit: Lit, voice: &Heard<'_>, at_ms: i64, is_plain: bool) {
        let is_free = self.is_free(lit);
        self.neighbourhoods.hear(lit, voice, at_ms, is_plain, is_free);
    }

    /// What a lit building's neighbours are to know of its evidence, from all that is there; `may_end` says of a device
    /// whether its evidence may have ended early.
    pub(crate) fn tell_neighbourhood(&mut self, lit: Lit, may_end: impl Fn(&DeviceKey) -> bool) {
        let Seat { building, slot, member } = self.seats[lit as usize];
        let incident = self.slots[slot as usize].as_ref().expect("a lit building is in an open incident");
        let registry = &self.registry;
        let is_plain = |voice: &Voice| is_plain(registry, &voice.device, building) && !may_end(&voice.device);
        let series = incident.members[member].window.series();
        self.neighbourhoods.hear_anew(lit, series, is_plain, !incident.is_confirmed());
    }

    /// The same of every lit building.
    pub(crate) fn tell_neighbourhoods(&mut self, may_end: impl Fn(&DeviceKey) -> bool) {
        let lit: Vec<Lit> = self.by_building.values().copied().collect();
        lit.into_iter().for_each(|lit| self.tell_neighbourhood(lit, &may_end));
        let strangers = self.iter().flat_map(Incident::series).map(|series| &series.voice.device);
        let strangers: Vec<DeviceKey> =
            strangers.filter(|device| matches!(device, DeviceKey::Stranger(_))).cloned().collect();
        strangers.iter().for_each(|device| self.meet_device(device));
    }

    /// Whether other evidence beside what a device says could make that count for less: what its components say. Of
    /// strangers nobody knows whose panels they are.
    pub(crate) fn may_repeat(&self, device: &DeviceKey) -> bool {
        match device {
            DeviceKey::Registered(device) => {
                self.registry.has_components(*device) || self.panels_of_strangers.contains(device)
            }
            DeviceKey::Stranger(_) => true,
        }
    }

    /// A stranger may be a component of registered panels.
    pub(super) fn meet_device(&mut self, device: &DeviceKey) {
        if let DeviceKey::Stranger(name) = device {
            self.panels_of_strangers.extend(self.registry.panels_of_stranger(name));
        }
    }

    /// With how many buildings of each other incident a lit one is near.
    fn met(&mut self, lit: Lit) -> Vec<(Slot, u32)> {
        let own = self.of_lit(lit);
        let mut met = Vec::new();
        for near in self.neighbourhoods.near(lit) {
            let slot = self.seats[near.lit as usize].slot;
            let count = &mut self.scratch[slot as usize];
            if *count == 0 && slot != own {
                met.push((slot, 0));
            }
            *count += 1;
        }
        self.scratch[own as usize] = 0;
        met.iter_mut().for_each(|(slot, count)| *count = std::mem::take(&mut self.scratch[*slot as usize]));
        met
    }

    /// A lit building makes its incident one that is near others.
    pub(super) fn link(&mut self, lit: Lit) {
        let own = self.of_lit(lit);
        for (other, count) in self.met(lit) {
            *self.beside_state(own).adjacent.entry(other).or_default() += count;
            *self.beside_state(other).adjacent.entry(own).or_default() += count;
        }
    }

    /// A lit building leaves an incident that was near others by it.
    pub(super) fn unlink(&mut self, lit: Lit) {
        let own = self.of_lit(lit);
        for (other, count) in self.met(lit) {
            for (one, another) in [(own, other), (other, own)] {
                let adjacent = &mut self.beside_state(one).adjacent;
                if let Some(left) = adjacent.get_mut(&another) {
                    *left -= count;
                    if *left == 0 {
                        adjacent.remove(&another);
                    }
                }
            }
        }
    }
}

/// Whether what a device says in a building can only end early by a restore of that device that comes to that building.
pub(crate) fn is_plain(registry: &Registry, device: &DeviceKey, building: BuildingIdx) -> bool {
    matches!(device, DeviceKey::Registered(device) if registry.building_of_device(*device) == building)
}
