//! What a shard counts, for logs and for the sums of a process.

use serde::Serialize;

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Counters {
    /// Records taken.
    pub records: u64,
    /// Signals accepted or dropped as duplicates.
    pub signals: u64,
    /// Signals dropped as duplicates.
    pub duplicates: u64,
    /// Signals that the decode role sent again, dropped before anything else.
    pub replayed: u64,
    /// Records that are neither signal nor tick, that the rules reject, or that nobody survives.
    pub rejected: u64,
    /// Of these, those that nobody survives.
    pub condemned: u64,
    /// Ticks.
    pub ticks: u64,
    /// Decisions published.
    pub decisions: u64,
    /// Of these, those for the dispatch topic.
    pub dispatched: u64,
    /// Incidents confirmed.
    pub confirmed: u64,
    /// Decisions for dispatch that nobody saw in time, published again under their ids.
    pub published_again: u64,
    /// Decisions that stood on their topic although the state did not know them; not published a second time.
    pub already_visible: u64,
    /// Transactions.
    pub transactions: u64,
    /// State records written, removed ones included.
    pub state_records: u64,
    /// State records that shards began from.
    pub restored: u64,
}

impl Counters {
    /// Adds another shard's.
    pub fn add(&mut self, other: &Self) {
        let Self {
            records,
            signals,
            duplicates,
            replayed,
            rejected,
            condemned,
            ticks,
            decisions,
            dispatched,
            confirmed,
            published_again,
            already_visible,
            transactions,
            state_records,
            restored,
        } = other;
        for (sum, more) in [
            (&mut self.records, records),
            (&mut self.signals, signals),
            (&mut self.duplicates, duplicates),
            (&mut self.replayed, replayed),
            (&mut self.rejected, rejected),
            (&mut self.condemned, condemned),
            (&mut self.ticks, ticks),
            (&mut self.decisions, decisions),
            (&mut self.dispatched, dispatched),
            (&mut self.confirmed, confirmed),
            (&mut self.published_again, published_again),
            (&mut self.already_visible, already_visible),
            (&mut self.transactions, transactions),
            (&mut self.state_records, state_records),
            (&mut self.restored, restored),
        ] {
            *sum += more;
        }
    }
}
