//! How a command ends: clean, with findings, or failed; one place maps each end to its exit code.
//!
//! The codes are those of SPEC.md section 5 and, from 64 on, of the BSD header sysexits.h.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use fenghuo_model::Fault;

/// How a command ends that did its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to object to.
    Clean,
    /// The work is done, and something in it was bad or differs.
    Found,
}

/// Why a command could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was typed makes no sense; says what would.
    #[error("{0}")]
    Usage(String),
    /// No broker answers; names the address and the reason.
    #[error("{0}")]
    BrokerUnavailable(String),
    /// Our own fault.
    #[error("internal error: {0}")]
    Internal(String),
    /// A file or stream cannot be read or written.
    #[error("{what}: {source}")]
    Io {
        /// The path, or the stream's name.
        what: String,
        /// What the system says.
        source: io::Error,
    },
    /// The broker does not know us or does not let us.
    #[error("{0}")]
    Refused(String),
    /// Registry, policy or configuration are wrong; one fault after the other, each with its file and line.
    #[error("{0}")]
    Configuration(String),
    /// Whoever read our output has seen enough; no reason to complain.
    #[error("the output was closed")]
    OutputClosed,
}

impl Failure {
    /// The trouble with a file.
    pub fn file(path: &Path, source: io::Error) -> Self {
        Self::Io { what: path.display().to_string(), source }
    }

    /// The trouble with standard output; that its reader went away is none.
    pub fn output(source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::BrokenPipe => Self::OutputClosed,
            _ => Self::Io { what: "standard output".to_owned(), source },
        }
    }

    /// The exit code.
    #[must_use]
    pub const fn code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Usage(_) => 2,
            Self::BrokerUnavailable(_) => 69,
            Self::Internal(_) => INTERNAL,
            Self::Io { .. } => 74,
            Self::Refused(_) => 77,
            Self::Configuration(_) => 78,
        }
    }
}

const INTERNAL: u8 = 70;

impl From<Vec<Fault>> for Failure {
    fn from(faults: Vec<Fault>) -> Self {
        let mut text = String::new();
        for fault in &faults {
            let separator = if text.is_empty() { "" } else { "\n" };
            write!(text, "{separator}{fault}").expect("writing to a string does not fail");
        }
        Self::Configuration(text)
    }
}

/// Says on standard error why a command failed, and gives the exit code.
pub fn report(result: &Result<Outcome, Failure>) -> ExitCode {
    match result {
        Ok(Outcome::Clean) => ExitCode::SUCCESS,
        Ok(Outcome::Found) => ExitCode::from(1),
        Err(failure) => {
            if !matches!(failure, Failure::OutputClosed) {
                // Where standard error is gone too, the exit code must do.
                let _ = writeln!(io::stderr(), "{failure}");
            }
            ExitCode::from(failure.code())
        }
    }
}

/// The exit code of a panic.
pub fn internal() -> ExitCode {
    ExitCode::from(INTERNAL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_the_contract() {
        let io_error = |kind| io::Error::from(kind);
        for (failure, code) in [
            (Failure::output(io_error(io::ErrorKind::BrokenPipe)), 0),
            (Failure::Usage(String::new()), 2),
            (Failure::BrokerUnavailable(String::new()), 69),
            (Failure::Internal(String::new()), 70),
            (Failure::output(io_error(io::ErrorKind::StorageFull)), 74),
            (Failure::file(Path::new("a"), io_error(io::ErrorKind::NotFound)), 74),
            (Failure::Refused(String::new()), 77),
            (Failure::Configuration(String::new()), 78),
        ] {
            assert_eq!(failure.code(), code, "{failure}");
        }
    }

    #[test]
    fn every_fault_is_said() {
        let fault = |line| Fault { file: "r.jsonl".to_owned(), line, reason: "bad".to_owned(), excerpt: None };
        assert_eq!(Failure::from(vec![fault(1), fault(7)]).to_string(), "r.jsonl:1: bad\nr.jsonl:7: bad");
    }
}
