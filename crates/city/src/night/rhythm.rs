//! The rhythm: which device sends its next heartbeat or reading, and when; 99 % of all traffic.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::city::City;
use crate::device::{Make, component};
use crate::plan::Plan;
use crate::random::{Purpose, Random};

/// The next beat of every device that has one.
pub(super) struct Rhythm {
    next: BinaryHeap<Reverse<(i64, u32)>>,
}

impl Rhythm {
    pub(super) fn new(city: &City) -> Self {
        let plan = &city.plan;
        let beats = (0..).zip(&city.devices).filter_map(|(number, device): (u32, _)| {
            let (_, longest_ms) = interval_ms(plan, device.make)?;
            // Anywhere within the interval: a city's devices were not switched on at once.
            let mut random = Random::keyed(plan.seed, Purpose::Device, number.into());
            Some(Reverse((plan.start_ms + random.within((0, longest_ms)), number)))
        });
        Self { next: beats.collect() }
    }

    /// When the next beat is due.
    pub(super) fn next_ms(&self) -> Option<i64> {
        self.next.peek().map(|Reverse((at_ms, _))| *at_ms)
    }

    /// The device whose beat is due next; there must be one. Its following beat is put in its place.
    pub(super) fn take(&mut self, city: &City) -> u32 {
        let mut next = self.next.peek_mut().expect("the rhythm was asked for its next time first");
        let Reverse((at_ms, device)) = *next;
        let interval = interval_ms(&city.plan, city.device(device).make).expect("only devices with a rhythm are here");
        let key = u64::from(device) << 40 ^ at_ms.unsigned_abs();
        let after_ms = Random::keyed(city.plan.seed, Purpose::Rhythm, key).within(interval).max(1);
        *next = Reverse((at_ms + after_ms, device));
        device
    }
}

/// The shortest and longest time between two beats; panels and most of their components have none of their own.
fn interval_ms(plan: &Plan, make: Make) -> Option<(i64, i64)> {
    match make {
        Make::Gateway => Some(plan.gateway_heartbeat_ms),
        Make::NbSmoke => Some(plan.detector_heartbeat_ms),
        Make::Ebike | Make::Electrical | Make::Component(component::CABLE_TEMPERATURE) => Some(plan.reading_ms),
        Make::Panel | Make::Component(_) => None,
    }
}
