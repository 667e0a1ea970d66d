//! Counting only as far as a rule asks: most evidence that reaches its minima does so with the first few pieces.
//!
//! [`Tally`] counts a whole set exactly, which in a storm are hundreds of devices. A [`Count`] stops as soon as every
//! minimum is reached. It leaves out what other evidence of the set could take back, the devices that may only repeat
//! their components, so that what it reaches the whole set reaches; where nothing was left out, what it does not reach
//! the whole set does not either. Where neither is so, and for score and span, the tally decides.
//!
//! [`Tally`]: crate::tally::Tally

use fenghuo_model::Sensor;
use fenghuo_model::policy::Rule;
use fenghuo_model::registry::BuildingIdx;

use crate::evidence::{DeviceKey, Voice};
use crate::incidents::Incidents;

/// Above this a minimum is left to the tally, whose sets are not lists.
const LARGEST_MINIMUM: u32 = 64;

/// What was counted so far, never more of anything than the rule asks.
pub(crate) struct Count<'e> {
    rule: &'e Rule,
    devices: Vec<&'e DeviceKey>,
    locations: Vec<(BuildingIdx, &'e str)>,
    classes: Vec<Sensor>,
    buildings: Vec<BuildingIdx>,
    has_some: bool,
    /// Whether something was left out.
    pub(crate) is_partial: bool,
}

impl<'e> Count<'e> {
    /// Nothing yet; nothing at all for a rule that asks for much.
    pub(crate) fn of(rule: &'e Rule) -> Option<Self> {
        let largest = rule.min_devices.max(rule.min_locations).max(rule.min_classes).max(rule.min_buildings);
        (largest <= LARGEST_MINIMUM).then(|| Self {
            rule,
            devices: Vec::new(),
            locations: Vec::new(),
            classes: Vec::new(),
            buildings: Vec::new(),
            has_some: false,
            is_partial: false,
        })
    }

    /// Counts a voice unless others could take it back; whether every minimum is now reached, score and span apart.
    pub(crate) fn take(&mut self, voice: &'e Voice, incidents: &Incidents) -> bool {
        if incidents.may_repeat(&voice.device) {
            self.is_partial = true;
            return false;
        }
        self.take_whatever(voice)
    }

    /// Counts a voice, though others could take it back.
    pub(crate) fn take_whatever(&mut self, voice: &'e Voice) -> bool {
        let rule = self.rule;
        self.has_some = true;
        note(&mut self.devices, &voice.device, rule.min_devices);
        note(&mut self.locations, voice.spot(), rule.min_locations);
        note(&mut self.buildings, voice.building, rule.min_buildings);
        if !voice.sensor.is_unspecific() {
            note(&mut self.classes, voice.sensor, rule.min_classes);
        }
        self.is_reached()
    }

    fn is_reached(&self) -> bool {
        let reached = |count: usize, minimum: u32| count >= minimum as usize;
        let rule = self.rule;
        self.has_some
            && reached(self.devices.len(), rule.min_devices)
            && reached(self.locations.len(), rule.min_locations)
            && reached(self.buildings.len(), rule.min_buildings)
            // What says nothing of its sense is one class where there is nothing else.
            && reached(self.classes.len().max(1), rule.min_classes)
    }
}

/// Whether the minima that a [`Count`] counts are all that the rule has.
pub(crate) fn is_settled_by_count(rule: &Rule) -> bool {
    rule.min_score == 0 && rule.min_span_ms <= 0
}

/// Adds what is not there yet, up to so many.
fn note<T: PartialEq>(list: &mut Vec<T>, new: T, most: u32) {
    if list.len() < most as usize && !list.contains(&new) {
        list.push(new);
    }
}
