//! The decode role: raw records in, signals out, keyed by region; and the ticks that move quiet regions' clocks.
//!
//! What devices say all day is held back ([`changes`]); most of it is recognised before it is decoded.
//! At least once: a crash repeats signals and loses none. What cannot be read goes to the dead-letter topic untouched.

pub mod alignment;
pub mod changes;
mod devices;
mod ends;
mod following;
pub mod held_back;
pub mod passage;
mod refusal;
pub mod survey;
pub mod surveyor;
pub mod tick;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use fenghuo_decode::{Decoded, Format, Options, Record, decode_record, says_well, signs_of_life};
use fenghuo_model::Signal;
use fenghuo_model::registry::UNPLACED;
use rdkafka::message::Message;
use serde::Serialize;

use crate::attempts::NOBODY_SURVIVES;
use crate::config::{Config, Forward, RawTopic};
use crate::dead_letter;
use crate::events::TopicPartition;
use crate::outlet::{Answer, Outlet, Receipt};
use crate::sources::Rules;
use crate::worker::{Held, Place, Rarely, Task};

use alignment::{Limit, Own, limit_ms};
use changes::{Changes, Origin};
use following::Following;
use passage::Passage;
use survey::Survey;
use surveyor::Surveyor;
use tick::TickAuthor;

/// The role's word: its group is `<group>.decode`.
pub const ROLE: &str = "decode";

/// The largest signal that is forwarded, bytes: Kafka's usual limit of a record less room for its frame.
const LARGEST_SIGNAL_BYTES: usize = 1_000_000;

/// How often the broker is asked how far all partitions are, where nothing waits for the answer.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A restore, a fault_restore and an isolate_restore.
const WELL_SAYS: u64 = 3;

/// How long after a tick the next answer makes another: a little less, so that none is left out.
const TICK_AFTER: Duration = Duration::from_millis(800);

/// And how often where something does.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// What was counted.
#[derive(Debug, Default, Serialize)]
pub struct Counters {
    /// Raw records taken.
    pub records: u64,
    /// Signals forwarded.
    pub signals: u64,
    /// Heartbeats and readings, which are held back.
    pub held_back_life: u64,
    /// States that were held back, for they repeat what was forwarded.
    pub held_back_unchanged: u64,
    /// Stretches of records that could not be read.
    pub rejected: u64,
    /// Clears and confirms from topics that are not people's.
    pub refused: u64,
    /// Records in the dead-letter topic.
    pub dead_letters: u64,
    /// Of these, those that nobody survives.
    pub condemned: u64,
    /// Signals of which the building is not known.
    pub unplaced: u64,
    /// Times of receipt that gave way to the record's timestamp.
    pub received_at_replaced: u64,
    /// Times that could not be read.
    pub unreadable_times: u64,
    /// Sensor words that are not in the list.
    pub unknown_sensors: u64,
    /// Ticks written, to all partitions each.
    pub ticks: u64,
    /// How often a raw partition began to hold the ticks back beyond the limit.
    pub held_back: u64,
}

/// What is kept for a raw partition while it is ours.
pub struct Inflow {
    raw: RawTopic,
    /// What was forwarded of it; nothing where everything is.
    changes: Option<Changes>,
}

/// The role's task.
pub struct Decode {
    raw: Vec<RawTopic>,
    forward: Forward,
    dead_letter_topic: String,
    options: Options,
    rules: Rules,
    following: Following,
    counters: Counters,
    tick: TickAuthor,
    survey: Survey,
    surveyor: Surveyor,
    /// What the broker said of its clock while a survey was awaited: silence up to then is not known to be any.
    unheard: Option<Answer>,
    looked_at: Option<Instant>,
    /// Whether the last look was answered.
    is_surveyed: bool,
    ticked_at: Option<Instant>,
    limit: Limit,
    /// When those for whom records wait last came forward.
    came_forward_at: Instant,
    trouble: Rarely,
    decoded: Vec<Decoded>,
    /// The device of a record that says that it is well.
    device: String,
    /// Of what was decoded, the signals.
    #[expect(clippy::vec_box, reason = "they come boxed, and are too large to be moved about")]
    said: Vec<Box<Signal>>,
}

impl Decode {
    /// Nothing decoded yet.
    #[must_use]
    pub fn new(config: &Config, rules: Rules) -> Self {
        Self {
            raw: config.raw.clone(),
            forward: config.forward,
            dead_letter_topic: config.topics.dead_letter.clone(),
            options: Options { utc_offset_s: config.utc_offset_s },
            following: Following::new(&rules.registries),
            rules,
            counters: Counters::default(),
            tick: TickAuthor::new(config),
            survey: Survey::new(config),
            surveyor: Surveyor::start(config, ROLE),
            unheard: None,
            looked_at: None,
            is_surveyed: false,
            ticked_at: None,
            limit: Limit::default(),
            came_forward_at: Instant::now(),
            trouble: Rarely::default(),
            decoded: Vec::new(),
            said: Vec::new(),
            device: String::new(),
        }
    }

    fn region_of(&mut self, signal: &Signal) -> &str {
        let registry = &self.rules.registry.registry;
        match registry.place(signal, registry.device_by_name(&signal.device)) {
            Some(place) => registry.region_of(place.building),
            None => {
                self.counters.unplaced += 1;
                UNPLACED
            }
        }
    }

    /// See [`alignment`]: as far ahead as device clocks are believed behind, which the windows' memory covers.
    fn limit_ms(&self, candidate_ms: i64, held: &[Held<Inflow>]) -> i64 {
        let own = held.iter().map(|held| {
            let end = self.survey.end(&held.partition).unwrap_or(0).max(held.beginning.end);
            Own { head_ms: held.undone_ms(), taken_ms: held.taken_ms, unread: held.read_to < end }
        });
        let candidate = Own { head_ms: Some(candidate_ms), taken_ms: None, unread: false };
        let is_ours = |partition: &TopicPartition| held.iter().any(|held| held.partition == *partition);
        // What stands before a gap would be waited for in vain.
        let others = self
            .survey
            .partitions()
            .filter(|(partition, standing)| standing.waits && !standing.has_gap && !is_ours(partition));
        let others_ms = others.map(|(_, standing)| standing.next_ms.or(standing.progress_ms));
        limit_ms(own.chain([candidate]), others_ms, self.rules.policy.clock.max_behind_ms)
    }

    /// Asks how far all partitions are, unless that was asked so long ago at most.
    fn look_after(&mut self, pause: Duration) {
        if !self.surveyor.is_asked() && self.looked_at.is_none_or(|looked_at| looked_at.elapsed() >= pause) {
            self.looked_at = Some(Instant::now());
            self.surveyor.ask();
        }
    }

    /// Hears the answer; whether one came.
    fn hear(&mut self) -> bool {
        let Some(looked) = self.surveyor.hear() else { return false };
        self.is_surveyed = looked.is_ok();
        match looked {
            Ok(survey) => self.survey = survey,
            Err(error) if self.trouble.is_due() => {
                tracing::warn!(error, "how far the raw partitions are is not known; no tick meanwhile");
            }
            Err(_) => {}
        }
        true
    }

    fn is_tick_due(&self) -> bool {
        self.ticked_at.is_none_or(|ticked_at| ticked_at.elapsed() >= TICK_AFTER)
    }

    /// Takes in what the broker said of its clock, once the survey before it has been made use of.
    fn take_in_clock(&mut self) {
        if !self.surveyor.is_asked()
            && let Some(answer) = self.unheard.take()
        {
            self.tick.answered(answer);
        }
    }

    /// Appends what a record says, and why something of it is not taken.
    #[expect(clippy::vec_box, reason = "they come boxed, and are too large to be moved about")]
    fn decode(
        &mut self,
        format: Format,
        raw: &Record<'_>,
        people: bool,
        said: &mut Vec<Box<Signal>>,
        reasons: &mut Vec<String>,
    ) {
        let mut decoded = std::mem::take(&mut self.decoded);
        let replaced = decode_record(format, raw, &self.rules.policy.clock, &self.options, &mut decoded);
        self.counters.received_at_replaced += u64::from(replaced);
        for one in decoded.drain(..) {
            match one {
                Decoded::Rejected(rejection) => {
                    self.counters.rejected += 1;
                    reasons.push(rejection.to_string());
                }
                Decoded::Signal(signal) => {
                    self.count_flaws(&signal);
                    match refusal::reason(&signal, people) {
                        None => said.push(signal),
                        Some(reason) => {
                            self.counters.refused += 1;
                            reasons.push(reason);
                        }
                    }
                }
            }
        }
        self.decoded = decoded;
    }

    fn count_flaws(&mut self, signal: &Signal) {
        self.counters.unreadable_times += u64::from(signal.flaws.times);
        self.counters.unknown_sensors += u64::from(signal.flaws.sensors);
    }
}

impl Task for Decode {
    type Shard = Inflow;
    const ROLE: &'static str = ROLE;

    fn topics(&self) -> Vec<String> {
        self.raw.iter().map(|raw| raw.topic.clone()).collect()
    }

    fn begin(&mut self, partition: &TopicPartition, next: i64, passage: Option<Passage>) -> Inflow {
        self.limit.begin(partition, next);
        self.tick.begin(partition, passage);
        let raw = self.raw.iter().find(|raw| *raw.topic == *partition.topic);
        let raw = raw.expect("only topics that are subscribed are assigned").clone();
        let changes = match self.forward {
            Forward::All => None,
            Forward::Changes => Some(Changes::default()),
            Forward::News => Some(Changes::and_ends_of_isolations()),
        };
        Inflow { raw, changes }
    }

    fn passage_of(&self, partition: &TopicPartition) -> Option<Passage> {
        self.tick.passage_of(partition)
    }

    fn answered(&mut self, answer: Answer) {
        self.unheard = Some(answer);
        self.take_in_clock();
    }

    fn take<M: Message>(&mut self, record: &M, held: &mut Held<Inflow>, outlet: &Outlet) {
        self.counters.records += 1;
        let timestamp_ms = record.timestamp().to_millis();
        let number = held.progress.take(record.offset(), timestamp_ms);
        let receipt = Receipt { slot: held.slot, number };
        let bytes = record.payload().unwrap_or_default();
        let (format, people) = (held.shard.raw.format, held.shard.raw.people);
        let unnamed = Record { bytes, timestamp_ms, source: None };
        if held.shard.changes.is_some()
            && let Some(signals) = signs_of_life(format, &unnamed, &self.rules.policy.clock)
        {
            self.counters.held_back_life += u64::from(signals);
            return;
        }
        // What was forwarded says whether a normal state only repeats it.
        let (topic, partition, offset, key) = (record.topic(), record.partition(), record.offset(), record.key());
        let latest_ms = held.taken_ms.unwrap_or(i64::MIN);
        let clock = &self.rules.policy.clock;
        let behind_ms = if format.has_times_of_receipt() { 2 * clock.max_behind_ms } else { clock.max_behind_ms };
        let origin = Origin { topic, partition, offset, key, record_ms: timestamp_ms, latest_ms, behind_ms };
        let policy = &self.rules.policy;
        let mut changes = held.shard.changes.as_mut();
        let may_repeat = changes.as_ref().is_some_and(|changes| changes.may_repeat());
        let well = may_repeat.then(|| says_well(format, bytes, &self.options, &mut self.device)).flatten();
        if let (Some(changes), Some(well)) = (&mut changes, &well)
            && changes.repeats(&self.device, well, origin, policy)
        {
            self.counters.held_back_unchanged += WELL_SAYS;
            return;
        }
        let source = format!("{topic}/{partition}/{offset}");
        let raw = Record { source: Some(&source), ..unnamed };
        let mut reasons: Vec<String> = Vec::new();
        let mut said = std::mem::take(&mut self.said);
        self.decode(format, &raw, people, &mut said, &mut reasons);
        if let Some(changes) = changes {
            let held_back = changes.pass(&mut said, origin, &self.rules.policy, &self.rules.registry.registry);
            self.counters.held_back_life += held_back.life;
            self.counters.held_back_unchanged += held_back.unchanged;
            if let Some(well) = &well {
                changes.remember(&self.device, well);
            }
        }
        for signal in said.drain(..) {
            let json = signal.to_json();
            if json.len() > LARGEST_SIGNAL_BYTES {
                self.counters.rejected += 1;
                let length = json.len();
                reasons.push(format!("the signal is {length} bytes long, at most {LARGEST_SIGNAL_BYTES} are taken"));
            } else {
                self.counters.signals += 1;
                let message = (self.region_of(&signal), json);
                outlet.send_by_lane(&mut held.progress, receipt, message, timestamp_ms);
            }
        }
        self.said = said;
        if !reasons.is_empty() {
            self.counters.dead_letters += 1;
            let reason = reasons.join("; ");
            dead_letter::send(&self.dead_letter_topic, record, &reason, outlet, &mut held.progress, receipt);
        }
    }

    fn condemn<M: Message>(&mut self, record: &M, held: &mut Held<Inflow>, outlet: &Outlet) {
        self.counters.records += 1;
        self.counters.condemned += 1;
        self.counters.dead_letters += 1;
        let number = held.progress.take(record.offset(), record.timestamp().to_millis());
        let receipt = Receipt { slot: held.slot, number };
        dead_letter::send(&self.dead_letter_topic, record, NOBODY_SURVIVES, outlet, &mut held.progress, receipt);
    }

    fn may_take(&mut self, place: Place<'_>, held: &[Held<Inflow>]) -> bool {
        // Beyond the limit, only a survey made after the record was written knows who else has work left.
        let surveyed = || self.survey.end(place.partition).is_some_and(|end| place.offset < end);
        if place.timestamp_ms > self.limit.ms() && surveyed() {
            let limit_ms = self.limit_ms(place.timestamp_ms, held);
            if self.limit.set(limit_ms) {
                self.came_forward_at = Instant::now();
            }
        }
        place.timestamp_ms <= self.limit.ms()
    }

    fn came_forward_at(&self) -> Instant {
        self.came_forward_at
    }

    fn end_of(&self, partition: &TopicPartition) -> Option<i64> {
        self.survey.end(partition)
    }

    fn blocked(&mut self) {
        // An answer that a tick waits for is left to it.
        if !self.is_tick_due() {
            self.hear();
            self.take_in_clock();
        }
        self.look_after(LOOK_AGAIN_AFTER);
    }

    fn tick(&mut self, ours: &BTreeSet<TopicPartition>, outlet: &Outlet) {
        if let Some(version) = self.following.next(&self.rules.registry.name) {
            tracing::info!(role = ROLE, registry = %version.name, "signals go where this registry says");
            self.rules.registry = version;
        }
        // What is not known now may have changed since it was: silence that nobody listened to is none.
        let is_heard = self.hear();
        outlet.set_partitions(self.survey.signals_partitions());
        if is_heard && self.is_surveyed && self.is_tick_due() {
            self.ticked_at = Some(Instant::now());
            let round = self.tick.write(&self.survey, |partition| ours.contains(partition), outlet);
            self.counters.ticks += u64::from(round.is_written);
            self.counters.held_back += round.newly_late;
        }
        self.take_in_clock();
        self.look_after(LOOK_EVERY);
    }

    fn counters(&self) -> serde_json::Value {
        serde_json::to_value(&self.counters).expect("counters are plain numbers")
    }
}
