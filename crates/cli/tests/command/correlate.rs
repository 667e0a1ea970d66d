//! `fenghuo correlate`: signals in, decisions out, bad lines told, the summary last.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, Stdio};

use super::started::{Started, fenghuo, folder, run};

const REGISTRY: &str = r#"
{"type":"building","id":"B1","lon":113.75,"lat":23.02,"region":"dongguan-hongmei"}
{"type":"device","id":"D1","building":"B1","sensor":"smoke","location":"3F/301"}
{"type":"device","id":"D2","building":"B1","sensor":"smoke","location":"3F/302"}
"#;
const FIRST: &str = r#"{"device":"D1","kind":"fire","at":1795312682000}"#;
const SECOND: &str = r#"{"device":"D2","kind":"fire","at":1795312700000}"#;

/// Runs `fenghuo correlate` on the registry with further arguments.
fn correlate(args: &[&str], stdin: &str) -> Started {
    let folder = folder(&[("city.jsonl", REGISTRY)]);
    let registry = folder.path().join("city.jsonl").display().to_string();
    run(&[&["correlate", "--registry", &registry], args].concat(), stdin)
}

/// The kinds of the decisions, in their order.
fn kinds(stdout: &str) -> Vec<String> {
    let kind = |line: &str| {
        let decision: serde_json::Value = serde_json::from_str(line).unwrap();
        decision["decision"].as_str().unwrap().to_owned()
    };
    stdout.lines().map(kind).collect()
}

#[test]
fn lines_become_decisions_and_bad_ones_reasons() {
    let two = format!("{FIRST}\n{SECOND}\n");
    let tick = r#"{"tick":1795312712000}"#;
    // What stands on standard input; then the exit code, the decisions, what standard error says of bad lines, and
    // how the summary begins.
    for (args, stdin, code, decisions, bad, summary) in [
        (&[][..], String::new(), 0, "", "", r#"{"signals":0,"duplicates":0,"rejected":0,"incidents":0,"confirmed":0"#),
        (
            &[],
            two.clone(),
            0,
            "suspected confirmed",
            "",
            r#"{"signals":2,"duplicates":0,"rejected":0,"incidents":1,"confirmed":1"#,
        ),
        (&[], two.replace('\n', "\r\n\r\n"), 0, "suspected confirmed", "", r#"{"signals":2,"#),
        (&["--drain"], two.clone(), 0, "suspected confirmed closed", "", r#"{"signals":2,"#),
        (&["--drain"], FIRST.to_owned(), 0, "suspected verify escalated closed", "", r#"{"signals":1,"#),
        (&[], format!("{FIRST}\n{tick}\n"), 0, "suspected verify", "", r#"{"signals":1,"#),
        (&[], format!("{FIRST}\n{FIRST}\n"), 0, "suspected", "", r#"{"signals":2,"duplicates":1,"rejected":0,"#),
        (
            &[],
            format!(
                "{FIRST}\nfire!\n\n{{\"device\":\"D1\",\"kind\":\"blaze\"}}\n{SECOND}\n{{\"device\":\"D1\",\"kind\":\"fire\"}}"
            ),
            1,
            "suspected confirmed",
            "line 2: not a JSON object: expected ident at column 2\nline 4: unknown kind \"blaze\"\n\
             line 6: neither \"at\" nor \"received_at\" is a time that can be read\n",
            r#"{"signals":2,"duplicates":0,"rejected":3,"incidents":1,"confirmed":1"#,
        ),
    ] {
        let started = correlate(args, &stdin);
        assert_eq!(started.code, code, "{stdin}\n{started:?}");
        assert_eq!(kinds(&started.stdout).join(" "), decisions, "{stdin}");
        let (told, last) = started.stderr.trim_end().rsplit_once('\n').unwrap_or(("", started.stderr.trim_end()));
        assert_eq!(told, bad.trim_end(), "{stdin}");
        assert!(last.starts_with(summary) && last.ends_with('}'), "{stdin}\n{last}");
    }
}

#[test]
fn a_byte_order_mark_before_registry_policy_or_signals_is_passed_over() {
    let policy = "[incident]\nverify_after = \"1s\"\n";
    let mark = "\u{feff}";
    let folder =
        folder(&[("city.jsonl", &(mark.to_owned() + REGISTRY.trim())), ("policy.toml", &(mark.to_owned() + policy))]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (registry, policy) = (path("city.jsonl"), path("policy.toml"));
    for threads in ["1", "2"] {
        let args = ["correlate", "--registry", &registry, "--policy", &policy, "--threads", threads];
        let started = run(&args, format!("{mark}{FIRST}\n{SECOND}\n"));
        assert_eq!((started.code, kinds(&started.stdout).join(" ").as_str()), (0, "suspected verify confirmed"));
    }
}

#[test]
fn files_are_taken_one_after_the_other() {
    let folder = folder(&[("one.jsonl", &format!("{FIRST}\n")), ("two.jsonl", &format!("bad\n{SECOND}"))]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (one, two) = (path("one.jsonl"), path("two.jsonl"));
    let started = correlate(&[&one, &two], "");
    assert_eq!((started.code, kinds(&started.stdout).join(" ").as_str()), (1, "suspected confirmed"));
    assert!(started.stderr.starts_with(&format!("{two}: line 1: not a JSON object")), "{}", started.stderr);
}

#[test]
fn registry_and_policy_say_all_their_faults() {
    let folder = folder(&[
        (
            "city.jsonl",
            "{\"type\":\"building\",\"id\":\"B1\"}\n{\"type\":\"device\",\"id\":\"D1\",\"building\":\"B2\"}\n",
        ),
        ("policy.toml", "[dedup]\nhorizn = \"10m\"\n"),
    ]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (registry, policy) = (path("city.jsonl"), path("policy.toml"));
    let started = run(&["correlate", "--registry", &registry, "--policy", &policy], FIRST);
    assert_eq!((started.code, started.stdout.as_str()), (78, ""));
    for expected in [format!("{registry}:1: "), format!("{registry}:2: "), format!("{policy}:2: unknown key `horizn`")]
    {
        assert!(started.stderr.contains(&expected), "{expected}\n{}", started.stderr);
    }
}

/// The command on the registry, all of its streams piped.
fn started_on(registry: &str, threads: &str) -> Child {
    let mut command = fenghuo(&["correlate", "--registry", registry, "--threads", threads]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn a_decision_comes_out_while_the_input_pauses() {
    let folder = folder(&[("city.jsonl", REGISTRY)]);
    let registry = folder.path().join("city.jsonl").display().to_string();
    for threads in ["1", "2"] {
        let mut child = started_on(&registry, threads);
        let mut stdin = child.stdin.take().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        // Half of the next line is under way: that is no reason to hold back what is decided.
        for (text, decision) in
            [(format!("{FIRST}\n{{\"dev"), "suspected"), (SECOND[5..].to_owned() + "\n", "confirmed")]
        {
            stdin.write_all(text.as_bytes()).unwrap();
            let mut line = String::new();
            stdout.read_line(&mut line).unwrap();
            assert_eq!(kinds(&line), [decision]);
        }
        drop(stdin);
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let folder = folder(&[("city.jsonl", REGISTRY)]);
    let registry = folder.path().join("city.jsonl").display().to_string();
    for threads in ["1", "2"] {
        let mut child = started_on(&registry, threads);
        drop(child.stdout.take());
        // It ends though there might be more to read.
        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(format!("{FIRST}\n{SECOND}\n").as_bytes()).unwrap();
        let mut stderr = String::new();
        child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        assert_eq!((child.wait().unwrap().code(), stderr.as_str()), (Some(0), ""));
        drop(stdin);
    }
}
