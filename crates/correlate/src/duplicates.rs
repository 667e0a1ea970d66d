//! Duplicates: what clouds push thrice and radios repeat is accepted once per horizon.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

use fenghuo_model::{Kind, Signal};

use crate::evidence::DeviceKey;

/// What makes two signals the same statement.
#[derive(Debug, PartialEq, Eq, Hash)]
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
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) enum Identity {
    Id(Box<str>),
    EventTime(i64),
}

/// The accepted signals of the last horizon of a region's clock.
#[derive(Debug, Default)]
pub(crate) struct Duplicates {
    accepted: HashSet<Arc<Statement>, foldhash::fast::RandomState>,
    /// The same with when they were accepted, on the region's clock, in that order.
    order: VecDeque<(i64, Arc<Statement>)>,
    /// How many were forgotten: the number of the first of `order`, counted from the region's first.
    forgotten: u64,
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
    pub(crate) fn since(&self, number: u64) -> impl ExactSizeIterator<Item = (i64, &Statement)> {
        let skipped = usize::try_from(number.saturating_sub(self.forgotten)).unwrap_or(usize::MAX);
        self.order.range(skipped.min(self.order.len())..).map(|(accepted_ms, statement)| (*accepted_ms, &**statement))
    }

    /// Begins again where the first that is remembered has this number.
    pub(crate) fn starting_at(number: u64) -> Self {
        Self { forgotten: number, ..Self::default() }
    }

    /// Puts one back behind those before it.
    pub(crate) fn put_back(&mut self, accepted_ms: i64, statement: Statement) {
        let statement = Arc::new(statement);
        self.accepted.insert(Arc::clone(&statement));
        self.order.push_back((accepted_ms, statement));
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

    fn forget_oldest(&mut self) {
        if let Some((_, statement)) = self.order.pop_front() {
            self.accepted.remove(&statement);
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
        while let Some((accepted_ms, _)) = self.order.front()
            && clock_ms - accepted_ms > horizon_ms
        {
            self.forget_oldest();
        }
        let statement = Statement {
            device: device.clone(),
            kind: signal.kind,
            test: signal.test,
            building: signal.building.as_deref().map(Into::into),
            location: signal.location.as_deref().filter(|_| signal.kind == Kind::Clear).map(Into::into),
            identity: match &signal.id {
                Some(id) => Identity::Id(id.as_str().into()),
                None => Identity::EventTime(at_ms),
            },
        };
        if self.accepted.contains(&statement) {
            return true;
        }
        self.put_back(clock_ms, statement);
        false
    }

    /// How many accepted signals are remembered.
    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }
}
