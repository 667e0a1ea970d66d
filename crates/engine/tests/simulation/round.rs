//! One round: a script, members, a broker, and what the seed has happen to them, until all is quiet; then the checks.

use std::cell::RefCell;
use std::collections::HashSet;
use std::rc::Rc;

use fenghuo_engine::correlate_role::counters::Counters;

use crate::broker::{Broker, LogName, Record, Request};
use crate::check::check;
use crate::ledger::Faults;
use crate::member::{DATE_MS, Ground, Member, Order};
use crate::random::Random;
use crate::report::Coverage;
use crate::signals::{Script, script};

/// The transactional id of another partition's shard, which writes to the same topics.
const NEIGHBOUR: usize = 99;
/// So many processes there are.
const MEMBERS: usize = 3;
/// After so many steps everything must be quiet.
const QUIET_WITHIN: usize = 600;

const DAY_MS: i64 = 86_400_000;

/// How things go in a round.
struct Weather {
    faults: Faults,
    /// Of 1,000 steps: a member dies, the partition goes to another one in order, or is taken from who does not know.
    dies: i64,
    moves: i64,
    is_taken: i64,
    /// The neighbour begins or ends a transaction.
    neighbour: i64,
    /// The first signals are dropped though nobody read them.
    gap: i64,
    /// All die, and the state topic loses its last transaction.
    loses_state: i64,
    /// How many messages of a transaction arrive in time.
    narrow: Option<usize>,
    /// From some time on, decisions stand behind a transaction that nobody ends.
    hides: i64,
}

impl Weather {
    fn of(random: &mut Random) -> (Self, i64) {
        let mut often = |percent: i64, most: i64| if random.chance(percent) { random.between(1, most) } else { 0 };
        let faults = Faults {
            crash: often(70, 12),
            no_answer: often(40, 12),
            lost_answer: often(50, 15),
            held_up: often(60, 20),
        };
        let weather = Self {
            faults,
            dies: often(70, 30),
            moves: often(50, 30),
            is_taken: often(50, 30),
            neighbour: often(40, 80),
            gap: often(10, 15),
            loses_state: often(15, 15),
            narrow: usize::try_from(often(20, 60)).ok().filter(|narrow| *narrow > 0).map(|narrow| narrow + 5),
            hides: often(10, 30),
        };
        // What was decided twice cannot be compared with what was read once.
        let gap = if weather.loses_state > 0 { 0 } else { weather.gap };
        let weather = Self { gap, ..weather };
        (weather, often(20, 300))
    }
}

/// What a round came to.
pub struct Outcome {
    /// What must not be.
    pub complaints: Vec<String>,
    /// What happened, if it was asked for.
    pub story: Vec<String>,
    /// What was met.
    pub coverage: Coverage,
}

/// Everything that lives in a round.
pub struct Round<'s> {
    /// What all members share.
    pub ground: Ground<'s>,
    /// What is given.
    pub script: &'s Script,
    /// Whether transactions may have been made again, beyond the protocol: their dead letters stand there twice then.
    pub lost_state: u64,
    members: Vec<Member>,
    holder: usize,
    weather: Weather,
    neighbours_epoch: u64,
    has_open_neighbour: bool,
}

/// The round of a seed; with its story for whoever asks.
pub fn round(seed: u64, is_told: bool) -> Outcome {
    let mut random = Random::new(seed);
    let script = script(random.next(), &mut random);
    let (weather, loses) = Weather::of(&mut random);
    // Now and then the records are of yesterday, and the role catches up.
    let date_ms = DATE_MS + if random.chance(3) { DAY_MS } else { 0 };
    let mut broker = Broker::default();
    broker.members = (0..MEMBERS).collect();
    broker.loses = loses;
    let ground = Ground {
        broker: Rc::new(RefCell::new(broker)),
        random: Rc::new(RefCell::new(random)),
        rules: &script.rules,
        log: &[],
        low: 0,
        date_ms,
        faults: weather.faults,
        narrow: weather.narrow,
        too_much: 0,
        seen: HashSet::new(),
        gaps: Vec::new(),
        complaints: Vec::new(),
        counters: Counters::default(),
        begun: 0,
        from_mark: 0,
        from_standby: 0,
        story: is_told.then(Vec::new),
    };
    let members = (0..MEMBERS).map(|number| Member::start(number, &ground)).collect();
    let neighbours_epoch = ground.broker.borrow_mut().init(NEIGHBOUR);
    let mut round = Round {
        ground,
        script: &script,
        lost_state: 0,
        members,
        holder: 0,
        weather,
        neighbours_epoch,
        has_open_neighbour: false,
    };
    round.members[0].order = Order::Hold;
    round.storm();
    if round.becomes_quiet() {
        check(&mut round);
    } else {
        round.ground.complaints.push("it does not become quiet".to_owned());
    }
    let coverage = Coverage::of(&round);
    Outcome { complaints: round.ground.complaints, story: round.ground.story.unwrap_or_default(), coverage }
}

impl Round<'_> {
    fn luck(&self) -> std::cell::RefMut<'_, Random> {
        self.ground.random.borrow_mut()
    }

    fn happens(&self, of_thousand: i64) -> bool {
        self.luck().between(0, 999) < of_thousand
    }

    /// Signals arrive, and everything goes wrong that the weather has.
    fn storm(&mut self) {
        let mut idle = 0;
        while idle < 20 {
            let (more, by_ms, least, member) = {
                let mut random = self.luck();
                let more = random.pick_weighted(&[(4, 0), (4, 1), (2, 3), (1, 10)]);
                let by_ms = random.pick_weighted(&[(30, 1), (30, 20), (20, 110), (6, 600), (2, 5_000), (1, 31_000)]);
                (more, by_ms, random.pick_weighted(&[(5, 100), (3, 1), (2, 0)]), random.between(0, 2))
            };
            let all = &self.script.arrivals;
            self.ground.log = &all[..(self.ground.log.len() + more).min(all.len())];
            idle += usize::from(self.ground.log.len() == all.len());
            self.ground.broker.borrow_mut().advance(by_ms);
            self.ground.broker.borrow_mut().settle(&mut self.ground.random.borrow_mut());
            // Who holds the partition is the busiest; who only believes to may wake at any time.
            let member = if self.luck().chance(60) { self.holder } else { usize::try_from(member).unwrap_or(0) };
            self.members[member].step(least, &mut self.ground);
            self.misfortune();
        }
    }

    fn misfortune(&mut self) {
        let Weather { dies, moves, is_taken, neighbour, gap, loses_state, hides, .. } = self.weather;
        if self.happens(dies) {
            let member = self.holder;
            self.members[member].die(&mut self.ground);
        }
        if self.happens(moves) || !self.members[self.holder].is_alive {
            self.hand_over(Order::Finish);
        } else if self.happens(is_taken) {
            self.hand_over(Order::Hold);
        }
        if self.happens(neighbour) {
            self.neighbour();
        }
        self.age();
        if self.happens(gap) {
            let end = i64::try_from(self.ground.log.len()).unwrap_or(0);
            let low = self.luck().between(self.ground.low, end);
            self.ground.low = low;
            self.ground.tell(|| format!("the log begins at {low}"));
        }
        if self.happens(loses_state) {
            for place in 0..MEMBERS {
                self.restart(place);
            }
            let mut broker = self.ground.broker.borrow_mut();
            // The tail is whole, or the next shard would not know what is visible.
            self.neighbours_epoch = broker.init(NEIGHBOUR);
            self.has_open_neighbour = false;
            broker.settle_all(&mut self.ground.random.borrow_mut());
            let is_lost = broker.lose_last_state();
            drop(broker);
            self.lost_state += u64::from(is_lost);
            self.ground.tell(|| format!("all die; the state's last transaction is lost: {is_lost}"));
        }
        if self.happens(hides) && !self.ground.broker.borrow().hides {
            self.ground.broker.borrow_mut().hides = true;
            self.ground.tell(|| "a transaction that nobody ends hides what comes behind it".to_owned());
        }
        self.awaken();
    }

    /// The partition goes to another member; who had it is told to finish, or (`Hold`) knows nothing of it.
    fn hand_over(&mut self, old_is_told: Order) {
        let next = {
            let step = usize::try_from(self.luck().between(1, 2)).unwrap_or(1);
            (self.holder + step) % MEMBERS
        };
        let old = &mut self.members[self.holder];
        if old_is_told == Order::Hold || !old.is_alive {
            let holder = self.holder;
            self.ground.broker.borrow_mut().members.retain(|member| *member != holder);
        } else {
            old.order = if old.is_seated() { old_is_told } else { Order::LetGo };
        }
        if !self.members[next].is_alive {
            self.restart(next);
        }
        self.holder = next;
        self.ground.tell(|| format!("member {next} gets the partition; who had it: {old_is_told:?}"));
        self.join(next);
        self.members[next].order = Order::Hold;
    }

    fn restart(&mut self, place: usize) {
        self.members[place].die(&mut self.ground);
        let order = if place == self.holder { Order::Hold } else { Order::LetGo };
        self.members[place] = Member::start(place, &self.ground);
        self.members[place].order = order;
        self.join(place);
    }

    fn join(&self, member: usize) {
        let mut broker = self.ground.broker.borrow_mut();
        if !broker.members.contains(&member) {
            broker.members.push(member);
        }
    }

    /// Who was thrown out hears of it some day, and comes back; who died starts again.
    fn awaken(&mut self) {
        for place in 0..MEMBERS {
            if place == self.holder || !self.happens(60) {
                continue;
            }
            if !self.members[place].is_alive {
                self.restart(place);
            } else if self.members[place].order == Order::Hold {
                self.members[place].order = Order::LetGo;
                self.join(place);
            }
        }
    }

    /// What every state has passed long ago is dropped at the log's beginning.
    fn age(&mut self) {
        if self.weather.loses_state == 0 && self.happens(20) {
            let committed = self.ground.broker.borrow().committed().map_or(0, |kept| kept.next_offset);
            self.ground.low = self.ground.low.max(committed - 20);
        }
    }

    /// A transaction of another partition's shard stands open on the dispatch topic for a while.
    fn neighbour(&mut self) {
        let record = Record {
            key: None,
            value: Some(b"{}".to_vec()),
            headers: vec![("ce_id".into(), "neighbour/1".into())],
            timestamp_ms: 0,
            aside: 0,
        };
        let requests = if self.has_open_neighbour {
            vec![Request::Commit]
        } else {
            vec![Request::Begin, Request::Produce(LogName::Dispatch, record)]
        };
        self.has_open_neighbour = !self.has_open_neighbour;
        let mut broker = self.ground.broker.borrow_mut();
        let mut random = self.ground.random.borrow_mut();
        for request in requests {
            if broker.execute(NEIGHBOUR, self.neighbours_epoch, request, &mut random).is_err() {
                // It took too long; another one begins.
                self.neighbours_epoch = broker.init(NEIGHBOUR);
                self.has_open_neighbour = false;
                return;
            }
        }
    }

    /// Nothing goes wrong any more; whether all is written and seen in the end.
    fn becomes_quiet(&mut self) -> bool {
        self.ground.faults = Faults::default();
        self.ground.tell(|| "nothing goes wrong any more".to_owned());
        let starts_anew = self.luck().chance(50);
        if starts_anew {
            let holder = self.holder;
            self.restart(holder);
        }
        for place in 0..MEMBERS {
            self.join(place);
            if !self.members[place].is_alive {
                self.restart(place);
            }
            self.members[place].calm();
            self.members[place].order = if place == self.holder { Order::Hold } else { Order::LetGo };
        }
        {
            let mut broker = self.ground.broker.borrow_mut();
            broker.loses = 0;
            broker.init(NEIGHBOUR);
            broker.settle_all(&mut self.ground.random.borrow_mut());
        }
        for _ in 0..QUIET_WITHIN {
            self.ground.broker.borrow_mut().advance(200);
            self.ground.broker.borrow_mut().settle(&mut self.ground.random.borrow_mut());
            for place in 0..MEMBERS {
                self.members[place].step(100, &mut self.ground);
            }
            let end = i64::try_from(self.script.arrivals.len()).unwrap_or(0);
            if self.members[self.holder].is_settled(end) {
                self.ground.broker.borrow_mut().settle_all(&mut self.ground.random.borrow_mut());
                for place in 0..MEMBERS {
                    self.members[place].die(&mut self.ground);
                }
                return true;
            }
        }
        false
    }
}
