//! The publication on real threads and real memory; every order of a few steps is the model checker's
//! (`tests/publication`).

use std::sync::{Arc, Barrier};
use std::thread;

use super::Publisher;

/// Every order of a few steps is the model checker's; this is many steps on real threads and real memory.
#[test]
fn on_real_threads_readers_see_whole_values_in_order_and_the_last_one() {
    const VALUES: u64 = 20_000;
    let mut publisher = Publisher::new(Arc::new([0_u64; 4]));
    let start = Barrier::new(4);
    thread::scope(|scope| {
        for _ in 0..3 {
            let mut reader = publisher.subscribe();
            let start = &start;
            scope.spawn(move || {
                start.wait();
                let mut before = 0;
                while before < VALUES {
                    let value = **reader.latest();
                    assert!(value.iter().all(|part| *part == value[0]), "{value:?} is torn");
                    assert!(value[0] >= before, "{value:?} came after {before}");
                    before = value[0];
                    thread::yield_now();
                }
            });
        }
        start.wait();
        (1..=VALUES).for_each(|value| publisher.publish(Arc::new([value; 4])));
    });
}

#[test]
fn a_reader_begins_with_the_latest_and_is_forgotten_when_dropped() {
    let mut publisher = Publisher::new(Arc::new("first"));
    publisher.publish(Arc::new("second"));
    let mut reader = publisher.subscribe();
    assert_eq!((publisher.readers(), **reader.latest()), (1, "second"));
    drop(reader);
    publisher.publish(Arc::new("third"));
    assert_eq!(publisher.readers(), 0);
}

#[test]
fn values_that_nobody_can_see_any_more_are_gone() {
    let values: Vec<Arc<u32>> = (0..6).map(Arc::new).collect();
    let mut publisher = Publisher::new(Arc::clone(&values[0]));
    let mut reader = publisher.subscribe();
    for value in &values[1..] {
        publisher.publish(Arc::clone(value));
    }
    assert_eq!(**reader.latest(), 5);
    let held: Vec<usize> = values.iter().map(|value| Arc::strong_count(value) - 1).collect();
    // The writer's own slot and the one between may keep the two before; publisher and reader hold the last.
    assert_eq!(held, [0, 0, 0, 0, 1, 2]);
}
