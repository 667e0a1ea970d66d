//! Records that may have ended the process: what is attempted is written down, as metadata of the committed offset,
//! before they are taken; one that nobody survives is passed over ([`crate::attempts`]).

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::message::Message;

use super::task::{Held, Task};
use crate::attempts::Entry;
use crate::kafka::{Committed, EventConsumer, committable};
use crate::kill_points;
use crate::outlet::Outlet;

/// Takes a record, unless nobody survives it.
pub(super) fn take<T: Task, M: Message>(
    task: &mut T,
    consumer: &EventConsumer,
    record: &M,
    held: &mut Held<T::Shard>,
    outlet: &Outlet,
) {
    let offset = record.offset();
    match held.attempts.enter(offset) {
        Entry::Free | Entry::Covered => {}
        Entry::WriteDown => write_down(task, consumer, record, held),
        Entry::Condemned => {
            let partition = &held.partition;
            tracing::error!(%partition, offset, "ALARM: a record that nobody survives goes to the dead letters");
            task.condemn(record, held, outlet);
            return;
        }
    }
    kill_points::taking(record.payload().unwrap_or_default());
    task.take(record, held, outlet);
}

/// Writes down, at once, how far a partition is and what is attempted.
fn write_down<T: Task, M: Message>(task: &T, consumer: &EventConsumer, record: &M, held: &mut Held<T::Shard>) {
    let position = held.progress.position();
    let attempt = Some(held.attempts.now());
    let passage = task.passage_of(&held.partition);
    let next_ms = held.progress.undone_ms(record.timestamp().to_millis());
    let committed = Committed { position, next_ms, passage, attempt };
    let list = committable([(&held.partition, committed)]);
    match list.and_then(|list| consumer.commit(&list, CommitMode::Sync)) {
        Ok(()) => held.committed = Some(committed),
        // At the worst a record kills once more.
        Err(error) => tracing::warn!(partition = %held.partition, %error, "an attempt was not written down"),
    }
}
