//! The nouns of Fenghuo: registry, signal, policy, decision, time.
//!
//! Everything here is plain and pure: no clock, no log, no thread that outlives its call; the same input gives the same
//! output. Files are only read where a caller hands over their bytes. Read [`signal::Signal`] for what comes in,
//! [`registry::Registry`] and [`policy::Policy`] for what is known, [`decision::Decision`] for what goes out.

pub mod decision;
pub mod plain_json;
pub mod policy;
pub mod registry;
pub mod shared;
pub mod signal;
pub mod time;
pub mod toml_text;
pub mod validate;
pub mod words;

pub use decision::Decision;
pub use policy::Policy;
pub use registry::Registry;
pub use signal::{Input, PolicyChange, RegistryChange, Signal, Tick};
pub use toml_text::Fault;
pub use words::{Kind, Premises, Sensor};
