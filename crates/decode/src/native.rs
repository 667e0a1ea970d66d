//! The native JSON form: one record is one signal, as [`Signal::from_json`](fenghuo_model::Signal::from_json) reads it.

use fenghuo_model::Input;

use crate::{Decoded, Rejection};

/// Appends the record's one signal, or why it is none. A tick is none: time passes in the stream of signals, and no
/// device may move a city's clock.
pub(crate) fn decode(bytes: &[u8], out: &mut Vec<Decoded>) {
    out.push(match Input::from_json(bytes) {
        Ok(Input::Signal(signal)) => Decoded::Signal(signal),
        Ok(Input::Tick(_)) => Rejection::new("a tick is no statement of a device").into(),
        Err(reason) => Rejection::new(reason.to_string()).into(),
    });
}
