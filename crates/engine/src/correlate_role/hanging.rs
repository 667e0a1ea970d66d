//! Transactions that hang: no coordinator knows of them, so nobody ends them, and readers of committed records stand.
//!
//! Brokers that died together have left such ones behind. A partition holds one transaction of a producer at a time,
//! and its end marker ends whatever that producer has open there. So a transaction of the same transactional id that
//! writes to the same partition and is aborted takes what hangs with it; committed, it would make it visible.

use std::time::{Duration, Instant};

use rdkafka::producer::{BaseRecord, Producer as _};

use super::kafka_ledger::{STEP_WAIT, trouble};
use super::ledger::Trouble;
use super::writing::{self, TransactionalProducer};

/// What stands open for so long is taken for one that hangs; to try is harmless where it is none.
pub const HANGING_AFTER: Duration = Duration::from_secs(2);

/// The key of the records that are never seen: a compacted topic takes none without.
const KEY: &[u8] = b"hanging";

/// Ends what hangs of these producers in these partitions of a topic.
///
/// # Errors
/// A transaction was not aborted in good order: its producer is of no use any more.
pub fn end(producers: &[TransactionalProducer], topic: &str, partitions: &[i32]) -> Result<(), Trouble> {
    for producer in producers {
        let failed = |error| trouble(&error, &format!("topic {topic}: end what hangs"));
        producer.begin_transaction().map_err(failed)?;
        for partition in partitions {
            let record = BaseRecord::<[u8], [u8]>::to(topic).partition(*partition).key(KEY).payload(&[]);
            producer.send(record).map_err(|(error, _)| failed(error))?;
        }
        writing::settle(producer, Instant::now() + STEP_WAIT)?;
        producer.abort_transaction(STEP_WAIT).map_err(failed)?;
    }
    Ok(())
}
