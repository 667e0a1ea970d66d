//! Bytes of devices to signals, or a reason.
