//! What the NB-IoT platform CTWing pushes: a JSON envelope around what a detector or panel said.
//!
//! The envelope names the device by its IMEI and says when the platform received it; the payload has one of three
//! shapes, all of which may stand in arrays:
//! (a) `{"APPdata": base64}`: a panel's components behind one device, see [`panel`];
//! (b) `{"serviceId":…,"serviceData":{…}}`;
//! (c) the data points of (b) alone.
//!
//! Lenient where a fire could be lost: an envelope without a known `messageType` is read by its payload, numbers may be
//! written as strings, a payload may be JSON in a string. The platform's packet numbers are no ids: it sends -1.

mod panel;
mod plain;

use std::borrow::Cow;

use fenghuo_model::{Kind, Signal};
use serde_json::{Map, Value};

use crate::{Decoded, Rejection};

/// Appends what one push says.
pub(crate) fn decode(bytes: &[u8], out: &mut Vec<Decoded>) {
    match plain::read(bytes) {
        Some(said) => out.extend(said.map(|push| Decoded::Signal(push.to_signal()))),
        None => decode_any(bytes, out),
    }
}

/// See [`crate::signs_of_life`]; the time of receipt is that of each.
pub(crate) fn signs_of_life(bytes: &[u8]) -> Option<(u32, Option<i64>)> {
    match plain::read(bytes)? {
        None => Some((0, None)),
        Some(push) => push.kind.is_sign_of_life().then_some((1, push.received_at_ms)),
    }
}

/// Whatever the push is; [`plain`] reads most of them faster.
fn decode_any(bytes: &[u8], out: &mut Vec<Decoded>) {
    match serde_json::from_slice(bytes) {
        Ok(Value::Object(envelope)) => read_envelope(&envelope, out),
        Ok(_) => out.push(Rejection::new("not a JSON object").into()),
        Err(error) => out.push(Rejection::new(format!("not a JSON object: {error}")).into()),
    }
}

/// The device that an envelope names, and when the platform received it.
struct Sender {
    device: String,
    received_at_ms: Option<i64>,
    unreadable_times: u32,
}

impl Sender {
    fn signal(&self, device: String, kind: Kind) -> Signal {
        let mut signal = Signal::new(device, kind);
        signal.received_at_ms = self.received_at_ms;
        signal.flaws.times = self.unreadable_times;
        signal
    }

    fn state(&self, kind: Kind) -> Signal {
        self.signal(self.device.clone(), kind)
    }
}

type Fields = Map<String, Value>;

fn read_envelope(envelope: &Fields, out: &mut Vec<Decoded>) {
    let stated = |name: &str| envelope.get(name).filter(|value| !value.is_null());
    let unpacked = stated("payload").or_else(|| stated("eventContent")).map(unpack);
    let payload = unpacked.as_deref();
    let Some(device) = device(envelope, payload) else {
        out.push(Rejection::new("neither IMEI nor deviceId is there").into());
        return;
    };
    let timestamp = stated("timestamp");
    let received_at_ms = timestamp.and_then(integer).map(in_ms).and_then(fenghuo_model::time::writable);
    let unreadable_times = u32::from(timestamp.is_some() && received_at_ms.is_none());
    let sender = Sender { device, received_at_ms, unreadable_times };

    let message_type = envelope.get("messageType").and_then(Value::as_str).unwrap_or_default();
    match (message_type, payload) {
        // What the platform knows of a command that it forwarded; the device may never have heard of it.
        ("commandResponse", _) => {}
        ("deviceOnlineOfflineReport", _) => match envelope.get("eventType").and_then(integer) {
            Some(1) => out.push(sender.state(Kind::Online).into()),
            Some(0) => out.push(sender.state(Kind::Offline).into()),
            _ => out.push(Rejection::new("eventType says neither online (1) nor offline (0)").into()),
        },
        (_, Some(payload)) => read_payload(&sender, payload, out),
        (_, None) => out.push(Rejection::new(format!("messageType {message_type:?} without a payload")).into()),
    }
}

/// The JSON that a string holds, if it is an object or array; else the value itself.
fn unpack(value: &Value) -> Cow<'_, Value> {
    let inner = value.as_str().and_then(|text| serde_json::from_str(text).ok());
    let inner = inner.filter(|inner: &Value| inner.is_object() || inner.is_array());
    inner.map_or(Cow::Borrowed(value), Cow::Owned)
}

/// `imei:<IMEI>`, by envelope or payload; `ctwing:<deviceId>` where neither knows the IMEI.
fn device(envelope: &Fields, payload: Option<&Value>) -> Option<String> {
    let named = |fields: &Fields, name: &str| fields.get(name).and_then(word);
    let points = payload.and_then(Value::as_object);
    let service = points.and_then(|points| points.get("serviceData")).and_then(Value::as_object);
    [Some(envelope), service, points]
        .into_iter()
        .flatten()
        .find_map(|fields| named(fields, "IMEI"))
        .map(|imei| format!("imei:{imei}"))
        .or_else(|| named(envelope, "deviceId").map(|id| format!("ctwing:{id}")))
}

/// A name that is one: a number counts, `undefined` does not.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => name(text).map(str::to_owned),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A text that names something, without the blanks around it.
fn name(text: &str) -> Option<&str> {
    let name = text.trim();
    (!name.is_empty() && name != "undefined" && name != "null").then_some(name)
}

/// An integer, as number or as its digits in a string.
fn integer(value: &Value) -> Option<i64> {
    match value {
        // 1.0 is the number 1 in JSON, whoever writes it so; beyond 2^53 no status lies.
        #[expect(clippy::cast_possible_truncation, reason = "a whole number, and small")]
        Value::Number(number) => number.as_i64().or_else(|| {
            number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() < 1e9).map(|value| value as i64)
        }),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The platform's time of receipt in milliseconds. It writes those, some gateways before it seconds: as milliseconds,
/// all below 10^11 lie before March 1973, as seconds they reach to the year 5138.
const fn in_ms(timestamp: i64) -> i64 {
    if timestamp.unsigned_abs() < 100_000_000_000 { timestamp * 1_000 } else { timestamp }
}

/// Reads a payload of any shape. Its depth is bounded by that of the JSON parser, and JSON within strings grows with
/// every level by its escapes.
fn read_payload(sender: &Sender, payload: &Value, out: &mut Vec<Decoded>) {
    match payload {
        Value::Array(entries) if !entries.is_empty() => {
            for entry in entries {
                read_payload(sender, entry, out);
            }
        }
        Value::Object(fields) => match (fields.get("APPdata"), fields.get("serviceData")) {
            (Some(packed), _) => panel::read(sender, packed, out),
            (None, None | Some(Value::Null)) => read_points(sender, fields, out),
            (None, Some(points)) => read_payload(sender, &unpack(points), out),
        },
        // No points at all: the device lives.
        Value::Array(_) => out.push(sender.state(Kind::Heartbeat).into()),
        _ => out.push(Rejection::new("the payload is neither an object nor an array").into()),
    }
}

/// The data points of a detector: its alarm status, if they hold one; telemetry alone shows that it lives.
fn read_points(sender: &Sender, points: &Fields, out: &mut Vec<Decoded>) {
    let signal = match points.get("Alarm_Status") {
        None | Some(Value::Null) => sender.state(Kind::Heartbeat),
        Some(status) => of_alarm_status(sender, status),
    };
    out.push(signal.into());
}

/// What a detector with that status says; what is not known is supervisory with the status in its text, so that it is
/// seen.
fn of_alarm_status(sender: &Sender, status: &Value) -> Signal {
    let number = integer(status);
    if let Some(kind) = number.and_then(kind_of_status) {
        return sender.state(kind);
    }
    let mut signal = sender.state(Kind::Supervisory);
    signal.text = Some(format!("Alarm_Status {status}"));
    signal.flaws.types = u32::from(number.is_none());
    signal
}

/// The `Alarm_Status` of a common detector. 0 is its normal state, reported with its telemetry.
const fn kind_of_status(status: i64) -> Option<Kind> {
    Some(match status {
        0 => Kind::Heartbeat,
        1 => Kind::Fire,
        2 | 8 | 9 => Kind::Silence,
        4 => Kind::LowBattery,
        5 | 6 | 13 => Kind::Fault,
        7 => Kind::Restore,
        10 => Kind::Tamper,
        11 => Kind::Supervisory,
        12 => Kind::Online,
        14 => Kind::Test,
        _ => return None,
    })
}
