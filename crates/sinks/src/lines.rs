//! Decisions as JSON Lines, to a file or to standard output.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use fenghuo_model::Decision;

/// Writes one decision a line; whoever holds it says when it is to be flushed.
#[derive(Debug)]
pub struct DecisionLines<W: Write> {
    writer: W,
}

impl DecisionLines<BufWriter<File>> {
    /// Appends to the file, which is made if it is not there.
    ///
    /// # Errors
    /// What the system says of the path.
    pub fn append_to(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Self::new(BufWriter::new(file)))
    }
}

impl<W: Write> DecisionLines<W> {
    /// Writes to `writer`, which should be buffered.
    pub const fn new(writer: W) -> Self {
        Self { writer }
    }

    /// Writes one line.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&mut self, decision: &Decision) -> io::Result<()> {
        self.writer.write_all(decision.to_json().as_bytes())?;
        self.writer.write_all(b"\n")
    }

    /// Lets a reader see everything written so far.
    ///
    /// # Errors
    /// What the writer says.
    pub fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use fenghuo_model::decision::DecisionKind;

    use super::*;
    use crate::headers::tests::decision;

    #[test]
    fn one_decision_one_line() {
        let mut lines = DecisionLines::new(Vec::new());
        let decisions = [1, 2].map(|revision| decision(DecisionKind::Suspected, revision, None, None));
        for decision in &decisions {
            lines.write(decision).unwrap();
        }
        lines.flush().unwrap();
        let expected: String = decisions.iter().map(|decision| decision.to_json() + "\n").collect();
        assert_eq!(String::from_utf8(lines.writer).unwrap(), expected);
    }
}
