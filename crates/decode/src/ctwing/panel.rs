//! A panel behind the cloud: `{"b":[{"id":"<address>","v":"2"}],"c":27,"id":<ms>,"tm":<ms>}`, packed in base64.
//!
//! `c` says what it is: 27 the states of the components in `b`, each `v` the state word of GB/T 26875.3 in decimal; 92
//! the device is offline. `tm` is when it happened.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fenghuo_model::{Kind, Signal, time};
use serde_json::Value;

use super::{Fields, Sender, integer, word};
use crate::gb26875::state;
use crate::{Decoded, Rejection};

const COMPONENT_STATES: i64 = 27;
const DEVICE_OFFLINE: i64 = 92;

/// Appends what a packed message of a panel says.
pub(super) fn read(sender: &Sender, packed: &Value, out: &mut Vec<Decoded>) {
    match unpack(packed) {
        Ok(message) => read_message(sender, &message, out),
        Err(reason) => out.push(Rejection::new(format!("APPdata {reason}")).into()),
    }
}

fn unpack(packed: &Value) -> Result<Fields, String> {
    let text = packed.as_str().ok_or("is no string")?;
    let bytes = STANDARD.decode(text.trim()).map_err(|error| format!("is no base64: {error}"))?;
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(message)) => Ok(message),
        Ok(_) => Err("holds no JSON object".to_owned()),
        Err(error) => Err(format!("holds no JSON object: {error}")),
    }
}

fn read_message(sender: &Sender, message: &Fields, out: &mut Vec<Decoded>) {
    let stated = message.get("tm").filter(|time| !time.is_null());
    let at_ms = stated.and_then(integer).and_then(time::writable);
    let timed = |device: String, kind: Kind| -> Signal {
        let mut signal = sender.signal(device, kind);
        signal.at_ms = at_ms;
        signal.flaws.times += u32::from(stated.is_some() && at_ms.is_none());
        signal
    };
    let components: &[Value] = message.get("b").and_then(Value::as_array).map_or(&[], Vec::as_slice);
    match message.get("c").and_then(integer) {
        Some(COMPONENT_STATES) if components.is_empty() => {
            out.push(Rejection::new("APPdata states of components without one").into());
        }
        Some(COMPONENT_STATES) => {
            for component in components {
                let Some((id, state)) = component.as_object().and_then(component_state) else {
                    out.push(
                        Rejection::new(format!("APPdata component without id and state word: {component}")).into(),
                    );
                    continue;
                };
                let device = format!("{}:{id}", sender.device);
                let kinds = state::of_component(state).into_iter().flatten();
                out.extend(kinds.map(|kind| timed(device.clone(), kind).into()));
            }
        }
        Some(DEVICE_OFFLINE) => out.push(timed(sender.device.clone(), Kind::Offline).into()),
        Some(_) => out.push(timed(sender.device.clone(), Kind::Heartbeat).into()),
        None => out.push(Rejection::new("APPdata without c, which says what it is").into()),
    }
}

fn component_state(component: &Fields) -> Option<(String, u16)> {
    let id = component.get("id").and_then(word)?;
    let state = component.get("v").and_then(integer)?;
    Some((id, u16::try_from(state).ok()?))
}
