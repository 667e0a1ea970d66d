//! From a frame to the signals it stands for.

use std::ops::Range;

use fenghuo_model::{Kind, Sensor, Signal};

use super::layout::{ADDRESS_LENGTH, COMMAND_AT, SERIAL_AT, SOURCE_AT, TIME_LENGTH, UNIT_AT, command, flag, number};
use super::object::{Object, body_length};
use super::{address, analog_type, component_type, state, time_label};
use crate::life::Well;
use crate::{Decoded, Options, Rejection};

/// Appends what a frame says, given its bytes and where in the record they stand.
///
/// Acknowledgements, denials and whatever carries a downlink's flag say nothing. Controls and requests come from a
/// centre and say nothing either, unless they carry a state, value or operation, which only a device has: a fire is
/// believed under a wrong command too. Every other command, unknown ones included, is a device's own word, and if
/// nothing else, it says that the device lives.
pub(super) fn interpret(frame: &[u8], range: Range<usize>, options: &Options, out: &mut Vec<Decoded>) {
    let (head, unit) = (&frame[..UNIT_AT], &frame[UNIT_AT..frame.len() - 3]);
    let (source, said) = (number(&head[SOURCE_AT..SOURCE_AT + ADDRESS_LENGTH]), head[COMMAND_AT]);
    if matches!(said, command::ACKNOWLEDGE | command::DENY) {
        return;
    }
    if let [type_flag, count, objects @ ..] = unit {
        if flag::is_downlink(*type_flag) {
            return;
        }
        if let Some(body_length) = body_length(*type_flag) {
            let unit = Unit { source, type_flag: *type_flag, count: (*count).into(), body_length };
            if let Err(reason) = unit.read(objects, options, out) {
                let Range { start, end } = range;
                let serial = number(&head[SERIAL_AT..SERIAL_AT + 2]);
                let reason = format!("bytes {start}..{end}: frame {serial} with objects of flag {type_flag}: {reason}");
                out.push(Rejection::new(reason).into());
            }
            return;
        }
    }
    if !matches!(said, command::CONTROL | command::REQUEST) {
        out.push(heartbeat(source));
    }
}

/// How many heartbeats and readings a frame stands for, if for nothing else, and none has a time label that names no
/// time. What it passes over [`interpret`] passes over too.
pub(super) fn signs_of_life(frame: &[u8]) -> Option<u32> {
    let (said, unit) = (frame[COMMAND_AT], &frame[UNIT_AT..frame.len() - 3]);
    let sent_here = u32::from(!matches!(said, command::CONTROL | command::REQUEST));
    match unit {
        _ if matches!(said, command::ACKNOWLEDGE | command::DENY) => Some(0),
        [] | [_] => Some(sent_here),
        [type_flag, ..] if flag::is_downlink(*type_flag) => Some(0),
        [type_flag, count, objects @ ..] => {
            let Some(body_length) = body_length(*type_flag) else { return Some(sent_here) };
            let mut objects = objects.chunks_exact(body_length + TIME_LENGTH);
            let is_one = |object: &[u8]| {
                // In every zone: none moves a label's century out of what can be written.
                let is_timed = time_label::read(&object[body_length..], 0).is_some();
                let is_life = match *type_flag {
                    flag::ANALOG_VALUE => true,
                    flag::DEVICE_OPERATION => {
                        state::operations(object[0], Kind::Heartbeat).all(|kind| kind == Kind::Heartbeat)
                    }
                    _ => false,
                };
                is_timed && is_life
            };
            let is_whole = *count > 0 && objects.len() == usize::from(*count) && objects.remainder().is_empty();
            (is_whole && objects.all(is_one)).then_some((*count).into())
        }
    }
}

/// What a frame says, if it is that one device is well: one whole object of state with nothing set.
pub(super) fn says_well<'r>(frame: &'r [u8], options: &Options, name: &mut String) -> Option<Well<'r>> {
    let unit = &frame[UNIT_AT..frame.len() - 3];
    let [type_flag, 1, object @ ..] = unit else { return None };
    let body_length = body_length(*type_flag)?;
    let is_said = !matches!(frame[COMMAND_AT], command::ACKNOWLEDGE | command::DENY);
    let (body, label) = object.split_at_checked(body_length).filter(|_| is_said)?;
    let at_ms = time_label::read(label, options.utc_offset_s)?;
    let source = number(&frame[SOURCE_AT..SOURCE_AT + ADDRESS_LENGTH]);
    let word = |at: usize| u16::from_le_bytes([body[at], body[at + 1]]);
    let system = || address::System { system_type: body[0], address: body[1] };
    let kinds = match *type_flag {
        flag::SYSTEM_STATE => state::of_system(word(2)),
        flag::COMPONENT_STATE => state::of_component(word(7)),
        flag::DEVICE_STATE => state::of_transmission_device(body[0]),
        _ => return None,
    };
    if kinds != state::NORMAL {
        return None;
    }
    name.clear();
    match *type_flag {
        flag::SYSTEM_STATE => address::write_system(source, system(), name),
        flag::COMPONENT_STATE => {
            let address = u32::try_from(number(&body[3..7])).expect("four bytes");
            let component = address::Component { system: system(), component_type: body[2], address };
            address::write_component(source, component, name);
        }
        _ => address::write_transmission_device(source, name),
    }
    let words = &unit[..unit.len() - TIME_LENGTH];
    Some(Well { words, at_ms })
}

/// A data unit of objects that are read.
struct Unit {
    source: u64,
    type_flag: u8,
    count: usize,
    body_length: usize,
}

impl Unit {
    /// Appends what the objects say, and returns why not all of them could be read.
    ///
    /// A count is never a reason to lose what is there. Of a count that exceeds the data, the objects that are there
    /// are read; a last one whose time label is cut has no time. A count of zero before objects that fill the data
    /// exactly is taken for a device that does not count. What stands behind the objects is a vendor's own.
    fn read(&self, objects: &[u8], options: &Options, out: &mut Vec<Decoded>) -> Result<(), String> {
        let &Self { type_flag, body_length, .. } = self;
        let mut count = self.count;
        if count == 0 && objects.is_empty() {
            out.push(heartbeat(self.source));
        } else if count == 0 {
            let object_length = body_length + TIME_LENGTH;
            if !objects.len().is_multiple_of(object_length) {
                return Err(format!("the count is 0, and {} bytes follow", objects.len()));
            }
            count = objects.len() / object_length;
        }
        let mut rest = objects;
        for index in 1..=count {
            let Some((body, after)) = rest.split_at_checked(body_length) else {
                return Err(format!("object {index} of {count} is cut: {} bytes of {body_length}", rest.len()));
            };
            let (label, after) = after.split_at(after.len().min(TIME_LENGTH));
            let object = Object::read(type_flag, body, label, options.utc_offset_s)
                .expect("the body has the length that its flag asks for");
            self.state(&object, out);
            rest = after;
        }
        Ok(())
    }

    /// Appends the signals of one object.
    fn state(&self, object: &Object<'_>, out: &mut Vec<Decoded>) {
        let source = self.source;
        let at_ms = object.at_ms();
        let signal = |device: String, kind: Kind, sensor: Sensor| signal(device, kind, sensor, at_ms);
        match object {
            Object::SystemState { system, state, .. } => {
                let kinds = state::of_system(*state).into_iter().flatten();
                out.extend(
                    kinds.map(|kind| Decoded::Signal(signal(address::system(source, *system), kind, Sensor::Panel))),
                );
            }
            Object::ComponentState { component, state, text, .. } => {
                let sensor = component_type::sensor(component.component_type);
                for kind in state::of_component(*state).into_iter().flatten() {
                    let mut signal = signal(address::component(source, *component), kind, sensor);
                    signal.text = (!text.is_empty()).then(|| text.to_string());
                    out.push(Decoded::Signal(signal));
                }
            }
            Object::AnalogValue { component, analog_type, value, .. } => {
                let sensor = component_type::sensor(component.component_type);
                let mut signal = signal(address::component(source, *component), Kind::Reading, sensor);
                let (value, unit) = analog_type::value(*analog_type, *value);
                signal.value = Some(value);
                signal.unit = unit.map(str::to_owned);
                out.push(Decoded::Signal(signal));
            }
            Object::SystemOperation { system, operations, .. } => {
                let device = || address::system(source, *system);
                self.operate(device, *operations, Kind::Acknowledge, at_ms, out);
            }
            Object::DeviceState { state, .. } => {
                let kinds = state::of_transmission_device(*state).into_iter().flatten();
                let device = || address::transmission_device(source);
                out.extend(kinds.map(|kind| Decoded::Signal(signal(device(), kind, Sensor::Panel))));
            }
            Object::DeviceOperation { operations, .. } => {
                let device = || address::transmission_device(source);
                self.operate(device, *operations, Kind::Heartbeat, at_ms, out);
            }
        }
    }

    /// Appends one signal for each kind of operation; where none is known, the device lives and that is all.
    fn operate(
        &self,
        device: impl Fn() -> String,
        operations: u8,
        confirm: Kind,
        at_ms: Option<i64>,
        out: &mut Vec<Decoded>,
    ) {
        let from = out.len();
        let kinds = state::operations(operations, confirm);
        out.extend(kinds.map(|kind| Decoded::Signal(signal(device(), kind, sensor_of_operation(kind), at_ms))));
        if out.len() == from {
            let device = address::transmission_device(self.source);
            out.push(Decoded::Signal(signal(device, Kind::Heartbeat, Sensor::Unknown, at_ms)));
        }
    }
}

/// A manual alarm is a button pressed; an acknowledgement is a person's.
fn sensor_of_operation(kind: Kind) -> Sensor {
    match kind {
        Kind::Fire => Sensor::CallPoint,
        Kind::Acknowledge => Sensor::Operator,
        _ => Sensor::Unknown,
    }
}

/// That a transmission device lives; nobody says when.
fn heartbeat(source: u64) -> Decoded {
    let mut signal = Box::new(Signal::new(address::transmission_device(source), Kind::Heartbeat));
    signal.sensor = Some(Sensor::Unknown);
    Decoded::Signal(signal)
}

/// A signal with its object's time; a label that names none is a flaw.
fn signal(device: String, kind: Kind, sensor: Sensor, at_ms: Option<i64>) -> Box<Signal> {
    // Made where it will stay: it is too large to be handed on more often than need be.
    let mut signal = Box::new(Signal::new(device, kind));
    signal.sensor = Some(sensor);
    signal.at_ms = at_ms;
    signal.flaws.times = u32::from(at_ms.is_none());
    signal
}
