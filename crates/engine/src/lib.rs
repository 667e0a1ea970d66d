//! The Kafka service: the decode and correlate roles, their configuration, and the topics they need.
//!
//! Read [`service`] for the life of the process, [`worker`] for the loop of the decode role, then the roles
//! themselves: [`decode_role`] (raw records to signals) and [`correlate_role`] (signals to decisions). What must hold
//! whatever happens stands in [`progress`] (of the decode role: an offset is committed only once everything made of
//! its record is acknowledged) and in [`correlate_role::ledger`] (of the correlate role: everything in one
//! transaction, or nothing).
//!
//! This crate alone asks the clock, waits, and logs. Scaling out is Kafka's work; nothing of that is rebuilt here.

pub mod apply;
pub mod attempts;
pub mod batches;
pub mod config;
pub mod correlate_role;
pub mod dead_letter;
pub mod decode_role;
pub mod events;
pub mod failure;
pub mod gaps;
pub mod kafka;
pub mod kill_points;
pub mod migrate;
pub mod notes;
pub mod orphans;
pub mod outlet;
pub mod partitioner;
pub mod progress;
pub mod registries;
pub mod service;
pub mod sources;
pub mod time_of_day;
pub mod topics;
pub mod worker;

pub use config::Config;
pub use failure::Failure;
pub use service::{Role, Shutdown, run};
