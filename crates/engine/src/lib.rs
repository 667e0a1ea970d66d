//! The Kafka service: decode and correlate roles.
