//! `fenghuo decode`: records of devices to signals, or to the reason why they cannot be read.

use std::borrow::Cow;
use std::path::PathBuf;

use fenghuo_decode::{Decoded, Format, Options, Record, decode_record};
use fenghuo_model::policy::ClockTrust;
use fenghuo_model::time::parse_utc_offset;
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::input::{self, Line, Lines};
use crate::output::Output;
use crate::raw_lines::{Timestamped, parse_hex};
use crate::registry_and_policy;

const EXAMPLES: &str = "\
One record a line; signals go to standard output, one JSON object a line, and so does
{\"rejected\":\"reason\",\"line\":N} for what cannot be read. Bytes of gb26875 may hold a line feed: hand them over
as hexadecimal digits, or one record a file with --whole.
Exit code 1: something was rejected and nothing could be read (the wrong format?). A record of which a part was
rejected and another gave a signal has been read. Rejections beside what could be read are part of the result; the
exit code is then 0.

Examples:
  fenghuo decode --format gb26875 --hex < frames.hex
  fenghuo decode --format gb26875 --whole frame.bin
  fenghuo decode --format ctwing < pushes.jsonl | fenghuo correlate --registry city.jsonl
  fenghuo decode --format ctwing --timestamped city/raw.ctwing.tsv > signals.jsonl";

/// What may be typed.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    /// How to read the records: gb26875, ctwing, signal
    #[arg(long, value_name = "FORMAT", value_parser = Format::from_word)]
    format: Format,

    /// Records are hexadecimal digits; blanks may stand between them
    #[arg(long)]
    hex: bool,

    /// Zone of the local times that devices write
    #[arg(long, value_name = "+HH:MM", default_value = "+08:00", allow_hyphen_values = true,
          value_parser = utc_offset_s)]
    utc_offset: i64,

    /// All of a file or of standard input is one record
    #[arg(long, conflicts_with = "timestamped")]
    whole: bool,

    /// Lines begin with timestamp (Unix ms), tab, source (may be empty), tab; a record after `0x` is hexadecimal
    #[arg(long)]
    timestamped: bool,

    /// Rules, TOML: its `clock` says which times of receipt are believed against a timestamp
    #[arg(long, value_name = "FILE", requires = "timestamped")]
    policy: Option<PathBuf>,

    /// Records, one file after the other; standard input without any, or for `-`
    files: Vec<PathBuf>,
}

fn utc_offset_s(text: &str) -> Result<i64, String> {
    parse_utc_offset(text).ok_or_else(|| "an offset looks like +08:00 or -03:30".to_owned())
}

/// Decodes what comes in.
pub fn execute(args: &Args) -> Result<Outcome, Failure> {
    let policy = registry_and_policy::read_policy(args.policy.as_deref())?;
    let inputs = input::open(&args.files)?;
    let mut run = Run { args, clock: policy.clock, decoded: Vec::new(), readable: 0, rejected: 0 };
    let mut output = Output::standard();
    for mut lines in inputs {
        if args.whole {
            let bytes = lines.whole()?;
            run.take(&lines, Line { number: 1, bytes: Some(&bytes) }, &mut output)?;
        } else {
            while lines.advance(&mut output)? {
                run.take(&lines, lines.current(), &mut output)?;
            }
        }
    }
    output.flush()?;
    Ok(if run.rejected > 0 && run.readable == 0 { Outcome::Found } else { Outcome::Clean })
}

struct Run<'a> {
    args: &'a Args,
    clock: ClockTrust,
    decoded: Vec<Decoded>,
    /// Records that gave a signal, or of which nothing was rejected.
    readable: u64,
    /// Stretches that could not be read.
    rejected: u64,
}

/// What is written for what cannot be read.
#[derive(Serialize)]
struct Rejected<'r> {
    rejected: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<Cow<'r, str>>,
    line: u64,
}

impl Run<'_> {
    fn take(&mut self, lines: &Lines, line: Line<'_>, output: &mut Output) -> Result<(), Failure> {
        let file = || lines.path().map(|path| path.to_string_lossy());
        let reject = |reason: &str, output: &mut Output| {
            let rejected = Rejected { rejected: reason, file: file(), line: line.number };
            output.line(serde_json::to_string(&rejected).expect("texts and numbers are always JSON"))
        };
        let before = self.rejected;
        if let Err(reason) = self.decode(line.bytes) {
            self.rejected += 1;
            reject(&reason, output)?;
        }
        let mut gave_signal = false;
        for decoded in self.decoded.drain(..) {
            match decoded {
                Decoded::Signal(signal) => {
                    gave_signal = true;
                    output.line(signal.to_json())?;
                }
                Decoded::Rejected(rejection) => {
                    self.rejected += 1;
                    reject(&rejection.reason, output)?;
                }
            }
        }
        self.readable += u64::from(gave_signal || self.rejected == before);
        Ok(())
    }

    /// Decodes a line into `decoded`, if it is a record at all.
    fn decode(&mut self, line: Option<&[u8]>) -> Result<(), String> {
        let line = line.ok_or_else(input::too_long)?;
        let (timestamp_ms, source, bytes) = if self.args.timestamped {
            let record = Timestamped::parse(line)?;
            (Some(record.timestamp_ms), record.source, record.bytes)
        } else {
            (None, None, Cow::Borrowed(line))
        };
        let bytes = if self.args.hex { Cow::Owned(parse_hex(&bytes)?) } else { bytes };
        let record = Record { bytes: &bytes, timestamp_ms, source };
        let options = Options { utc_offset_s: self.args.utc_offset };
        decode_record(self.args.format, &record, &self.clock, &options, &mut self.decoded);
        Ok(())
    }
}
