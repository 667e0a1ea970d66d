//! The tick: time that has passed in all raw partitions, written into every signals partition by one member.
//!
//! Each member commits, with its offsets, the largest record timestamp up to which everything of the partition was
//! forwarded. The owner of partition 0 of the first raw topic reads these back and writes what has passed everywhere
//! ([`super::passage`]). Once a second it writes into the first signals partition in any case: the broker's answer
//! says when it appended that, which is the only clock there is here. What it knows of time is committed with its
//! partition, so that whoever takes that over goes on from there.

use std::time::{Duration, Instant};

use fenghuo_model::time::Rfc3339;

use crate::config::Config;
use crate::events::TopicPartition;
use crate::outlet::{Answer, CLOCK, Outlet, UNTRACKED};
use crate::worker::Rarely;

use super::held_back::{HeldBack, Late};
use super::passage::Passage;
use super::survey::{Standing, Survey};

/// How often an alarm that goes on is said again.
const ALARM_EVERY: Duration = Duration::from_secs(60);

/// What a round of the author came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Round {
    /// Whether a tick was written.
    pub is_written: bool,
    /// Partitions that were found to hold the time back beyond the limit.
    pub newly_late: u64,
}

/// Writes the ticks, if this member is the one that does.
pub struct TickAuthor {
    /// Whoever holds it is the author.
    first: Option<TopicPartition>,
    group: String,
    signals_topic: String,
    passage: Option<Passage>,
    /// Whether an answer of the broker is awaited.
    asked: bool,
    held_back: HeldBack,
    trouble: Rarely,
    alarm: Rarely,
}

impl TickAuthor {
    /// Nothing written yet.
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let first = config.raw.first();
        Self {
            first: first.map(|raw| TopicPartition { topic: raw.topic.as_str().into(), partition: 0 }),
            group: config.kafka.group.clone(),
            signals_topic: config.topics.signals.clone(),
            passage: None,
            asked: false,
            held_back: HeldBack::default(),
            trouble: Rarely::every(ALARM_EVERY),
            alarm: Rarely::every(ALARM_EVERY),
        }
    }

    /// A partition begins: with the first one, the author goes on from what its predecessor committed.
    pub fn begin(&mut self, partition: &TopicPartition, committed: Option<Passage>) {
        if self.first.as_ref() == Some(partition) {
            self.passage.get_or_insert(committed.unwrap_or_default());
        }
    }

    /// What is to be committed with a partition.
    #[must_use]
    pub fn passage_of(&self, partition: &TopicPartition) -> Option<Passage> {
        self.passage.filter(|passage| self.first.as_ref() == Some(partition) && *passage != Passage::default())
    }

    /// What became of the question how late it is.
    pub fn answered(&mut self, answer: Answer) {
        self.asked = false;
        match answer {
            Answer::Appended(broker_ms) => {
                if let Some(passage) = &mut self.passage {
                    passage.hear(broker_ms);
                }
            }
            Answer::Untimed if self.trouble.is_due() => {
                let topic = &self.signals_topic;
                tracing::error!(
                    topic,
                    "ALARM: the topic does not keep the broker's time: while nothing comes, the regions' clocks stand \
                     still, and nobody is asked to look; mend it by kafka-configs --alter --entity-type topics \
                     --entity-name {topic} --add-config message.timestamp.type=LogAppendTime"
                );
            }
            Answer::Untimed | Answer::Lost => {}
        }
    }

    /// Writes a tick if time has passed and this member has the first partition; what came of it.
    pub fn write(&mut self, survey: &Survey, is_ours: impl Fn(&TopicPartition) -> bool, outlet: &Outlet) -> Round {
        if !self.first.as_ref().is_some_and(is_ours) {
            self.passage = None;
            self.held_back = HeldBack::default();
        }
        let Some(passage) = &mut self.passage else { return Round::default() };
        let standings: Vec<Standing> = survey.partitions().map(|(_, standing)| *standing).collect();
        let tick_ms = passage.next_tick(&standings);
        let (free_ms, last_ms) = (passage.free_ms(&standings), passage.tick_ms);
        let late = self.held_back.look(survey.partitions(), free_ms, Instant::now());
        self.say(&late, survey);
        match (tick_ms, last_ms) {
            (Some(tick_ms), _) => self.send(tick_ms, survey.signals_partitions(), outlet),
            // The last one again says nothing to anybody; the broker's answer says how late it is.
            (None, Some(last_ms)) if !self.asked => self.send(last_ms, survey.signals_partitions().min(1), outlet),
            (None, _) => {}
        }
        Round { is_written: tick_ms.is_some(), newly_late: late.iter().map(|late| u64::from(late.is_new)).sum() }
    }

    fn send(&mut self, tick_ms: i64, partitions: i32, outlet: &Outlet) {
        let payload = format!("{{\"tick\":{tick_ms}}}");
        for partition in 0..partitions {
            let asks = partition == 0 && !self.asked;
            let receipt = if asks { CLOCK } else { UNTRACKED };
            match outlet.send_untracked(&self.signals_topic, partition, &payload, receipt) {
                Ok(()) => self.asked |= asks,
                // The next tick says all that this one would have said.
                Err(error) if self.trouble.is_due() => tracing::warn!(%error, partition, "a tick was not written"),
                Err(_) => {}
            }
        }
    }

    fn say(&mut self, late: &[Late], survey: &Survey) {
        if !late.iter().any(|late| late.is_new) && (late.is_empty() || !self.alarm.is_due()) {
            return;
        }
        for Late { partition, duration, .. } in late {
            let Some(Standing { progress_ms, next, end, .. }) = survey.standing(partition) else { continue };
            let (forwarded_to, for_s) = (progress_ms.map(|ms| Rfc3339(ms).to_string()), duration.as_secs());
            tracing::error!(
                %partition, for_s, forwarded_to, next, end,
                "ALARM: a raw partition holds back the clocks of all regions: it lags, or nobody reads it; \
                 kafka-consumer-groups --describe --group {}.decode shows who should", self.group
            );
        }
    }
}
