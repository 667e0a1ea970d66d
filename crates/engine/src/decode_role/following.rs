//! Follows the registry that is put in force, so that signals go where their buildings are now.
//!
//! The decode role reads no signals, and no record tells it. What `fenghuo apply --registry` puts beside the configured
//! file it finds there, reads on a thread of its own, and goes by from then on. Until the correlate role has reached
//! the record that puts it in force there, a new device's fire is `unplaced`: told, though not judged with others.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use crate::registries::{Registries, Version};

/// How often it is looked for a later one.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// The latest version beside the configured one.
pub(super) struct Following {
    registries: Arc<Registries>,
    seen: Option<(PathBuf, SystemTime)>,
    looked_at: Instant,
    reading: Option<Receiver<Result<Version, String>>>,
}

impl Following {
    /// What lies there now is known.
    pub(super) fn new(registries: &Arc<Registries>) -> Self {
        let registries = Arc::clone(registries);
        Self { seen: registries.latest(), registries, looked_at: Instant::now(), reading: None }
    }

    /// Another version than `in_use`, once it is read.
    pub(super) fn next(&mut self, in_use: &str) -> Option<Version> {
        if let Some(reading) = &self.reading {
            match reading.try_recv() {
                Ok(Ok(version)) => {
                    self.reading = None;
                    return Some(version).filter(|version| *version.name != *in_use);
                }
                Ok(Err(reason)) => {
                    tracing::error!("ALARM: the latest registry cannot be read, the one before stays: {reason}");
                    self.reading = None;
                }
                Err(TryRecvError::Disconnected) => self.reading = None,
                Err(TryRecvError::Empty) => {}
            }
            return None;
        }
        if self.looked_at.elapsed() < LOOK_EVERY {
            return None;
        }
        self.looked_at = Instant::now();
        let latest = self.registries.latest();
        if latest == self.seen {
            return None;
        }
        self.seen.clone_from(&latest);
        // The configured file is what somebody may be writing right now; what lies beside it is whole, and was ordered.
        let name = latest.and_then(|(path, _)| self.registries.version_in(&path))?;
        let (tell, reading) = channel();
        let registries = Arc::clone(&self.registries);
        thread::spawn(move || {
            // The role may have ended meanwhile.
            let _ = tell.send(registries.find(&name));
        });
        self.reading = Some(reading);
        None
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use fenghuo_model::registry::version_of;

    use super::*;
    use crate::registries::put_beside;

    const ONE: &str = "{\"type\":\"building\",\"id\":\"B1\",\"lon\":113.75,\"lat\":23.02}\n";
    const TWO: &str = "{\"type\":\"building\",\"id\":\"B2\",\"lon\":113.75,\"lat\":23.02}\n";

    fn look(following: &mut Following, in_use: &str) -> Option<Version> {
        following.looked_at = Instant::now().checked_sub(LOOK_EVERY).unwrap();
        let next = following.next(in_use);
        if next.is_some() || following.reading.is_none() {
            return next;
        }
        loop {
            let next = following.next(in_use);
            if next.is_some() || following.reading.is_none() {
                return next;
            }
            thread::yield_now();
        }
    }

    #[test]
    fn what_was_ordered_is_followed_and_what_is_being_edited_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("city.jsonl");
        fs::write(&path, ONE).unwrap();
        let (one, two) = (version_of(ONE.as_bytes()), version_of(TWO.as_bytes()));
        let mut following = Following::new(&Arc::new(Registries::beside(&path)));
        assert!(look(&mut following, &one).is_none());
        fs::write(&path, TWO).unwrap();
        assert!(look(&mut following, &one).is_none(), "edited in place");
        put_beside(&path, &two, TWO.as_bytes()).unwrap();
        let next = look(&mut following, &one).unwrap();
        assert_eq!(*next.name, *two);
        assert!(look(&mut following, &two).is_none(), "once");
    }
}
