//! A log in memory that keeps Kafka's promises as far as transactions rest on them, and no others.
//!
//! Five logs (signals are elsewhere: nobody writes them by transactions), transactional ids with epochs, the committed
//! offset as part of a transaction. An ended transaction is seen by a reader of committed records only once its marker
//! stands in that log, and markers come one by one ([`Broker::settle`]); a log is read up to its first record without.
//! Requests can be under way for long ([`Broker::delay`]), and arrive after somebody else took over.

use std::collections::{BTreeMap, HashMap, VecDeque};

use fenghuo_engine::correlate_role::ledger::{Committed, Header};

use crate::random::Random;

/// After so long the broker itself ends an open transaction, milliseconds.
pub const TRANSACTION_TIMEOUT_MS: i64 = 10_000;

/// No record is larger, bytes.
pub const LARGEST_BYTES: usize = 8_388_608;

/// The dispatch topic has so many partitions, which readers see as one log.
const DISPATCH_PARTITIONS: u32 = 3;

/// A log that transactions write to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogName {
    /// State records.
    State,
    /// Decisions for dispatch.
    Dispatch,
    /// Other decisions.
    Watch,
    /// Dead letters.
    DeadLetter,
    /// The group's offsets.
    Offsets,
}

/// A record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value.
    pub value: Option<Vec<u8>>,
    /// Its headers.
    pub headers: Vec<Header>,
    /// When its writer wrote it, by the writer's clock.
    pub timestamp_ms: i64,
    /// How many partitions further than its key's own it stands.
    pub aside: u32,
}

impl Record {
    /// The text of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, text) = self.headers.iter().find(|(found, _)| found == name)?;
        Some(text)
    }
}

/// What a writer asks for.
#[derive(Debug, Clone)]
pub enum Request {
    /// A transaction begins.
    Begin,
    /// A record of it.
    Produce(LogName, Record),
    /// The offset of the next signal and what goes with it, in the name of a member of the group.
    Offset(usize, Committed),
    /// It is to be committed.
    Commit,
}

/// Why a request was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Somebody else has the transactional id by now.
    Fenced,
    /// The member is none of the group any more.
    NoMember,
    /// The record is larger than the broker takes.
    TooLarge,
}

#[derive(Debug)]
struct Stored {
    transaction: u64,
    /// Whether it was committed, once its marker is there.
    outcome: Option<bool>,
    /// The broker lost it although it was acknowledged, or hides it: no reader ever sees it.
    is_lost: bool,
    record: Record,
}

#[derive(Debug, Default)]
enum Standing {
    #[default]
    Idle,
    Open {
        began_ms: i64,
    },
    /// Ended; markers are still to be written.
    Ending {
        is_commit: bool,
        markers: Vec<LogName>,
    },
}

/// A transactional id.
#[derive(Debug, Default)]
struct Writer {
    epoch: u64,
    transaction: u64,
    touched: Vec<LogName>,
    /// Where in the log of offsets it stands, and the offset.
    offset: Option<(u64, Committed)>,
    standing: Standing,
}

/// Requests of one writer that are under way.
#[derive(Debug)]
pub struct UnderWay {
    /// Its transactional id.
    pub id: usize,
    /// Its epoch.
    pub epoch: u64,
    /// In their order.
    pub requests: VecDeque<Request>,
}

/// The broker.
#[derive(Debug, Default)]
pub struct Broker {
    logs: BTreeMap<LogName, Vec<Stored>>,
    writers: HashMap<usize, Writer>,
    under_way: Vec<UnderWay>,
    transactions: u64,
    offsets: u64,
    committed: Option<(u64, Committed)>,
    /// Members of the group.
    pub members: Vec<usize>,
    /// Simulated time, milliseconds.
    pub now_ms: i64,
    /// How many of 1,000 decisions for dispatch the broker loses after it acknowledged them.
    pub loses: i64,
    /// Whether a transaction that nobody ends stands in the partition of the dispatch topic to which decisions go by
    /// their keys, and hides what comes behind it.
    pub hides: bool,
}

impl Broker {
    /// Ends what the id's last owner left, as far as it is ended; from now on only the epoch returned may write.
    pub fn init(&mut self, id: usize) -> u64 {
        self.end_open(id);
        self.write_markers(id);
        let writer = self.writers.entry(id).or_default();
        writer.epoch += 1;
        writer.epoch
    }

    fn end_open(&mut self, id: usize) {
        let writer = self.writers.entry(id).or_default();
        if matches!(writer.standing, Standing::Open { .. }) {
            writer.standing = Standing::Ending { is_commit: false, markers: writer.touched.clone() };
        }
    }

    /// Does what is asked for.
    ///
    /// # Errors
    /// The writer is not the last one of its id, or its member is none.
    pub fn execute(&mut self, id: usize, epoch: u64, request: Request, random: &mut Random) -> Result<(), Refused> {
        if self.writers.get(&id).is_none_or(|writer| writer.epoch != epoch) {
            return Err(Refused::Fenced);
        }
        match request {
            Request::Begin => {
                // A transaction begins only when the id's last one is over everywhere.
                self.write_markers(id);
                self.transactions += 1;
                let (transaction, standing) = (self.transactions, Standing::Open { began_ms: self.now_ms });
                let writer = Writer { epoch, transaction, touched: Vec::new(), offset: None, standing };
                self.writers.insert(id, writer);
            }
            Request::Produce(_, Record { value: Some(value), .. }) if value.len() > LARGEST_BYTES => {
                return Err(Refused::TooLarge);
            }
            Request::Produce(log, record) => {
                let transaction = self.touch(id, log).transaction;
                let is_hidden = self.hides && record.aside % DISPATCH_PARTITIONS == 0;
                let is_lost = log == LogName::Dispatch && (random.between(0, 999) < self.loses || is_hidden);
                let stored = Stored { transaction, outcome: None, is_lost, record };
                self.logs.entry(log).or_default().push(stored);
            }
            Request::Offset(member, next) => {
                if !self.members.contains(&member) {
                    return Err(Refused::NoMember);
                }
                self.offsets += 1;
                let place = self.offsets;
                self.touch(id, LogName::Offsets).offset = Some((place, next));
            }
            Request::Commit => {
                let writer = self.writers.get_mut(&id).ok_or(Refused::Fenced)?;
                writer.standing = Standing::Ending { is_commit: true, markers: writer.touched.clone() };
            }
        }
        Ok(())
    }

    fn touch(&mut self, id: usize, log: LogName) -> &mut Writer {
        let writer = self.writers.entry(id).or_default();
        if !writer.touched.contains(&log) {
            writer.touched.push(log);
        }
        writer
    }

    /// Keeps requests for later.
    pub fn delay(&mut self, under_way: UnderWay) {
        self.under_way.push(under_way);
    }

    /// A little of what happens by itself: a marker is written, a request arrives.
    pub fn settle(&mut self, random: &mut Random) {
        if random.chance(50) {
            let mut ids: Vec<usize> = self.writers.keys().copied().collect();
            ids.sort_unstable();
            if let Some(id) = (!ids.is_empty()).then(|| *random.pick(&ids)) {
                self.write_marker(id, random.chance(50));
            }
        }
        if !self.under_way.is_empty() && random.chance(40) {
            let all: Vec<usize> = (0..self.under_way.len()).collect();
            let place = *random.pick(&all);
            let requests = random.between(1, 12);
            self.arrive(place, requests, random);
        }
    }

    fn arrive(&mut self, place: usize, requests: i64, random: &mut Random) {
        let mut under_way = self.under_way.swap_remove(place);
        for _ in 0..requests {
            let Some(request) = under_way.requests.pop_front() else { return };
            if self.execute(under_way.id, under_way.epoch, request, random).is_err() {
                return;
            }
        }
        self.under_way.push(under_way);
    }

    /// Time passes: transactions that are open for too long are ended.
    pub fn advance(&mut self, by_ms: i64) {
        self.now_ms += by_ms;
        let limit_ms = self.now_ms - TRANSACTION_TIMEOUT_MS;
        let late = |writer: &Writer| matches!(writer.standing, Standing::Open { began_ms } if began_ms < limit_ms);
        let ids: Vec<usize> = self.writers.iter().filter(|(_, writer)| late(writer)).map(|(id, _)| *id).collect();
        for id in ids {
            self.init(id);
        }
    }

    /// Everything that is under way arrives, every marker is written.
    pub fn settle_all(&mut self, random: &mut Random) {
        while !self.under_way.is_empty() {
            self.arrive(0, 1, random);
        }
        let ids: Vec<usize> = self.writers.keys().copied().collect();
        ids.into_iter().for_each(|id| self.write_markers(id));
    }

    fn write_markers(&mut self, id: usize) {
        while self.write_marker(id, false) {}
    }

    fn write_marker(&mut self, id: usize, last_first: bool) -> bool {
        let Some(writer) = self.writers.get_mut(&id) else { return false };
        let Standing::Ending { is_commit, markers } = &mut writer.standing else { return false };
        let is_commit = *is_commit;
        let next = if markers.is_empty() { None } else { Some(if last_first { markers.len() - 1 } else { 0 }) };
        let Some(next) = next else {
            writer.standing = Standing::Idle;
            return false;
        };
        let log = markers.remove(next);
        let (transaction, offset) = (writer.transaction, writer.offset.clone());
        if log == LogName::Offsets {
            if is_commit {
                // Whichever marker comes first, the later record holds.
                let place = |kept: &Option<(u64, Committed)>| kept.as_ref().map(|(place, _)| *place);
                if place(&offset) > place(&self.committed) {
                    self.committed = offset;
                }
            }
            return true;
        }
        let entries = self.logs.entry(log).or_default().iter_mut().rev();
        entries.filter(|stored| stored.transaction == transaction).for_each(|stored| stored.outcome = Some(is_commit));
        true
    }

    /// The offset of the next signal, as the group has it, and what goes with it.
    pub fn committed(&self) -> Option<&Committed> {
        self.committed.as_ref().map(|(_, kept)| kept)
    }

    /// The end of a log for a reader of committed records.
    pub fn stable_end(&self, log: LogName) -> usize {
        let stored = self.logs.get(&log).map_or(&[][..], Vec::as_slice);
        stored.iter().position(|stored| stored.outcome.is_none()).unwrap_or(stored.len())
    }

    /// What a reader of committed records sees from a position on.
    pub fn read(&self, log: LogName, from: usize) -> impl Iterator<Item = &Record> {
        self.read_at(log, from).map(|(_, record)| record)
    }

    /// The same, each with its position.
    pub fn read_at(&self, log: LogName, from: usize) -> impl Iterator<Item = (usize, &Record)> {
        let stable = self.stable_end(log);
        let stored = self.logs.get(&log).map_or(&[][..], |stored| &stored[..stable]).iter().enumerate().skip(from);
        let is_seen = |(_, stored): &(usize, &Stored)| stored.outcome == Some(true) && !stored.is_lost;
        stored.filter(is_seen).map(|(position, stored)| (position, &stored.record))
    }

    /// The position of the first record of a log that is not older.
    pub fn position_at(&self, log: LogName, since_ms: i64) -> usize {
        let stored = self.logs.get(&log).map_or(&[][..], Vec::as_slice);
        let found = stored.iter().position(|stored| stored.record.timestamp_ms >= since_ms);
        found.unwrap_or(stored.len())
    }

    /// Beyond the protocol: the state log loses its last transaction, unless that lost something else or was the first.
    pub fn lose_last_state(&mut self) -> bool {
        let lossy: Vec<u64> = self
            .logs
            .get(&LogName::Dispatch)
            .into_iter()
            .flatten()
            .filter(|stored| stored.is_lost)
            .map(|stored| stored.transaction)
            .collect();
        let Some(state) = self.logs.get_mut(&LogName::State) else { return false };
        let Some(last) = state.last() else { return false };
        let transaction = last.transaction;
        let is_lossy = lossy.contains(&transaction);
        let before = state.iter().filter(|stored| stored.transaction != transaction && stored.outcome == Some(true));
        if last.outcome != Some(true) || before.count() == 0 || is_lossy {
            return false;
        }
        state.retain(|stored| stored.transaction != transaction);
        true
    }

    /// Decisions for dispatch that were committed and that the broker lost or hides.
    pub fn lost(&self) -> impl Iterator<Item = &Record> {
        let stored = self.logs.get(&LogName::Dispatch).into_iter().flatten();
        stored.filter(|stored| stored.is_lost && stored.outcome == Some(true)).map(|stored| &stored.record)
    }
}
