//! What the bits of state words and operation flags state.
//!
//! A state is a snapshot of everything at once: what is not set is over. Bit 0, normal or test, tells nothing: in the
//! field a fire is the word 0x0002, without it.

use fenghuo_model::Kind;

/// Bits of a state word (GB/T 26875.3-2011, tables 6 and 7).
const FIRE: u16 = 1 << 1;
const FAULT: u16 = 1 << 2;
const ISOLATED: u16 = 1 << 3;
/// Supervisory, started, feedback.
const SUPERVISORY: u16 = 1 << 4 | 1 << 5 | 1 << 6;
const POWER_FAILURE: u16 = 1 << 8;
/// Of a system only.
const BATTERY_OR_BUS_FAILURE: u16 = 1 << 9 | 1 << 10;
const RESET: u16 = 1 << 13;
/// Of a transmission device: fault, mains, battery, link to the centre, monitored line.
const DEVICE_FAULTS: u16 = 0b111_1100;

/// What a snapshot states where nothing is the matter.
pub(super) const NORMAL: Kinds = [Some(Kind::Restore), Some(Kind::FaultRestore), Some(Kind::IsolateRestore), None];

/// The kinds of a snapshot in their order: one for each of fire, fault, isolate, supervisory that is set.
type Kinds = [Option<Kind>; 4];

fn kinds(state: u16, masks: [u16; 4]) -> Kinds {
    let [fire, fault, isolated, supervisory] = masks.map(|mask| state & mask != 0);
    if !(fire || fault || isolated || supervisory) {
        return NORMAL;
    }
    [
        fire.then_some(Kind::Fire),
        fault.then_some(Kind::Fault),
        isolated.then_some(Kind::Isolate),
        supervisory.then_some(Kind::Supervisory),
    ]
}

/// Flag 1. A reset and nothing else is a restore alone: the panel starts anew, faults and isolations come again.
pub(super) fn of_system(state: u16) -> Kinds {
    let masks = [FIRE, FAULT | POWER_FAILURE | BATTERY_OR_BUS_FAILURE, ISOLATED, SUPERVISORY];
    if state & RESET != 0 && masks.iter().all(|mask| state & mask == 0) {
        return [Some(Kind::Restore), None, None, None];
    }
    kinds(state, masks)
}

/// Flag 2, and the components of panels behind a cloud. A component without power is at fault: it can say nothing more.
pub(crate) fn of_component(state: u16) -> Kinds {
    kinds(state, [FIRE, FAULT | POWER_FAILURE, ISOLATED, SUPERVISORY])
}

/// Flag 21.
pub(super) fn of_transmission_device(state: u8) -> Kinds {
    kinds(state.into(), [FIRE, DEVICE_FAULTS, 0, 0])
}

/// The kinds of operations, in the order of their bits, each once; none where no known bit is set.
///
/// Bits: 0 reset, 1 silence, 2 manual alarm, 3 alarm cleared, 4 self-test, 5 confirm (on most panels the acknowledge
/// key; of a transmission device the answer to a check of the guard), 6 test.
pub(super) fn operations(operations: u8, confirm: Kind) -> impl Iterator<Item = Kind> {
    let stated = [
        (0b1001, Kind::Restore),
        (0b10, Kind::Silence),
        (0b100, Kind::Fire),
        (0b101_0000, Kind::Test),
        (0b10_0000, confirm),
    ];
    stated.into_iter().filter(move |(mask, _)| operations & mask != 0).map(|(_, kind)| kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(kinds: impl IntoIterator<Item = Kind>) -> String {
        kinds.into_iter().map(Kind::word).collect::<Vec<_>>().join(" ")
    }

    const RESTORES: &str = "restore fault_restore isolate_restore";

    #[test]
    fn every_set_bit_speaks_and_silence_restores() {
        for (bits, system, component) in [
            (0x0002, "fire", "fire"),
            (0x0003, "fire", "fire"),
            (0x0000, RESTORES, RESTORES),
            (0x0001, RESTORES, RESTORES),
            (0x0004, "fault", "fault"),
            (0x0008, "isolate", "isolate"),
            (0x0010, "supervisory", "supervisory"),
            (0x0070, "supervisory", "supervisory"),
            (0x007E, "fire fault isolate supervisory", "fire fault isolate supervisory"),
            (0x0080, RESTORES, RESTORES),
            (0x0100, "fault", "fault"),
            (0x0200, "fault", RESTORES),
            (0x0400, "fault", RESTORES),
            (0x0800, RESTORES, RESTORES),
            (0x1000, RESTORES, RESTORES),
            (0x2000, "restore", RESTORES),
            (0x2001, "restore", RESTORES),
            (0x2002, "fire", "fire"),
            (0x2100, "fault", "fault"),
        ] {
            assert_eq!(words(of_system(bits).into_iter().flatten()), system, "system {bits:#06x}");
            assert_eq!(words(of_component(bits).into_iter().flatten()), component, "component {bits:#06x}");
        }
    }

    #[test]
    fn a_transmission_device_has_faults_of_its_own() {
        for (bits, expected) in [
            (0x00, RESTORES),
            (0x01, RESTORES),
            (0x02, "fire"),
            (0x04, "fault"),
            (0x08, "fault"),
            (0x10, "fault"),
            (0x20, "fault"),
            (0x40, "fault"),
            (0x42, "fire fault"),
            (0x80, RESTORES),
        ] {
            assert_eq!(words(of_transmission_device(bits).into_iter().flatten()), expected, "{bits:#04x}");
        }
    }

    #[test]
    fn operations_are_stated_once_each() {
        for (bits, expected) in [
            (0x00, ""),
            (0x01, "restore"),
            (0x02, "silence"),
            (0x04, "fire"),
            (0x08, "restore"),
            (0x09, "restore"),
            (0x10, "test"),
            (0x20, "acknowledge"),
            (0x40, "test"),
            (0x80, ""),
            (0xFF, "restore silence fire test acknowledge"),
        ] {
            assert_eq!(words(operations(bits, Kind::Acknowledge)), expected, "{bits:#04x}");
        }
    }
}
