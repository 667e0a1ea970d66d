//! The model checker's memory for the publication: the same two types as `src/publication/cells.rs`, and on request
//! memory that promises less than the protocol needs.

use std::cell::Cell;
use std::sync::Mutex;

use loom::cell::UnsafeCell;
use loom::sync::atomic;
pub(crate) use loom::sync::atomic::Ordering;

/// What the atomic byte does not do although the protocol asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weakness {
    /// It does all of it.
    None,
    /// What was done to a slot before an exchange need not be seen after it.
    NoRelease,
    /// The same, by the one who gets the slot.
    NoAcquire,
    /// Something may come between an exchange's reading and its writing.
    InTwoSteps,
}

thread_local! {
    /// A model runs its threads one at a time on the thread that started it, and so each test has its own.
    static WEAKNESS: Cell<Weakness> = const { Cell::new(Weakness::None) };
}

/// From now on the memory of this test has the weakness.
pub(crate) fn weaken(weakness: Weakness) {
    WEAKNESS.set(weakness);
}

/// The byte between.
#[derive(Debug)]
pub(crate) struct AtomicU8(atomic::AtomicU8);

impl AtomicU8 {
    pub(crate) fn new(value: u8) -> Self {
        Self(atomic::AtomicU8::new(value))
    }

    pub(crate) fn load(&self, ordering: Ordering) -> u8 {
        self.0.load(ordering)
    }

    pub(crate) fn swap(&self, value: u8, ordering: Ordering) -> u8 {
        match WEAKNESS.get() {
            Weakness::None => self.0.swap(value, ordering),
            Weakness::NoRelease => self.0.swap(value, Ordering::Acquire),
            Weakness::NoAcquire => self.0.swap(value, Ordering::Release),
            Weakness::InTwoSteps => {
                let before = self.0.load(Ordering::SeqCst);
                self.0.store(value, Ordering::SeqCst);
                before
            }
        }
    }
}

/// A place for one value, of which loom notes every access: two that no exchange puts in order are a fault, though
/// they might not meet in time.
#[derive(Debug)]
pub(crate) struct Slot<T> {
    access: UnsafeCell<()>,
    value: Mutex<Option<T>>,
}

impl<T> Slot<T> {
    pub(crate) fn empty() -> Self {
        Self { access: UnsafeCell::new(()), value: Mutex::new(None) }
    }

    pub(crate) fn put(&self, value: T) -> Option<T> {
        self.own(|place| place.replace(value))
    }

    pub(crate) fn take(&self) -> Option<T> {
        self.own(Option::take)
    }

    fn own<R>(&self, change: impl FnOnce(&mut Option<T>) -> R) -> R {
        // The pointer that loom offers is never followed; the value lies beside it.
        self.access.with_mut(|_| change(&mut self.value.try_lock().expect("the protocol gives each slot one owner")))
    }
}
