//! The information objects of a data unit: what a device says about one system, component or itself.

use std::borrow::Cow;

use encoding_rs::GB18030;

use super::address::{Component, System};
use super::layout::{TEXT_LENGTH, TIME_LENGTH, flag, number};
use super::time_label;

/// One information object with its time label; `at_ms` is missing where the label names no time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Object<'t> {
    /// Flag 1: the state of a system; bits 0 normal or test, 1 fire, 2 fault, 3 isolated, 4 supervisory, 5 started,
    /// 6 feedback, 7 delay, 8 power failure, 9 battery, 10 bus, 11 manual, 12 configuration changed, 13 reset.
    SystemState {
        /// Which one.
        system: System,
        /// The state word.
        state: u16,
        /// When, Unix milliseconds.
        at_ms: Option<i64>,
    },
    /// Flag 2: the state of a component; bits 0 to 8 as of a system.
    ComponentState {
        /// Which one.
        component: Component,
        /// The state word.
        state: u16,
        /// Its description, at most 31 bytes of GB 18030; written shorter if it is longer, at a character's border.
        text: Cow<'t, str>,
        /// When, Unix milliseconds.
        at_ms: Option<i64>,
    },
    /// Flag 3: a value measured at a component.
    AnalogValue {
        /// Which one.
        component: Component,
        /// What is measured, in which steps (GB/T 26875.3-2011, table 8).
        analog_type: u8,
        /// How many steps.
        value: i16,
        /// When, Unix milliseconds.
        at_ms: Option<i64>,
    },
    /// Flag 4: somebody operated a system; bits 0 reset, 1 silence, 2 manual alarm, 3 alarm cleared, 4 self-test,
    /// 5 confirm, 6 test.
    SystemOperation {
        /// Which one.
        system: System,
        /// What was done, one bit each.
        operations: u8,
        /// The operator's number.
        operator: u8,
        /// When, Unix milliseconds.
        at_ms: Option<i64>,
    },
    /// Flag 21: the state of the transmission device; bits 0 normal or test, 1 fire, 2 fault, 3 mains, 4 battery,
    /// 5 link to the centre, 6 monitored line.
    DeviceState {
        /// The state byte.
        state: u8,
        /// When, Unix milliseconds.
        at_ms: Option<i64>,
    },
    /// Flag 24: somebody operated the transmission device; bits as of a system, 5 the answer to a check of the guard.
    DeviceOperation {
        /// What was done, one bit each.
        operations: u8,
        /// The operator's number.
        operator: u8,
        /// When, Unix milliseconds.
        at_ms: Option<i64>,
    },
}

/// Bytes of an object without its time label, if objects of this flag are read.
pub(super) const fn body_length(type_flag: u8) -> Option<usize> {
    match type_flag {
        flag::SYSTEM_STATE | flag::SYSTEM_OPERATION => Some(4),
        flag::COMPONENT_STATE => Some(9 + TEXT_LENGTH),
        flag::ANALOG_VALUE => Some(10),
        flag::DEVICE_STATE => Some(1),
        flag::DEVICE_OPERATION => Some(2),
        _ => None,
    }
}

impl<'t> Object<'t> {
    /// The type flag of the data unit it stands in.
    #[must_use]
    pub const fn flag(&self) -> u8 {
        match self {
            Self::SystemState { .. } => flag::SYSTEM_STATE,
            Self::ComponentState { .. } => flag::COMPONENT_STATE,
            Self::AnalogValue { .. } => flag::ANALOG_VALUE,
            Self::SystemOperation { .. } => flag::SYSTEM_OPERATION,
            Self::DeviceState { .. } => flag::DEVICE_STATE,
            Self::DeviceOperation { .. } => flag::DEVICE_OPERATION,
        }
    }

    /// When it happened, by the device's clock.
    #[must_use]
    pub const fn at_ms(&self) -> Option<i64> {
        match self {
            Self::SystemState { at_ms, .. }
            | Self::ComponentState { at_ms, .. }
            | Self::AnalogValue { at_ms, .. }
            | Self::SystemOperation { at_ms, .. }
            | Self::DeviceState { at_ms, .. }
            | Self::DeviceOperation { at_ms, .. } => *at_ms,
        }
    }

    /// Reads a whole body of that flag, and what is there of its time label; nothing if the length is another's.
    pub(super) fn read(type_flag: u8, body: &'t [u8], label: &[u8], utc_offset_s: i64) -> Option<Self> {
        let at_ms = time_label::read(label, utc_offset_s);
        let word = |low: u8, high: u8| u16::from_le_bytes([low, high]);
        Some(match (type_flag, body) {
            (flag::SYSTEM_STATE, &[system_type, address, low, high]) => {
                Self::SystemState { system: System { system_type, address }, state: word(low, high), at_ms }
            }
            (flag::COMPONENT_STATE, _) if body.len() == 9 + TEXT_LENGTH => {
                let (component, state) = (read_component(body), word(body[7], body[8]));
                Self::ComponentState { component, state, text: read_text(&body[9..]), at_ms }
            }
            (flag::ANALOG_VALUE, &[.., analog_type, low, high]) if body.len() == 10 => {
                let value = i16::from_le_bytes([low, high]);
                Self::AnalogValue { component: read_component(body), analog_type, value, at_ms }
            }
            (flag::SYSTEM_OPERATION, &[system_type, address, operations, operator]) => {
                Self::SystemOperation { system: System { system_type, address }, operations, operator, at_ms }
            }
            (flag::DEVICE_STATE, &[state]) => Self::DeviceState { state, at_ms },
            (flag::DEVICE_OPERATION, &[operations, operator]) => Self::DeviceOperation { operations, operator, at_ms },
            _ => return None,
        })
    }

    /// Appends body and time label.
    pub(super) fn write(&self, utc_offset_s: i64, out: &mut Vec<u8>) {
        match self {
            Self::SystemState { system, state, .. } => {
                out.extend([system.system_type, system.address]);
                out.extend(state.to_le_bytes());
            }
            Self::ComponentState { component, state, text, .. } => {
                write_component(*component, out);
                out.extend(state.to_le_bytes());
                write_text(text, out);
            }
            Self::AnalogValue { component, analog_type, value, .. } => {
                write_component(*component, out);
                out.push(*analog_type);
                out.extend(value.to_le_bytes());
            }
            Self::SystemOperation { system, operations, operator, .. } => {
                out.extend([system.system_type, system.address, *operations, *operator]);
            }
            Self::DeviceState { state, .. } => out.push(*state),
            Self::DeviceOperation { operations, operator, .. } => out.extend([*operations, *operator]),
        }
        out.extend(time_label::write(self.at_ms(), utc_offset_s));
    }

    /// Bytes of the object with its time label.
    pub(super) fn length(&self) -> usize {
        body_length(self.flag()).expect("every object's flag has a length") + TIME_LENGTH
    }
}

/// The component that the first seven bytes of a body name.
fn read_component(body: &[u8]) -> Component {
    let address = u32::try_from(number(&body[3..7])).expect("four bytes");
    Component { system: System { system_type: body[0], address: body[1] }, component_type: body[2], address }
}

fn write_component(component: Component, out: &mut Vec<u8>) {
    out.extend([component.system.system_type, component.system.address, component.component_type]);
    out.extend(component.address.to_le_bytes());
}

/// The text up to its first NUL, without the blanks that pad it.
///
/// A character cut in half by the field's end (31 is odd, and most characters have two bytes) is left out.
fn read_text(field: &[u8]) -> Cow<'_, str> {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    let (text, _) = GB18030.decode_without_bom_handling(&field[..end]);
    let padding = |c: char| c.is_whitespace() || c == char::REPLACEMENT_CHARACTER;
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches(padding)),
        Cow::Owned(mut text) => {
            text.truncate(text.trim_end_matches(padding).len());
            Cow::Owned(text)
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    let end = out.len() + TEXT_LENGTH;
    for (start, character) in text.char_indices() {
        let (bytes, _, _) = GB18030.encode(&text[start..start + character.len_utf8()]);
        if out.len() + bytes.len() > end {
            break;
        }
        out.extend_from_slice(&bytes);
    }
    out.resize(end, 0);
}
