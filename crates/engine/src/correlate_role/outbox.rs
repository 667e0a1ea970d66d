//! Decisions for dispatch that were published and that an independent reader has not yet seen.
//!
//! A transaction that took place and whose messages are not there would be a fault beyond the protocol. So every
//! decision for dispatch stays in the state until it was read back; one that is not seen in time is published again,
//! under the same id and in another partition, for it may be the partition that its readers cannot read on: behind a
//! transaction that nobody ends they see nothing new. The decisions of one transaction are one record, or as many as a
//! broker's limit of a record asks for: in a storm they are thousands.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use fenghuo_correlate::state;
use serde::{Deserialize, Serialize};

use super::ledger::{Ends, Message, Visible};

/// The header of a decision that is published again because nobody saw it.
pub const REPEATED: &str = "repeated";

const KEY: &str = "outbox/";

/// Beyond this a transaction's decisions go into another record; brokers usually take one of 1 MiB at most. Two of them
/// are a portion of what is written at once (`writing.rs`).
const LARGEST_BUNDLE_BYTES: usize = 160 * 1024;

/// What is published again at a time; the rest is due in the next transaction.
const MOST_AGAIN_BYTES: usize = 8 * LARGEST_BUNDLE_BYTES;

/// The decisions of one transaction that were not seen yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Bundle {
    messages: Vec<Arc<Message>>,
}

#[derive(Debug)]
struct Kept {
    bundle: Bundle,
    /// Whether another shard wrote it, who knows how long ago.
    is_inherited: bool,
    /// When it counts as overdue, on the caller's clock.
    due_ms: i64,
    /// How often it was published again here.
    again: u32,
    /// It stands there or behind, if that is known.
    ends: Option<Arc<Ends>>,
}

/// What was not seen yet.
#[derive(Debug, Default)]
pub struct Outbox {
    bundles: BTreeMap<u64, Kept>,
    /// In which bundles an id is: in several where the same evidence opened an incident again, which has its id again.
    by_id: HashMap<String, Vec<u64>>,
    next: u64,
    /// Bundles whose record is another one now.
    touched: Vec<u64>,
}

impl Outbox {
    /// Whether a state record's key is one of the outbox's.
    #[must_use]
    pub fn owns(key: &[u8]) -> bool {
        key.starts_with(KEY.as_bytes())
    }

    /// Puts a record back; what it holds is due at `due_ms`, and stands at `ends` or behind.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn put_back(
        &mut self,
        key: &[u8],
        value: &[u8],
        due_ms: i64,
        ends: Option<&Arc<Ends>>,
    ) -> Result<(), fenghuo_correlate::StateError> {
        let bundle: Bundle = state::decode(key, value)?;
        let number = str::from_utf8(key).ok().and_then(|key| key.strip_prefix(KEY)?.parse().ok()).unwrap_or(self.next);
        self.next = self.next.max(number + 1);
        let kept = Kept { bundle, is_inherited: true, due_ms, again: 0, ends: ends.cloned() };
        self.keep(number, kept);
        Ok(())
    }

    /// Keeps the decisions of a transaction, which will stand at `ends` or behind.
    pub fn add(&mut self, messages: Vec<Arc<Message>>, due_ms: i64, ends: Option<&Arc<Ends>>) {
        let mut bundle = Vec::new();
        let mut bytes = 0;
        for message in messages {
            let more = size_of_message(&message);
            if bytes + more > LARGEST_BUNDLE_BYTES && !bundle.is_empty() {
                self.add_bundle(std::mem::take(&mut bundle), due_ms, ends);
                bytes = 0;
            }
            bytes += more;
            bundle.push(message);
        }
        if !bundle.is_empty() {
            self.add_bundle(bundle, due_ms, ends);
        }
    }

    fn add_bundle(&mut self, messages: Vec<Arc<Message>>, due_ms: i64, ends: Option<&Arc<Ends>>) {
        let number = self.next;
        self.next += 1;
        let bundle = Bundle { messages };
        self.keep(number, Kept { bundle, is_inherited: false, due_ms, again: 0, ends: ends.cloned() });
        self.touched.push(number);
    }

    fn keep(&mut self, number: u64, kept: Kept) {
        for message in &kept.bundle.messages {
            self.by_id.entry(id_of(message).to_owned()).or_default().push(number);
        }
        self.bundles.insert(number, kept);
    }

    /// Where the oldest of what was not seen stands, or behind: nothing if that is not known, `now` if there is none.
    #[must_use]
    pub fn oldest(&self, now: Option<&Arc<Ends>>) -> Option<Arc<Ends>> {
        match self.bundles.values().next() {
            Some(kept) => kept.ends.clone(),
            None => now.cloned(),
        }
    }

    /// Somebody saw this decision.
    pub fn seen(&mut self, decision: &Visible) {
        let Some(numbers) = self.by_id.get_mut(&decision.id) else { return };
        let is_seen = |message: &Arc<Message>| id_of(message) == decision.id && message.payload == decision.payload;
        numbers.retain(|number| {
            let Some(kept) = self.bundles.get_mut(number) else { return false };
            let before = kept.bundle.messages.len();
            kept.bundle.messages.retain(|message| !is_seen(message));
            let is_changed = kept.bundle.messages.len() < before;
            if kept.bundle.messages.is_empty() {
                self.bundles.remove(number);
                self.touched.push(*number);
            } else if is_changed && kept.is_inherited {
                // Whoever goes on from the record may not find so old a decision in the tail any more.
                self.touched.push(*number);
            }
            !is_changed
        });
        if numbers.is_empty() {
            self.by_id.remove(&decision.id);
        }
    }

    /// Decisions that should have been seen by now, marked as repeated, those first that are due for longest and as
    /// many as go together; they are due again at `due_again_ms`, and go one partition further each time.
    pub fn overdue(&mut self, now_ms: i64, due_again_ms: i64) -> Vec<Arc<Message>> {
        let mut late: Vec<_> = self.bundles.iter_mut().filter(|(_, kept)| kept.due_ms <= now_ms).collect();
        late.sort_by_key(|(_, kept)| kept.due_ms);
        let (mut messages, mut bytes) = (Vec::new(), 0);
        for (number, kept) in late {
            bytes += kept.bundle.messages.iter().map(|message| size_of_message(message)).sum::<usize>();
            if bytes > MOST_AGAIN_BYTES && !messages.is_empty() {
                break;
            }
            kept.due_ms = due_again_ms;
            kept.again = kept.again.wrapping_add(1);
            // From now on the record holds only what is published with it.
            kept.is_inherited = false;
            self.touched.push(*number);
            messages.extend(kept.bundle.messages.iter().map(|message| {
                let mut again = Message::clone(message);
                again.headers.push((REPEATED.into(), "true".into()));
                again.aside = kept.again;
                Arc::new(again)
            }));
        }
        messages
    }

    /// All that was not seen is due then.
    pub fn due_at(&mut self, due_ms: i64) {
        self.bundles.values_mut().for_each(|kept| kept.due_ms = due_ms);
    }

    /// When the first of them is due.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<i64> {
        self.bundles.values().map(|kept| kept.due_ms).min()
    }

    /// How many were not seen yet.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bundles.values().map(|kept| kept.bundle.messages.len()).sum()
    }

    /// Whether all were seen.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bundles.is_empty()
    }

    /// Whether a record is another one now.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Appends the records that are other ones now.
    pub fn changes(&mut self, out: &mut Vec<(Vec<u8>, Option<Vec<u8>>)>) {
        self.touched.sort_unstable();
        self.touched.dedup();
        for number in self.touched.drain(..) {
            let value = self.bundles.get(&number).map(|kept| {
                let about = kept.bundle.messages.iter().map(|message| size_of_message(message) + OF_A_MESSAGE).sum();
                state::encode_large(state::RECORD_VERSION, &kept.bundle, about)
            });
            out.push((format!("{KEY}{number}").into_bytes(), value));
        }
    }
}

/// What a message takes beside its texts, bytes: about.
const OF_A_MESSAGE: usize = 64;

fn size_of_message(message: &Message) -> usize {
    let headers = message.headers.iter().map(|(name, value)| name.len() + value.len());
    message.payload.len() + message.key.as_ref().map_or(0, Vec::len) + headers.sum::<usize>()
}

fn id_of(message: &Message) -> &str {
    message.header("ce_id").unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate_role::ledger::Target;

    /// In a storm a transaction has thousands of decisions; no record may be larger than brokers take.
    #[test]
    fn no_record_is_larger_than_brokers_take() {
        let decision = |number: usize| {
            Arc::new(Message {
                target: Target::Dispatch,
                key: None,
                payload: vec![b'x'; 3_000],
                headers: vec![("ce_id".into(), format!("i/{number}").into())],
                aside: 0,
            })
        };
        let mut outbox = Outbox::default();
        outbox.add((0..2_000).map(decision).collect(), 7, None);
        let mut records = Vec::new();
        outbox.changes(&mut records);
        assert!(records.len() > 20, "{}", records.len());
        assert!(records.iter().flat_map(|(_, value)| value).all(|value| value.len() < 300_000));
        let mut again = Outbox::default();
        records.iter().for_each(|(key, value)| again.put_back(key, value.as_ref().unwrap(), 7, None).unwrap());
        assert_eq!((outbox.len(), again.len()), (2_000, 2_000));
    }

    fn message(id: &str) -> Arc<Message> {
        let headers = vec![("ce_id".into(), id.to_owned().into())];
        Arc::new(Message { target: Target::Dispatch, key: None, payload: id.as_bytes().to_vec(), headers, aside: 0 })
    }

    fn visible(id: &str) -> Visible {
        Visible { id: id.to_owned(), payload: id.as_bytes().to_vec() }
    }

    fn changes(outbox: &mut Outbox) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        let mut out = Vec::new();
        outbox.changes(&mut out);
        out
    }

    #[test]
    fn a_bundle_is_one_record_until_all_of_it_was_seen() {
        let mut outbox = Outbox::default();
        outbox.add(vec![], 5, None);
        assert!(!outbox.has_changes());
        outbox.add(vec![message("a/1"), message("b/1")], 5, None);
        let written = changes(&mut outbox);
        assert_eq!(written.len(), 1);
        outbox.seen(&visible("a/1"));
        outbox.seen(&visible("a/1"));
        outbox.seen(&visible("z/9"));
        assert_eq!((outbox.len(), changes(&mut outbox).len()), (1, 0));
        assert!(outbox.overdue(4, 9).is_empty());
        let late = outbox.overdue(5, 9);
        assert_eq!(late.iter().map(|message| id_of(message)).collect::<Vec<_>>(), ["b/1"]);
        assert_eq!(late[0].header(REPEATED), Some("true"));
        assert_eq!((late[0].aside, outbox.next_due_ms()), (1, Some(9)), "in another partition");
        outbox.due_at(11);
        assert!(outbox.overdue(10, 12).is_empty() && outbox.next_due_ms() == Some(11));
        // What is published again is alone in the record from then on.
        let shrunk = changes(&mut outbox);
        assert!(shrunk.len() == 1 && shrunk[0].1 < written[0].1, "{shrunk:?}");

        // Another shard goes on from the first record, which still holds both, and strikes out what was seen.
        let mut taken_over = Outbox::default();
        let (key, value) = &written[0];
        assert!(Outbox::owns(key));
        taken_over.put_back(key, value.as_ref().unwrap(), 7, None).unwrap();
        assert_eq!((taken_over.len(), taken_over.next_due_ms()), (2, Some(7)));
        taken_over.seen(&visible("a/1"));
        assert_eq!(changes(&mut taken_over), shrunk);
        taken_over.add(vec![message("c/1")], 8, None);
        assert_ne!(changes(&mut taken_over)[0].0, *key);

        assert_eq!(outbox.overdue(11, 12)[0].aside, 2, "and then in the one after that");
        outbox.seen(&visible("b/1"));
        assert_eq!(changes(&mut outbox), [(key.clone(), None)]);
        assert!(outbox.is_empty());
    }

    /// A storm that nobody saw is not one transaction: that would be more than its time allows.
    #[test]
    fn much_that_was_not_seen_is_published_again_little_by_little() {
        let mut outbox = Outbox::default();
        let ids: Vec<String> = (0..20).map(|number| format!("{number}/1")).collect();
        for (number, id) in (0..).zip(&ids) {
            let mut large = message(id);
            Arc::make_mut(&mut large).payload = vec![b'x'; LARGEST_BUNDLE_BYTES];
            outbox.add(vec![large], 5 - number % 2, None);
        }
        let mut again = Vec::new();
        for expected in [7, 7, 6] {
            let late = outbox.overdue(5, 9);
            assert_eq!(late.len(), expected);
            again.extend(late.iter().map(|message| id_of(message).to_owned()));
        }
        let (longest, others): (Vec<_>, Vec<_>) = ids.into_iter().enumerate().partition(|(number, _)| number % 2 == 1);
        let order: Vec<String> = longest.into_iter().chain(others).map(|(_, id)| id).collect();
        assert_eq!(again, order, "those first that are due for longest");
        assert!(outbox.overdue(5, 9).is_empty() && outbox.next_due_ms() == Some(9));
        let mut outbox = Outbox::default();
        (0..100).for_each(|number| outbox.add(vec![message(&format!("{number}/1"))], 5, None));
        assert_eq!(outbox.overdue(5, 9).len(), 100, "small ones go together");
    }

    /// Whoever goes on must find everything that nobody had seen.
    #[test]
    fn the_oldest_that_was_not_seen_bounds_the_tail() {
        let ends = |offset| Arc::new(Ends { dispatch: vec![offset], watch: vec![] });
        let mut outbox = Outbox::default();
        assert_eq!(outbox.oldest(Some(&ends(9))), Some(ends(9)));
        outbox.add(vec![message("a/1")], 5, Some(&ends(1)));
        outbox.add(vec![message("b/1")], 5, Some(&ends(2)));
        assert_eq!(outbox.oldest(Some(&ends(9))), Some(ends(1)));
        // Published again, it may still stand where it was published first.
        assert_eq!(outbox.overdue(5, 9).len(), 2);
        assert_eq!(outbox.oldest(Some(&ends(9))), Some(ends(1)));
        outbox.seen(&visible("a/1"));
        assert_eq!(outbox.oldest(Some(&ends(9))), Some(ends(2)));
        let mut taken_over = Outbox::default();
        let (key, value) = &changes(&mut outbox)[1];
        taken_over.put_back(key, value.as_ref().unwrap(), 7, None).unwrap();
        taken_over.add(vec![message("c/1")], 5, Some(&ends(3)));
        assert_eq!(taken_over.oldest(Some(&ends(9))), None);
    }

    /// The same opening evidence gives the same id again: one that was seen does not hide the other.
    #[test]
    fn an_id_may_come_twice() {
        let mut outbox = Outbox::default();
        let mut again = message("a/1");
        Arc::make_mut(&mut again).payload = b"again".to_vec();
        outbox.add(vec![message("a/1")], 5, None);
        outbox.add(vec![again.clone(), message("b/1")], 5, None);
        outbox.seen(&visible("a/1"));
        assert_eq!(outbox.len(), 2);
        outbox.seen(&Visible { payload: again.payload.clone(), ..visible("a/1") });
        outbox.seen(&visible("b/1"));
        assert!(outbox.is_empty() && outbox.next_due_ms().is_none());
    }
}
