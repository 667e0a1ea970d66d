//! Lines that a thread of its own reads ahead, handed over in stretches: as many as came in without a wait.
//!
//! Whoever asks gets all that came in meanwhile. So little is handed over at once while the input trickles, and much
//! while it pours: nobody has to choose between a quick answer and a long batch.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvError, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};

use crate::failure::Failure;
use crate::input::{HeldBack, Lines};
use crate::output::Output;

/// Stretches under way: enough for a batch, too few to fill the memory even if each ends in the longest line.
const STRETCHES_UNDER_WAY: usize = 16;

/// Enough lines at once to keep all threads at work for some milliseconds.
const LINES_AT_ONCE: usize = 4_096;

/// Lines of one file that came in without a wait.
#[derive(Debug, Default)]
pub struct Stretch {
    path: Option<PathBuf>,
    bytes: Vec<u8>,
    /// Each line's number, and where in `bytes` it stands; nowhere if it is too long.
    lines: Vec<(u64, Option<Range<usize>>)>,
}

impl Stretch {
    /// The lines without their ends, in their order; nothing for one that is too long.
    pub fn lines(&self) -> impl Iterator<Item = Option<&[u8]>> {
        self.lines.iter().map(|(_, range)| range.clone().map(|range| &self.bytes[range]))
    }

    /// File (nothing: standard input) and number of each line.
    pub fn places(&self) -> impl Iterator<Item = (Option<&Path>, u64)> {
        self.lines.iter().map(|(number, _)| (self.path.as_deref(), *number))
    }
}

/// The lines of all inputs, one after the other.
pub struct ReadAhead {
    stretches: Receiver<Stretch>,
    /// Ends by itself: at the end of the inputs, at a failure, or when nobody takes its stretches any more.
    reader: JoinHandle<Result<(), Failure>>,
}

impl ReadAhead {
    /// Begins to read.
    pub fn start(inputs: Vec<Lines>) -> Self {
        let (sender, stretches) = sync_channel(STRETCHES_UNDER_WAY);
        Self { stretches, reader: thread::spawn(move || read(inputs, sender)) }
    }

    /// Waits for the next stretch, flushing `output` before, and takes what else is there by then into `batch`, at
    /// most a few thousand lines; whether there was anything.
    pub fn gather(&self, batch: &mut Vec<Stretch>, output: &mut Output) -> Result<bool, Failure> {
        batch.clear();
        match self.stretches.try_recv() {
            Ok(stretch) => batch.push(stretch),
            Err(TryRecvError::Disconnected) => return Ok(false),
            Err(TryRecvError::Empty) => {
                output.flush()?;
                match self.stretches.recv() {
                    Ok(stretch) => batch.push(stretch),
                    Err(RecvError) => return Ok(false),
                }
            }
        }
        let mut lines = batch[0].lines.len();
        while lines < LINES_AT_ONCE
            && let Ok(stretch) = self.stretches.try_recv()
        {
            lines += stretch.lines.len();
            batch.push(stretch);
        }
        Ok(true)
    }

    /// How reading ended; to be asked when nothing comes any more.
    pub fn end(self) -> Result<(), Failure> {
        self.reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// What the reader has and has not handed over yet.
struct Gathered {
    stretch: Stretch,
    sender: SyncSender<Stretch>,
    is_wanted: bool,
}

impl HeldBack for Gathered {
    fn release(&mut self) -> Result<(), Failure> {
        if !self.stretch.lines.is_empty() {
            let next = Stretch { path: self.stretch.path.clone(), ..Stretch::default() };
            self.is_wanted = self.sender.send(std::mem::replace(&mut self.stretch, next)).is_ok();
        }
        Ok(())
    }
}

fn read(inputs: Vec<Lines>, sender: SyncSender<Stretch>) -> Result<(), Failure> {
    let mut gathered = Gathered { stretch: Stretch::default(), sender, is_wanted: true };
    for mut lines in inputs {
        gathered.stretch.path = lines.path().map(ToOwned::to_owned);
        let mut ended = Ok(true);
        while gathered.is_wanted {
            ended = lines.advance(&mut gathered);
            if !matches!(ended, Ok(true)) {
                break;
            }
            let line = lines.current();
            let Stretch { bytes, lines, .. } = &mut gathered.stretch;
            let start = bytes.len();
            bytes.extend_from_slice(line.bytes.unwrap_or_default());
            lines.push((line.number, line.bytes.map(|_| start..bytes.len())));
        }
        gathered.release()?;
        ended?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input;

    /// The places and texts of all lines of files with these contents, however they were gathered.
    fn lines_of(contents: &[&str]) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        let paths: Vec<PathBuf> = (0..contents.len()).map(|number| folder.path().join(number.to_string())).collect();
        for (path, content) in paths.iter().zip(contents) {
            std::fs::write(path, content).unwrap();
        }
        let ahead = ReadAhead::start(input::open(&paths).unwrap());
        let (mut batch, mut output, mut found) = (Vec::new(), Output::standard(), Vec::new());
        while ahead.gather(&mut batch, &mut output).unwrap() {
            for stretch in &batch {
                let texts = stretch.lines().map(|line| String::from_utf8(line.unwrap().to_vec()).unwrap());
                let places = stretch.places().map(|(path, number)| {
                    let file = path.and_then(Path::file_name).unwrap().to_string_lossy();
                    format!("{file}: line {number}")
                });
                found.extend(places.zip(texts));
            }
        }
        ahead.end().unwrap();
        found
    }

    #[test]
    fn every_line_is_handed_over_once_with_its_place() {
        let long = "x".repeat(100_000);
        let line = |place: &str, text: &str| (place.to_owned(), text.to_owned());
        assert_eq!(lines_of(&[""]), []);
        assert_eq!(
            lines_of(&["a\n\nb", &format!("{long}\nc\n"), "", "d"]),
            [
                line("0: line 1", "a"),
                line("0: line 3", "b"),
                line("1: line 1", &long),
                line("1: line 2", "c"),
                line("3: line 1", "d")
            ]
        );
        let many: String = (0..50_000).map(|number| format!("{number}\n")).collect();
        let found = lines_of(&[&many]);
        assert_eq!(found.len(), 50_000);
        assert!(found.iter().zip(0..).all(|((place, text), number)| {
            *place == format!("0: line {}", number + 1) && *text == number.to_string()
        }));
    }

    #[test]
    fn a_failure_comes_after_what_was_read_before_it() {
        let folder = tempfile::tempdir().unwrap();
        let good = folder.path().join("good");
        std::fs::write(&good, "a\n").unwrap();
        // A folder can be opened and not read.
        let ahead = ReadAhead::start(input::open(&[good, folder.path().to_owned()]).unwrap());
        let (mut batch, mut output) = (Vec::new(), Output::standard());
        assert!(ahead.gather(&mut batch, &mut output).unwrap());
        assert_eq!(batch[0].lines().count(), 1);
        assert!(!ahead.gather(&mut batch, &mut output).unwrap());
        assert!(matches!(ahead.end(), Err(Failure::Io { .. })));
    }
}
