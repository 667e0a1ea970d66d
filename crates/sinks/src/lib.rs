//! Where decisions go: Kafka ([`kafka`]), files and standard output ([`lines`]); and raw records, where a simulated
//! city sends some ([`raw`]).
//!
//! The form is the contract of SPEC: the value is the decision's JSON everywhere; on Kafka its headers follow
//! CloudEvents 1.0 and CAP 1.2 ([`headers`]). `examples/subscriber.rs` is the pattern for whoever reads them.

pub mod headers;
pub mod kafka;
pub mod lines;
pub mod raw;

pub use kafka::DecisionTopics;
pub use lines::DecisionLines;
pub use raw::RawProducer;
