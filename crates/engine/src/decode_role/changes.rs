//! The change filter: what devices say all day ends here, and the stream by region is a hundredth of what comes in.
//!
//! Pure, with the record's time as an argument. It may hold back only what decisions cannot depend on: to the
//! correlator, signals of the kinds below move their region's clock and do nothing else, and the ticks, which are
//! records of the signals topic too, move that within about a second (`passage.rs`). A property test here holds that
//! the decisions are those of a tick in each such signal's place. Never held back are fire, prealarm, confirm, clear,
//! acknowledge and isolate.
//!
//! - A heartbeat or reading is always held back.
//! - A state is held back if it repeats what its device last said of the same aspect (faults; the connection; each
//!   other kind is one of its own) in the same words, and that was forwarded less than [`AGAIN_AFTER_MS`] of record
//!   time ago.
//! - The end of an alarm is held back if it ends nothing, and released when it comes to (`ends.rs`); that of an
//!   isolation only if asked for.
//!
//! The memory belongs to one assignment of one raw partition: a partition that is begun again, after a revocation or
//! because something could not be delivered, begins with none, and what is not known is forwarded.

use std::hash::{BuildHasher, Hash, Hasher};

use fenghuo_decode::Well;
use fenghuo_model::{Kind, Policy, Registry, Signal};
use hashbrown::HashTable;

use super::devices::Devices;
use super::ends;

/// How long a state that does not change is held back: downstream it is seen to last.
pub const AGAIN_AFTER_MS: i64 = 3_600_000;

/// How many states a partition remembers; a city of five million devices on 16 partitions has a third of them.
const MOST_STATES: usize = 1_000_000;

/// What a signal may speak of, as far as one may replace another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Aspect {
    /// Whether it is reachable.
    Connection,
    /// Whatever else it reports; nothing takes it back.
    Report(Kind),
}

/// How signals of a kind are treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Treatment {
    Forward,
    HoldBack,
    OnChange(Aspect),
    /// As a state of the device that [`Devices`] know.
    Fault,
    End,
}

const fn treatment(kind: Kind) -> Treatment {
    match kind {
        Kind::Fire | Kind::Prealarm | Kind::Confirm | Kind::Clear | Kind::Acknowledge | Kind::Isolate => {
            Treatment::Forward
        }
        Kind::IsolateRestore | Kind::Restore => Treatment::End,
        Kind::Heartbeat | Kind::Reading => Treatment::HoldBack,
        Kind::Fault | Kind::FaultRestore => Treatment::Fault,
        Kind::Offline | Kind::Online => Treatment::OnChange(Aspect::Connection),
        Kind::Test | Kind::Silence | Kind::Supervisory | Kind::Tamper | Kind::LowBattery => {
            Treatment::OnChange(Aspect::Report(kind))
        }
    }
}

/// The state that was forwarded last of one device and aspect. Both are known by 64-bit hashes alone: that one of five
/// million devices is taken for another happens in one city of a million.
#[derive(Debug, Clone, Copy)]
struct State {
    whose: u64,
    what: u64,
    forwarded_ms: i64,
}

/// Where signals come from.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'r> {
    /// The raw topic.
    pub topic: &'r str,
    /// Its partition.
    pub partition: i32,
    /// The record.
    pub offset: i64,
    /// Its key.
    pub key: Option<&'r [u8]>,
    /// Its time, Unix milliseconds, if it has one.
    pub record_ms: Option<i64>,
    /// The latest time of any record of the partition before it, as far as that is known.
    pub latest_ms: i64,
    /// How far before a record's time anything may have happened that a record of this topic says.
    pub behind_ms: i64,
}

impl Origin<'_> {
    /// The source of the last but so many of what is released before this record's signals: behind all that records
    /// before it can have said.
    fn source_before(&self, left: usize) -> String {
        let index = u32::MAX - u32::try_from(left).unwrap_or(u32::MAX);
        format!("{}/{}/{}/{index}", self.topic, self.partition, self.offset - 1)
    }
}

/// How many signals were held back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeldBack {
    /// Signs of life.
    pub life: u64,
    /// What only repeats.
    pub unchanged: u64,
}

/// What one raw partition forwarded.
#[derive(Debug, Default)]
pub struct Changes {
    states: HashTable<State>,
    hasher: foldhash::quality::RandomState,
    devices: Devices,
}

impl Changes {
    /// That holds back ends of isolations too.
    #[must_use]
    pub fn and_ends_of_isolations() -> Self {
        Self { devices: Devices::and_ends_of_isolations(), ..Self::default() }
    }

    /// Leaves of one record's signals those that say something that is to be forwarded, and puts before them what was
    /// held back and now matters; all that is left counts as forwarded.
    pub fn pass(
        &mut self,
        signals: &mut Vec<Box<Signal>>,
        origin: Origin<'_>,
        policy: &Policy,
        registry: &Registry,
    ) -> HeldBack {
        let mut released = Vec::new();
        for signal in signals.iter().filter(|signal| ends::may_matter_to(signal)) {
            self.devices.begin(signal, policy, registry, &mut released);
        }
        // What a record says together is forwarded together: what ends there may be what begins there.
        let may_hold = !signals.iter().any(|signal| ends::may_matter_to(signal));
        let mut held_back = HeldBack::default();
        signals.retain(|signal| {
            let is_forwarded = self.admit(signal, origin, policy, may_hold);
            let is_life = signal.kind.is_sign_of_life();
            held_back.life += u64::from(!is_forwarded && is_life);
            held_back.unchanged += u64::from(!is_forwarded && !is_life);
            is_forwarded
        });
        let count = released.len();
        let sourced = released.into_iter().enumerate().map(|(number, mut signal)| {
            signal.source = Some(origin.source_before(count - 1 - number));
            Box::new(signal)
        });
        signals.splice(..0, sourced);
        held_back
    }

    /// Whether any record may be one that [`Self::repeats`]: where ends of isolations are forwarded, none is.
    #[must_use]
    pub const fn may_repeat(&self) -> bool {
        self.devices.holds_isolations()
    }

    /// Whether a record only says, in the words of the one before, that a device is well, and all of that is held back.
    pub fn repeats(&mut self, device: &str, well: &Well<'_>, origin: Origin<'_>, policy: &Policy) -> bool {
        self.devices.repeats(device, well, origin, policy)
    }

    /// A record was decoded, and passed here, that says only that a device is well.
    pub fn remember(&mut self, device: &str, well: &Well<'_>) {
        self.devices.remember(device, well);
    }

    fn admit(&mut self, signal: &Signal, origin: Origin<'_>, policy: &Policy, may_hold: bool) -> bool {
        // Where records have no times, no hour passes, and a state that stays so comes once.
        let record_ms = origin.record_ms.unwrap_or_default();
        let aspect = match treatment(signal.kind) {
            Treatment::Forward => return true,
            Treatment::HoldBack => return false,
            Treatment::End => {
                return !ends::is_plain(signal) || self.devices.admit_end(signal, origin, policy, may_hold);
            }
            Treatment::Fault => {
                let what = self.words(signal);
                return self.devices.admit_fault(&signal.device, what, record_ms);
            }
            Treatment::OnChange(aspect) => aspect,
        };
        let said = State {
            whose: self.hasher.hash_one((&signal.device, aspect)),
            what: self.words(signal),
            forwarded_ms: record_ms,
        };
        if let Some(known) = self.states.find_mut(said.whose, |known| known.whose == said.whose) {
            // Records of one partition may lie in disorder: what was forwarded later counts too.
            let is_recent = (record_ms - known.forwarded_ms).abs() < AGAIN_AFTER_MS;
            if known.what == said.what && is_recent {
                return false;
            }
            *known = said;
            return true;
        }
        if self.states.len() >= MOST_STATES {
            self.forget(record_ms);
        }
        self.states.insert_unique(said.whose, said, |known| known.whose);
        true
    }

    /// All that a signal says but when, which of its numbered statements, and where it came from.
    fn words(&self, signal: &Signal) -> u64 {
        let Signal { kind, sensor, building, location, unit, text, test, by, cause, value, .. } = signal;
        let mut words = self.hasher.build_hasher();
        (kind, sensor, building, location, unit, text, test, by, cause).hash(&mut words);
        value.as_ref().map(ToString::to_string).hash(&mut words);
        words.finish()
    }

    /// Makes room: what is due to be forwarded again anyway, or, if that is little, everything.
    fn forget(&mut self, record_ms: i64) {
        self.states.retain(|known| (record_ms - known.forwarded_ms).abs() < AGAIN_AFTER_MS);
        if self.states.len() > MOST_STATES / 2 {
            self.states.clear();
        }
    }
}

#[cfg(test)]
mod tests;
