//! Holds the faults of `tests/planted` against the present code: a patch that no longer applies shows nothing.
//!
//! Whether the suite catches them takes minutes, and `tests/planted/run` shows it. That they still apply is asked here,
//! in every test run, so that whoever changes the code they are about refreshes them at once.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use fenghuo_tests::tree::root;

/// Where faults may be planted: what decides, the nouns that it decides with, and what publishes each decision once.
const PLANTED_IN: [&str; 3] = ["crates/correlate/src/", "crates/model/src/", "crates/engine/src/correlate_role/"];

/// What a fault may break beside a clause: promises of the design, held by the model checker, by the oracle's restarts
/// and by the simulation.
const PROMISES: [&str; 3] = ["publication", "state", "exactly-once"];

/// So many faults are promised, and so many of them for the promise that each decision is published once.
const PROMISED: usize = 32;
const PROMISED_EXACTLY_ONCE: usize = 12;

/// Every patch by its name, in their order.
fn patches() -> Vec<(String, String)> {
    let folder = root().join("tests/planted");
    let entries = fs::read_dir(&folder).expect("the folder of the planted faults can be read");
    let names = entries.map(|entry| entry.expect("its entries can be read").file_name());
    let mut names: Vec<String> = names.filter_map(|name| name.into_string().ok()).collect();
    names.retain(|name| name.ends_with(".patch"));
    names.sort_unstable();
    let read = |name: String| {
        let text = fs::read_to_string(folder.join(&name)).expect("a patch can be read");
        (name, text)
    };
    names.into_iter().map(read).collect()
}

/// The ids of all clauses.
fn clauses(text: &str) -> BTreeSet<&str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.split_once(": ")?.0)).collect()
}

/// What is wrong with a patch, whether or not it applies.
fn complaints(patch: &str, clauses: &BTreeSet<&str>) -> Vec<String> {
    let mut complaints = Vec::new();
    let first = patch.lines().next().unwrap_or_default();
    match first.strip_prefix("# ").and_then(|line| line.split_once(": ")) {
        Some((broken, words)) if (clauses.contains(broken) || PROMISES.contains(&broken)) && !words.is_empty() => {}
        Some((clause, _)) => complaints.push(format!("there is no clause {clause}")),
        None => complaints.push(format!("begins with {first:?}, not with `# clause: what is wrong`")),
    }
    let planted: Vec<&str> = patch.lines().filter_map(|line| line.strip_prefix("+++ b/")).collect();
    if planted.is_empty() {
        complaints.push("changes nothing".to_owned());
    }
    let elsewhere = planted.iter().filter(|path| !PLANTED_IN.iter().any(|folder| path.starts_with(folder)));
    complaints.extend(elsewhere.map(|path| format!("{path} is not what decides")));
    complaints
}

/// Whether the patch applies to the files of the checkout, which stay as they are; else what git says.
fn check_applies(checkout: &Path, patch: &str) -> Result<(), String> {
    let mut git = Command::new("git");
    git.args(["apply", "--check", "-"]).current_dir(checkout);
    // An unpacked archive inside somebody's repository is not that repository's: git would pass over every file.
    git.env("GIT_CEILING_DIRECTORIES", checkout.parent().unwrap_or(checkout));
    git.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut running = git.spawn().map_err(|error| format!("git cannot be started: {error}"))?;
    let mut stdin = running.stdin.take().expect("it was asked for above");
    stdin.write_all(patch.as_bytes()).map_err(|error| format!("git does not listen: {error}"))?;
    drop(stdin);
    let ended = running.wait_with_output().map_err(|error| format!("git does not end: {error}"))?;
    if ended.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&ended.stderr).into_owned()) }
}

#[test]
fn every_planted_fault_still_applies() {
    let root = root();
    let text = fs::read_to_string(root.join("tests/scenarios/clauses.txt")).expect("the clauses can be read");
    let clauses = clauses(&text);
    let patches = patches();
    assert!(patches.len() >= PROMISED, "{} faults, {PROMISED} are promised", patches.len());
    let of_once = patches.iter().filter(|(_, patch)| patch.starts_with("# exactly-once: ")).count();
    assert!(of_once >= PROMISED_EXACTLY_ONCE, "{of_once} faults, {PROMISED_EXACTLY_ONCE} are promised");
    let mut found = Vec::new();
    for (name, patch) in &patches {
        found.extend(complaints(patch, &clauses).into_iter().map(|complaint| format!("{name}: {complaint}")));
        found.extend(check_applies(&root, patch).err().map(|error| format!("{name} does not apply: {error}")));
    }
    assert!(found.is_empty(), "{}\ntests/planted/README.md says how to refresh a patch", found.join("\n"));
}

#[test]
fn a_patch_that_has_rotted_is_noticed() {
    let clauses = clauses("# heading\nsung: it is sung\n");
    let sound = "# sung: whistled\n--- a/crates/correlate/src/a.rs\n+++ b/crates/correlate/src/a.rs\n";
    assert_eq!(complaints(sound, &clauses), Vec::<String>::new());
    assert_eq!(complaints(&sound.replace("sung", "publication"), &clauses), Vec::<String>::new());
    for (patch, told) in [
        (sound.replace("# sung", "# hummed"), "there is no clause hummed"),
        (sound.replace("# sung: ", ""), "begins with"),
        (sound.replace("correlate/src", "correlate/tests"), "is not what decides"),
        ("# sung: whistled\n".to_owned(), "changes nothing"),
    ] {
        let complaints = complaints(&patch, &clauses);
        assert!(complaints.len() == 1 && complaints[0].contains(told), "{told}: {complaints:?}");
    }

    let checkout = tempfile::tempdir().expect("a folder can be made");
    fs::write(checkout.path().join("a.rs"), "one\ntwo\n").expect("it can be written to");
    let patch = "# sung: whistled\n--- a/a.rs\n+++ b/a.rs\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n";
    assert_eq!(check_applies(checkout.path(), patch), Ok(()));
    for (from, to) in [("-two", "-too"), (" one", " ones"), ("a.rs", "b.rs")] {
        assert!(check_applies(checkout.path(), &patch.replace(from, to)).is_err(), "{from} → {to}");
    }
}
