//! The protocol of publication: one writer, a mailbox of three slots for each reader, one exchange to hand over.
//!
//! What it promises (and `tests/publication` shows): a reader gets whole values only, never an older one after a newer
//! one, the last one once the writer rests; and no slot ever has two owners.

use std::sync::Arc;

use super::cells::{AtomicU8, Ordering, Slot};

/// Of the byte between: which slot lies there.
const SLOT: u8 = 0b011;
/// Of the byte between: whether the writer laid it there, so that it holds something new.
const FRESH: u8 = 0b100;

/// Three slots: the writer's, the reader's, and the one between them.
#[derive(Debug)]
struct Mailbox<S> {
    slots: [Slot<Arc<S>>; 3],
    /// The slot between, with [`FRESH`].
    between: AtomicU8,
}

impl<S> Mailbox<S> {
    fn slot(&self, number: u8) -> &Slot<Arc<S>> {
        &self.slots[usize::from(number)]
    }

    /// Lays one's slot between, and gets what lay there.
    ///
    /// Release: what one did to the slot is seen by whoever gets it. Acquire: what the other did to the slot is seen.
    fn exchange(&self, laid: u8) -> u8 {
        self.between.swap(laid, Ordering::AcqRel) & SLOT
    }
}

/// The writer's side of one mailbox.
#[derive(Debug)]
struct Outlet<S> {
    mailbox: Arc<Mailbox<S>>,
    own: u8,
}

impl<S> Outlet<S> {
    fn lay(&mut self, value: Arc<S>) {
        // A value that its reader never took ends here.
        let _unseen = self.mailbox.slot(self.own).put(value);
        self.own = self.mailbox.exchange(self.own | FRESH);
    }

    /// Whether the reader is gone: nobody else holds the mailbox, and nobody can get it any more.
    fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.mailbox) == 1
    }
}

/// The one writer: publishes values, each of which takes the place of the one before.
#[derive(Debug)]
pub struct Publisher<S> {
    latest: Arc<S>,
    outlets: Vec<Outlet<S>>,
}

impl<S> Publisher<S> {
    /// A publisher without readers, whose latest value is `first`.
    pub fn new(first: Arc<S>) -> Self {
        Self { latest: first, outlets: Vec::new() }
    }

    /// Publishes a value to every reader; steps are as many as there are readers, and it waits for none.
    ///
    /// A reader that was dropped is forgotten here.
    pub fn publish(&mut self, value: Arc<S>) {
        self.latest = value;
        self.outlets.retain(|outlet| !outlet.is_abandoned());
        for outlet in &mut self.outlets {
            outlet.lay(Arc::clone(&self.latest));
        }
    }

    /// A further reader, for any thread; it begins with the latest value.
    pub fn subscribe(&mut self) -> Reader<S> {
        let slots = [Slot::empty(), Slot::empty(), Slot::empty()];
        let mailbox = Arc::new(Mailbox { slots, between: AtomicU8::new(1) });
        self.outlets.push(Outlet { mailbox: Arc::clone(&mailbox), own: 0 });
        Reader { mailbox, own: 2, latest: Arc::clone(&self.latest) }
    }

    /// How many readers there were at the last [`Publisher::publish`], and those that subscribed since.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.outlets.len()
    }
}

/// One reader of what a [`Publisher`] publishes.
///
/// It belongs to one thread at a time; who wants to read in several places subscribes for each.
#[derive(Debug)]
pub struct Reader<S> {
    mailbox: Arc<Mailbox<S>>,
    own: u8,
    latest: Arc<S>,
}

impl<S> Reader<S> {
    /// The newest value; while nothing new was published, a single load of a byte.
    pub fn latest(&mut self) -> &Arc<S> {
        // This load may be late, never wrong: only this reader takes `FRESH` away, and the exchange sees the newest.
        if self.mailbox.between.load(Ordering::Relaxed) & FRESH != 0 {
            self.own = self.mailbox.exchange(self.own);
            self.latest = self.mailbox.slot(self.own).take().expect("what the writer lays between holds a value");
        }
        &self.latest
    }
}
