//! Where lines go: standard output or a file, buffered, with the failure that belongs to each.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::failure::Failure;

const BUFFER_BYTES: usize = 64 * 1024;

/// Lines on their way out.
pub struct Output {
    writer: BufWriter<Box<dyn Write + Send>>,
    /// The file; without one it is standard output.
    path: Option<PathBuf>,
}

impl Output {
    /// Standard output.
    pub fn standard() -> Self {
        Self { writer: BufWriter::with_capacity(BUFFER_BYTES, Box::new(io::stdout())), path: None }
    }

    /// A file, new or begun anew.
    pub fn file(path: &Path) -> Result<Self, Failure> {
        let file = File::create(path).map_err(|error| Failure::file(path, error))?;
        Ok(Self { writer: BufWriter::with_capacity(BUFFER_BYTES, Box::new(file)), path: Some(path.to_owned()) })
    }

    /// Writes a line and its end.
    pub fn line(&mut self, text: impl AsRef<[u8]>) -> Result<(), Failure> {
        let written = self.writer.write_all(text.as_ref()).and_then(|()| self.writer.write_all(b"\n"));
        written.map_err(|error| self.failure(error))
    }

    /// Writes text as it stands.
    pub fn text(&mut self, text: &str) -> Result<(), Failure> {
        self.writer.write_all(text.as_bytes()).map_err(|error| self.failure(error))
    }

    /// Hands on what is buffered.
    pub fn flush(&mut self) -> Result<(), Failure> {
        self.writer.flush().map_err(|error| self.failure(error))
    }

    fn failure(&self, error: io::Error) -> Failure {
        match &self.path {
            Some(path) => Failure::file(path, error),
            None => Failure::output(error),
        }
    }
}

/// A line for whoever watches; where standard error is gone, there is nobody to tell.
pub fn remark(text: impl std::fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}
