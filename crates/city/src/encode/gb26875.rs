//! Wired devices: frames of their transmission device (GB/T 26875.3-2011), written by the decoder's own writer.

use std::borrow::Cow;

use fenghuo_decode::Options;
use fenghuo_decode::gb26875::Object;
use fenghuo_decode::gb26875::address::transmission_device;
use fenghuo_decode::gb26875::frame::{self, Head};
use fenghuo_model::Kind;

use crate::city::{City, SYSTEM, component};
use crate::device::{Device, Make};
use crate::night::Speech;
use crate::plan::{HOUR_MS, MINUTE_MS, Plan};
use crate::random::{Purpose, Random};

/// The centre that all transmission devices report to.
const CENTRE: u64 = 0x4419_FFFF_0001;
/// The analog type of temperatures, in tenths of a degree.
const TEMPERATURE: u8 = 3;
/// Transmission device version 1.2: flag 25, one object, no time label.
const VERSION_UNIT: [u8; 4] = [25, 1, 1, 2];

/// State words as they are seen in the field: a fire is 0x0002, without the bit that says "normal".
mod state {
    pub(super) const NORMAL: u16 = 0x0001;
    pub(super) const FIRE: u16 = 0x0002;
    pub(super) const FAULT: u16 = 0x0004;
    pub(super) const SHIELDED: u16 = 0x0008;
    pub(super) const BACKUP_POWER_FAILURE: u16 = 0x0200;
    pub(super) const RESET: u16 = 0x2000;
    pub(super) const DEVICE_NORMAL: u8 = 0x01;
    pub(super) const DEVICE_MAINS_FAILURE: u8 = 0x08;
}

/// Bits of operation flags.
mod operation {
    pub(super) const GUARD_ANSWER: u8 = 1 << 5;
    pub(super) const TEST: u8 = 1 << 6;
}

/// Key and bytes of the frame in which a wired device's statement goes.
pub(super) fn frame(city: &City, gateway: u32, serial: u16, device: u32, speech: &Speech) -> (String, Vec<u8>) {
    let device = city.device(device);
    let source = city.source_of(device);
    let at_ms = speech.at_ms + clock_error_ms(&city.plan, gateway.into());
    let head = Head::of_sending(serial, at_ms, source, CENTRE);
    let utc_offset_s = Options::default().utc_offset_s;
    let mut bytes = Vec::with_capacity(100);
    let written = match (object(city, device, speech, at_ms), serial % 3) {
        (Some(object), _) => frame::write(&head, &[object], utc_offset_s, &mut bytes),
        // A heartbeat: some send an empty frame, some their version, some the answer to a guard check.
        (None, 0) => frame::write_unit(&head, &VERSION_UNIT, utc_offset_s, &mut bytes),
        (None, 1) => {
            let answer =
                Object::DeviceOperation { operations: operation::GUARD_ANSWER, operator: 1, at_ms: Some(at_ms) };
            frame::write(&head, &[answer], utc_offset_s, &mut bytes)
        }
        (None, _) => frame::write(&head, &[], utc_offset_s, &mut bytes),
    };
    written.expect("one object fits a data unit");
    (transmission_device(source), bytes)
}

/// The information object that says it; none for a heartbeat.
fn object<'c>(city: &'c City, device: &Device, speech: &Speech, at_ms: i64) -> Option<Object<'c>> {
    let at_ms = Some(at_ms);
    let statement = speech.statement;
    Some(match (device.make, statement.kind) {
        (_, Kind::Heartbeat) => return None,
        (Make::Gateway, Kind::Fault) => Object::DeviceState { state: state::DEVICE_MAINS_FAILURE, at_ms },
        (Make::Gateway, _) => Object::DeviceState { state: state::DEVICE_NORMAL, at_ms },
        (Make::Panel, Kind::Test) => {
            Object::SystemOperation { system: SYSTEM, operations: operation::TEST, operator: 1, at_ms }
        }
        (Make::Panel, kind) => {
            let state = match kind {
                Kind::Fire => state::FIRE,
                Kind::Fault => state::BACKUP_POWER_FAILURE,
                Kind::Restore => state::RESET,
                _ => state::NORMAL,
            };
            Object::SystemState { system: SYSTEM, state, at_ms }
        }
        (_, Kind::Reading) => {
            let mut random = Random::keyed(city.plan.seed, Purpose::Speech, speech.at_ms.unsigned_abs());
            let value = i16::from(random.small((24, 58))) * 10 + i16::from(random.small((0, 9)));
            Object::AnalogValue { component: component(device), analog_type: TEMPERATURE, value, at_ms }
        }
        (_, kind) => {
            let shielded = if statement.in_drill { state::SHIELDED } else { 0 };
            let state = match kind {
                Kind::Fire => state::FIRE | shielded,
                Kind::Fault => state::FAULT,
                Kind::Isolate => state::SHIELDED,
                Kind::Restore if statement.in_drill => state::SHIELDED,
                _ => state::NORMAL,
            };
            Object::ComponentState {
                component: component(device),
                state,
                text: Cow::Owned(device.description()),
                at_ms,
            }
        }
    })
}

/// How far a clock is off, by the clock's key: most keep time, some are minutes off, some years.
pub(super) fn clock_error_ms(plan: &Plan, key: u64) -> i64 {
    let mut random = Random::keyed(plan.seed, Purpose::Gateway, key);
    match (random.chance(plan.clock_error_share), random.below(3)) {
        (false, _) => 0,
        (true, 0) => -random.within((3 * MINUTE_MS, 50 * MINUTE_MS)),
        (true, 1) => random.within((3 * MINUTE_MS, 50 * MINUTE_MS)),
        // The clock's battery died: it began anew some years ago.
        (true, _) => -random.within((3 * 8_766 * HOUR_MS, 20 * 8_766 * HOUR_MS)),
    }
}
