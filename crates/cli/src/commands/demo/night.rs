//! The first half of the path: the night's raw records, decoded, in batches.

use std::path::Path;
use std::sync::mpsc::SyncSender;

use fenghuo_city::City;
use fenghuo_decode::{Decoded, Options, Record, decode_record};
use fenghuo_model::Input;
use fenghuo_model::policy::ClockTrust;

use crate::city_files::{RawFiles, Sources};
use crate::failure::Failure;
use crate::output::Output;

/// Records in a batch: some milliseconds of work, so that handing over costs nothing.
const BATCH_RECORDS: u64 = 1024;

/// What a stretch of the night says.
#[derive(Debug, Default)]
pub struct Batch {
    /// The signals, in order of arrival.
    pub inputs: Vec<Input>,
    /// How many raw records they came from.
    pub records: u64,
    /// Of these, how many hold something that cannot be read.
    pub unreadable: u64,
    /// When the last record arrived.
    pub until_ms: i64,
}

/// Where the first half of the path is kept, if anywhere.
struct Files {
    raw: RawFiles,
    signals: Output,
}

/// Sends the night's signals, batch after batch, until it is over or nobody listens any more.
pub fn play(
    city: &City,
    clock: &ClockTrust,
    directory: Option<&Path>,
    sender: &SyncSender<Batch>,
) -> Result<(), Failure> {
    let mut files = directory.map(Files::create).transpose()?;
    let mut sources = Sources::default();
    let mut batch = Batch::default();
    let mut decoded = Vec::new();
    for raw in city.night() {
        let source = sources.next(raw.channel);
        let record = Record { bytes: &raw.bytes, timestamp_ms: Some(raw.timestamp_ms), source: Some(&source) };
        decode_record(raw.channel.format(), &record, clock, &Options::default(), &mut decoded);
        let signals_before = batch.inputs.len();
        let pieces = decoded.len();
        batch.inputs.extend(decoded.drain(..).filter_map(|decoded| match decoded {
            Decoded::Signal(signal) => Some(Input::Signal(signal)),
            Decoded::Rejected(_) => None,
        }));
        let signals = &batch.inputs[signals_before..];
        if let Some(files) = &mut files {
            files.raw.write(&raw, &source)?;
            files.write_signals(signals)?;
        }
        batch.unreadable += u64::from(signals.len() < pieces);
        batch.records += 1;
        batch.until_ms = raw.timestamp_ms;
        if batch.records == BATCH_RECORDS && sender.send(std::mem::take(&mut batch)).is_err() {
            return Ok(());
        }
    }
    // Where nobody listens any more, whoever listened says why.
    let _ = sender.send(batch);
    files.as_mut().map_or(Ok(()), Files::flush)
}

impl Files {
    fn create(directory: &Path) -> Result<Self, Failure> {
        Ok(Self { raw: RawFiles::create(directory)?, signals: Output::file(&directory.join("signals.jsonl"))? })
    }

    fn write_signals(&mut self, inputs: &[Input]) -> Result<(), Failure> {
        inputs.iter().try_for_each(|input| match input {
            Input::Signal(signal) => self.signals.line(signal.to_json()),
            Input::Tick(_) | Input::Policy(_) | Input::Registry(_) => Ok(()),
        })
    }

    fn flush(&mut self) -> Result<(), Failure> {
        self.raw.flush()?;
        self.signals.flush()
    }
}
