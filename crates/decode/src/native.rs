//! The native JSON form: one record is one signal, as [`Signal::from_json`](fenghuo_model::Signal::from_json) reads it.

use fenghuo_model::Input;
use fenghuo_model::signal::PlainSignal;

use crate::{Decoded, Rejection};

/// Appends the record's one signal, or why it is none. A tick or a policy is none: they belong
/// into the stream of signals, and no device may move a city's clock or change its rules.
pub(crate) fn decode(bytes: &[u8], out: &mut Vec<Decoded>) {
    out.push(match Input::from_json(bytes) {
        Ok(Input::Signal(signal)) => Decoded::Signal(signal),
        Ok(Input::Tick(_)) => Rejection::new("a tick is no statement of a device").into(),
        Ok(Input::Policy(_)) => Rejection::new("a policy is no statement of a device").into(),
        Ok(Input::Registry(_)) => Rejection::new("a registry is no statement of a device").into(),
        Err(reason) => Rejection::new(reason.to_string()).into(),
    });
}

/// See [`crate::signs_of_life`]; the time of receipt is the signal's own.
pub(crate) fn signs_of_life(bytes: &[u8]) -> Option<(u32, Option<i64>)> {
    let signal = PlainSignal::from_json(bytes)?;
    signal.kind().is_sign_of_life().then_some((1, signal.received_at_ms()))
}
