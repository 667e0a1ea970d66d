//! What the rounds met: a simulation in which nothing happens shows nothing.

use std::fmt;

use fenghuo_engine::correlate_role::counters::Counters;

use crate::round::Round;

/// What was met.
#[derive(Debug, Clone, Copy, Default)]
pub struct Coverage {
    counters: Counters,
    begun: u64,
    from_mark: u64,
    from_standby: u64,
    too_much: u64,
    gaps: u64,
    lost: u64,
    hidden: u64,
    lost_state: u64,
}

impl Coverage {
    /// Of one round.
    pub fn of(round: &Round<'_>) -> Self {
        Self {
            counters: round.ground.counters,
            begun: round.ground.begun,
            from_mark: round.ground.from_mark,
            from_standby: round.ground.from_standby,
            too_much: round.ground.too_much,
            gaps: round.ground.gaps.len() as u64,
            lost: round.ground.broker.borrow().lost().count() as u64,
            hidden: u64::from(round.ground.broker.borrow().hides),
            lost_state: round.lost_state,
        }
    }

    /// Adds another's.
    pub fn merge(&mut self, other: &Self) {
        self.counters.add(&other.counters);
        self.begun += other.begun;
        self.from_mark += other.from_mark;
        self.from_standby += other.from_standby;
        self.too_much += other.too_much;
        self.gaps += other.gaps;
        self.lost += other.lost;
        self.hidden += other.hidden;
        self.lost_state += other.lost_state;
    }

    /// What was never met.
    pub fn missing(&self) -> Vec<&'static str> {
        let all = [
            ("replays", self.counters.replayed),
            ("duplicates", self.counters.duplicates),
            ("rejected records", self.counters.rejected),
            ("ticks", self.counters.ticks),
            ("decisions for dispatch", self.counters.dispatched),
            ("decisions published again", self.counters.published_again),
            ("decisions that were visible already", self.counters.already_visible),
            ("shards that went on from state", self.counters.restored),
            ("marks to look for decisions from", self.from_mark),
            ("shards that went on from what was read along", self.from_standby),
            ("transactions that were too much for a slow broker", self.too_much),
            ("gaps", self.gaps),
            ("decisions that the broker lost", self.lost),
            ("transactions that nobody ended", self.hidden),
            ("transactions that the state topic lost", self.lost_state),
        ];
        all.into_iter().filter(|(_, count)| *count == 0).map(|(name, _)| name).collect()
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { counters, begun, from_mark, from_standby, too_much, gaps, lost, hidden, lost_state } = self;
        let Counters {
            records, replayed, decisions, dispatched, published_again, already_visible, transactions, ..
        } = counters;
        writeln!(
            f,
            "  {begun} shards ({from_mark} from a mark, {from_standby} from what was read along) took {records} records, \
             {replayed} of them replays, in {transactions} transactions"
        )?;
        writeln!(
            f,
            "  {decisions} decisions, {dispatched} for dispatch; again {published_again}, visible already {already_visible}"
        )?;
        writeln!(f, "  too much for a slow broker: {too_much} transactions")?;
        writeln!(f, "  lost by the broker: {lost} decisions, {lost_state} transactions of state; {gaps} gaps")?;
        write!(f, "  a transaction that nobody ended stood before decisions in {hidden} rounds")
    }
}
