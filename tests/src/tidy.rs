//! The style of the house as checks over single files; each says what is wrong, where, and what to do.
//!
//! A rule that no check holds is forgotten within a month. The rules are those of the house: files that say what they
//! are for, guarded tails of length, whole words as names, pure crates without clock, thread and file.

use crate::rust_text::{code_only, functions, test_lines, words};
use crate::tree::Source;

/// From this many lines on a file is worth a second look.
pub const LONG_FILE_LINES: usize = 400;
/// No file is longer.
pub const LONGEST_FILE_LINES: usize = 700;
/// No function is longer, but for [`LONG_FUNCTIONS`].
pub const LONGEST_FUNCTION_LINES: usize = 70;
/// No line is wider, literals that cannot be broken apart.
pub const WIDEST_LINE_COLUMNS: usize = 120;

/// Functions that may be longer, and how long: (path, name, lines). A ratchet: it only ever gets shorter.
pub const LONG_FUNCTIONS: &[(&str, &str, usize)] = &[];

/// Files that may hold `unsafe`, each with its proof beside it.
pub const UNSAFE_FILES: &[&str] = &["crates/engine/src/batches.rs"];

/// Where windows are published to readers: the only place of correlate that shares anything between threads.
pub const PUBLICATION_FILES: &[&str] =
    &["crates/correlate/src/publication/cells.rs", "crates/correlate/src/publication/exchange.rs"];

/// Where a pure crate may start threads: they make a function of their argument, and end with the call.
pub const THREADED_FILES: &[&str] = &["crates/model/src/registry/ahead.rs"];

/// Names that say nothing about the field.
const EMPTY_NAMES: [&str; 9] = ["manager", "helper", "helpers", "handler", "data", "info", "common", "util", "utils"];

/// Crates of which the same input gets the same output, always.
const PURE_SOURCES: [&str; 4] =
    ["crates/model/src/", "crates/decode/src/", "crates/correlate/src/", "crates/city/src/"];

/// One check: its name, and what it says about a file.
pub type Check = (&'static str, fn(&Source) -> Vec<String>);

/// Every check over a single file.
pub const CHECKS: &[Check] = &[
    ("purpose", purpose),
    ("file_length", file_length),
    ("function_length", function_length),
    ("columns", columns),
    ("unsafe_code", unsafe_code),
    ("unfinished", unfinished),
    ("names", names),
    ("purity", purity),
    ("one_writer", one_writer),
    ("wait_free", wait_free),
    ("machine_paths", machine_paths),
    ("lock_sources", lock_sources),
];

fn complaint(source: &Source, line: usize, what: &str) -> String {
    format!("{}:{line}: {what}", source.path)
}

fn is_rust(source: &Source) -> bool {
    source.is(&[".rs"])
}

/// Whether the whole file is test code, by its place.
fn is_test_file(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs")
}

/// The lines of a Rust file that are no tests, numbered from 1, without comments and literals.
fn product_lines(source: &Source) -> Vec<(usize, String)> {
    if !is_rust(source) || is_test_file(&source.path) {
        return Vec::new();
    }
    let code = code_only(&source.text);
    let is_test = test_lines(&code);
    let numbered = (1..).zip(code.lines().zip(is_test));
    numbered.filter(|(_, (_, is_test))| !is_test).map(|(number, (line, _))| (number, line.to_owned())).collect()
}

/// Every line of a Rust file on which `finds` finds something, as complaints.
fn over_product_lines(source: &Source, finds: impl Fn(&str) -> Option<String>) -> Vec<String> {
    let lines = product_lines(source);
    lines.iter().filter_map(|(number, line)| Some(complaint(source, *number, &finds(line)?))).collect()
}

fn purpose(source: &Source) -> Vec<String> {
    if !is_rust(source) || source.text.starts_with("//! ") {
        return Vec::new();
    }
    vec![complaint(source, 1, "begin with `//!`: what this file is and why it exists")]
}

fn file_length(source: &Source) -> Vec<String> {
    let lines = source.text.lines().count();
    if !is_rust(source) || lines <= LONGEST_FILE_LINES {
        return Vec::new();
    }
    vec![complaint(source, lines, &format!("{lines} lines, {LONGEST_FILE_LINES} at most: divide the file"))]
}

/// Whether the file is worth a second look for its length.
#[must_use]
pub fn is_long(source: &Source) -> bool {
    is_rust(source) && source.text.lines().count() > LONG_FILE_LINES
}

fn function_length(source: &Source) -> Vec<String> {
    if !is_rust(source) {
        return Vec::new();
    }
    let limit = |name: &str| {
        let listed = LONG_FUNCTIONS.iter().find(|(path, function, _)| *path == source.path && *function == name);
        listed.map_or(LONGEST_FUNCTION_LINES, |(_, _, lines)| *lines)
    };
    let found =
        functions(&code_only(&source.text)).into_iter().filter(|function| function.lines > limit(&function.name));
    let tell = |function: crate::rust_text::Function| {
        let what = format!("`{}` has {} lines, {} at most", function.name, function.lines, limit(&function.name));
        complaint(source, function.line, &what)
    };
    found.map(tell).collect()
}

/// Entries of a ratchet list that the files no longer need: they must go, so that it only gets shorter.
#[must_use]
pub fn needless_ratchets(listed: &[(&str, &str, usize)], sources: &[Source]) -> Vec<String> {
    let is_needed = |(path, name, lines): &(&str, &str, usize)| {
        let source = sources.iter().find(|source| source.path == *path);
        source.is_some_and(|source| {
            functions(&code_only(&source.text))
                .iter()
                .any(|found| found.name == *name && found.lines == *lines && found.lines > LONGEST_FUNCTION_LINES)
        })
    };
    let needless = listed.iter().filter(|entry| !is_needed(entry));
    needless
        .map(|(path, name, lines)| format!("{path}: `{name}` no longer has {lines} lines: correct the list"))
        .collect()
}

fn columns(source: &Source) -> Vec<String> {
    if !is_rust(source) {
        return Vec::new();
    }
    let code = code_only(&source.text);
    let is_too_wide = |line: &str, code: &str| {
        // What stays when the blanked insides of literals shrink to nothing; comments can always be broken.
        let without_literals: usize = words(code).map(|word| word.chars().count() + 1).sum();
        let has_literal = line.chars().count() > without_literals && line.contains('"');
        let is_comment = line.trim_start().starts_with("//");
        line.chars().count() > WIDEST_LINE_COLUMNS
            && (is_comment || !has_literal && code.trim_end().chars().count() > WIDEST_LINE_COLUMNS)
    };
    let lines = (1..).zip(source.text.lines().zip(code.lines()));
    let wide = lines.filter(|(_, (line, code))| is_too_wide(line, code));
    wide.map(|(number, _)| complaint(source, number, &format!("wider than {WIDEST_LINE_COLUMNS} columns"))).collect()
}

fn unsafe_code(source: &Source) -> Vec<String> {
    if !is_rust(source) || UNSAFE_FILES.contains(&source.path.as_str()) {
        return Vec::new();
    }
    let code = code_only(&source.text);
    let found = (1..).zip(code.lines()).filter(|(_, line)| words(line).any(|word| word == "unsafe"));
    found.map(|(number, _)| complaint(source, number, "`unsafe` outside the files that are listed for it")).collect()
}

fn unfinished(source: &Source) -> Vec<String> {
    // In two pieces, so that this file passes its own check.
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME")];
    let has_mark = |line: &str| words(line).any(|word| marks.contains(&word));
    let marked = (1..).zip(source.text.lines()).filter(|(_, line)| has_mark(line));
    let mut found: Vec<String> =
        marked.map(|(number, _)| complaint(source, number, "unfinished: do it, or open an issue")).collect();
    let unwraps =
        |line: &str| line.contains(".unwrap()").then(|| "`unwrap`: write `expect(\"why it holds\")`".to_owned());
    found.extend(over_product_lines(source, unwraps));
    found
}

/// The words of a file or type name: `KafkaPath` and `kafka_path` are both `kafka`, `path`.
fn name_words(name: &str) -> Vec<String> {
    let mut found: Vec<String> = vec![String::new()];
    for c in name.chars() {
        if !c.is_alphanumeric() || c.is_uppercase() {
            found.push(String::new());
        }
        if c.is_alphanumeric() {
            found.last_mut().expect("it begins with one word").extend(c.to_lowercase());
        }
    }
    found
}

fn names(source: &Source) -> Vec<String> {
    if !is_rust(source) {
        return Vec::new();
    }
    let is_empty = |name: &str| name_words(name).iter().any(|word| EMPTY_NAMES.contains(&word.as_str()));
    let tell =
        |number, name: &str| complaint(source, number, &format!("the name `{name}` says nothing about the field"));
    let path = source.path.trim_end_matches(".rs");
    let mut found: Vec<String> = path.split('/').filter(|part| is_empty(part)).map(|part| tell(1, part)).collect();
    let code = code_only(&source.text);
    for (number, line) in (1..).zip(code.lines()) {
        let line_words: Vec<&str> = words(line).collect();
        let declared =
            line_words.windows(2).filter(|pair| ["struct", "enum", "trait", "type", "mod"].contains(&pair[0]));
        found.extend(declared.filter(|pair| is_empty(pair[1])).map(|pair| tell(number, pair[1])));
    }
    found
}

fn purity(source: &Source) -> Vec<String> {
    const OUTSIDE: [&str; 9] = [
        "std::thread",
        "std::fs",
        "std::env",
        "std::net",
        "std::process",
        "println!",
        "print!(",
        "rand::rng",
        "thread_rng",
    ];
    const CLOCKS: [&str; 2] = ["SystemTime", "Instant"];
    const MODULES: [&str; 5] = ["thread", "fs", "env", "net", "process"];
    if !PURE_SOURCES.iter().any(|folder| source.path.starts_with(folder)) {
        return Vec::new();
    }
    let may_thread = THREADED_FILES.contains(&source.path.as_str());
    over_product_lines(source, |line| {
        let is_outside = |path: &&&str| line.contains(**path) && !(may_thread && **path == "std::thread");
        let path = OUTSIDE.iter().find(is_outside).copied();
        let word = words(line).find(|word| CLOCKS.contains(word));
        let is_group = line.trim_start().starts_with("use std::{");
        let module = words(line).find(|word| is_group && MODULES.contains(word));
        let found = path.or(word).or(module)?;
        Some(format!("`{found}` in a pure crate: hand it in as an argument, or do it in engine or cli"))
    })
}

fn one_writer(source: &Source) -> Vec<String> {
    const SHARING: [&str; 9] =
        ["Mutex", "RwLock", "Condvar", "Barrier", "OnceLock", "LazyLock", "mpsc", "mpmc", "atomic"];
    if !source.path.starts_with("crates/correlate/src/") || PUBLICATION_FILES.contains(&source.path.as_str()) {
        return Vec::new();
    }
    over_product_lines(source, |line| {
        let found = words(line).find(|word| SHARING.contains(word) || word.starts_with("Atomic"))?;
        Some(format!("`{found}` in correlate: a window has one writer; nothing is shared but by the publication"))
    })
}

fn wait_free(source: &Source) -> Vec<String> {
    const WAITING: [&str; 9] =
        ["lock", "loop", "while", "wait", "park", "spin_loop", "yield_now", "fetch_update", "compare_and_swap"];
    if !PUBLICATION_FILES.contains(&source.path.as_str()) {
        return Vec::new();
    }
    over_product_lines(source, |line| {
        let waits = |word: &&str| WAITING.contains(word) || word.starts_with("compare_exchange");
        let found = words(line).find(waits)?;
        Some(format!("`{found}` in the publication: neither side may wait for the other or try again"))
    })
}

fn machine_paths(source: &Source) -> Vec<String> {
    // In two pieces, so that this file passes its own check.
    let paths = [concat!("/wo", "rk/"), concat!("/tmp/", "target"), concat!("/ro", "ot/"), concat!("/ho", "me/")];
    let find = |line: &str| paths.into_iter().find(|path| line.contains(path));
    let found = (1..).zip(source.text.lines()).filter_map(|(number, line)| Some((number, find(line)?)));
    found.map(|(number, path)| complaint(source, number, &format!("`{path}`: a path of one machine"))).collect()
}

/// Every dependency comes from one registry, none from a repository or a folder elsewhere.
fn lock_sources(source: &Source) -> Vec<String> {
    if source.path != "Cargo.lock" {
        return Vec::new();
    }
    let sources = || (1..).zip(source.text.lines()).filter(|(_, line)| line.starts_with("source = "));
    let registry = sources().map(|(_, line)| line).find(|line| line.starts_with("source = \"registry+"));
    let foreign = sources().filter(|(_, line)| Some(*line) != registry);
    foreign.map(|(number, _)| complaint(source, number, "a dependency from elsewhere than the registry")).collect()
}

/// Folders of `deploy` without a README.
#[must_use]
pub fn folders_without_readme(paths: &[&str]) -> Vec<String> {
    let folder_of = |path: &&str| path.strip_prefix("deploy/")?.split_once('/').map(|(folder, _)| folder.to_owned());
    let mut folders: Vec<String> = paths.iter().filter_map(folder_of).collect();
    folders.sort();
    folders.dedup();
    folders.retain(|folder| !paths.contains(&format!("deploy/{folder}/README.md").as_str()));
    folders
        .into_iter()
        .map(|folder| format!("deploy/{folder}: a README.md must say what it is and how to use it"))
        .collect()
}
