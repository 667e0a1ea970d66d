//! What tests against a real broker share: the broker, the built programs as processes, and whole topics read back.

pub mod broker;
pub mod processes;
