//! What must come of what the topics hold, by the pure crates alone: the oracle of whole paths.
//!
//! The signals come from the raw records, as a set; the decisions from each signals partition in the order of its
//! offsets, ticks included. Nothing of the service takes part.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use fenghuo_city::Channel;
use fenghuo_correlate::Correlator;
use fenghuo_decode::{Decoded, Options, Record, decode_record};
use fenghuo_model::{Decision, Input, Kind, Policy, Signal};

use crate::stage::Stage;
use crate::topics::Stored;

/// Where a raw record stands: topic, partition, offset.
pub type Address = (String, i32, i64);

/// The latest time of an end, and of what it may end.
type Latest = (Option<i64>, Option<i64>);

/// What the raw records say.
#[derive(Debug, Default)]
pub struct FromRaw {
    /// The signals, as JSON.
    pub signals: BTreeSet<String>,
    /// Of these, those that no change filter may hold back.
    pub owed: BTreeSet<String>,
    /// The records of which something belongs into the dead-letter topic.
    pub dead: BTreeMap<Address, Stored>,
    /// What a device last said, by partition, device and what a later state replaces.
    said: HashMap<(String, String, &'static str), String>,
    /// The latest end that a device said, and the latest of what it may end, by partition, device and kind of end.
    ended: HashMap<(String, String, Kind), Latest>,
    /// The ends, by device, kind and time: one that was held back may be said later, in other words.
    ends: HashSet<(String, Kind, i64)>,
}

impl FromRaw {
    /// Takes the records of one channel's topic.
    pub fn take(&mut self, channel: Channel, records: impl IntoIterator<Item = Stored>) {
        let policy = Policy::default();
        let mut decoded = Vec::new();
        for stored in records {
            let source = format!("{}/{}/{}", stored.topic, stored.partition, stored.offset);
            let raw = Record { bytes: &stored.bytes, timestamp_ms: stored.timestamp_ms, source: Some(&source) };
            decode_record(channel.format(), &raw, &policy.clock, &Options::default(), &mut decoded);
            let mut is_dead = false;
            for one in decoded.drain(..) {
                match accepted(channel, one) {
                    Some(signal) => {
                        if self.is_owed(&format!("{}/{}", stored.topic, stored.partition), &signal) {
                            self.owed.insert(signal.to_json());
                        }
                        self.signals.insert(signal.to_json());
                    }
                    None => is_dead = true,
                }
            }
            if is_dead {
                self.dead.insert((stored.topic.clone(), stored.partition, stored.offset), stored);
            }
        }
    }
}

impl FromRaw {
    /// Whether a signal must be forwarded whatever else is: anything that a decision may depend on, and of the rest
    /// each first and each change. Signs of life never must, nor what a device only repeats.
    ///
    /// The harness's own reading of the change filter's promise, independent of the service's.
    fn is_owed(&mut self, partition: &str, signal: &Signal) -> bool {
        let aspect = match signal.kind {
            Kind::Heartbeat | Kind::Reading => return false,
            Kind::Fault | Kind::FaultRestore => "fault",
            Kind::Online | Kind::Offline => "connection",
            Kind::LowBattery | Kind::Tamper | Kind::Supervisory | Kind::Test | Kind::Silence => signal.kind.word(),
            _ => return self.is_end_owed(partition, signal),
        };
        let words = Signal { id: None, at_ms: None, received_at_ms: None, source: None, ..signal.clone() }.to_json();
        let whose = (partition.to_owned(), signal.device.clone(), aspect);
        self.said.insert(whose, words.clone()).as_ref() != Some(&words)
    }

    /// Of ends, the first after all that may end; of the rest, everything.
    fn is_end_owed(&mut self, partition: &str, signal: &Signal) -> bool {
        let Some(at_ms) = signal.at_ms.or(signal.received_at_ms) else { return true };
        let is_end = matches!(signal.kind, Kind::Restore | Kind::IsolateRestore);
        let of = match signal.kind {
            kind if is_end => kind,
            Kind::Fire | Kind::Prealarm | Kind::Confirm => Kind::Restore,
            Kind::Isolate => Kind::IsolateRestore,
            _ => return true,
        };
        let (end, begun) = self.ended.entry((partition.to_owned(), signal.device.clone(), of)).or_default();
        match signal.kind {
            _ if signal.test => true,
            _ if is_end => {
                let is_owed = *end <= *begun && Some(at_ms) > *begun;
                *end = (*end).max(Some(at_ms));
                let times = [signal.at_ms, signal.received_at_ms].into_iter().flatten();
                self.ends.extend(times.map(|at_ms| (signal.device.clone(), signal.kind, at_ms)));
                is_owed
            }
            _ => {
                *begun = (*begun).max(Some(at_ms));
                true
            }
        }
    }

    /// The signals that were forwarded and that no raw record says, nor, in its time, an end that was held back.
    #[must_use]
    pub fn excess<'s>(&'s self, forwarded: &'s BTreeSet<String>) -> Vec<&'s String> {
        let is_end = |json: &String| match Input::from_json(json.as_bytes()) {
            Ok(Input::Signal(signal)) => {
                signal.at_ms.is_some_and(|at_ms| self.ends.contains(&(signal.device.clone(), signal.kind, at_ms)))
            }
            _ => false,
        };
        forwarded.difference(&self.signals).filter(|json| !is_end(json)).collect()
    }

    /// The signals that should have been forwarded and were not; `forward` is the word of the configuration.
    #[must_use]
    pub fn missing<'s>(&'s self, forwarded: &'s BTreeSet<String>, forward: &str) -> Vec<&'s String> {
        let owed = if forward == "all" { &self.signals } else { &self.owed };
        owed.difference(forwarded).collect()
    }
}

/// A signal that may be said on this channel: only people clear and confirm.
fn accepted(channel: Channel, decoded: Decoded) -> Option<Box<Signal>> {
    let Decoded::Signal(signal) = decoded else { return None };
    let is_allowed = channel == Channel::People || !matches!(signal.kind, Kind::Clear | Kind::Confirm);
    is_allowed.then_some(signal)
}

/// How a shard treats a signal that a repeated reading of the raw records wrote a second time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Replays {
    /// It is dropped before it moves any clock: its source is not above the highest of its raw partition.
    #[default]
    Dropped,
    /// It is left to the rule of duplicates, as a shard without memory of sources does.
    Kept,
}

/// The highest source so far of every raw partition, in one signals partition.
#[derive(Debug, Default)]
pub struct Sources(HashMap<String, (i64, u32)>);

impl Sources {
    /// Whether a signal is new: its source (`topic/partition/offset`, with `/index` if that is not 0) lies above all
    /// that came from its raw partition before. One without a source always is.
    ///
    /// This one function is the harness's own reading of the promise, independent of the service's.
    pub fn admit(&mut self, source: Option<&str>) -> bool {
        let Some((partition, at)) = source.and_then(read_source) else { return true };
        match self.0.get_mut(&partition) {
            Some(highest) if *highest >= at => false,
            Some(highest) => {
                *highest = at;
                true
            }
            None => self.0.insert(partition, at).is_none(),
        }
    }
}

/// Topic and partition, offset and index of a source. A topic's name holds no slash.
fn read_source(source: &str) -> Option<(String, (i64, u32))> {
    let mut parts = source.split('/');
    let (topic, partition) = (parts.next()?, parts.next()?);
    let offset = parts.next()?.parse().ok()?;
    let index = parts.next().map_or(Some(0), |index| index.parse().ok())?;
    Some((format!("{topic}/{partition}"), (offset, index)))
}

/// A decision, and the record that it follows from.
#[derive(Debug)]
pub struct Decided {
    /// The signals partition.
    pub partition: i32,
    /// The offset of the signal or tick there.
    pub offset: i64,
    /// What was decided.
    pub decision: Decision,
}

/// What the signals topic holds and decides.
#[derive(Debug, Default)]
pub struct FromSignals {
    /// The decisions, in the order of each partition.
    pub decisions: Vec<Decided>,
    /// The signals, as JSON.
    pub signals: BTreeSet<String>,
    /// Signals that stand there again.
    pub replays: u64,
    /// Records that are neither signal nor tick.
    pub others: u64,
    /// The new signal that came latest, if any came after what was received later, or after a later tick.
    pub latest: Option<Late>,
}

/// A signal behind the time that its partition had come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Late {
    /// How far, milliseconds.
    pub behind_ms: i64,
    /// Where it came from, and where it stands.
    pub source: String,
    /// The signals partition and the offset there.
    pub at: (i32, i64),
    /// What had moved the time: a signal's source, or a tick.
    pub after: String,
}

/// The time that a signals partition has come to, and by what.
#[derive(Debug, Default)]
struct Reached {
    time_ms: i64,
    by: String,
}

impl FromSignals {
    /// Takes a whole signals topic, by partition and offset.
    #[must_use]
    pub fn of(stage: &Stage, records: &[Stored], replays: Replays) -> Self {
        let mut found = Self::default();
        let policy = Arc::new(Policy::default());
        let mut shards: BTreeMap<i32, (Correlator, Sources)> = BTreeMap::new();
        let mut reached: BTreeMap<i32, Reached> = BTreeMap::new();
        for stored in records {
            let new = || (Correlator::new(Arc::clone(&stage.registry), Arc::clone(&policy)), Sources::default());
            let (correlator, sources) = shards.entry(stored.partition).or_insert_with(new);
            let Ok(input) = Input::from_json(&stored.bytes) else {
                found.others += 1;
                continue;
            };
            if let Input::Signal(signal) = &input {
                let is_new = sources.admit(signal.source.as_deref());
                found.replays += u64::from(!is_new);
                found.signals.insert(String::from_utf8_lossy(&stored.bytes).into_owned());
                if !is_new && replays == Replays::Dropped {
                    continue;
                }
            }
            let reached = reached.entry(stored.partition).or_default();
            let late = reached.take(&input, (stored.partition, stored.offset));
            found.latest = found.latest.into_iter().chain(late).max_by_key(|late| late.behind_ms);
            if let Input::Registry(change) = &input {
                let next = stage.version(&change.version);
                // One that does not fit leaves the one before.
                let _ = next.map(|next| correlator.change_registry(next));
                continue;
            }
            let mut decided = Vec::new();
            // What the rules reject is the dead-letter topic's.
            let _ = correlator.take(&input, &mut decided);
            let (partition, offset) = (stored.partition, stored.offset);
            found.decisions.extend(decided.into_iter().map(|decision| Decided { partition, offset, decision }));
        }
        found
    }
}

impl Reached {
    /// Takes an input; what it is if the time had gone past it.
    fn take(&mut self, input: &Input, at: (i32, i64)) -> Option<Late> {
        let (time_ms, by) = match input {
            Input::Signal(signal) => (signal.received_at_ms.or(signal.at_ms)?, signal.source.clone()?),
            Input::Tick(tick) => (tick.at_ms, format!("the tick at {}/{}", at.0, at.1)),
            _ => return None,
        };
        if time_ms >= self.time_ms {
            *self = Self { time_ms, by };
            return None;
        }
        let is_signal = matches!(input, Input::Signal(_));
        is_signal.then(|| Late { behind_ms: self.time_ms - time_ms, source: by, at, after: self.by.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_new_once_and_only_upwards() {
        let mut sources = Sources::default();
        for (source, is_new) in [
            (Some("raw.a/0/5"), true),
            (Some("raw.a/0/5"), false),
            (Some("raw.a/0/5/1"), true),
            (Some("raw.a/0/5/1"), false),
            (Some("raw.a/0/5"), false),
            (Some("raw.a/1/5"), true),
            (Some("raw.b/0/4"), true),
            (Some("raw.a/0/4/9"), false),
            (Some("raw.a/0/6"), true),
            (None, true),
            (None, true),
            (Some("no source"), true),
            (Some("no source"), true),
        ] {
            assert_eq!(sources.admit(source), is_new, "{source:?}");
        }
    }

    #[test]
    fn what_is_owed_is_what_matters_and_what_changes() {
        let mut from_raw = FromRaw::default();
        for (number, (device, kind, at_ms, is_owed)) in [
            ("a", Kind::Heartbeat, 0, false),
            ("a", Kind::Fault, 0, true),
            ("a", Kind::Fault, 0, false),
            ("b", Kind::Fault, 0, true),
            ("a", Kind::FaultRestore, 0, true),
            ("a", Kind::Fault, 0, true),
            ("a", Kind::Tamper, 0, true),
            ("a", Kind::Tamper, 0, false),
            ("a", Kind::Restore, 1, true),
            ("a", Kind::Restore, 2, false),
            ("b", Kind::Restore, 2, true),
            ("a", Kind::Fire, 3, true),
            ("a", Kind::Fire, 4, true),
            ("a", Kind::Restore, 4, false),
            ("a", Kind::Restore, 5, true),
            ("a", Kind::Restore, 6, false),
            ("a", Kind::IsolateRestore, 6, true),
            ("a", Kind::Isolate, 7, true),
            ("a", Kind::IsolateRestore, 8, true),
        ]
        .into_iter()
        .enumerate()
        {
            let mut signal = Signal::new(device, kind);
            (signal.source, signal.at_ms) = (Some(number.to_string()), Some(at_ms));
            assert_eq!(from_raw.is_owed("raw/0", &signal), is_owed, "{number}");
        }
        let end = |device, at_ms| Signal { at_ms: Some(at_ms), ..Signal::new(device, Kind::Restore) }.to_json();
        let forwarded = BTreeSet::from([end("a", 6), end("a", 7), end("b", 6)]);
        assert_eq!(from_raw.excess(&forwarded), [&end("a", 7), &end("b", 6)]);
    }
}
