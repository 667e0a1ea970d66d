//! The publication on a model checker's memory: loom goes through every order in which writer and readers can meet,
//! and through every value that the memory model lets an atomic show.
//!
//! The protocol is the very file that the crate uses; only the slot and the atomic byte under it are loom's. They are
//! handed to it by the module around it, so that this needs no flag of the compiler and no second build.

mod cells;
#[path = "../../src/publication/exchange.rs"]
mod exchange;

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};

use cells::{Weakness, weaken};
use exchange::{Publisher, Reader};
use loom::thread;

/// What a reader sees in so many looks.
fn look(reader: &mut Reader<u8>, times: usize) -> Vec<u8> {
    (0..times).map(|_| **reader.latest()).collect()
}

/// A writer publishes 1 and so on up to `last` while each reader looks so often, and once more when the writer rests.
/// What readers saw in one order of events or another.
fn model(last: u8, readers: usize, looks: usize) -> BTreeSet<Vec<u8>> {
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let collected = Arc::clone(&seen);
    loom::model(move || {
        let mut publisher = Publisher::new(Arc::new(0));
        let readings: Vec<_> = (0..readers)
            .map(|_| {
                let mut reader = publisher.subscribe();
                thread::spawn(move || (look(&mut reader, looks), reader))
            })
            .collect();
        (1..=last).for_each(|value| publisher.publish(Arc::new(value)));
        for reading in readings {
            let (mut values, mut reader) = reading.join().expect("a reader ends");
            assert!(values.is_sorted(), "an older value after a newer one: {values:?}");
            values.push(**reader.latest());
            assert_eq!(values.last(), Some(&last), "the writer rests, and its last value is not seen");
            collected.lock().expect("no reader panicked").insert(values);
        }
    });
    Arc::try_unwrap(seen).expect("the model is over").into_inner().expect("no reader panicked")
}

/// All that may happen happens in one order of events or another: the model is not one of a writer that waits.
#[test]
fn a_reader_sees_values_in_order_and_at_last_the_last() {
    let mut all = BTreeSet::new();
    for first in 0..=3 {
        all.extend((first..=3).map(|second| vec![first, second, 3]));
    }
    assert_eq!(model(3, 1, 2), all);
}

#[test]
fn many_values_in_a_row() {
    assert!(model(5, 1, 3).contains(&vec![0, 2, 5, 5]));
}

#[test]
fn two_readers_do_not_disturb_each_other() {
    assert_eq!(model(2, 2, 2).len(), 6);
}

#[test]
fn a_reader_may_go_while_the_writer_writes() {
    loom::model(|| {
        let value = Arc::new(1);
        let mut publisher = Publisher::new(Arc::new(0));
        let mut reader = publisher.subscribe();
        let reading = thread::spawn(move || look(&mut reader, 1));
        publisher.publish(Arc::clone(&value));
        reading.join().expect("a reader ends");
        publisher.publish(Arc::new(2));
        assert_eq!((publisher.readers(), Arc::strong_count(&value)), (0, 1), "its mailbox is gone, and what was in it");
    });
}

/// What the model checker would not notice, it has not shown.
#[test]
fn memory_that_promises_less_is_noticed() {
    for (weakness, expected) in [
        (Weakness::NoRelease, "Causality violation"),
        (Weakness::NoAcquire, "Causality violation"),
        (Weakness::InTwoSteps, "its last value is not seen"),
    ] {
        weaken(weakness);
        let noticed = catch_unwind(AssertUnwindSafe(|| model(3, 1, 2)));
        weaken(Weakness::None);
        let told = noticed.expect_err(&format!("{weakness:?} went unnoticed"));
        let told = told.downcast_ref::<String>().expect("an assertion speaks");
        assert!(told.contains(expected), "{weakness:?}: {told}");
    }
}
