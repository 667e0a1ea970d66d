//! Duplicates: what clouds push thrice and radios repeat is accepted once per horizon.
//!
//! Nearly all that is remembered are heartbeats and readings, which do nothing; they are remembered all the same, for
//! their duplicates are counted. So it must be cheap: a statement is stored once, in the order of arrival, and found by
//! its number from a table of hashes; a signal is looked up by what it borrows, and only what is accepted is copied.
//! What registered devices say without an id of its own or a place, nearly everything, is kept as numbers.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::hash::{BuildHasher, Hash};

use fenghuo_model::registry::DeviceIdx;
use fenghuo_model::{Kind, Signal};
use hashbrown::HashTable;

use crate::evidence::DeviceKey;

/// What makes two signals the same statement.
#[derive(Debug, Clone)]
pub(crate) struct Statement {
    pub(crate) device: DeviceKey,
    pub(crate) kind: Kind,
    pub(crate) test: bool,
    pub(crate) building: Option<Box<str>>,
    /// Of a clear only.
    pub(crate) location: Option<Box<str>>,
    pub(crate) identity: Identity,
}

/// What tells the statements of one device and kind apart.
#[derive(Debug, Clone)]
pub(crate) enum Identity {
    Id(Box<str>),
    EventTime(i64),
}

/// A statement as it is remembered.
#[derive(Debug)]
enum Kept {
    /// A registered device's that only its event time tells from others.
    Plain {
        device: DeviceIdx,
        kind: Kind,
        test: bool,
        at_ms: i64,
    },
    Whole(Box<Statement>),
}

/// Who states something, borrowed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Who<'s> {
    Registered(DeviceIdx),
    Stranger(&'s str),
}

impl<'s> Who<'s> {
    fn of(device: &'s DeviceKey) -> Self {
        match device {
            DeviceKey::Registered(device) => Self::Registered(*device),
            DeviceKey::Stranger(name) => Self::Stranger(name),
        }
    }
}

/// What makes two signals the same statement, borrowed from wherever it stands.
#[derive(PartialEq, Eq, Hash)]
struct Told<'s> {
    device: Who<'s>,
    kind: Kind,
    test: bool,
    building: Option<&'s str>,
    location: Option<&'s str>,
    /// The signal's own id, else its event time.
    identity: Result<&'s str, i64>,
}

impl<'s> Told<'s> {
    fn by(signal: &'s Signal, device: &'s DeviceKey, at_ms: i64) -> Self {
        let device = Who::of(device);
        Self {
            device,
            kind: signal.kind,
            test: signal.test,
            building: signal.building.as_deref(),
            location: signal.location.as_deref().filter(|_| signal.kind == Kind::Clear),
            identity: signal.id.as_deref().ok_or(at_ms),
        }
    }

    fn stored(&self, device: &DeviceKey) -> Kept {
        if let Self { device: Who::Registered(device), building: None, location: None, identity: Err(at_ms), .. } =
            *self
        {
            return Kept::Plain { device, kind: self.kind, test: self.test, at_ms };
        }
        Kept::Whole(Box::new(Statement {
            device: device.clone(),
            kind: self.kind,
            test: self.test,
            building: self.building.map(Into::into),
            location: self.location.map(Into::into),
            identity: match self.identity {
                Ok(id) => Identity::Id(id.into()),
                Err(at_ms) => Identity::EventTime(at_ms),
            },
        }))
    }
}

impl Kept {
    fn told(&self) -> Told<'_> {
        match self {
            Self::Plain { device, kind, test, at_ms } => Told {
                device: Who::Registered(*device),
                kind: *kind,
                test: *test,
                building: None,
                location: None,
                identity: Err(*at_ms),
            },
            Self::Whole(statement) => statement.told(),
        }
    }

    fn statement(&self) -> Cow<'_, Statement> {
        match self {
            Self::Plain { device, kind, test, at_ms } => Cow::Owned(Statement {
                device: DeviceKey::Registered(*device),
                kind: *kind,
                test: *test,
                building: None,
                location: None,
                identity: Identity::EventTime(*at_ms),
            }),
            Self::Whole(statement) => Cow::Borrowed(&**statement),
        }
    }
}

impl Statement {
    fn told(&self) -> Told<'_> {
        Told {
            device: Who::of(&self.device),
            kind: self.kind,
            test: self.test,
            building: self.building.as_deref(),
            location: self.location.as_deref(),
            identity: match &self.identity {
                Identity::Id(id) => Ok(id),
                Identity::EventTime(at_ms) => Err(*at_ms),
            },
        }
    }
}

/// A statement that is remembered.
#[derive(Debug)]
struct Accepted {
    /// When, on the region's clock.
    at_ms: i64,
    hash: u64,
    statement: Kept,
}

/// The accepted signals of the last horizon of a region's clock.
#[derive(Debug, Default)]
pub(crate) struct Duplicates {
    /// In the order in which they were accepted.
    order: VecDeque<Accepted>,
    /// The low halves of their numbers, by hash; fewer than 2³² are remembered at once.
    numbers: HashTable<u32>,
    hasher: foldhash::fast::RandomState,
    /// How many were forgotten: the number of the first of `order`, counted from the region's first.
    forgotten: u64,
}

/// The statement with that number, among those after the `forgotten` ones.
#[expect(clippy::cast_possible_truncation, reason = "numbers are told apart by their low halves")]
fn numbered(order: &VecDeque<Accepted>, forgotten: u64, number: u32) -> &Accepted {
    &order[number.wrapping_sub(forgotten as u32) as usize]
}

impl Duplicates {
    /// The number of the first that is remembered.
    pub(crate) const fn first_number(&self) -> u64 {
        self.forgotten
    }

    /// The number that the next one accepted will have.
    pub(crate) fn next_number(&self) -> u64 {
        self.forgotten + self.order.len() as u64
    }

    /// Those remembered from a number on, with when they were accepted, in that order.
    pub(crate) fn since(&self, number: u64) -> impl ExactSizeIterator<Item = (i64, Cow<'_, Statement>)> {
        let skipped = usize::try_from(number.saturating_sub(self.forgotten)).unwrap_or(usize::MAX);
        let remembered = self.order.range(skipped.min(self.order.len())..);
        remembered.map(|accepted| (accepted.at_ms, accepted.statement.statement()))
    }

    /// Begins again where the first that is remembered has this number.
    pub(crate) fn starting_at(number: u64) -> Self {
        Self { forgotten: number, ..Self::default() }
    }

    /// Puts one back behind those before it.
    pub(crate) fn put_back(&mut self, accepted_ms: i64, statement: &Statement) {
        let told = statement.told();
        let (hash, statement) = (self.hasher.hash_one(&told), told.stored(&statement.device));
        self.push(Accepted { at_ms: accepted_ms, hash, statement });
    }

    #[expect(clippy::cast_possible_truncation, reason = "numbers are told apart by their low halves")]
    fn push(&mut self, accepted: Accepted) {
        let number = self.next_number() as u32;
        let hash = accepted.hash;
        self.order.push_back(accepted);
        let Self { order, numbers, forgotten, .. } = self;
        numbers.insert_unique(hash, number, |number| numbered(order, *forgotten, *number).hash);
    }

    /// Forgets the oldest beyond `limit`, before their horizon; how many.
    pub(crate) fn forget_beyond(&mut self, limit: usize) -> u64 {
        let mut forgotten = 0;
        while self.order.len() > limit {
            self.forget_oldest();
            forgotten += 1;
        }
        forgotten
    }

    #[expect(clippy::cast_possible_truncation, reason = "numbers are told apart by their low halves")]
    fn forget_oldest(&mut self) {
        if let Some(oldest) = self.order.pop_front() {
            let number = self.forgotten as u32;
            if let Ok(entry) = self.numbers.find_entry(oldest.hash, |other| *other == number) {
                entry.remove();
            }
            self.forgotten += 1;
        }
    }

    /// Whether the signal repeats one accepted at most `horizon_ms` earlier; if not, it is now accepted itself.
    /// A duplicate does not renew the horizon.
    pub(crate) fn repeats(
        &mut self,
        signal: &Signal,
        device: &DeviceKey,
        at_ms: i64,
        clock_ms: i64,
        horizon_ms: i64,
    ) -> bool {
        while let Some(oldest) = self.order.front()
            && clock_ms - oldest.at_ms > horizon_ms
        {
            self.forget_oldest();
        }
        let told = Told::by(signal, device, at_ms);
        let hash = self.hasher.hash_one(&told);
        let Self { order, numbers, forgotten, .. } = &*self;
        if numbers.find(hash, |number| numbered(order, *forgotten, *number).statement.told() == told).is_some() {
            return true;
        }
        self.push(Accepted { at_ms: clock_ms, hash, statement: told.stored(device) });
        false
    }

    /// How many accepted signals are remembered.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }
}
