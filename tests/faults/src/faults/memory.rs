//! A member gets no more memory than it has: it must end rather than go on half dead, and its supervisor start it anew.

use std::process::Command;
use std::time::{Duration, Instant};

use fenghuo_tests::trouble::Trouble;

use super::{Fault, Struck};
use crate::round::Round;

const WITHIN: Duration = Duration::from_secs(10);

/// The limit of memory.
pub struct Memory;

impl Fault for Memory {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn does(&self) -> &'static str {
        "a member reaches its limit of memory (RLIMIT_AS at what it has)"
    }

    fn rounds(&self, long: bool) -> u64 {
        if long { 10 } else { 1 }
    }

    fn strike(&self, round: &mut Round<'_>) -> Result<Struck, Trouble> {
        round.until_share(50)?;
        let process = round.crew.process("a")?;
        round.mark();
        let limited = Command::new("prlimit").args(["--pid", &process.to_string(), "--as=1048576"]).output()?;
        if !limited.status.success() {
            return Err(Trouble::from(format!("no limit was set: {}", String::from_utf8_lossy(&limited.stderr))));
        }
        let deadline = Instant::now() + WITHIN;
        while round.crew.ends.is_empty() && Instant::now() < deadline && !round.is_settled()? {
            round.pause(Duration::from_millis(50))?;
        }
        if round.crew.ends.is_empty() {
            return Ok(Struck::NotHit("the member never asked for more memory".to_owned()));
        }
        Ok(Struck::Done)
    }
}
