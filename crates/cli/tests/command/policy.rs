//! `fenghuo policy`: the default text, and what is wrong with one's own.

use super::started::{folder, run};

#[test]
fn the_default_policy_is_printed_as_it_stands_and_passes_its_own_check() {
    let printed = run(&["policy"], "");
    assert_eq!((printed.code, printed.stdout.as_str()), (0, fenghuo_model::policy::DEFAULT_TEXT));
    let folder = folder(&[("policy.toml", &printed.stdout)]);
    let file = folder.path().join("policy.toml").display().to_string();
    let checked = run(&["policy", &file], "");
    let expected = format!("{}  {file}\n", fenghuo_model::Policy::default().hash());
    assert_eq!((checked.code, checked.stdout), (0, expected));
}

#[test]
fn all_faults_are_said_at_once() {
    let folder = folder(&[("policy.toml", "[dedup]\nhorizn = \"10m\"\n[clock]\nmax_behind = 120\n")]);
    let file = folder.path().join("policy.toml").display().to_string();
    let checked = run(&["policy", &file], "");
    assert_eq!((checked.code, checked.stdout.as_str()), (78, ""));
    for expected in [
        format!(
            "{file}:2: unknown key `horizn` in [dedup]; did you mean `horizon`?\n    horizn = \"10m\"\n    ^^^^^^\n"
        ),
        format!("{file}:4: `max_behind` is a duration"),
    ] {
        assert!(checked.stderr.contains(&expected), "{}", checked.stderr);
    }
}
