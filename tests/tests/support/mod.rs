//! What tests against a real broker share: the broker, the built programs as processes, and whole topics read back.

// Each test uses a part of it.
#![allow(dead_code)]

pub mod broker;
pub mod processes;
