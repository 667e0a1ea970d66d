//! What a shard needs of the log that keeps it: who writes alone, what stands there, and one transaction at a time.
//!
//! [`Ledger`] is small so that two things can be one: Kafka (`kafka_ledger.rs`) and a log in memory that crashes at any
//! point (`tests/simulation`), against which thousands of seeds are tried.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use fenghuo_correlate::StateError;
use serde::{Deserialize, Serialize};

/// The records of state, the last of each key.
pub type StateRecords = BTreeMap<Vec<u8>, Vec<u8>>;

/// To which topic a message goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Target {
    /// What engines are to hear of.
    Dispatch,
    /// Everything else that was decided.
    Watch,
    /// What could not be read, or may not be said.
    DeadLetter,
}

/// A message's header: its name and its text.
pub type Header = (Cow<'static, str>, Cow<'static, str>);

/// A message that a shard publishes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Where to.
    pub target: Target,
    /// Its key.
    #[serde(with = "serde_bytes")]
    pub key: Option<Vec<u8>>,
    /// Its value.
    #[serde(with = "serde_bytes")]
    pub payload: Vec<u8>,
    /// Its headers, in their order.
    pub headers: Vec<Header>,
    /// How many partitions further than its key's own it goes: what nobody sees there is tried elsewhere.
    #[serde(skip)]
    pub aside: u32,
}

impl Message {
    /// The text of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, text) = self.headers.iter().find(|(found, _)| found == name)?;
        Some(text)
    }
}

/// Everything that becomes visible at once, or never.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transaction {
    /// The offset of the first signal that is not part of it.
    pub next_offset: i64,
    /// What is published; the outbox holds some of it on.
    pub messages: Vec<Arc<Message>>,
    /// State records that are other ones now; nothing for one that is gone.
    pub state: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    /// Kept with the offset: from where on whoever goes on looks for decisions; nothing if nobody knows.
    pub mark: Option<Mark>,
}

/// How far the topics of decisions were written at an instant: what is published later stands there or behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ends {
    /// The next offset of each partition of the dispatch topic.
    pub dispatch: Vec<i64>,
    /// The next offset of each partition of the watch topic.
    pub watch: Vec<i64>,
}

/// Where the decisions stand that a transaction's state does not settle: its own, those of later ones, and those that
/// nobody has seen yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The instant that the transaction's header says, by which the two are known to belong together.
    pub written_ms: i64,
    /// None of them stands before.
    pub ends: Arc<Ends>,
}

/// What the group keeps for a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// The offset of the next signal.
    pub next_offset: i64,
    /// From where on to look for decisions, if somebody wrote it down.
    pub mark: Option<Mark>,
}

/// From where on decisions are looked for: no decision that matters stands before either bound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// Published at or after this instant, Unix milliseconds of the publisher's clock.
    pub at_ms: i64,
    /// Standing there or behind.
    pub ends: Option<Arc<Ends>>,
}

/// A decision that a read_committed reader sees on the dispatch or watch topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visible {
    /// `incident/revision`, or what stands in its place; the header `ce_id`.
    pub id: String,
    /// The decision.
    pub payload: Vec<u8>,
}

/// Why a ledger cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Whether the last transaction took place is not known, or another writer took over: the ledger is of no use any
    /// more, and the shard begins anew from what the log says.
    #[error("{0}")]
    Anew(String),
    /// The log does not hold what is to be read next.
    #[error("the log begins at {low} and ends at {high}; to be read next is {next}")]
    Gap {
        /// What is to be read next.
        next: i64,
        /// The first offset that is there.
        low: i64,
        /// The offset after the last.
        high: i64,
    },
    /// A transaction that nobody ends hides what is to be read.
    #[error("{0}")]
    Open(String),
    /// We are not let in; no retry helps.
    #[error("refused: {0}")]
    Refused(String),
    /// What stands there cannot be gone on from; no retry helps.
    #[error("{0}")]
    Unusable(String),
}

impl From<StateError> for Trouble {
    fn from(error: StateError) -> Self {
        Self::Unusable(error.to_string())
    }
}

/// The log of one partition: its state, its offset, its decisions.
pub trait Ledger {
    /// Ends what a predecessor left open; from then on nobody else writes for this partition.
    ///
    /// # Errors
    /// It is not known whether that is so.
    fn fence(&mut self) -> Result<(), Trouble>;

    /// The offset of the next signal as the group has it, and what goes with it; nothing if it never committed.
    ///
    /// # Errors
    /// Nobody answered.
    fn committed(&mut self) -> Result<Option<Committed>, Trouble>;

    /// All records of state, read to the end that the log had after [`Self::fence`].
    ///
    /// # Errors
    /// The end was not reached.
    fn state(&mut self) -> Result<StateRecords, Trouble>;

    /// The decisions that are visible on dispatch and watch behind both bounds; where somebody's transaction stays
    /// open, those before it.
    ///
    /// # Errors
    /// They cannot be read.
    fn tail(&mut self, since: &Since) -> Result<Vec<Arc<Visible>>, Trouble>;

    /// Makes a transaction visible as a whole.
    ///
    /// # Errors
    /// It did not take place, or nobody knows; the ledger is then of no use any more.
    fn commit(&mut self, transaction: &Transaction) -> Result<(), Trouble>;
}

#[cfg(test)]
mod tests {
    use fenghuo_correlate::state;

    use super::*;

    /// As bytes are written one by one, which is how every state topic holds them.
    #[derive(Serialize)]
    struct OneByOne(Target, Option<Vec<u8>>, Vec<u8>, Vec<(String, Vec<u8>)>);

    #[test]
    fn a_message_is_kept_as_it_always_was() {
        for (key, payload) in [(Some(b"7".to_vec()), vec![0; 300]), (None, Vec::new()), (Some(Vec::new()), vec![255])] {
            let headers = vec![("ce_id".to_owned(), b"a/1".to_vec())];
            let before = OneByOne(Target::Watch, key.clone(), payload.clone(), headers);
            let headers = vec![("ce_id".into(), "a/1".into())];
            let message = Message { target: Target::Watch, key, payload, headers, aside: 0 };
            let bytes = state::encode(state::RECORD_VERSION, &message);
            assert_eq!(bytes, state::encode(state::RECORD_VERSION, &before));
            assert_eq!(state::decode(b"k", &bytes), Ok(message));
        }
    }
}
