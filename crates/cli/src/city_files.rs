//! A synthetic city as files: `registry.jsonl`, `truth.jsonl` and one file of timestamped raw records a channel.

use std::fs;
use std::path::{Path, PathBuf};

use fenghuo_city::{Channel, City, RawRecord};

use crate::failure::Failure;
use crate::output::Output;
use crate::raw_lines::Timestamped;

/// Names records as Kafka would: `topic/partition/offset`, each channel a topic with one partition.
#[derive(Debug, Default)]
pub struct Sources {
    next_offsets: [u64; Channel::ALL.len()],
}

impl Sources {
    /// The name of the channel's next record.
    pub fn next(&mut self, channel: Channel) -> String {
        let offset = &mut self.next_offsets[place(channel)];
        let source = format!("{}/0/{offset}", channel.topic());
        *offset += 1;
        source
    }
}

/// The raw records' files, in the order of [`Channel::ALL`].
pub struct RawFiles {
    outputs: Vec<Output>,
    line: Vec<u8>,
}

fn place(channel: Channel) -> usize {
    Channel::ALL.iter().position(|each| *each == channel).expect("ALL lists every channel")
}

impl RawFiles {
    /// Begins a file for each channel.
    pub fn create(directory: &Path) -> Result<Self, Failure> {
        let output = |channel: &Channel| Output::file(&directory.join(format!("{}.tsv", channel.topic())));
        Ok(Self { outputs: Channel::ALL.iter().map(output).collect::<Result<_, _>>()?, line: Vec::new() })
    }

    /// Writes a record that goes by that name.
    pub fn write(&mut self, record: &RawRecord, source: &str) -> Result<(), Failure> {
        self.line.clear();
        let bytes = (&record.bytes[..]).into();
        Timestamped { timestamp_ms: record.timestamp_ms, source: Some(source), bytes }.write(&mut self.line);
        self.outputs[place(record.channel)].line(&self.line)
    }

    /// Hands on what is buffered.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.outputs.iter_mut().try_for_each(Output::flush)
    }
}

/// Makes the folder and writes what does not depend on the night: the registry and the truth.
pub fn write_city(directory: &Path, city: &City) -> Result<(), Failure> {
    fs::create_dir_all(directory).map_err(|error| Failure::file(directory, error))?;
    let write = |name: &str, text: &str| {
        let path: PathBuf = directory.join(name);
        fs::write(&path, text).map_err(|error| Failure::file(&path, error))
    };
    write("registry.jsonl", &city.registry_json_lines())?;
    let mut truth = Output::file(&directory.join("truth.jsonl"))?;
    for fire in city.truth() {
        truth.line(serde_json::to_string(fire).expect("a planted fire has string keys and finite numbers only"))?;
    }
    truth.flush()
}
