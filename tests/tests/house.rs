//! Holds the order of the crates and the code map, and shows that each check can fail.

use std::collections::BTreeSet;
use std::fs;

use fenghuo_tests::house::{
    BESIDE, IMPURE_PACKAGES, Member, TABLE, check_beside, check_map, check_purity, check_table, read_beside, read_lock,
    read_members,
};
use fenghuo_tests::tree::root;

fn members() -> Vec<Member> {
    read_members(&root()).expect("cargo tells its metadata")
}

/// The workspace as it is, with one crate changed.
fn changed(name: &str, change: impl FnOnce(&mut Member)) -> Vec<Member> {
    let mut members = members();
    change(members.iter_mut().find(|member| member.name == name).expect("rows name crates that exist"));
    members
}

fn text(path: &str) -> String {
    fs::read_to_string(root().join(path)).expect("the checkout can be read")
}

#[test]
fn the_crates_use_each_other_as_the_table_says() {
    assert_eq!(check_table(TABLE, &members()), Vec::<String>::new());
}

#[test]
fn a_workspace_that_breaks_the_table_is_noticed() {
    let uses = |name: &str, used: &str| changed(name, |member| member.ours.extend([used.to_owned()]));
    let tests_use = |name: &str, used: &str| changed(name, |member| member.ours_in_tests.extend([used.to_owned()]));
    let nameless = Member { name: "common".to_owned(), ..Member::default() };
    for (members, expected) in [
        (uses("city", "correlate"), "city → correlate is not in the table"),
        (uses("model", "decode"), "model → decode is not in the table"),
        (uses("sinks", "engine"), "sinks → engine is not in the table"),
        (tests_use("city", "correlate"), "city → correlate is too far, even for tests"),
        (tests_use("correlate", "engine"), "correlate → engine is too far, even for tests"),
        (changed("engine", |member| member.ours = BTreeSet::new()), "engine → correlate is in the table only"),
        (changed("sinks", |member| member.name = "outlets".to_owned()), "the table names the crate sinks"),
        ([members(), vec![nameless]].concat(), "the table does not name the crate common"),
    ] {
        let complaints = check_table(TABLE, &members);
        assert!(complaints.iter().any(|complaint| complaint.starts_with(expected)), "{expected}\n--\n{complaints:?}");
    }
    let correlate_for_tests = tests_use("decode", "city");
    assert_eq!(check_table(TABLE, &correlate_for_tests), Vec::<String>::new());
}

#[test]
fn the_members_beside_the_crates_are_known_and_used_by_none() {
    let found = read_beside(&root()).expect("cargo tells its metadata");
    assert_eq!(check_beside(BESIDE, &found), Vec::<String>::new());
    assert_eq!(check_beside(&BESIDE[1..], &found), ["the list does not know bench-kafka in benches/kafka"]);
    assert_eq!(check_beside(BESIDE, &found[1..]), ["there is no member bench-kafka in benches/kafka"]);
    let uses_faults = changed("engine", |member| member.ours.extend(["faults".to_owned()]));
    assert_eq!(check_table(TABLE, &uses_faults), ["engine → faults is not in the table"]);
}

#[test]
fn the_pure_crates_reach_nothing_impure() {
    let lock = read_lock(&text("Cargo.lock")).expect("the lock file reads");
    assert_eq!(check_purity(&members(), &lock), Vec::<String>::new());
}

#[test]
fn an_impure_dependency_is_noticed_however_far_away() {
    let lock = read_lock(
        "[[package]]\nname = \"a\"\ndependencies = [\"b 1.0.0\"]\n[[package]]\nname = \"b\"\nversion = \"2.0.0\"\n\
         [[package]]\nname = \"b\"\nversion = \"1.0.0\"\ndependencies = [\"tokio\", \"a\"]\n",
    )
    .expect("it is a lock file");
    let with = |name: &str, used: &str| changed(name, |member| member.others = BTreeSet::from([used.to_owned()]));
    let expected = ["correlate → a → b → tokio: not in a pure crate"];
    assert_eq!(check_purity(&with("correlate", "a"), &lock), expected);
    assert_eq!(check_purity(&with("engine", "a"), &lock), Vec::<String>::new());
    for package in IMPURE_PACKAGES {
        assert_eq!(check_purity(&with("decode", package), &lock).len(), 1, "{package}");
    }
    assert!(read_lock("package = 1").is_err());
}

#[test]
fn the_code_map_names_the_crates_there_are() {
    let exists = |path: &str| root().join("crates").join(path).is_file();
    assert_eq!(check_map(&text("crates/README.md"), &members(), exists), Vec::<String>::new());
}

#[test]
fn a_wrong_code_map_is_noticed() {
    let one = [Member { name: "model".to_owned(), ..Member::default() }];
    for (map, expected) in [
        ("# Map\n### model\nDoor: `src/lib.rs`.\n", 0),
        ("# Map\n", 1),
        ("### model\n", 1),
        ("### model\nDoor: `src/gone.rs`\n", 1),
        ("### model\nDoor: `src/lib.rs`\n### types\nDoor: `src/lib.rs`\n", 1),
    ] {
        let complaints = check_map(map, &one, |path| path == "model/src/lib.rs");
        assert_eq!(complaints.len(), expected, "{map}: {complaints:?}");
    }
}
