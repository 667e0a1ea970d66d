//! The clock of a member's process is an hour ahead, an hour behind, or stands still.
//!
//! By `libfaketime` (Debian: `faketime`), which stands between the process and the system's clock; the monotonic clock
//! is left alone, as it is on a machine whose clock is set wrong.

use std::path::Path;
use std::time::Duration;

use fenghuo_tests::trouble::Trouble;

use super::{Fault, Struck, night};
use crate::cluster::Cluster;
use crate::crew::Seat;
use crate::round::{Round, Setting};

/// Where Debian puts it, by architecture.
const LIBRARIES: [&str; 4] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib64/faketime/libfaketimeMT.so.1",
    "/usr/lib/faketime/libfaketimeMT.so.1",
];
/// An hour ahead, an hour behind, and an absolute time, which stands still.
const CLOCKS: [&str; 3] = ["+3600s", "-3600s", "2026-01-01 00:00:00"];

/// A wrong clock.
pub struct Clock;

fn library() -> Option<&'static str> {
    LIBRARIES.into_iter().find(|path| Path::new(path).exists())
}

impl Fault for Clock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn does(&self) -> &'static str {
        "the clock of a member's process is an hour ahead or behind, or stands still; then it dies"
    }

    fn rounds(&self, long: bool) -> u64 {
        if long { 20 } else { 2 }
    }

    fn impossible(&self, _cluster: &Cluster) -> Option<String> {
        library().is_none().then(|| "not possible here: libfaketime is missing (Debian: faketime)".to_owned())
    }

    fn setting(&self, seed: u64, _long: bool) -> Setting {
        let clock =
            CLOCKS[usize::try_from(seed.wrapping_sub(1) % CLOCKS.len() as u64).expect("it is less than a length")];
        let environment = vec![
            ("LD_PRELOAD", library().unwrap_or_default().to_owned()),
            ("FAKETIME", clock.to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
        ];
        let seats = vec![Seat { environment, ..Seat::fixed("a") }, Seat::fixed("b")];
        Setting { plan: night(seed), seats, proxied: false }
    }

    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble> {
        let clock = self.setting(round.seed, round.long).seats[0].environment[1].1.clone();
        round.until_any_share()?;
        round.notes.push(format!("the clock of a: {clock}"));
        // What it had goes to a clock that is right, and comes back to one that is wrong.
        round.mark();
        let seat = round.crew.kill("a")?;
        round.pause(Duration::from_millis(500))?;
        round.crew.start(&seat)?;
        Ok(Struck::Done)
    }
}
