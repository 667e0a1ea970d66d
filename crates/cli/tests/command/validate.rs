//! `fenghuo validate`: whether registry and policy fit each other.

use super::started::{folder, run};

const REGISTRY: &str = r#"{"type":"building","id":"B1","lon":113.75,"lat":23.02,"premises":"rental"}
{"type":"device","id":"D1","building":"B1","sensor":"smoke","location":"301"}
{"type":"device","id":"D2","building":"B1","sensor":"heat","location":"302"}"#;

#[test]
fn findings_decide_the_exit_code() {
    let fits = "[[rule]]\nid = \"two\"\nwindow = \"2m\"\nmin_locations = 2\n";
    let rooms = "[[rule]]\nid = \"three\"\nwindow = \"2m\"\nmin_locations = 3\n";
    let never = "[[rule]]\nid = \"three\"\nwindow = \"2m\"\nmin_locations = 3\nkinds = [\"fire\"]\n";
    for (policy, more, code, findings) in [
        (fits, &[][..], 0, 0),
        (rooms, &[], 0, 1),
        (rooms, &["--deny-warnings"], 1, 1),
        (never, &[], 1, 1),
        ("[[rule]]\n", &[], 78, 0),
    ] {
        let folder = folder(&[("city.jsonl", REGISTRY), ("policy.toml", policy)]);
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (registry, policy_file) = (path("city.jsonl"), path("policy.toml"));
        let mut args = vec!["validate", "--registry", &registry, "--policy", &policy_file];
        args.extend(more);
        let checked = run(&args, "");
        assert_eq!((checked.code, checked.stdout.lines().count()), (code, findings), "{policy}: {checked:?}");
        args.extend(["--format", "json"]);
        for line in run(&args, "").stdout.lines() {
            let finding: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!((&finding["file"], &finding["line"]), (&policy_file.as_str().into(), &1.into()), "{line}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_policy_that_can_be_read_only_once_is_enough() {
    let folder = folder(&[("city.jsonl", REGISTRY)]);
    let registry = folder.path().join("city.jsonl").display().to_string();
    // A byte order mark does not move the lines either.
    let policy = "\u{feff}\n\n[[rule]]\nid = \"three\"\nwindow = \"2m\"\nmin_locations = 3\n";
    let checked = run(&["validate", "--registry", &registry, "--policy", "/dev/stdin"], policy);
    assert_eq!(checked.code, 0, "{checked:?}");
    assert!(checked.stdout.starts_with("/dev/stdin:3: warning: "), "{checked:?}");
}
