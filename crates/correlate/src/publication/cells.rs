//! The memory that a publication works on: a slot that has one owner at a time, and the byte that says whose it is.
//!
//! The model checker's memory (`tests/publication/cells.rs`) has the same two types; nothing else differs there.

pub(super) use std::sync::atomic::{AtomicU8, Ordering};

use std::sync::{Mutex, MutexGuard};

/// A place for one value. It is never locked: the protocol gives it one owner, and this asserts that it does.
#[derive(Debug)]
pub(super) struct Slot<T>(Mutex<Option<T>>);

impl<T> Slot<T> {
    pub(super) const fn empty() -> Self {
        Self(Mutex::new(None))
    }

    /// Puts a value in; what was there before.
    pub(super) fn put(&self, value: T) -> Option<T> {
        self.own().replace(value)
    }

    /// Takes the value out, if there is one.
    pub(super) fn take(&self) -> Option<T> {
        self.own().take()
    }

    /// One attempt, never a wait; without `unsafe` the language asks for more than the protocol needs.
    fn own(&self) -> MutexGuard<'_, Option<T>> {
        self.0.try_lock().expect("the protocol gives each slot one owner")
    }
}
