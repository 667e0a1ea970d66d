//! Holds the style of the house over every file of the checkout, and shows that each check can fail.

use std::collections::BTreeSet;

use fenghuo_tests::tidy::{
    CHECKS, LONG_FUNCTIONS, PUBLICATION_FILES, folders_without_readme, is_long, needless_ratchets,
};
use fenghuo_tests::tree::{Source, root, sources};

#[test]
fn the_checkout_is_tidy() {
    let sources = sources(&root()).expect("the checkout can be read");
    for source in sources.iter().filter(|source| is_long(source)) {
        println!("{} has {} lines: worth dividing?", source.path, source.text.lines().count());
    }
    let mut complaints: Vec<String> =
        sources.iter().flat_map(|source| CHECKS.iter().flat_map(|(_, check)| check(source))).collect();
    complaints.extend(needless_ratchets(LONG_FUNCTIONS, &sources));
    let paths: Vec<&str> = sources.iter().map(|source| source.path.as_str()).collect();
    complaints.extend(folders_without_readme(&paths));
    assert!(complaints.is_empty(), "{} complaints:\n{}", complaints.len(), complaints.join("\n"));
}

/// A check by its name, a file, and how many complaints it gets.
type Row = (&'static str, &'static str, String, usize);

fn rows() -> Vec<Row> {
    let lines = |count: usize| "//! A file.\n".repeat(count);
    let function = |lines: usize| format!("fn long() {{\n{}}}\n", "    step();\n".repeat(lines - 2));
    let row = |check, path, text: &str, complaints| (check, path, text.to_owned(), complaints);
    vec![
        row("purpose", "a.rs", "use b;\n", 1),
        row("purpose", "a.rs", "//! Why.\n", 0),
        ("file_length", "a.rs", lines(701), 1),
        ("file_length", "a.rs", lines(700), 0),
        ("function_length", "a.rs", function(71), 1),
        ("function_length", "a.rs", function(70), 0),
        ("columns", "a.rs", format!("// {}\n", "x".repeat(118)), 1),
        ("columns", "a.rs", format!("let {} = 1;\n", "x".repeat(120)), 1),
        ("columns", "a.rs", format!("// {}\n", "火".repeat(117)), 0),
        ("columns", "a.rs", format!("let x = \"{}\";\n", "x".repeat(120)), 0),
        row("unsafe_code", "a.rs", "fn a() { unsafe { b() } }\n", 1),
        row("unsafe_code", "a.rs", "#![deny(unsafe_code)] // unsafe\n", 0),
        row("unfinished", "a.md", concat!("TO", "DO: more\n"), 1),
        row("unfinished", "crates/a/src/b.rs", concat!("b(); // FIX", "ME\nc.unwrap();\n"), 2),
        row("unfinished", "crates/a/src/b.rs", "c.unwrap_or(1);\n#[cfg(test)]\nmod tests {\n    c.unwrap();\n}\n", 0),
        row("unfinished", "crates/a/tests/b.rs", "c.unwrap();\n", 0),
        row("names", "crates/a/src/string_utils.rs", "", 1),
        row("names", "a.rs", "struct AlarmManager;\nenum UserInfo {}\nmod common;\ntype Data = u8;\n", 4),
        row("names", "crates/a/src/metadata.rs", "struct Metadata { data: u8 }\nuse log::Handler;\n", 0),
        row("purity", "crates/model/src/a.rs", "use std::time::{Duration, Instant};\n", 1),
        row("purity", "crates/city/src/a.rs", "let t = std::thread::spawn(f);\nuse std::{fs, mem};\n", 2),
        row("purity", "crates/model/src/registry/ahead.rs", "use std::thread;\nuse std::fs;\n", 1),
        row("purity", "crates/decode/src/a.rs", "println!(\"x\");\nlet r = rand::rng();\n", 2),
        row("purity", "crates/decode/src/a.rs", "// println!\n#[cfg(test)]\nmod tests { use std::fs; }\n", 0),
        row("purity", "crates/engine/src/a.rs", "use std::time::Instant;\n", 0),
        row(
            "one_writer",
            "crates/correlate/src/a.rs",
            "use std::sync::{Mutex, RwLock};\nlet n = AtomicU64::new(0);\n",
            2,
        ),
        row(
            "one_writer",
            "crates/correlate/src/publication.rs",
            "use std::sync::atomic::*;\nuse std::sync::mpsc;\n",
            2,
        ),
        row("one_writer", "crates/correlate/src/publication/cells.rs", "use std::sync::{Mutex, atomic};\n", 0),
        row("one_writer", "crates/correlate/src/a.rs", "use std::sync::Arc;\n// Mutex\n", 0),
        row(
            "wait_free",
            "crates/correlate/src/publication/exchange.rs",
            "while !done {}\nlet own = slot.lock();\nbyte.compare_exchange_weak(a, b, c, d);\n",
            3,
        ),
        row(
            "wait_free",
            "crates/correlate/src/publication/exchange.rs",
            "for a in b { c.try_lock(); d.swap(e, f); }\n",
            0,
        ),
        row("machine_paths", "a.md", concat!("see /ho", "me/me/x and /wo", "rk/y\n"), 1),
        row("machine_paths", "a.md", "see ~/x and ./y\n", 0),
        row("lock_sources", "Cargo.lock", "source = \"registry+a\"\nsource = \"git+b\"\nsource = \"registry+c\"\n", 2),
        row("lock_sources", "Cargo.lock", "source = \"registry+a\"\nsource = \"registry+a\"\n", 0),
    ]
}

#[test]
fn each_check_can_fail_and_can_pass() {
    let mut failed = BTreeSet::new();
    let mut passed = BTreeSet::new();
    for (name, path, text, expected) in rows() {
        let (_, check) = CHECKS.iter().find(|(check, _)| *check == name).expect("rows name checks that exist");
        let complaints = check(&Source::new(path, &text));
        assert_eq!(complaints.len(), expected, "{name} of {path}: {complaints:?}\n{text}");
        if expected > 0 {
            failed.insert(name)
        } else {
            passed.insert(name)
        };
    }
    let all: BTreeSet<&str> = CHECKS.iter().map(|(name, _)| *name).collect();
    assert_eq!(failed, all, "a canary for every check");
    assert_eq!(passed, all, "what every check lets pass");
}

#[test]
fn a_ratchet_that_is_no_longer_needed_must_go() {
    let long = Source::new("a.rs", &format!("fn f() {{\n{}}}\n", "x();\n".repeat(73)));
    let check = |entry, expected: usize| {
        assert_eq!(needless_ratchets(&[entry], std::slice::from_ref(&long)).len(), expected, "{entry:?}");
    };
    check(("a.rs", "f", 75), 0);
    check(("a.rs", "f", 80), 1);
    check(("a.rs", "g", 75), 1);
    check(("b.rs", "f", 75), 1);
}

#[test]
fn the_publication_stands_where_the_checks_look_for_it() {
    for path in PUBLICATION_FILES {
        assert!(root().join(path).is_file(), "{path} is gone: correct the list");
    }
}

#[test]
fn a_folder_of_deploy_needs_a_readme() {
    let paths = ["deploy/kafka/kafka", "deploy/kafka/README.md", "deploy/local/run"];
    assert_eq!(folders_without_readme(&paths).len(), 1);
    assert_eq!(folders_without_readme(&paths[..2]).len(), 0);
}
