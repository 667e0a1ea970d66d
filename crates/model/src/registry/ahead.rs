//! Reads the lines of a registry on all cores, ahead of whoever puts them together in their order.
//!
//! The only threads of a pure crate: what they make is a function of the text alone and is handed over in its order,
//! and none outlives the call. Five million devices are ready in a third of the time.

use std::num::NonZero;
use std::sync::mpsc::sync_channel;
use std::thread;

use super::line::{self, Entry};

/// About so many bytes are read at once: enough that handing over costs nothing, few enough to stay in the caches.
const CHUNK_BYTES: usize = 1 << 18;
/// How many chunks a thread may be ahead.
const MOST_AHEAD: usize = 4;
/// More threads would wait for the one that puts together.
const MOST_THREADS: usize = 4;

/// What some consecutive lines say.
#[derive(Default)]
pub(super) struct Chunk<'t> {
    /// Of each line that is not blank its number in the chunk, from 0, and what it says, or why it says nothing.
    pub(super) entries: Vec<(u32, Result<Entry<'t>, String>)>,
    /// How many lines there are.
    pub(super) lines: u32,
    /// How many bytes.
    pub(super) bytes: usize,
}

/// Hands over the chunks of a text in their order.
pub(super) fn read<'t>(text: &'t [u8], mut take: impl FnMut(Chunk<'t>)) {
    let chunks = split(text);
    let threads = thread::available_parallelism().map_or(1, NonZero::get).min(MOST_THREADS);
    if chunks.len() <= 1 {
        chunks.into_iter().for_each(|chunk| take(read_chunk(chunk)));
        return;
    }
    thread::scope(|scope| {
        let chunks = &chunks;
        let readers: Vec<_> = (0..threads)
            .map(|first| {
                let (sender, receiver) = sync_channel(MOST_AHEAD);
                scope.spawn(move || {
                    // Whoever puts together is gone only if it panicked, and then nobody wants the rest.
                    let mut own = chunks.iter().skip(first).step_by(threads);
                    own.all(|chunk| sender.send(read_chunk(chunk)).is_ok())
                });
                receiver
            })
            .collect();
        for (_, receiver) in chunks.iter().zip(readers.iter().cycle()) {
            take(receiver.recv().expect("a reader lives until all its chunks are handed over"));
        }
    });
}

/// Cuts a text behind line ends.
fn split(text: &[u8]) -> Vec<&[u8]> {
    let mut chunks = Vec::with_capacity(text.len() / CHUNK_BYTES + 1);
    let mut rest = text;
    while !rest.is_empty() {
        let about = rest.get(CHUNK_BYTES..).unwrap_or_default();
        let end = about.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |at| CHUNK_BYTES + at + 1);
        let (chunk, after) = rest.split_at(end);
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

fn read_chunk(text: &[u8]) -> Chunk<'_> {
    let mut chunk = Chunk { bytes: text.len(), ..Chunk::default() };
    let mut rest = text;
    while !rest.is_empty() {
        let (line, after) = match memchr::memchr(b'\n', rest) {
            Some(end) => (&rest[..end], &rest[end + 1..]),
            None => (rest, &[][..]),
        };
        if !line.trim_ascii().is_empty() {
            chunk.entries.push((chunk.lines, line::read(line)));
        }
        chunk.lines += 1;
        rest = after;
    }
    chunk
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a few chunks, some of them blank, some of them faults: the same as one line after the other.
    #[test]
    fn whoever_reads_them_lines_keep_their_order_and_numbers() {
        let line = |number: u32| match number % 1_000 {
            7 => String::new(),
            8 => format!("{{\"type\":\"device\",\"id\":\"\",\"x\":{number}}}"),
            9 => " {} ".to_owned(),
            _ => format!("{{\"type\":\"device\",\"id\":\"D{number}\",\"building\":\"B\",\"address\":\"火{number}\"}}"),
        };
        for (count, end) in [(0, ""), (1, ""), (20_000, ""), (20_000, "\n"), (20_000, "\r\n\n")] {
            let lines: Vec<String> = (0..count).map(line).collect();
            let text = lines.join("\n") + end;
            let mut found = Vec::new();
            let (mut chunks, mut before) = (0, 0);
            read(text.as_bytes(), |chunk| {
                found.extend(chunk.entries.into_iter().map(|(number, entry)| (before + number, told(entry))));
                before += chunk.lines;
                chunks += 1;
            });
            let expected: Vec<_> = (0..)
                .zip(text.split('\n'))
                .filter(|(_, line)| !line.trim().is_empty())
                .map(|(number, line)| (number, told(line::read(line.as_bytes()))))
                .collect();
            assert!(found == expected && (count < 20_000 || chunks > 3), "{count} lines in {chunks} chunks");
        }
    }

    fn told(entry: Result<Entry<'_>, String>) -> Result<String, String> {
        entry.map(|entry| match entry {
            Entry::Device(device) => device.id.into_owned(),
            Entry::Building(building) => building.id.into_owned(),
        })
    }
}
