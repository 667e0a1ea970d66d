//! Records in batches: what a consumer has fetched of some partitions, taken a thousand at a time.
//!
//! The client's own poll makes an event of every record, counted by reference, with a lock of the queue and a look at
//! the clock each: that costs twice as much as everything else that reading a record costs. Here a batch is taken under
//! one call, and each record is given back to the client when it is dropped.
//!
//! Why it is right: a batch is taken only of partitions' own queues, which were split from the group's before the
//! partitions were assigned; the group's queue is still polled for its events, by whoever holds the consumer. (Leading
//! them all into one queue would not do: the client undoes that whenever a partition is given up, in its own time.)
//! Whatever was fetched before a handover, a seek or a pause is sorted out by the client when a batch is taken, so it
//! must not lie around outside it: whoever deals with those events takes the whole batch first ([`Batches::has_rest`]).
//!
//! A queue says when it is no longer empty, and only then: so each is taken until nothing is left before any is waited
//! for, and whoever waits first forgets what was said before it looked.
//!
//! The only module of the house with `unsafe` in it. Each block says why it holds; `tests/tests/kafka_batches.rs` goes
//! through handovers and pauses with it.
#![expect(unsafe_code, reason = "rdkafka has no safe form of the call that takes a batch")]

use std::cell::OnceCell;
use std::ffi::{CStr, CString};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use rdkafka::Timestamp;
use rdkafka::bindings as client;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, Message, OwnedHeaders};

/// How many records a batch holds at most.
const MOST: usize = 1_000;

/// Takes records of some partitions of a consumer in batches.
pub struct Batches<C: ConsumerContext + 'static> {
    queues: Vec<Queue<C>>,
    /// Which of them is asked first: each has its turn.
    turn: usize,
    /// Records taken and not yet given out: those from `next` on, each of which is ours to destroy.
    batch: Vec<*mut client::rd_kafka_message_t>,
    next: usize,
    wake: Arc<Wake>,
    /// Keeps the client alive for as long as there are records of it. The last field: dropped last.
    consumer: Arc<BaseConsumer<C>>,
}

/// A partition's queue.
struct Queue<C: ConsumerContext + 'static> {
    topic: String,
    partition: i32,
    /// Whether its records are left there for now.
    is_held: bool,
    /// Our own reference to it.
    native: NonNull<client::rd_kafka_queue_t>,
    /// The crate's reference, by which it says that it is no longer empty.
    _says: PartitionQueue<C>,
}

impl<C: ConsumerContext + 'static> Drop for Queue<C> {
    fn drop(&mut self) {
        // SAFETY: our own reference, not used again; the client is kept alive by the crate's reference beside it.
        unsafe { client::rd_kafka_queue_destroy(self.native.as_ptr()) };
    }
}

/// Whether any queue said that it is no longer empty.
#[derive(Default)]
struct Wake {
    is_said: Mutex<bool>,
    told: Condvar,
}

impl Wake {
    fn is_said(&self) -> MutexGuard<'_, bool> {
        self.is_said.lock().expect("nothing panics while it holds this lock")
    }

    fn say(&self) {
        *self.is_said() = true;
        self.told.notify_one();
    }

    fn forget(&self) {
        *self.is_said() = false;
    }

    fn wait(&self, longest: Duration) {
        let waited = self.told.wait_timeout_while(self.is_said(), longest, |is_said| !*is_said);
        drop(waited.expect("nothing panics while it holds this lock"));
    }
}

// SAFETY: a queue and a message of librdkafka belong to no thread; the queue is locked inside, and the messages are
// reached only through `&mut self`.
unsafe impl<C: ConsumerContext + 'static> Send for Batches<C> {}

/// What a queue gave: a record, or trouble with a partition.
pub type Taken<'b> = Result<Fetched<'b>, Failed>;

/// Trouble that a partition's queue told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// What it is.
    pub code: RDKafkaErrorCode,
    /// The partition.
    pub partition: i32,
}

impl<C: ConsumerContext + 'static> Batches<C> {
    /// Of no partition yet.
    #[must_use]
    pub fn of(consumer: &Arc<BaseConsumer<C>>) -> Self {
        Self {
            queues: Vec::new(),
            turn: 0,
            batch: Vec::with_capacity(MOST),
            next: 0,
            wake: Arc::default(),
            consumer: Arc::clone(consumer),
        }
    }

    /// Takes a partition's records too, from now on, through all handovers: before it is assigned, so that none of its
    /// records goes to the group's own queue. Whether the client has a queue for it.
    pub fn add(&mut self, topic: &str, partition: i32) -> bool {
        if self.queues.iter().any(|queue| queue.partition == partition && queue.topic == topic) {
            return true;
        }
        let Some(mut says) = self.consumer.split_partition_queue(topic, partition) else { return false };
        let wake = Arc::clone(&self.wake);
        says.set_nonempty_callback(move || wake.say());
        let Some(native) = partition_queue(&self.consumer, topic, partition) else { return false };
        self.queues.push(Queue { topic: topic.to_owned(), partition, is_held: false, native, _says: says });
        true
    }

    /// Leaves a partition's records where the client has put them, or takes them again. The client goes on to fetch
    /// until it has as many as it may; unlike its own pause, this drops nothing that it has fetched.
    pub fn hold(&mut self, topic: &str, partition: i32, is_held: bool) {
        let is_it = |queue: &&mut Queue<C>| queue.partition == partition && queue.topic == topic;
        if let Some(queue) = self.queues.iter_mut().find(is_it) {
            // What lies there when it is taken again says nothing; but all are looked at before any is waited for.
            queue.is_held = is_held;
        }
    }

    /// Whether records of the last batch are still to be given out.
    #[must_use]
    pub const fn has_rest(&self) -> bool {
        self.next < self.batch.len()
    }

    /// The next record; if there is none, waits for one for `wait` at most.
    pub fn next(&mut self, wait: Duration) -> Option<Taken<'_>> {
        if !self.has_rest() {
            self.wake.forget();
            if !self.fill() && !wait.is_zero() {
                self.wake.wait(wait);
                self.fill();
            }
        }
        let message = NonNull::new(*self.batch.get(self.next)?)?;
        self.next += 1;
        // A batch is of one queue, that of its turn.
        let topic = &self.queues[self.turn].topic;
        let fetched = Fetched { message, topic, headers: OnceCell::new() };
        match fetched.raw().err {
            client::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR => Some(Ok(fetched)),
            error => Some(Err(Failed { code: error.into(), partition: fetched.raw().partition })),
        }
    }

    /// Takes a batch of the first queue in turn that is not empty; whether there is any.
    fn fill(&mut self) -> bool {
        debug_assert!(!self.has_rest(), "what is left would be lost");
        self.batch.clear();
        self.next = 0;
        for _ in 0..self.queues.len() {
            self.turn = (self.turn + 1) % self.queues.len();
            let Queue { is_held: false, native, .. } = &self.queues[self.turn] else { continue };
            let queue = native.as_ptr();
            // SAFETY: the queue is live, and the vector has room for so many pointers. Without waiting: the call would
            // wait until all of it is filled.
            let taken = unsafe { client::rd_kafka_consume_batch_queue(queue, 0, self.batch.as_mut_ptr(), MOST) };
            // -1: there is no such queue, which cannot be.
            let taken = usize::try_from(taken).unwrap_or(0).min(MOST);
            // SAFETY: the call wrote so many pointers, each to a message that is now ours.
            unsafe { self.batch.set_len(taken) };
            if taken > 0 {
                return true;
            }
        }
        false
    }
}

impl<C: ConsumerContext + 'static> Drop for Batches<C> {
    fn drop(&mut self) {
        for message in &self.batch[self.next..] {
            // SAFETY: it was not given out, so that nobody else destroys it; the client lives until after this.
            unsafe { client::rd_kafka_message_destroy(*message) };
        }
    }
}

/// Our own reference to a partition's queue.
fn partition_queue<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    partition: i32,
) -> Option<NonNull<client::rd_kafka_queue_t>> {
    let topic = CString::new(topic).ok()?;
    // SAFETY: the client is live, and the name ends with a zero.
    let queue =
        unsafe { client::rd_kafka_queue_get_partition(consumer.client().native_ptr(), topic.as_ptr(), partition) };
    NonNull::new(queue)
}

/// A record, given back to the client when it is dropped.
#[derive(Debug)]
pub struct Fetched<'b> {
    /// Never null, and ours alone.
    message: NonNull<client::rd_kafka_message_t>,
    /// Of the batches, which outlive it, and so does the client.
    topic: &'b str,
    headers: OnceCell<Option<OwnedHeaders>>,
}

impl Fetched<'_> {
    const fn raw(&self) -> &client::rd_kafka_message_t {
        // SAFETY: the message is live until it is destroyed on drop, and nobody else writes to it.
        unsafe { self.message.as_ref() }
    }

    /// Copies the headers out of the client's own form.
    fn read_headers(&self) -> Option<OwnedHeaders> {
        let mut headers = ptr::null_mut();
        // SAFETY: the message is live; the headers, if any, belong to it.
        let found = unsafe { client::rd_kafka_message_headers(self.message.as_ptr(), &raw mut headers) };
        if found != client::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
            return None;
        }
        let mut owned = OwnedHeaders::new();
        for index in 0.. {
            let (mut name, mut value, mut length) = (ptr::null(), ptr::null(), 0);
            // SAFETY: the headers are live with the message; the call writes a name that ends with a zero and a value
            // of that length, both in the headers.
            let header = unsafe {
                let found =
                    client::rd_kafka_header_get_all(headers, index, &raw mut name, &raw mut value, &raw mut length);
                if found != client::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR {
                    break;
                }
                (CStr::from_ptr(name), bytes_at(value, length))
            };
            owned = owned.insert(Header { key: &header.0.to_string_lossy(), value: header.1 });
        }
        Some(owned)
    }
}

/// # Safety
/// Unless null, `at` points to `length` bytes that live as long as the result.
const unsafe fn bytes_at<'m>(at: *const std::ffi::c_void, length: usize) -> Option<&'m [u8]> {
    if at.is_null() {
        return None;
    }
    // SAFETY: as promised.
    Some(unsafe { slice::from_raw_parts(at.cast(), length) })
}

impl Message for Fetched<'_> {
    type Headers = OwnedHeaders;

    fn key(&self) -> Option<&[u8]> {
        // SAFETY: the key lives in the message.
        unsafe { bytes_at(self.raw().key, self.raw().key_len) }
    }

    fn payload(&self) -> Option<&[u8]> {
        // SAFETY: the payload lives in the message.
        unsafe { bytes_at(self.raw().payload, self.raw().len) }
    }

    unsafe fn payload_mut(&mut self) -> Option<&mut [u8]> {
        None
    }

    fn topic(&self) -> &str {
        self.topic
    }

    fn partition(&self) -> i32 {
        self.raw().partition
    }

    fn offset(&self) -> i64 {
        self.raw().offset
    }

    fn timestamp(&self) -> Timestamp {
        let mut kind = client::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is live.
        let at_ms = unsafe { client::rd_kafka_message_timestamp(self.message.as_ptr(), &raw mut kind) };
        match kind {
            _ if at_ms == -1 => Timestamp::NotAvailable,
            client::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE => Timestamp::NotAvailable,
            client::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_CREATE_TIME => Timestamp::CreateTime(at_ms),
            client::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME => Timestamp::LogAppendTime(at_ms),
        }
    }

    fn headers(&self) -> Option<&OwnedHeaders> {
        self.headers.get_or_init(|| self.read_headers()).as_ref()
    }
}

impl Drop for Fetched<'_> {
    fn drop(&mut self) {
        // SAFETY: it is ours, live, and not used again.
        unsafe { client::rd_kafka_message_destroy(self.message.as_ptr()) };
    }
}
