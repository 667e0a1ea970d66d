//! Checks that span crates: the order of the house, tidiness, documents against schemas, and whole paths.
//!
//! The checks are pure functions over text, so that each can be shown to fail (a canary feeds it a fault). The tests
//! under `tests/` apply them to this checkout; `tests/run` runs them and everything else.

pub mod examples;
pub mod house;
pub mod rust_text;
pub mod schemas;
pub mod tidy;
pub mod tree;
