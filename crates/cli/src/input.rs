//! Where lines come from: standard input or files, numbered, of bounded length; the output is flushed before a wait.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use crate::failure::Failure;
use crate::output::Output;

/// Some milliseconds of work for `correlate`, which hands over at once what was read at once.
const BUFFER_BYTES: usize = 512 * 1024;

/// What some editors put before the first line.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// The longest line that is read: far above any record that a broker accepts by default (1 MiB).
pub const LONGEST_LINE_BYTES: usize = 16 * 1024 * 1024;

/// A line, without its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'l> {
    /// Counts all lines of its file from 1.
    pub number: u64,
    /// What stands there; nothing if it is longer than [`LONGEST_LINE_BYTES`].
    pub bytes: Option<&'l [u8]>,
}

/// What is said of a line that is too long.
pub fn too_long() -> String {
    format!("longer than {} MiB", LONGEST_LINE_BYTES / (1024 * 1024))
}

/// What is held back while lines come in at once, and has to go on before their reader may have to wait.
pub trait HeldBack {
    /// Lets go of it.
    fn release(&mut self) -> Result<(), Failure>;
}

impl HeldBack for Output {
    fn release(&mut self) -> Result<(), Failure> {
        self.flush()
    }
}

/// How a line is named in messages: `line 7`, or `FILE: line 7`.
pub fn place(path: Option<&Path>, number: u64) -> String {
    match path {
        Some(path) => format!("{}: line {number}", path.display()),
        None => format!("line {number}"),
    }
}

/// The lines of one file or of standard input.
pub struct Lines {
    reader: BufReader<Box<dyn Read + Send>>,
    path: Option<PathBuf>,
    number: u64,
    line: Vec<u8>,
}

/// Opens all files at once, so that a missing one is known before work begins; standard input where there is none.
pub fn open(files: &[PathBuf]) -> Result<Vec<Lines>, Failure> {
    if files.is_empty() {
        return Ok(vec![Lines::of(Box::new(io::stdin()), None)]);
    }
    files.iter().map(|path| Lines::open(path)).collect()
}

impl Lines {
    fn of(reader: Box<dyn Read + Send>, path: Option<PathBuf>) -> Self {
        Self { reader: BufReader::with_capacity(BUFFER_BYTES, reader), path, number: 0, line: Vec::new() }
    }

    fn open(path: &Path) -> Result<Self, Failure> {
        if path.as_os_str() == "-" {
            return Ok(Self::of(Box::new(io::stdin()), None));
        }
        let file = File::open(path).map_err(|error| Failure::file(path, error))?;
        Ok(Self::of(Box::new(file), Some(path.to_owned())))
    }

    /// The file; nothing for standard input.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// How a line is named in messages, as by [`place`].
    pub fn place(&self, number: u64) -> String {
        place(self.path(), number)
    }

    /// Reads on to the next line that is not blank into [`Lines::current`], past a byte order mark at the beginning;
    /// releases what is held back before it may have to wait. Gives whether there was one.
    pub fn advance(&mut self, held_back: &mut impl HeldBack) -> Result<bool, Failure> {
        loop {
            if !self.read_line(held_back)? {
                return Ok(false);
            }
            if self.number == 0 && self.line.starts_with(BYTE_ORDER_MARK) {
                self.line.drain(..BYTE_ORDER_MARK.len());
            }
            self.number += 1;
            if !self.line.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    /// The line to which [`Lines::advance`] came.
    pub fn current(&self) -> Line<'_> {
        let bytes = (self.line.len() <= LONGEST_LINE_BYTES).then_some(self.line.as_slice());
        Line { number: self.number, bytes }
    }

    /// All that is left, as one piece.
    pub fn whole(&mut self) -> Result<Vec<u8>, Failure> {
        let mut bytes = Vec::new();
        self.reader.read_to_end(&mut bytes).map_err(|error| self.failure(error))?;
        Ok(bytes)
    }

    /// Whether there was a line; of one that is too long, only as much is kept as shows that it is.
    fn read_line(&mut self, held_back: &mut impl HeldBack) -> Result<bool, Failure> {
        self.line.clear();
        let mut any = false;
        loop {
            if self.reader.buffer().is_empty() {
                held_back.release()?;
            }
            let buffer = match self.reader.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.failure(error)),
            };
            if buffer.is_empty() {
                break;
            }
            any = true;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let content = &buffer[..end.unwrap_or(buffer.len())];
            let room = (LONGEST_LINE_BYTES + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&content[..content.len().min(room)]);
            let taken = end.map_or(buffer.len(), |at| at + 1);
            self.reader.consume(taken);
            if end.is_some() {
                break;
            }
        }
        if self.line.last() == Some(&b'\r') {
            self.line.pop();
        }
        Ok(any)
    }

    fn failure(&self, error: io::Error) -> Failure {
        match &self.path {
            Some(path) => Failure::file(path, error),
            None => Failure::Io { what: "standard input".to_owned(), source: error },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines_of(text: &[u8]) -> Vec<(u64, Option<Vec<u8>>)> {
        let mut lines = Lines::of(Box::new(io::Cursor::new(text.to_vec())), None);
        let mut found = Vec::new();
        while lines.advance(&mut Output::standard()).unwrap() {
            let line = lines.current();
            found.push((line.number, line.bytes.map(<[u8]>::to_vec)));
        }
        found
    }

    #[test]
    fn lines_are_numbered_and_blank_ones_passed_over() {
        let line = |number, text: &str| (number, Some(text.as_bytes().to_vec()));
        for (text, expected) in [
            ("", vec![]),
            ("\n \n\t\r\n", vec![]),
            ("a", vec![line(1, "a")]),
            ("a\n", vec![line(1, "a")]),
            ("a\r\n\r\nb\r\n", vec![line(1, "a"), line(3, "b")]),
            ("\n\n a \nb", vec![line(3, " a "), line(4, "b")]),
            ("\u{feff}a\n\u{feff}b", vec![line(1, "a"), line(2, "\u{feff}b")]),
            ("\u{feff}\r\na", vec![line(2, "a")]),
        ] {
            assert_eq!(lines_of(text.as_bytes()), expected, "{text:?}");
        }
    }

    #[test]
    fn a_line_without_end_does_not_fill_the_memory() {
        let mut text = vec![b'a'; LONGEST_LINE_BYTES];
        text.extend_from_slice(b"\nb\n");
        assert_eq!(lines_of(&text)[0].1.as_ref().map(Vec::len), Some(LONGEST_LINE_BYTES));
        text.insert(0, b'a');
        assert_eq!(lines_of(&text), [(1, None), (2, Some(b"b".to_vec()))]);
        let mut lines = Lines::of(Box::new(io::repeat(b'a').take(3 * LONGEST_LINE_BYTES as u64)), None);
        assert!(lines.advance(&mut Output::standard()).unwrap());
        assert_eq!(lines.line.len(), LONGEST_LINE_BYTES + 1);
    }
}
