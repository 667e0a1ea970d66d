//! What was forwarded of each device's condition: of its faults, and of the ends of its alarms and isolations.
//!
//! One entry holds all of it, for a normal state says all of it at once. A record that says only that a device is well,
//! in the words of the one before, is known by a hash of them, and passes here without being decoded
//! ([`Devices::repeats`]): exactly where decoding it would have all its signals held back, which a property test holds.

use std::hash::{BuildHasher, Hash};

use fenghuo_decode::Well;
use fenghuo_model::{Kind, Policy, Registry, Signal};
use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use super::changes::{AGAIN_AFTER_MS, Origin};
use super::ends::{self, End, Said};

/// How many devices a raw partition remembers; what any more say is forwarded.
const MOST_KNOWN: usize = 1_000_000;

/// The hash of no words.
const NO_WORDS: u64 = 0;

/// One device's condition.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// Which; a hash of 64 bits, as in [`super::changes`].
    whose: u64,
    /// The words of the record that says that it is well, as long as its faults are as that says.
    words: u64,
    /// What it last said of its faults, and when that was forwarded.
    fault: (u64, i64),
    restore: End,
    isolate_restore: End,
}

impl Known {
    const fn end(&mut self, kind: Kind) -> &mut End {
        match kind {
            Kind::IsolateRestore => &mut self.isolate_restore,
            _ => &mut self.restore,
        }
    }
}

/// The devices of one raw partition.
#[derive(Debug, Default)]
pub struct Devices {
    known: HashTable<Known>,
    hasher: foldhash::quality::RandomState,
    /// Whether ends of isolations are held back.
    holds_isolations: bool,
}

impl Devices {
    /// That hold back ends of isolations too.
    #[must_use]
    pub fn and_ends_of_isolations() -> Self {
        Self { holds_isolations: true, ..Self::default() }
    }

    /// Whether they do.
    #[must_use]
    pub const fn holds_isolations(&self) -> bool {
        self.holds_isolations
    }

    fn hash(&self, what: impl Hash) -> u64 {
        // None is that of no words.
        self.hasher.hash_one(what).max(NO_WORDS + 1)
    }

    fn find(&mut self, device: &str) -> Option<&mut Known> {
        let whose = self.hash(device);
        self.known.find_mut(whose, |known| known.whose == whose)
    }

    /// The device, known from now on if there is room.
    fn enter(&mut self, device: &str) -> Option<&mut Known> {
        let whose = self.hash(device);
        let has_room = self.known.len() < MOST_KNOWN;
        match self.known.entry(whose, |known| known.whose == whose, |known| known.whose) {
            Entry::Occupied(entry) => Some(entry.into_mut()),
            Entry::Vacant(entry) => has_room.then(|| entry.insert(Known { whose, ..Known::default() }).into_mut()),
        }
    }

    /// Whether what a device says of its faults, as a hash, is to be forwarded; if so, it counts as forwarded.
    pub fn admit_fault(&mut self, device: &str, what: u64, record_ms: i64) -> bool {
        let Some(known) = self.enter(device) else { return true };
        let (said, forwarded_ms) = known.fault;
        // Records of one partition may lie in disorder: what was forwarded later counts too.
        let is_repeated = said == what && (record_ms - forwarded_ms).abs() < AGAIN_AFTER_MS;
        if !is_repeated {
            (known.fault, known.words) = ((what, record_ms), NO_WORDS);
        }
        !is_repeated
    }

    /// Whether a plain end is to be forwarded, given where it comes from; if so, it counts as forwarded. `may_hold`:
    /// whether it may be held back at all.
    pub fn admit_end(&mut self, signal: &Signal, origin: Origin<'_>, policy: &Policy, may_hold: bool) -> bool {
        if signal.kind == Kind::IsolateRestore && !self.holds_isolations {
            return true;
        }
        let at_ms = ends::event_time(signal, policy);
        let (Some(key), Some(record_ms), Some(at_ms)) = (origin.key, origin.record_ms, at_ms) else { return true };
        let said = Said { key: self.hash(key), record_ms, at_ms };
        self.enter(&signal.device).is_none_or(|known| known.end(signal.kind).admit(said, origin, policy, may_hold))
    }

    /// Whether a record only says, in the words of the one before, that a device is well, and all of that is held back.
    pub fn repeats(&mut self, device: &str, well: &Well<'_>, origin: Origin<'_>, policy: &Policy) -> bool {
        let (Some(key), Some(record_ms)) = (origin.key, origin.record_ms) else { return false };
        let (key, words) = (self.hash(key), self.hash(well.words));
        let Some(known) = self.find(device).filter(|known| known.words == words) else { return false };
        let said = Said { key, record_ms, at_ms: well.at_ms };
        let is_believed = policy.trusts(well.at_ms, record_ms);
        let is_repeated = (record_ms - known.fault.1).abs() < AGAIN_AFTER_MS
            && is_believed
            && [known.restore, known.isolate_restore].iter().all(|end| end.can_hold(said, origin, policy));
        if is_repeated {
            known.restore.hold(well.at_ms);
            known.isolate_restore.hold(well.at_ms);
        }
        is_repeated
    }

    /// A record was decoded that says only that a device is well: its faults are as it says.
    pub fn remember(&mut self, device: &str, well: &Well<'_>) {
        let words = self.hash(well.words);
        if let Some(known) = self.find(device) {
            known.words = words;
        }
    }

    /// Takes in evidence or an isolation that is about to be forwarded; appends the ends that must be before it.
    pub fn begin(&mut self, signal: &Signal, policy: &Policy, registry: &Registry, out: &mut Vec<Signal>) {
        let Some(at_ms) = ends::event_time(signal, policy).filter(|_| !self.known.is_empty()) else { return };
        // What one says under its address, another may say under its id.
        let device = registry.device_by_name(&signal.device).map(|device| registry.device(device));
        let others = device.iter().flat_map(|device| [Some(device.id), device.address]).flatten();
        let names = [&*signal.device].into_iter().chain(others.filter(|name| *name != signal.device));
        for name in names {
            let Some(known) = self.find(name) else { continue };
            let mut release = |kind, at: Option<i64>| {
                out.extend(at.map(|at_ms| ends::released(name, kind, at_ms, signal.received_at_ms, policy)));
            };
            if signal.kind == Kind::Isolate {
                // One of the same time that came before is over.
                known.isolate_restore.drop_held(at_ms);
                release(Kind::IsolateRestore, known.isolate_restore.release_after(at_ms));
                known.isolate_restore.begin(at_ms);
            } else {
                release(Kind::IsolateRestore, known.isolate_restore.release_before(at_ms));
                release(Kind::Restore, known.restore.release_after(at_ms));
                known.restore.begin(at_ms);
            }
        }
    }
}
