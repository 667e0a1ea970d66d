//! The clock of a member's process is an hour ahead, an hour behind, or stands still.
//!
//! A small library in C (`wrong_clock.c`, built on first use) stands between the process and the system's clock.

use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use fenghuo_tests::trouble::Trouble;

use super::{Fault, Struck, night, turn};
use crate::cluster::Cluster;
use crate::crew::Seat;
use crate::round::{Round, Setting};

const SOURCE: &str = include_str!("wrong_clock.c");
/// Seconds to add, or a clock that stands.
const CLOCKS: [&str; 3] = ["+3600", "-3600", "frozen"];

/// A wrong clock.
pub struct Clock;

/// The library; nothing if it cannot be built here.
fn library() -> Option<&'static PathBuf> {
    static BUILT: OnceLock<Option<(tempfile::TempDir, PathBuf)>> = OnceLock::new();
    let build = || {
        let folder = tempfile::tempdir().ok()?;
        let (source, library) = (folder.path().join("wrong_clock.c"), folder.path().join("wrong_clock.so"));
        std::fs::write(&source, SOURCE).ok()?;
        let cc = std::env::var_os("CC").unwrap_or_else(|| "cc".into());
        let built = Command::new(cc).args(["-shared", "-fPIC", "-O1", "-o"]).args([&library, &source]).output().ok()?;
        built.status.success().then_some((folder, library))
    };
    BUILT.get_or_init(build).as_ref().map(|(_, library)| library)
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
        library().is_none().then(|| "not possible here: cc builds no shared library".to_owned())
    }

    fn setting(&self, seed: u64, _long: bool) -> Setting {
        let library = library().map(|library| library.display().to_string()).unwrap_or_default();
        let environment = vec![("LD_PRELOAD", library), ("WRONG_CLOCK", (*turn(&CLOCKS, seed)).to_owned())];
        let seats = vec![Seat { environment, ..Seat::fixed("a") }, Seat::fixed("b")];
        Setting { plan: night(seed), seats, proxied: false }
    }

    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble> {
        round.until_any_share()?;
        round.notes.push(format!("the clock of a: {}", turn(&CLOCKS, round.seed)));
        // What it had goes to a clock that is right, and comes back to one that is wrong.
        round.mark();
        let seat = round.crew.kill("a")?;
        round.pause(Duration::from_millis(500))?;
        round.crew.start(&seat)?;
        Ok(Struck::Done)
    }
}
