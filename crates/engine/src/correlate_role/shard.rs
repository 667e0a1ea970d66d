//! The windows of one signals partition and their way through a ledger: begun from state, one transaction after the
//! other.
//!
//! A shard knows no Kafka, no thread and no clock: records and times are arguments, and what it wants written is a
//! [`Transaction`]. Whatever goes wrong with a ledger, the shard is dropped and another one begins from what the log
//! says; nothing is ever retried in place. That is why a crash at any point changes no decision: each transaction holds
//! the offsets it consumed, the decisions they caused and the state after them, or none of it.

use std::collections::HashMap;
use std::sync::Arc;

use fenghuo_correlate::{Correlator, Limits, StateChange};
use fenghuo_model::{Decision, Input, Policy, RegistryChange, Signal};
use fenghuo_sinks::headers::decision_headers;
use fenghuo_sinks::kafka::key_of;

use super::counters::Counters;
use super::header::{self, Header};
use super::ledger::{Ends, Ledger, Mark, Message, Since, Target, Transaction, Trouble, Visible};
use super::outbox::Outbox;
use super::replays::{Fate, Replays, Source};
use crate::attempts;
use crate::registries::{Registries, Version};
use crate::sources::Rules;

/// A decision for dispatch that was not read back after this long is published again.
pub const READ_BACK_WITHIN_MS: i64 = 30_000;

/// The tail of decisions is read from this long before the last transaction was written: clocks of members differ.
const TAIL_BEFORE_MS: i64 = 60_000;

/// A record of the signals partition.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'r> {
    /// Its offset.
    pub offset: i64,
    /// Its value.
    pub payload: &'r [u8],
    /// Its key.
    pub key: Option<&'r [u8]>,
}

/// Where a shard begins, and as whom.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// The consumer group.
    pub deployment: String,
    /// How many partitions the signals topic has.
    pub partitions: i32,
    /// The signals topic and its partition, for what is said.
    pub partition: String,
    /// The first offset that the partition holds, and the one after its last.
    pub log: (i64, i64),
    /// Where to go on instead, where somebody accepted that the log does not hold what is to be read next.
    pub accepted_gap_to: Option<i64>,
    /// The caller's monotonic clock, milliseconds.
    pub now_ms: i64,
}

/// One partition's windows.
pub struct Shard {
    correlator: Correlator,
    registries: Arc<Registries>,
    partition: String,
    header: Header,
    replays: Replays,
    outbox: Outbox,
    /// Decisions that were visible when the shard began, by id: what of them is decided again to the byte is not
    /// published again.
    visible: HashMap<String, Vec<Arc<Visible>>>,
    decisions: Vec<Decision>,
    letters: Vec<Message>,
    /// How far the topics of decisions were written when somebody looked last.
    ends: Option<Arc<Ends>>,
    /// From where on the shard itself looked for decisions, and until when (the caller's clock) whoever goes on must
    /// too: of what was visible then, not everything may be decided again yet.
    inherited: Option<(i64, Option<Arc<Ends>>)>,
    /// What was written down of earlier attempts at this partition, until somebody takes it.
    attempt: Option<Vec<u8>>,
    /// The latest time of any signal or tick since the shard began.
    heard_ms: Option<i64>,
    is_let_go: bool,
    is_ahead: bool,
    counters: Counters,
}

impl Shard {
    /// Goes on from what the log says. In this order: nobody else writes any more, then what was committed, the state
    /// up to its end, and what is visible of the last decisions.
    ///
    /// # Errors
    /// The ledger cannot be read, belongs to somebody else, or the log lacks what is to be read next.
    pub fn begin<L: Ledger>(ledger: &mut L, rules: &Rules, beginning: &Beginning) -> Result<Self, Trouble> {
        ledger.fence()?;
        let committed = ledger.committed()?;
        let records = ledger.state()?;
        let header = header::read(&records)?;
        let (committed, mark) = committed.map(|kept| (kept.next_offset, kept.mark)).unzip();
        let next = next_offset(header.as_ref(), committed, beginning)?;
        let ends = header.as_ref().and_then(|header| belonging(header, committed, mark.flatten()));
        let (text, policy) = in_force(header.as_ref(), rules, &beginning.partition)?;
        let (registry, is_other) = registry_in_force(header.as_ref(), rules, &beginning.partition);
        let own = || header::of_correlator(&records);
        let mut correlator = Correlator::restore(registry.registry, policy, &Limits::default(), own())?;
        if is_other {
            correlator.amend_records(own());
        }
        let mut outbox = Outbox::default();
        for (key, value) in records.iter().filter(|(key, _)| Outbox::owns(key)) {
            outbox.put_back(key, value, beginning.now_ms + READ_BACK_WITHIN_MS, ends.as_ref())?;
        }
        let mut visible: HashMap<String, Vec<Arc<Visible>>> = HashMap::new();
        if let Some(header) = &header {
            let since = Since { at_ms: header.written_ms - TAIL_BEFORE_MS, ends: ends.clone() };
            for seen in ledger.tail(&since)? {
                outbox.seen(&seen);
                visible.entry(seen.id.clone()).or_default().push(seen);
            }
        }
        let replays = header.as_ref().map(|header| Replays::from_marks(header.marks.clone())).unwrap_or_default();
        let is_new = header.is_none();
        let inherited = (!is_new).then(|| (beginning.now_ms + TAIL_BEFORE_MS, ends));
        let header = header.unwrap_or_else(|| Header {
            deployment: beginning.deployment.clone(),
            partitions: beginning.partitions,
            next_offset: next,
            written_ms: 0,
            marks: Vec::new(),
            policy: String::new(),
            registry: String::new(),
        });
        let restored = records.len() as u64;
        let is_ahead = is_new || is_other || next != header.next_offset;
        let registry = if header.registry.is_empty() { String::new() } else { registry.name.to_string() };
        Ok(Self {
            correlator,
            registries: Arc::clone(&rules.registries),
            partition: beginning.partition.clone(),
            header: Header { next_offset: next, policy: text, registry, ..header },
            replays,
            outbox,
            visible,
            decisions: Vec::new(),
            letters: Vec::new(),
            ends: None,
            inherited,
            attempt: records.get(attempts::KEY).cloned(),
            heard_ms: None,
            is_let_go: false,
            // The header of a new partition is written at once: it says whose the partition is. So is an accepted gap.
            is_ahead,
            counters: Counters { restored, ..Counters::default() },
        })
    }

    /// It goes to work now, by the caller's clock: from here on counts how long something was not seen.
    pub fn begun(&mut self, now_ms: i64) {
        self.outbox.due_at(now_ms + READ_BACK_WITHIN_MS);
        if let Some((until_ms, _)) = &mut self.inherited {
            *until_ms = now_ms + TAIL_BEFORE_MS;
        }
    }

    /// The offset of the next signal.
    #[must_use]
    pub const fn next_offset(&self) -> i64 {
        self.header.next_offset
    }

    /// The signals topic and its partition.
    #[must_use]
    pub fn partition(&self) -> &str {
        &self.partition
    }

    /// What was counted since the shard began.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// What was written down of earlier attempts at this partition.
    pub const fn take_attempt(&mut self) -> Option<Vec<u8>> {
        self.attempt.take()
    }

    /// The partition is let go in good order: what was written down of attempts goes with the next transaction.
    pub const fn let_go(&mut self) {
        self.is_let_go = true;
        self.is_ahead = true;
    }

    /// Passes over a record that ended the process again and again; it goes to the dead letters.
    pub fn condemn(&mut self, record: &Incoming<'_>) {
        self.header.next_offset = record.offset + 1;
        self.is_ahead = true;
        self.counters.records += 1;
        self.counters.condemned += 1;
        self.reject(record, attempts::NOBODY_SURVIVES);
    }

    /// The latest time of any signal or tick since the shard began, Unix milliseconds.
    #[must_use]
    pub const fn heard_ms(&self) -> Option<i64> {
        self.heard_ms
    }

    /// How many decisions wait for their transaction.
    #[must_use]
    pub fn waiting_decisions(&self) -> usize {
        self.decisions.len()
    }

    /// How many decisions for dispatch nobody has seen yet.
    #[must_use]
    pub fn unseen(&self) -> usize {
        self.outbox.len()
    }

    /// Whether there is anything to write.
    #[must_use]
    pub fn is_ahead(&self) -> bool {
        self.is_ahead || self.outbox.has_changes()
    }

    /// Takes the next record.
    ///
    /// # Panics
    /// It lies before what was taken: the reader lost its place.
    pub fn take(&mut self, record: &Incoming<'_>) {
        assert!(record.offset >= self.header.next_offset, "{}: offset {} was taken", self.partition, record.offset);
        self.header.next_offset = record.offset + 1;
        self.is_ahead = true;
        self.counters.records += 1;
        let input = match Input::from_json(record.payload) {
            Ok(input) => input,
            Err(error) => return self.reject(record, &error.to_string()),
        };
        match &input {
            Input::Tick(tick) => {
                self.heard_ms = self.heard_ms.max(Some(tick.at_ms));
                self.counters.ticks += 1;
            }
            Input::Policy(change) => {
                let policy = change.policy.hash();
                tracing::info!(partition = self.partition, offset = record.offset, policy, "put in force");
                self.header.policy.clone_from(&change.text);
            }
            Input::Registry(change) => return self.change_registry(change, record),
            Input::Signal(signal) if self.is_replayed(signal) => {
                self.counters.replayed += 1;
                return;
            }
            Input::Signal(signal) => {
                self.heard_ms = self.heard_ms.max(signal.received_at_ms.or(signal.at_ms));
                self.counters.signals += 1;
            }
        }
        let before = self.counted();
        let taken = self.correlator.take(&input, &mut self.decisions);
        let (duplicates, confirmed) = self.counted();
        self.counters.duplicates += duplicates - before.0;
        self.counters.confirmed += confirmed - before.1;
        if let Err(rejected) = taken {
            self.reject(record, &rejected.to_string());
        }
    }

    /// Puts another registry in force. Where that cannot be, the one before stays: fires are found by it, and an
    /// operator hears why.
    fn change_registry(&mut self, change: &RegistryChange, record: &Incoming<'_>) {
        let (partition, registry) = (&self.partition, &change.version);
        if self.header.registry == *registry {
            return;
        }
        let found = self.registries.find(registry);
        let changed = found.and_then(|Version { registry, .. }| {
            self.correlator.change_registry(registry).map_err(|error| error.to_string())
        });
        match changed {
            Ok(()) => {
                tracing::info!(partition, offset = record.offset, registry, "put in force");
                self.header.registry.clone_from(registry);
            }
            Err(reason) => {
                tracing::error!(
                    partition,
                    registry,
                    "ALARM: a registry cannot be put in force, the one before stays: {reason}"
                );
                self.reject(record, &reason);
            }
        }
    }

    /// Somebody who reads the dispatch topic saw this decision.
    pub fn seen(&mut self, decision: &Visible) {
        self.outbox.seen(decision);
    }

    /// Somebody has looked how far the topics of decisions are written.
    pub fn looked(&mut self, ends: &Arc<Ends>) {
        self.ends = Some(Arc::clone(ends));
    }

    /// When something that was not seen is to be published again, on the caller's monotonic clock.
    #[must_use]
    pub fn due_ms(&self) -> Option<i64> {
        self.outbox.next_due_ms()
    }

    /// Everything that is to become visible at once; `now_ms` is the caller's monotonic clock, `published_at_ms` the
    /// time of day (Unix milliseconds) that the decisions' headers say.
    pub fn transaction(&mut self, now_ms: i64, published_at_ms: i64) -> Transaction {
        let due_ms = now_ms + READ_BACK_WITHIN_MS;
        let mut messages = self.outbox.overdue(now_ms, due_ms);
        self.counters.published_again += messages.len() as u64;
        let mut for_dispatch = Vec::new();
        for decision in std::mem::take(&mut self.decisions) {
            let message = Arc::new(message_of(&decision, published_at_ms));
            if self.is_visible(&message) {
                self.counters.already_visible += 1;
                continue;
            }
            self.counters.decisions += 1;
            if message.target == Target::Dispatch {
                self.counters.dispatched += 1;
                for_dispatch.push(Arc::clone(&message));
            }
            messages.push(message);
        }
        messages.extend(self.letters.drain(..).map(Arc::new));
        if self.inherited.as_ref().is_some_and(|(until_ms, _)| *until_ms <= now_ms) {
            self.inherited = None;
        }
        let ends = self.inherited.as_ref().map_or(&self.ends, |(_, ends)| ends).clone();
        self.outbox.add(for_dispatch, due_ms, ends.as_ref());
        let mut changes = Vec::new();
        self.correlator.changes(&mut changes);
        let mut state: Vec<_> = changes.into_iter().map(|StateChange { key, value }| (key, value)).collect();
        self.outbox.changes(&mut state);
        self.header.marks = self.replays.marks();
        self.header.written_ms = published_at_ms;
        state.push(self.header.record());
        if self.is_let_go {
            state.push((attempts::KEY.to_vec(), None));
        }
        self.is_ahead = false;
        self.counters.transactions += 1;
        self.counters.state_records += state.len() as u64;
        let oldest = self.outbox.oldest(ends.as_ref());
        let mark = oldest.map(|ends| Mark { written_ms: published_at_ms, ends });
        Transaction { next_offset: self.header.next_offset, messages, state, mark }
    }

    /// Whether the decode role sent this signal before.
    fn is_replayed(&mut self, signal: &Signal) -> bool {
        let Some(source) = signal.source.as_deref().and_then(Source::parse) else { return false };
        let fate = self.replays.take(source, signal.received_at_ms.or(signal.at_ms));
        if fate == Fate::NewTopic {
            tracing::warn!(partition = self.partition, ?source, "a raw topic begins again; its signals are taken");
        }
        fate == Fate::Replayed
    }

    /// Whether the very same decision was visible when the shard began.
    fn is_visible(&self, message: &Message) -> bool {
        let id = message.header("ce_id").unwrap_or_default();
        self.visible.get(id).is_some_and(|seen| seen.iter().any(|seen| seen.payload == message.payload))
    }

    fn reject(&mut self, record: &Incoming<'_>, reason: &str) {
        self.counters.rejected += 1;
        let (topic, partition) = self.partition.rsplit_once('/').unwrap_or((&self.partition, "0"));
        let headers =
            [("topic", topic), ("partition", partition), ("offset", &record.offset.to_string()), ("reason", reason)]
                .map(|(name, text)| (name.into(), text.to_owned().into()));
        self.letters.push(Message {
            target: Target::DeadLetter,
            key: record.key.map(<[u8]>::to_vec),
            payload: record.payload.to_vec(),
            headers: headers.to_vec(),
            aside: 0,
        });
    }

    fn counted(&self) -> (u64, u64) {
        let counters = self.correlator.counters();
        (counters.duplicates, counters.confirmed)
    }
}

/// From where on decisions are to be looked for, if what is kept with the offset was written with this very state.
fn belonging(header: &Header, committed: Option<i64>, mark: Option<Mark>) -> Option<Arc<Ends>> {
    let mark = mark.filter(|mark| mark.written_ms == header.written_ms)?;
    (committed == Some(header.next_offset)).then_some(mark.ends)
}

/// The policy in force, with its text: the one that a record of the log put in force last, else the configuration's.
fn in_force(header: Option<&Header>, rules: &Rules, partition: &str) -> Result<(String, Arc<Policy>), Trouble> {
    let Some(text) = header.map(|header| &header.policy).filter(|text| **text != *rules.policy_text) else {
        return Ok((rules.policy_text.to_string(), Arc::clone(&rules.policy)));
    };
    let policy = Policy::from_toml("the policy in force", text)
        .map_err(|faults| Trouble::Unusable(faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")))?;
    let (in_force, configured) = (policy.hash(), rules.policy.hash());
    tracing::warn!(
        partition,
        in_force,
        configured,
        "the policy in force is another one than the configuration's; `fenghuo apply` puts that in force"
    );
    Ok((text.clone(), Arc::new(policy)))
}

/// The registry in force, and whether it is another one than the state was written by: the one that a record of the log
/// put in force last, if it is at hand, else the process's.
fn registry_in_force(header: Option<&Header>, rules: &Rules, partition: &str) -> (Version, bool) {
    let here = &rules.registry;
    let Some(in_force) = header.map(|header| header.registry.as_str()).filter(|name| !name.is_empty()) else {
        return (here.clone(), false);
    };
    if *in_force == *here.name {
        return (here.clone(), false);
    }
    match rules.registries.find(in_force) {
        Ok(found) => {
            let latest = &*here.name;
            tracing::warn!(
                partition,
                in_force,
                latest,
                "the registry in force is another one than the latest; `fenghuo apply --registry` puts that in force"
            );
            (found, false)
        }
        Err(reason) => {
            let taken = &*here.name;
            tracing::error!(
                partition,
                in_force,
                taken,
                "ALARM: the registry in force is gone, the latest is taken: {reason}"
            );
            (here.clone(), true)
        }
    }
}

/// The topic had another number of partitions when the state was written.
pub(super) fn other_number(partition: &str, before: i32, now: i32) -> Trouble {
    Trouble::Unusable(format!(
        "the state of {partition} was written when its topic had {before} partitions, and now it has {now}: regions belong \
         to other partitions then; stop the group and run `fenghuo migrate`"
    ))
}

/// Where to go on: the state's own word, which became visible together with what it caused.
fn next_offset(header: Option<&Header>, committed: Option<i64>, beginning: &Beginning) -> Result<i64, Trouble> {
    let partition = &beginning.partition;
    let (low, high) = beginning.log;
    let next = match (header, committed) {
        (Some(header), _) if header.deployment != beginning.deployment => {
            return Err(Trouble::Unusable(format!(
                "the state of {partition} belongs to the group {:?}, and this is {:?}: two deployments need topics of \
                 their own (set [topics]), or are one (set kafka.group)",
                header.deployment, beginning.deployment
            )));
        }
        (Some(header), _) if header.partitions != beginning.partitions => {
            return Err(other_number(partition, header.partitions, beginning.partitions));
        }
        (Some(header), committed) => {
            if committed.is_some_and(|committed| committed != header.next_offset) {
                tracing::warn!(%partition, ?committed, state = header.next_offset, "the group's offset is not the state's; the state's holds");
            }
            header.next_offset
        }
        (None, Some(committed)) if committed > low => {
            return Err(Trouble::Unusable(format!(
                "the group has read {partition} up to {committed}, and the state topic knows nothing of it: bring the \
                 state topic back, or begin anew under another kafka.group"
            )));
        }
        // A group that never committed begins at the beginning: a fire that burns already is news too.
        (None, _) => low,
    };
    match beginning.accepted_gap_to {
        _ if (low..=high).contains(&next) => Ok(next),
        Some(to) if to > next && (low..=high).contains(&to) => Ok(to),
        _ => Err(Trouble::Gap { next, low, high }),
    }
}

/// A decision as it is published.
fn message_of(decision: &Decision, published_at_ms: i64) -> Message {
    let headers = decision_headers(decision, published_at_ms);
    Message {
        target: if decision.is_for_dispatch() { Target::Dispatch } else { Target::Watch },
        key: Some(key_of(decision).as_bytes().to_vec()),
        payload: decision.to_json_bytes(),
        headers: headers.into_iter().map(|(name, text)| (name.into(), text)).collect(),
        aside: 0,
    }
}
