//! The fenghuo command.
fn main() {}
