//! Writes frames, for the synthetic city and for tests; it shares the layout with what reads them.

use thiserror::Error;

use super::layout::{
    ADDRESS_LENGTH, COMMAND_AT, DESTINATION_AT, END_MARK, LENGTH_AT, LONGEST_UNIT, SENT_AT, SERIAL_AT, SOURCE_AT,
    START_MARK, UNIT_AT, VERSION_AT, check_sum, command,
};
use super::object::Object;
use super::time_label;

/// What a frame says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The sender's own count of its frames; a resend keeps it.
    pub serial: u16,
    /// The protocol's version: main, user.
    pub version: [u8; 2],
    /// The time of sending, Unix milliseconds, cut to the second; missing where the label names no time.
    pub sent_ms: Option<i64>,
    /// The sender, 48 bits.
    pub source: u64,
    /// Whom it is for, 48 bits.
    pub destination: u64,
    /// What it is for: one of [`command`].
    pub command: u8,
}

impl Head {
    /// The head of what a transmission device sends to its centre of its own accord.
    #[must_use]
    pub const fn of_sending(serial: u16, sent_ms: i64, source: u64, destination: u64) -> Self {
        Self { serial, version: [1, 1], sent_ms: Some(sent_ms), source, destination, command: command::SEND }
    }
}

/// Why objects do not fit into one frame; nothing is written then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum WriteFrameError {
    /// A data unit has one type flag.
    #[error("objects of flag {0} and {1} cannot share a frame")]
    Mixed(u8, u8),
    /// The data unit would be longer than [`LONGEST_UNIT`], or the objects more than 255.
    #[error("a data unit of {length} bytes and {objects} objects does not fit into a frame")]
    TooLong {
        /// Bytes of the data unit.
        length: usize,
        /// Number of its objects.
        objects: usize,
    },
}

/// Appends a frame with these objects, all of one flag; without any, a heartbeat's frame, whose data unit is empty.
///
/// # Errors
/// The objects are of several flags, or too many.
pub fn write(head: &Head, objects: &[Object<'_>], utc_offset_s: i64, out: &mut Vec<u8>) -> Result<(), WriteFrameError> {
    let Some(first) = objects.first() else { return write_unit(head, &[], utc_offset_s, out) };
    if let Some(other) = objects.iter().find(|object| object.flag() != first.flag()) {
        return Err(WriteFrameError::Mixed(first.flag(), other.flag()));
    }
    let length = 2 + objects.len() * first.length();
    let too_long = WriteFrameError::TooLong { length, objects: objects.len() };
    let count = u8::try_from(objects.len()).map_err(|_| too_long)?;
    let mut unit = Vec::with_capacity(length);
    unit.extend([first.flag(), count]);
    for object in objects {
        object.write(utc_offset_s, &mut unit);
    }
    write_unit(head, &unit, utc_offset_s, out).map_err(|_| too_long)
}

/// Appends a frame with these bytes as its data unit, whatever they say.
///
/// # Errors
/// The data unit is longer than [`LONGEST_UNIT`].
pub fn write_unit(head: &Head, unit: &[u8], utc_offset_s: i64, out: &mut Vec<u8>) -> Result<(), WriteFrameError> {
    let fits = u16::try_from(unit.len()).ok().filter(|length| usize::from(*length) <= LONGEST_UNIT);
    let Some(length) = fits else {
        return Err(WriteFrameError::TooLong { length: unit.len(), objects: 0 });
    };
    let from = out.len();
    let mut put = |at: usize, field: &[u8]| {
        debug_assert_eq!(out.len() - from, at, "every field stands at its place");
        out.extend_from_slice(field);
    };
    put(0, &START_MARK);
    put(SERIAL_AT, &head.serial.to_le_bytes());
    put(VERSION_AT, &head.version);
    put(SENT_AT, &time_label::write(head.sent_ms, utc_offset_s));
    put(SOURCE_AT, &head.source.to_le_bytes()[..ADDRESS_LENGTH]);
    put(DESTINATION_AT, &head.destination.to_le_bytes()[..ADDRESS_LENGTH]);
    put(LENGTH_AT, &length.to_le_bytes());
    put(COMMAND_AT, &[head.command]);
    put(UNIT_AT, unit);
    out.push(check_sum(&out[from + SERIAL_AT..]));
    out.extend(END_MARK);
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;
    use proptest::test_runner::RngSeed;

    use super::*;
    use crate::gb26875::address::{Component, System};
    use crate::gb26875::layout::{SHORTEST_FRAME, TIME_LENGTH, flag, number};
    use crate::gb26875::object::body_length;
    use crate::gb26875::scan::{Piece, scan};

    const CHINA_S: i64 = 8 * 3600;

    /// All that a head says; decoding asks for less.
    fn read_head(frame: &[u8]) -> Head {
        let number_at = |at: usize, length: usize| number(&frame[at..at + length]);
        Head {
            serial: u16::from_le_bytes([frame[SERIAL_AT], frame[SERIAL_AT + 1]]),
            version: [frame[VERSION_AT], frame[VERSION_AT + 1]],
            sent_ms: time_label::read(&frame[SENT_AT..SOURCE_AT], CHINA_S),
            source: number_at(SOURCE_AT, ADDRESS_LENGTH),
            destination: number_at(DESTINATION_AT, ADDRESS_LENGTH),
            command: frame[COMMAND_AT],
        }
    }

    fn at_ms() -> impl Strategy<Value = Option<i64>> {
        prop::option::of((946_684_800_i64..4_102_400_000).prop_map(|second| second * 1_000))
    }

    fn system() -> impl Strategy<Value = System> {
        any::<(u8, u8)>().prop_map(|(system_type, address)| System { system_type, address })
    }

    fn component() -> impl Strategy<Value = Component> {
        (system(), any::<u8>(), any::<u32>()).prop_map(|(system, component_type, address)| Component {
            system,
            component_type,
            address,
        })
    }

    fn objects() -> impl Strategy<Value = Vec<Object<'static>>> {
        let text = "[a-z0-9 ]{0,8}[火楼栋走廊烟感]{0,7}[a-z0-9火]{1}|".prop_map(Cow::Owned);
        let component_state = (component(), any::<u16>(), text, at_ms())
            .prop_map(|(component, state, text, at_ms)| Object::ComponentState { component, state, text, at_ms });
        let system_state = (system(), any::<u16>(), at_ms()).prop_map(|(system, state, at_ms)| Object::SystemState {
            system,
            state,
            at_ms,
        });
        let analog_value =
            (component(), any::<(u8, i16)>(), at_ms()).prop_map(|(component, (analog_type, value), at_ms)| {
                Object::AnalogValue { component, analog_type, value, at_ms }
            });
        let system_operation =
            (system(), any::<(u8, u8)>(), at_ms()).prop_map(|(system, (operations, operator), at_ms)| {
                Object::SystemOperation { system, operations, operator, at_ms }
            });
        let device_state = (any::<u8>(), at_ms()).prop_map(|(state, at_ms)| Object::DeviceState { state, at_ms });
        let device_operation = (any::<(u8, u8)>(), at_ms())
            .prop_map(|((operations, operator), at_ms)| Object::DeviceOperation { operations, operator, at_ms });
        prop_oneof![
            prop::collection::vec(component_state, 0..=22),
            prop::collection::vec(system_state, 1..=9),
            prop::collection::vec(analog_value, 1..=9),
            prop::collection::vec(system_operation, 1..=9),
            prop::collection::vec(device_state, 1..=146),
            prop::collection::vec(device_operation, 1..=127),
        ]
    }

    fn head() -> impl Strategy<Value = Head> {
        (any::<u16>(), any::<[u8; 2]>(), at_ms(), 0..1_u64 << 48, 0..1_u64 << 48, any::<u8>()).prop_map(
            |(serial, version, sent_ms, source, destination, command)| Head {
                serial,
                version,
                sent_ms,
                source,
                destination,
                command,
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 1_000, rng_seed: RngSeed::Fixed(26_875), failure_persistence: None, ..ProptestConfig::default()
        })]

        #[test]
        fn what_is_written_is_read_as_it_was(head in head(), objects in objects(), prefix in 0..3_usize) {
            let mut out = vec![0; prefix];
            write(&head, &objects, CHINA_S, &mut out).unwrap();
            let mut pieces = 0;
            scan(&out[prefix..], |piece| {
                pieces += 1;
                let Piece::Frame(frame, range) = piece else { panic!("no frame in {out:02x?}") };
                assert_eq!(range, 0..out.len() - prefix);
                assert_eq!(read_head(frame), head);
                let unit = &frame[UNIT_AT..frame.len() - 3];
                let [type_flag, count, rest @ ..] = unit else { return assert!(unit.is_empty() && objects.is_empty()) };
                assert_eq!(usize::from(*count), objects.len());
                let body_length = body_length(*type_flag).unwrap();
                let read = rest.chunks(body_length + TIME_LENGTH).map(|object| {
                    Object::read(*type_flag, &object[..body_length], &object[body_length..], CHINA_S).unwrap()
                });
                assert_eq!(read.collect::<Vec<_>>(), objects);
            });
            assert_eq!(pieces, 1);
        }
    }

    #[test]
    fn what_does_not_fit_is_an_error_and_writes_nothing() {
        let head = Head::of_sending(1, 0, 1, 2);
        let state = Object::DeviceState { state: 1, at_ms: None };
        let operation = Object::DeviceOperation { operations: 1, operator: 1, at_ms: None };
        let too_long = |length, objects| Err(WriteFrameError::TooLong { length, objects });
        for (objects, expected) in [
            (vec![], Ok(())),
            (vec![state.clone(); 146], Ok(())),
            (vec![state.clone(); 147], too_long(1031, 147)),
            (vec![state.clone(); 256], too_long(1794, 256)),
            (vec![state, operation], Err(WriteFrameError::Mixed(flag::DEVICE_STATE, flag::DEVICE_OPERATION))),
        ] {
            let mut out = Vec::new();
            assert_eq!(write(&head, &objects, CHINA_S, &mut out), expected);
            assert_eq!(out.is_empty(), expected.is_err());
        }
        assert_eq!(write_unit(&head, &[0; 1025], CHINA_S, &mut Vec::new()), too_long(1025, 0));
        let mut heartbeat = Vec::new();
        write(&head, &[], CHINA_S, &mut heartbeat).unwrap();
        assert_eq!(heartbeat.len(), SHORTEST_FRAME);
    }

    #[test]
    fn a_text_that_is_too_long_ends_at_a_characters_border() {
        let component = Component { system: System { system_type: 1, address: 1 }, component_type: 40, address: 1 };
        let state =
            |text: &str| Object::ComponentState { component, state: 2, text: text.to_owned().into(), at_ms: None };
        let mut body = Vec::new();
        state(&"楼".repeat(20)).write(CHINA_S, &mut body);
        assert_eq!(body.len(), 46);
        assert_eq!(
            Object::read(flag::COMPONENT_STATE, &body[..40], &body[40..], CHINA_S),
            Some(state(&"楼".repeat(15)))
        );
    }
}
