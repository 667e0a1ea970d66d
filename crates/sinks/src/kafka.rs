//! Decisions to Kafka: to which topic, under which key, with which headers.
//!
//! The producer is the caller's, because what must be acknowledged before an offset may be committed is the caller's
//! knowledge; here stands only the form of a record.

use fenghuo_model::Decision;
use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, ProducerContext};

use crate::headers::decision_headers;

/// The topics of decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecisionTopics {
    /// What engines are to hear of.
    pub dispatch: String,
    /// Everything else.
    pub watch: String,
}

impl DecisionTopics {
    /// The topic of a decision.
    #[must_use]
    pub fn topic_of(&self, decision: &Decision) -> &str {
        if decision.is_for_dispatch() { &self.dispatch } else { &self.watch }
    }

    /// Hands a decision to `producer`; its delivery report will carry `receipt`.
    ///
    /// # Errors
    /// What kept the producer from taking it; `QueueFull` means: let it work, then try again.
    pub fn publish<C: ProducerContext<DeliveryOpaque = usize>>(
        &self,
        producer: &BaseProducer<C>,
        decision: &Decision,
        published_at_ms: i64,
        receipt: usize,
    ) -> Result<(), KafkaError> {
        let payload = decision.to_json();
        let record = BaseRecord::with_opaque_to(self.topic_of(decision), receipt)
            .key(key_of(decision))
            .payload(&payload)
            .headers(record_headers(decision, published_at_ms));
        producer.send(record).map_err(|(error, _)| error)
    }
}

/// The incident, so that its decisions stay in order; the device where there is none.
#[must_use]
pub fn key_of(decision: &Decision) -> &str {
    decision.incident.as_deref().or(decision.device.as_deref()).unwrap_or_default()
}

fn record_headers(decision: &Decision, published_at_ms: i64) -> OwnedHeaders {
    let headers = decision_headers(decision, published_at_ms);
    let empty = OwnedHeaders::new_with_capacity(headers.len());
    headers.iter().fold(empty, |all, (key, value)| all.insert(Header { key, value: Some(value.as_bytes()) }))
}

#[cfg(test)]
mod tests {
    use fenghuo_model::decision::DecisionKind as K;

    use super::*;
    use crate::headers::tests::decision;

    #[test]
    fn topic_and_key_by_kind() {
        let topics = DecisionTopics { dispatch: "dispatch".into(), watch: "watch".into() };
        for (kind, rule, topic, key) in [
            (K::Suspected, None, "watch", "0123456789abcdef"),
            (K::Confirmed, Some("r"), "dispatch", "0123456789abcdef"),
            (K::Update, Some("r"), "dispatch", "0123456789abcdef"),
            (K::Cancelled, Some("r"), "dispatch", "0123456789abcdef"),
            (K::Closed, Some("r"), "dispatch", "0123456789abcdef"),
            (K::Closed, None, "watch", "0123456789abcdef"),
            (K::Rejected, None, "watch", "0123456789abcdef"),
            (K::Unplaced, None, "watch", "gb:1:1.1"),
        ] {
            let decision = decision(kind, 2, rule, None);
            assert_eq!((topics.topic_of(&decision), key_of(&decision)), (topic, key), "{kind:?}");
        }
    }
}
