//! Who may use whom: the order of the crates as a table, and the checks that the workspace keeps it.
//!
//! The lower half of the house is pure, and stays so only if nothing from above comes in through a dependency, not
//! even through one of a dependency. `city` never sees `correlate`: its truth must not copy its bugs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use thiserror::Error;

/// Each crate and what it uses, besides `model`, which all may use.
pub const TABLE: &[(&str, &[&str])] = &[
    ("cli", &["engine", "sinks", "city", "correlate", "decode"]),
    ("engine", &["decode", "correlate", "sinks"]),
    ("sinks", &[]),
    ("city", &["decode"]),
    ("decode", &[]),
    ("correlate", &[]),
    ("model", &[]),
];

/// The members beside the crates, and where they stand; no crate may use them.
pub const BESIDE: &[(&str, &str)] = &[
    ("bench-kafka", "benches/kafka"),
    ("benches", "benches"),
    ("faults", "tests/faults"),
    ("schemas", "schemas"),
    ("tests", "tests"),
];

/// The crates of which the same input gets the same output, always.
pub const PURE: &[&str] = &["model", "decode", "correlate", "city"];

/// Packages that bring clocks, threads, logs, sockets, chance or a C compiler.
pub const IMPURE_PACKAGES: &[&str] = &[
    "async-std",
    "cc",
    "chrono",
    "cmake",
    "crossbeam-channel",
    "dashmap",
    "getrandom",
    "jiff",
    "log",
    "mio",
    "parking_lot",
    "pkg-config",
    "rand",
    "rayon",
    "rdkafka",
    "rdkafka-sys",
    "signal-hook",
    "socket2",
    "time",
    "tokio",
    "tracing",
    "tracing-core",
];

/// A crate of the workspace and the names of what it uses directly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Member {
    /// The folder's name, which is the package's without `fenghuo-`.
    pub name: String,
    /// Crates of ours, in the product.
    pub ours: BTreeSet<String>,
    /// Crates of ours, in its tests and benches only.
    pub ours_in_tests: BTreeSet<String>,
    /// Packages of others, in the product.
    pub others: BTreeSet<String>,
}

/// Why the workspace could not be read.
#[derive(Debug, Error)]
pub enum ReadWorkspaceError {
    /// cargo could not be run.
    #[error("cargo could not be run: {0}")]
    Run(#[from] std::io::Error),
    /// cargo refused.
    #[error("cargo metadata: {0}")]
    Refused(String),
    /// It is no JSON, or not of the expected form.
    #[error("cargo metadata is not of the expected form: {0}")]
    Form(String),
}

/// The crates below `crates/`, as `cargo metadata` tells them.
///
/// # Errors
/// cargo cannot be run, or says something unexpected.
pub fn read_members(root: &Path) -> Result<Vec<Member>, ReadWorkspaceError> {
    members_of(&metadata(root)?, root).ok_or_else(|| ReadWorkspaceError::Form("no packages".to_owned()))
}

/// The members that stand elsewhere than below `crates/`, with their folders, by name.
///
/// # Errors
/// cargo cannot be run, or says something unexpected.
pub fn read_beside(root: &Path) -> Result<Vec<(String, String)>, ReadWorkspaceError> {
    let metadata = metadata(root)?;
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let beside = packages.filter_map(|package| {
        let folder = Path::new(package["manifest_path"].as_str()?).parent()?.strip_prefix(root).ok()?;
        let name = package["name"].as_str()?.strip_prefix("fenghuo-")?;
        (!folder.starts_with("crates")).then(|| (name.to_owned(), folder.display().to_string()))
    });
    let mut beside: Vec<_> = beside.collect();
    beside.sort();
    Ok(beside)
}

/// Where the list of members beside the crates and the workspace differ, both ways.
#[must_use]
pub fn check_beside(listed: &[(&str, &str)], found: &[(String, String)]) -> Vec<String> {
    let listed: BTreeSet<(&str, &str)> = listed.iter().copied().collect();
    let found: BTreeSet<(&str, &str)> = found.iter().map(|(name, folder)| (name.as_str(), folder.as_str())).collect();
    let missing = listed.difference(&found).map(|(name, folder)| format!("there is no member {name} in {folder}"));
    let excess = found.difference(&listed).map(|(name, folder)| format!("the list does not know {name} in {folder}"));
    missing.chain(excess).collect()
}

fn metadata(root: &Path) -> Result<Value, ReadWorkspaceError> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let output = Command::new(cargo).args(arguments).current_dir(root).output()?;
    if !output.status.success() {
        return Err(ReadWorkspaceError::Refused(String::from_utf8_lossy(&output.stderr).into_owned()));
    }
    serde_json::from_slice(&output.stdout).map_err(|error| ReadWorkspaceError::Form(error.to_string()))
}

fn members_of(metadata: &Value, root: &Path) -> Option<Vec<Member>> {
    let mut members = Vec::new();
    for package in metadata["packages"].as_array()? {
        let name = package["name"].as_str()?.strip_prefix("fenghuo-")?;
        if !Path::new(package["manifest_path"].as_str()?).starts_with(root.join("crates")) {
            continue;
        }
        let mut member = Member { name: name.to_owned(), ..Member::default() };
        for dependency in package["dependencies"].as_array()? {
            let used = dependency["name"].as_str()?;
            let in_tests = dependency["kind"].as_str() == Some("dev");
            match (used.strip_prefix("fenghuo-"), in_tests) {
                (Some(ours), false) => member.ours.insert(ours.to_owned()),
                (Some(ours), true) => member.ours_in_tests.insert(ours.to_owned()),
                (None, false) => member.others.insert(used.to_owned()),
                (None, true) => false,
            };
        }
        members.push(member);
    }
    Some(members)
}

/// Where the members and the table differ, both ways: a table that promises more than there is lies too.
#[must_use]
pub fn check_table(table: &[(&str, &[&str])], members: &[Member]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (name, _) in table.iter().filter(|(name, _)| members.iter().all(|member| member.name != *name)) {
        complaints.push(format!("the table names the crate {name}, and there is none"));
    }
    for member in members {
        let name = &member.name;
        let Some((_, allowed)) = table.iter().find(|(row, _)| row == name) else {
            complaints.push(format!("the table does not name the crate {name}"));
            continue;
        };
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        let used: BTreeSet<&str> = member.ours.iter().map(String::as_str).filter(|used| *used != "model").collect();
        complaints.extend(used.difference(&allowed).map(|used| format!("{name} → {used} is not in the table")));
        complaints.extend(allowed.difference(&used).map(|row| format!("{name} → {row} is in the table only")));
        // Tests may look further, but not out of the pure half, and not from the truth to what it judges. What is only
        // for tests, the schemas as a check, is open to all of them.
        let in_tests = member.ours_in_tests.iter().map(String::as_str).filter(|used| *used != "schemas");
        let is_pure = PURE.contains(&name.as_str());
        let too_far = in_tests.filter(|used| is_pure && !PURE.contains(used) || name == "city" && *used == "correlate");
        complaints.extend(too_far.map(|used| format!("{name} → {used} is too far, even for tests")));
    }
    complaints
}

/// Which package uses which, of all that `Cargo.lock` names; several versions of one are taken together.
///
/// # Errors
/// The text is no lock file.
pub fn read_lock(text: &str) -> Result<BTreeMap<String, BTreeSet<String>>, ReadWorkspaceError> {
    let form = |what: &str| ReadWorkspaceError::Form(format!("Cargo.lock: {what}"));
    let lock: toml::Table = text.parse().map_err(|error: toml::de::Error| form(&error.to_string()))?;
    let packages = lock.get("package").and_then(toml::Value::as_array).ok_or_else(|| form("no packages"))?;
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages {
        let name = package.get("name").and_then(toml::Value::as_str).ok_or_else(|| form("a package without name"))?;
        let used = package.get("dependencies").and_then(toml::Value::as_array).into_iter().flatten();
        // "name" or, where there are several versions, "name version".
        let names = used.filter_map(toml::Value::as_str).filter_map(|entry| entry.split(' ').next());
        uses.entry(name.to_owned()).or_default().extend(names.map(str::to_owned));
    }
    Ok(uses)
}

/// Impure packages that a pure crate reaches, with the way there.
#[must_use]
pub fn check_purity(members: &[Member], lock: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut complaints = Vec::new();
    for member in members.iter().filter(|member| PURE.contains(&member.name.as_str())) {
        let mut seen = BTreeSet::new();
        let mut open: Vec<(&str, String)> =
            member.others.iter().map(|used| (used.as_str(), format!("{} → {used}", member.name))).collect();
        while let Some((package, way)) = open.pop() {
            if !seen.insert(package) {
                continue;
            }
            if IMPURE_PACKAGES.contains(&package) {
                complaints.push(format!("{way}: not in a pure crate"));
            }
            let further = lock.get(package).into_iter().flatten();
            open.extend(further.map(|used| (used.as_str(), format!("{way} → {used}"))));
        }
    }
    complaints
}

/// The crates that the code map names, each with its door: `### name`, and below it ``Door: `path` ``.
#[must_use]
pub fn read_map(text: &str) -> BTreeMap<String, Option<String>> {
    let mut map = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("### ") {
            map.insert(name.trim().to_owned(), None);
            current = Some(name.trim().to_owned());
        } else if line.starts_with('#') {
            current = None;
        } else if let Some(door) = line.strip_prefix("Door: `")
            && let Some(name) = &current
        {
            map.insert(name.clone(), door.split('`').next().map(str::to_owned));
        }
    }
    map
}

/// Where the code map and the crates differ; `exists` says whether a path below `crates/` does.
#[must_use]
pub fn check_map(text: &str, members: &[Member], exists: impl Fn(&str) -> bool) -> Vec<String> {
    let map = read_map(text);
    let mut complaints = Vec::new();
    for member in members.iter().filter(|member| !map.contains_key(&member.name)) {
        complaints.push(format!("the code map does not name the crate {}", member.name));
    }
    for (name, door) in &map {
        if members.iter().all(|member| member.name != *name) {
            complaints.push(format!("the code map names the crate {name}, and there is none"));
        } else if door.as_ref().is_none_or(|door| !exists(&format!("{name}/{door}"))) {
            complaints.push(format!("the door of {name} in the code map is no file: {door:?}"));
        }
    }
    complaints
}
