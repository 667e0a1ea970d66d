//! Whether a shard's thread sits in a call of the client that does not come back.
//!
//! Seen after a broker had died and come back, in two of forty tries: the client's `send_offsets_to_transaction` has a
//! time limit, but while it looks for the group's coordinator it waits for some broker to come or go, for ever if none
//! does. A thread cannot be called back from there. So its seat is left to it, and the partition gets a new one, whose
//! producers fence the old ones: whatever comes of the call, it changes nothing any more.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// One thread's calls, as it and whoever watches it know them.
#[derive(Debug, Clone)]
pub struct Calls {
    began: Instant,
    /// Milliseconds after `began` when the call began that is under way, plus one; 0 where none is.
    since: Arc<AtomicU64>,
}

impl Calls {
    /// None is under way.
    #[must_use]
    pub fn none() -> Self {
        Self { began: Instant::now(), since: Arc::default() }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Makes a call that has a time limit of its own.
    pub fn make<T>(&self, call: impl FnOnce() -> T) -> T {
        self.since.store(self.now() + 1, Ordering::Relaxed);
        let result = call();
        self.since.store(0, Ordering::Relaxed);
        result
    }

    /// How long a call has been under way.
    #[must_use]
    pub fn under_way(&self) -> Duration {
        match self.since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis((self.now() + 1).saturating_sub(since)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_under_way_until_it_comes_back() {
        let calls = Calls::none();
        assert_eq!(calls.under_way(), Duration::ZERO);
        let seen = calls.make(|| {
            while calls.under_way() < Duration::from_millis(3) {
                std::thread::yield_now();
            }
            calls.clone().under_way()
        });
        assert!(seen >= Duration::from_millis(3), "{seen:?}");
        assert_eq!(calls.under_way(), Duration::ZERO);
    }
}
