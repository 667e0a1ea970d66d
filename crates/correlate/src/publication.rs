//! Publication: how others see what a window's one writer holds, without a lock and without slowing it.
//!
//! # The idea
//!
//! A console may look as often as it likes, but an alarm must never wait for it. So the writer does not share what it
//! works on: now and then it makes an immutable picture of it, a [`Snapshot`](crate::Snapshot), and lays it into a
//! mailbox, one for each [`Reader`], from which that reader takes the newest. A mailbox has three slots: one is the
//! writer's, one the reader's, and the third lies between them. Whoever is done with its slot exchanges it for the one
//! between, by a single atomic exchange. Each slot has one owner at any time, so that nobody ever waits for anybody:
//! [`Publisher::publish`] and [`Reader::latest`] are wait-free, a fixed number of steps without a loop, whatever the
//! other side does, even if it sleeps forever. What a reader was too slow to see, it never sees: it gets the newest.
//!
//! # The door
//!
//! `exchange.rs` holds the protocol, `cells.rs` the memory that it works on: a slot and an atomic byte. In
//! `tests/publication` the same protocol runs on the memory of a model checker (loom), which goes through every order
//! in which writer and readers can meet.

mod cells;
mod exchange;
#[cfg(test)]
mod tests;

pub use exchange::{Publisher, Reader};
