//! A process of the correlate role: takes the partition when it believes to hold it, and works as `seat.rs` does.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;
use std::sync::Arc;

use fenghuo_engine::correlate_role::counters::Counters;
use fenghuo_engine::correlate_role::ledger::{Ends, Trouble};
use fenghuo_engine::correlate_role::pace::{Moment, Pace, Room};
use fenghuo_engine::correlate_role::seat::pause_after;
use fenghuo_engine::correlate_role::shard::{Beginning, Incoming, Shard};
use fenghuo_engine::correlate_role::standby::Followed;
use fenghuo_engine::sources::Rules;

use crate::broker::{Broker, LogName};
use crate::ledger::{Faults, MemoryLedger, Told, read_along, visible};
use crate::random::Random;
use crate::signals::Arrival;

/// The time of day at the beginning, Unix milliseconds.
pub const DATE_MS: i64 = 1_795_312_680_000;
/// From how far behind the time of day on decisions may wait for each other, and how long.
const BEHIND_MS: i64 = 60_000;
const MAY_WAIT_MS: i64 = 500;

/// What a member is told about the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// It is its own.
    Hold,
    /// To write what it has taken, and to end.
    Finish,
    /// To end.
    LetGo,
}

struct Seat {
    shard: Shard,
    ledger: MemoryLedger,
    pace: Pace,
    written_ms: i64,
}

/// What all members share.
pub struct Ground<'g> {
    /// The broker.
    pub broker: Rc<RefCell<Broker>>,
    /// The luck of the round.
    pub random: Rc<RefCell<Random>>,
    /// Registry and policy.
    pub rules: &'g Rules,
    /// The signals partition, as far as it was written.
    pub log: &'g [Arrival],
    /// The first offset that it still holds.
    pub low: i64,
    /// What day the members' clocks say it is when the round begins, Unix milliseconds.
    pub date_ms: i64,
    /// What strikes.
    pub faults: Faults,
    /// How many messages of a transaction arrive in time, where the broker is slow.
    pub narrow: Option<usize>,
    /// How many transactions were too much for it.
    pub too_much: u64,
    /// Decisions that shards saw that are no more.
    pub seen: HashSet<Told>,
    /// Gaps that somebody accepted.
    pub gaps: Vec<(i64, i64)>,
    /// What must not be.
    pub complaints: Vec<String>,
    /// What was counted by shards that are no more.
    pub counters: Counters,
    /// How many shards began.
    pub begun: u64,
    /// How many of them looked for decisions from a mark on only.
    pub from_mark: u64,
    /// How many of them went on from what their process had read along.
    pub from_standby: u64,
    /// What happened, if somebody wants to know.
    pub story: Option<Vec<String>>,
}

impl Ground<'_> {
    /// Adds to the story.
    pub fn tell(&mut self, what: impl FnOnce() -> String) {
        let now_ms = self.broker.borrow().now_ms;
        if let Some(story) = &mut self.story {
            story.push(format!("{now_ms:>8} ms  {}", what()));
        }
    }
}

/// A process.
pub struct Member {
    number: usize,
    clock_ms: i64,
    /// Whether it runs.
    pub is_alive: bool,
    /// What it was told.
    pub order: Order,
    /// How often of a hundred times it looks at the dispatch topic.
    pub attention: i64,
    read_back: usize,
    seat: Option<Seat>,
    take_at_ms: i64,
    accepted_gap_to: Option<i64>,
    room: Room,
    /// Whether it reads along the state of partitions that others hold, and what it has read.
    stands_by: bool,
    along: Followed,
}

impl Member {
    /// A process that starts now, with a clock of its own.
    pub fn start(number: usize, ground: &Ground<'_>) -> Self {
        let mut random = ground.random.borrow_mut();
        Self {
            number,
            clock_ms: ground.date_ms + random.between(-15_000, 15_000),
            is_alive: true,
            order: Order::LetGo,
            attention: random.pick_weighted(&[(5, 100), (3, 20), (1, 2), (1, 0)]),
            read_back: ground.broker.borrow().stable_end(LogName::Dispatch),
            seat: None,
            take_at_ms: 0,
            accepted_gap_to: None,
            room: Room::default(),
            stands_by: random.chance(60),
            along: Followed::default(),
        }
    }

    /// Whether it has a shard.
    pub const fn is_seated(&self) -> bool {
        self.seat.is_some()
    }

    /// Whether everything that was taken is written and was seen.
    pub fn is_settled(&self, next_offset: i64) -> bool {
        self.seat.as_ref().is_some_and(|Seat { shard, .. }| {
            shard.next_offset() == next_offset && !shard.is_ahead() && shard.unseen() == 0
        })
    }

    /// Nothing strikes any more, and every decision is seen at once.
    pub fn calm(&mut self) {
        self.attention = 100;
        if let Some(seat) = &mut self.seat {
            seat.ledger.faults = Faults::default();
        }
    }

    /// Dies at once.
    pub fn die(&mut self, ground: &mut Ground<'_>) {
        self.end(ground);
        ground.tell(|| format!("member {} dies", self.number));
        self.is_alive = false;
    }

    fn end(&mut self, ground: &mut Ground<'_>) {
        let Some(Seat { shard, ledger, .. }) = self.seat.take() else { return };
        ground.counters.add(shard.counters());
        self.leave(ledger, ground);
    }

    fn leave(&mut self, ledger: MemoryLedger, ground: &mut Ground<'_>) {
        self.is_alive &= !ledger.is_dead;
        ground.too_much += ledger.too_much;
        ground.seen.extend(ledger.settled);
        let complaints = ledger.needless.iter().map(|id| format!("{id} was seen, and published again"));
        ground.complaints.extend(complaints);
    }

    /// One turn of its loop; it takes `most` records.
    pub fn step(&mut self, most: usize, ground: &mut Ground<'_>) {
        if !self.is_alive {
            return;
        }
        self.read_back(ground);
        if self.stands_by && self.seat.is_none() && ground.random.borrow_mut().chance(50) {
            read_along(&ground.broker.borrow(), &mut self.along);
        }
        let result = match (&self.seat, self.order) {
            (None, Order::Hold) if ground.broker.borrow().now_ms >= self.take_at_ms => self.begin(ground),
            (None, _) => Ok(()),
            (Some(_), _) => self.work(most, ground),
        };
        if let Err(trouble) = result {
            self.end(ground);
            let pause_ms = i64::try_from(pause_after(&trouble).as_millis()).unwrap_or(i64::MAX);
            ground.tell(|| format!("member {}: {trouble}", self.number));
            self.take_at_ms = ground.broker.borrow().now_ms + pause_ms;
            match trouble {
                Trouble::Anew(_) => {}
                // Somebody accepts it.
                Trouble::Gap { low, .. } => self.accepted_gap_to = Some(low),
                Trouble::Open(reason) | Trouble::Refused(reason) | Trouble::Unusable(reason) => {
                    ground.complaints.push(reason);
                }
            }
        }
    }

    /// As `ReadBack::run` in `read_back.rs`: what is seen while there is no shard is told to nobody.
    fn read_back(&mut self, ground: &Ground<'_>) {
        if !ground.random.borrow_mut().chance(self.attention) {
            return;
        }
        let broker = ground.broker.borrow();
        if let Some(Seat { shard, ledger, .. }) = &mut self.seat {
            for decision in broker.read(LogName::Dispatch, self.read_back).filter_map(visible) {
                shard.seen(&decision);
                ledger.seen.insert((decision.id, decision.payload));
            }
        }
        self.read_back = broker.stable_end(LogName::Dispatch);
        if let Some(Seat { shard, .. }) = &mut self.seat {
            let end = |log| vec![i64::try_from(broker.stable_end(log)).unwrap_or(i64::MAX)];
            shard.looked(&Arc::new(Ends { dispatch: end(LogName::Dispatch), watch: end(LogName::Watch) }));
        }
    }

    fn begin(&mut self, ground: &mut Ground<'_>) -> Result<(), Trouble> {
        let who = (self.number, self.clock_ms);
        let mut ledger = MemoryLedger::new(&ground.broker, &ground.random, ground.faults, who, ground.seen.clone());
        let known = Some(std::mem::take(&mut self.along)).filter(|along| along.next_offset().is_some());
        let is_known = known.is_some();
        ledger.known = known;
        ledger.narrow = ground.narrow;
        let now_ms = ground.broker.borrow().now_ms;
        let log = (ground.low, length(ground.log));
        let accepted_gap_to = self.accepted_gap_to.take();
        let beginning = Beginning {
            deployment: "fenghuo".to_owned(),
            partitions: 1,
            partition: "signals/0".to_owned(),
            log,
            accepted_gap_to,
            now_ms,
        };
        match Shard::begin(&mut ledger, ground.rules, &beginning) {
            Ok(shard) => {
                ground.begun += 1;
                ground.from_mark += u64::from(ledger.is_from_mark);
                ground.from_standby += u64::from(is_known);
                let (next, unseen) = (shard.next_offset(), shard.unseen());
                ground.tell(|| format!("member {} begins a shard at {next}, {unseen} unseen", self.number));
                let (from, to) = (ledger.next_offset.unwrap_or(0), shard.next_offset());
                if from < to {
                    ground.gaps.push((from, to));
                }
                ledger.written_to = to;
                self.seat = Some(Seat { shard, ledger, pace: Pace::new(now_ms, self.room), written_ms: now_ms });
                Ok(())
            }
            Err(trouble) => {
                self.leave(ledger, ground);
                Err(trouble)
            }
        }
    }

    /// As `Holder::work` in `seat.rs`.
    fn work(&mut self, most: usize, ground: &mut Ground<'_>) -> Result<(), Trouble> {
        let Some(seat) = &mut self.seat else { return Ok(()) };
        let mut taken = 0;
        while self.order == Order::Hold && taken < most && seat.shard.next_offset() < length(ground.log) {
            let offset = seat.shard.next_offset();
            if offset < ground.low {
                return Err(Trouble::Gap { next: offset, low: ground.low, high: length(ground.log) });
            }
            let place = usize::try_from(offset).expect("offsets are not below 0");
            let payload = ground.log[place].payload.as_bytes();
            seat.shard.take(&Incoming { offset, payload, key: Some(b"region") });
            taken += 1;
            if seat.pace.has_no_room(&seat.shard, taken) {
                break;
            }
        }
        if self.order == Order::LetGo {
            self.end(ground);
            return Ok(());
        }
        let now_ms = ground.broker.borrow().now_ms;
        let is_last = self.order == Order::Finish;
        let moment = Moment { now_ms, time_of_day_ms: self.clock_ms + now_ms, taken, is_last };
        let before = *seat.shard.counters();
        let written = seat.pace.write(&mut seat.shard, &mut seat.ledger, &moment);
        self.room = seat.pace.room();
        let (after, next) = (seat.shard.counters(), seat.shard.next_offset());
        if after.transactions > before.transactions {
            seat.written_ms = now_ms;
            let (decisions, again) =
                (after.decisions - before.decisions, after.published_again - before.published_again);
            let unseen = seat.shard.unseen();
            ground.tell(|| {
                format!(
                    "member {} writes to {next}: {decisions} decisions, {again} again, {unseen} unseen",
                    self.number
                )
            });
        }
        written?;
        let is_behind = seat.shard.heard_ms() < Some(moment.time_of_day_ms - BEHIND_MS);
        let may_wait = is_behind && !is_last && now_ms - seat.written_ms < MAY_WAIT_MS;
        if seat.shard.waiting_decisions() > 0 && !may_wait {
            ground.complaints.push("a decision was not written at once".to_owned());
        }
        if is_last {
            self.end(ground);
        }
        Ok(())
    }
}

/// The offset after the last of a partition that lost nothing at its beginning.
fn length(log: &[Arrival]) -> i64 {
    i64::try_from(log.len()).expect("a short one")
}
