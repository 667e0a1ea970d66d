//! The correlate role: signals in, decisions out; one shard for each partition, which nobody else writes.
//!
//! Whoever is assigned a partition reads it again from before what is committed, far enough to have the same windows
//! as the member before; decisions that those records cause were acknowledged then, and are not published again.
//! The records go through the correlator exactly in the order of their offsets, ticks included.

mod rebuild;
mod shard;

use std::time::{SystemTime, UNIX_EPOCH};

use fenghuo_model::Input;
use fenghuo_sinks::DecisionTopics;
use rdkafka::error::KafkaResult;
use rdkafka::message::Message;
use serde::Serialize;

use crate::config::Config;
use crate::dead_letter;
use crate::events::TopicPartition;
use crate::kafka::EventConsumer;
use crate::outlet::{Outlet, Receipt};
use crate::sources::Rules;
use crate::worker::{Beginning, Held, Place, Task};

use shard::Shard;

/// What was counted, rebuilding apart.
#[derive(Debug, Default, Serialize)]
pub struct Counters {
    /// Records taken.
    pub records: u64,
    /// Signals accepted or dropped as duplicates.
    pub signals: u64,
    /// Signals dropped as duplicates.
    pub duplicates: u64,
    /// Records that are neither signal nor tick, or that the rules reject.
    pub rejected: u64,
    /// Ticks.
    pub ticks: u64,
    /// Decisions published.
    pub decisions: u64,
    /// Of these, those for the dispatch topic.
    pub dispatched: u64,
    /// Incidents confirmed.
    pub confirmed: u64,
    /// Records read again to rebuild windows.
    pub rebuilt: u64,
}

/// The role's task.
pub struct Correlate {
    signals_topic: String,
    dead_letter_topic: String,
    topics: DecisionTopics,
    rebuild_span_ms: i64,
    rules: Rules,
    counters: Counters,
}

impl Correlate {
    /// Nothing correlated yet.
    #[must_use]
    pub fn new(config: &Config, rules: Rules) -> Self {
        let span_ms = config.kafka.rebuild_span_ms.unwrap_or_else(|| rebuild::default_span_ms(&rules.policy));
        Self {
            signals_topic: config.topics.signals.clone(),
            dead_letter_topic: config.topics.dead_letter.clone(),
            topics: config.topics.decisions.clone(),
            rebuild_span_ms: span_ms,
            rules,
            counters: Counters::default(),
        }
    }

    /// Takes what was there before: it moves the windows, and everything it causes was published.
    fn rebuild<M: Message>(&mut self, record: &M, held: &mut Held<Shard>) {
        self.counters.rebuilt += 1;
        if let Ok(input) = Input::from_json(record.payload().unwrap_or_default()) {
            // What the rules rejected then is in the dead-letter topic already.
            let _ = held.shard.take(&input);
        }
        held.shard.say_progress(&held.partition, record.offset(), &held.beginning);
    }
}

impl Task for Correlate {
    type Shard = Shard;
    const ROLE: &'static str = "correlate";

    fn topics(&self) -> Vec<String> {
        vec![self.signals_topic.clone()]
    }

    fn begin(
        &mut self,
        consumer: &EventConsumer,
        partition: &TopicPartition,
        beginning: &mut Beginning,
    ) -> KafkaResult<Shard> {
        beginning.read_from = rebuild::start(consumer, partition, beginning.done, self.rebuild_span_ms)?;
        Ok(Shard::new(&self.rules))
    }

    fn take<M: Message>(&mut self, record: &M, held: &mut Held<Shard>, outlet: &Outlet) {
        if record.offset() < held.beginning.done.offset {
            self.rebuild(record, held);
            return;
        }
        self.counters.records += 1;
        let input = Input::from_json(record.payload().unwrap_or_default());
        let tick_ms = input.as_ref().ok().and_then(shard::time_of_all);
        let number = held.progress.take(record.offset(), tick_ms);
        let receipt = Receipt { slot: held.slot, number };
        self.counters.ticks += u64::from(matches!(input, Ok(Input::Tick(_))));
        self.counters.signals += u64::from(matches!(input, Ok(Input::Signal(_))));
        let before = held.shard.counted();
        let rejected = match &input {
            Ok(input) => held.shard.take(input).err().map(|rejected| rejected.to_string()),
            Err(error) => Some(error.to_string()),
        };
        let (duplicates, confirmed) = held.shard.counted();
        self.counters.duplicates += duplicates - before.0;
        self.counters.confirmed += confirmed - before.1;
        let published_at_ms = if held.shard.decisions().is_empty() { 0 } else { now_ms() };
        for decision in held.shard.decisions() {
            self.counters.decisions += 1;
            self.counters.dispatched += u64::from(decision.is_for_dispatch());
            outlet.hand_over(&mut held.progress, receipt, |producer| {
                self.topics.publish(producer, decision, published_at_ms, receipt.pack())
            });
        }
        if let Some(reason) = rejected {
            self.counters.rejected += 1;
            dead_letter::send(&self.dead_letter_topic, record, &reason, outlet, &mut held.progress, receipt);
        }
    }

    fn may_take(&mut self, _: Place<'_>, _: &[Held<Shard>]) -> bool {
        true
    }

    fn blocked(&mut self, _: &EventConsumer) {}

    fn tick(&mut self, _: &EventConsumer, _: &[Held<Shard>], _: &Outlet) {}

    fn counters(&self) -> serde_json::Value {
        serde_json::to_value(&self.counters).expect("counters are plain numbers")
    }
}

/// The one use of a clock here: when a decision is published, which is said in its headers and decides nothing.
fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
