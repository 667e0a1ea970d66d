//! Checks that span crates: the order of the house, tidiness, documents against schemas, and whole paths.
//!
//! The checks are pure functions over text, so that each can be shown to fail (a canary feeds it a fault). The tests
//! under `tests/` apply them to this checkout; `tests/run` runs them and everything else.
//!
//! What whole paths need stands here too, for the tests against a broker and for the fault harness (`faults/`): the
//! broker, the built programs as processes, a city's topics, whole topics read back, and the oracle.

pub mod broker;
pub mod examples;
pub mod expected;
pub mod forged;
pub mod house;
pub mod night;
pub mod processes;
pub mod rust_text;
pub mod stage;
pub mod tidy;
pub mod topics;
pub mod tree;
pub mod trouble;
