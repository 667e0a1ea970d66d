//! The ledger of a partition on the broker in memory, as `KafkaLedger` is on Kafka: request by request the same.
//!
//! Before each of its requests something may strike: the process dies, no answer comes, the answer is lost, or all
//! from here on is held up and arrives later, when somebody else may have taken over.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use fenghuo_engine::correlate_role::header;
use fenghuo_engine::correlate_role::ledger::{
    Committed, Ends, Ledger, Message, Since, StateRecords, Target, Transaction, Trouble, Visible,
};
use fenghuo_engine::correlate_role::standby::Followed;

use crate::broker::{Broker, LogName, Record, Refused, Request, UnderWay};
use crate::random::Random;

/// Transactional ids of a partition, as on Kafka.
const IDS: usize = 4;

/// A decision as it is read: its id and its bytes.
pub type Told = (String, Vec<u8>);

/// The decision of a record, if it is one.
pub fn visible(record: &Record) -> Option<Visible> {
    let id = record.header("ce_id")?.to_owned();
    Some(Visible { id, payload: record.value.clone().unwrap_or_default() })
}

/// Reads on what was committed of the state.
pub fn read_along(broker: &Broker, state: &mut Followed) {
    let from = state.next_offset().and_then(|next| usize::try_from(next).ok()).unwrap_or(0);
    for (position, record) in broker.read_at(LogName::State, from) {
        let offset = i64::try_from(position).unwrap_or(i64::MAX);
        state.add(offset, record.key.as_deref().unwrap_or_default(), record.value.as_deref());
    }
}

/// What strikes, of 1,000 requests.
#[derive(Debug, Clone, Copy, Default)]
pub struct Faults {
    /// The process dies before it.
    pub crash: i64,
    /// It never arrives.
    pub no_answer: i64,
    /// Its answer never does.
    pub lost_answer: i64,
    /// It and what follows arrive later.
    pub held_up: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Strike {
    Nothing,
    Crash,
    NoAnswer,
    LostAnswer,
    HeldUp,
}

/// The ledger of one shard.
pub struct MemoryLedger {
    broker: Rc<RefCell<Broker>>,
    random: Rc<RefCell<Random>>,
    /// What strikes it.
    pub faults: Faults,
    member: usize,
    /// How far its clock is ahead of the simulated time, with the date.
    clock_ms: i64,
    epochs: Vec<u64>,
    turn: usize,
    /// More messages than this do not arrive within a transaction's time, if it holds more than one signal.
    pub narrow: Option<usize>,
    /// How many transactions were too much.
    pub too_much: u64,
    /// The offset of the next signal that is in no transaction yet.
    pub written_to: i64,
    /// Its process has died.
    pub is_dead: bool,
    /// The offset of the next signal, as the state that was read says.
    pub next_offset: Option<i64>,
    /// Ids of decisions that were seen: in the tail here, by reading back elsewhere.
    pub seen: HashSet<Told>,
    /// Those that were seen before a transaction that took place: whoever goes on knows of them.
    pub settled: HashSet<Told>,
    /// Whether the tail began where a mark says.
    pub is_from_mark: bool,
    /// Ids that were published again although they had been seen.
    pub needless: Vec<String>,
    /// What its process has read along of the state, until it is gone on from.
    pub known: Option<Followed>,
}

impl MemoryLedger {
    /// The ledger of a shard of `member`; `seen` are decisions that shards saw that are no more.
    pub fn new(
        broker: &Rc<RefCell<Broker>>,
        random: &Rc<RefCell<Random>>,
        faults: Faults,
        (member, clock_ms): (usize, i64),
        seen: HashSet<Told>,
    ) -> Self {
        Self {
            broker: Rc::clone(broker),
            random: Rc::clone(random),
            faults,
            member,
            clock_ms,
            epochs: Vec::new(),
            turn: 0,
            narrow: None,
            too_much: 0,
            written_to: 0,
            is_dead: false,
            next_offset: None,
            settled: seen.clone(),
            seen,
            is_from_mark: false,
            needless: Vec::new(),
            known: None,
        }
    }

    fn strike(&mut self) -> Strike {
        let mut random = self.random.borrow_mut();
        self.broker.borrow_mut().settle(&mut random);
        let Faults { crash, no_answer, lost_answer, held_up } = self.faults;
        if crash + no_answer + lost_answer + held_up == 0 {
            return Strike::Nothing;
        }
        let left = 1_000 - crash - no_answer - lost_answer - held_up;
        let strike = random.pick_weighted(&[
            (left, Strike::Nothing),
            (crash, Strike::Crash),
            (no_answer, Strike::NoAnswer),
            (lost_answer, Strike::LostAnswer),
            (held_up, Strike::HeldUp),
        ]);
        self.is_dead |= strike == Strike::Crash || (strike == Strike::HeldUp && random.chance(30));
        strike
    }

    /// One question that changes nothing that lasts, or everything at once.
    fn ask<T>(&mut self, what: &str, answer: impl FnOnce(&mut Broker) -> T) -> Result<T, Trouble> {
        match self.strike() {
            Strike::Nothing => Ok(answer(&mut self.broker.borrow_mut())),
            Strike::LostAnswer => {
                answer(&mut self.broker.borrow_mut());
                Err(Trouble::Anew(format!("{what}: no answer came")))
            }
            _ => Err(Trouble::Anew(format!("{what}: nobody answered"))),
        }
    }

    fn requests(&self, transaction: &Transaction) -> Vec<Request> {
        let timestamp_ms = self.clock_ms + self.broker.borrow().now_ms;
        let message = |message: &Message| {
            let log = match message.target {
                Target::Dispatch => LogName::Dispatch,
                Target::Watch => LogName::Watch,
                Target::DeadLetter => LogName::DeadLetter,
            };
            let Message { key, payload, headers, aside, .. } = message.clone();
            Request::Produce(log, Record { key, value: Some(payload), headers, timestamp_ms, aside })
        };
        let state = |(key, value): &(Vec<u8>, Option<Vec<u8>>)| {
            let (key, value) = (Some(key.clone()), value.clone());
            Request::Produce(LogName::State, Record { key, value, headers: Vec::new(), timestamp_ms, aside: 0 })
        };
        let mut requests = vec![Request::Begin];
        requests.extend(transaction.messages.iter().map(|shared| message(shared)));
        requests.extend(transaction.state.iter().map(state));
        let kept = Committed { next_offset: transaction.next_offset, mark: transaction.mark.clone() };
        requests.push(Request::Offset(self.member, kept));
        requests.push(Request::Commit);
        requests
    }

    fn note_needless(&mut self, transaction: &Transaction) {
        let again = transaction.messages.iter().filter(|message| message.header("repeated").is_some());
        for message in again {
            let id = message.header("ce_id").unwrap_or_default().to_owned();
            if self.seen.contains(&(id.clone(), message.payload.clone())) {
                self.needless.push(id);
            }
        }
    }
}

impl Ledger for MemoryLedger {
    fn fence(&mut self) -> Result<(), Trouble> {
        self.epochs.clear();
        for id in 0..IDS {
            let epoch = self.ask("fence", |broker| broker.init(id))?;
            self.epochs.push(epoch);
        }
        Ok(())
    }

    fn committed(&mut self) -> Result<Option<Committed>, Trouble> {
        self.ask("committed", |broker| broker.committed().cloned())
    }

    fn state(&mut self) -> Result<StateRecords, Trouble> {
        let mut state = self.known.take().unwrap_or_default();
        // Nobody but these ids writes there, so that nothing is open once they are fenced: what hangs on Kafka all the
        // same is tried there alone (`tests/tests/kafka_ledger.rs`).
        self.ask("state", |broker| read_along(broker, &mut state))?;
        let alive = state.into_records();
        self.next_offset = header::read(&alive).ok().flatten().map(|header| header.next_offset);
        Ok(alive)
    }

    fn tail(&mut self, since: &Since) -> Result<Vec<Arc<Visible>>, Trouble> {
        let mut all = Vec::new();
        let end = |of: fn(&Ends) -> &Vec<i64>| since.ends.as_ref().and_then(|ends| of(ends).first().copied());
        let ends = [end(|ends| &ends.dispatch), end(|ends| &ends.watch)];
        self.is_from_mark = since.ends.is_some();
        for (log, end) in [LogName::Dispatch, LogName::Watch].into_iter().zip(ends) {
            let records: Vec<Record> = self.ask("tail", |broker| {
                let end = end.and_then(|end| usize::try_from(end).ok()).unwrap_or(0);
                let from = broker.position_at(log, since.at_ms).max(end);
                broker.read(log, from).cloned().collect()
            })?;
            all.extend(records.iter().filter_map(visible).map(Arc::new));
        }
        self.seen.extend(all.iter().map(|decision| (decision.id.clone(), decision.payload.clone())));
        Ok(all)
    }

    fn commit(&mut self, transaction: &Transaction) -> Result<(), Trouble> {
        self.note_needless(transaction);
        let id = self.turn;
        self.turn = (id + 1) % IDS;
        let epoch = self.epochs.get(id).copied().unwrap_or_default();
        let requests = self.requests(transaction);
        let takes = self.narrow.filter(|_| transaction.next_offset > self.written_to + 1).unwrap_or(usize::MAX);
        let is_too_much = requests.len() > takes;
        let mut requests = requests.into_iter();
        let mut sent = 0;
        while let Some(request) = requests.next() {
            sent += 1;
            if is_too_much && sent > takes {
                self.too_much += 1;
                return Err(Trouble::Anew("it does not arrive in time".to_owned()));
            }
            let strike = self.strike();
            let mut broker = self.broker.borrow_mut();
            match strike {
                Strike::Nothing | Strike::LostAnswer => {
                    let done = broker.execute(id, epoch, request, &mut self.random.borrow_mut());
                    done.map_err(|refused| Trouble::Anew(refusal(refused).to_owned()))?;
                }
                Strike::HeldUp => {
                    let requests = std::iter::once(request).chain(requests).collect();
                    broker.delay(UnderWay { id, epoch, requests });
                    return Err(Trouble::Anew("held up".to_owned()));
                }
                Strike::Crash | Strike::NoAnswer => return Err(Trouble::Anew("nobody answered".to_owned())),
            }
            if strike == Strike::LostAnswer {
                return Err(Trouble::Anew("no answer came".to_owned()));
            }
        }
        self.written_to = transaction.next_offset;
        self.settled.clone_from(&self.seen);
        Ok(())
    }
}

const fn refusal(refused: Refused) -> &'static str {
    match refused {
        Refused::Fenced => "somebody else writes for this partition by now",
        Refused::NoMember => "we are no member of the group",
        Refused::TooLarge => "a record is too large",
    }
}
