//! Exit codes and messages of what was typed wrongly, and of files and brokers that are not there.

use super::started::run;

#[test]
fn what_cannot_work_says_why_and_ends_with_its_code() {
    for (args, code, stderr) in [
        (&["--help"][..], 0, ""),
        (&["--version"], 0, ""),
        (&[], 2, "Usage: fenghuo"),
        (&["extinguish"], 2, "unrecognized subcommand 'extinguish'"),
        (&["correlate"], 2, "--registry <FILE>"),
        (&["decode", "--format", "morse"], 2, "unknown format \"morse\"; there are: signal, gb26875, ctwing"),
        (&["decode", "--format", "dc09"], 2, "format \"dc09\" comes with a later release"),
        (&["decode", "--format", "onenet"], 2, "comes with a later release"),
        (&["decode", "--format", "huawei"], 2, "comes with a later release"),
        (&["decode", "--format", "jetlinks"], 2, "comes with a later release"),
        (&["decode", "--format", "signal", "--utc-offset", "8"], 2, "an offset looks like +08:00"),
        (&["decode", "--format", "signal", "--whole", "--timestamped"], 2, "cannot be used with"),
        (&["policy", "--time-zone", "Asia/Atlantis"], 2, "no such time zone"),
        (&["policy", "--language", "tlh"], 2, "possible values: zh, en"),
        (&["demo", "--hours=-1"], 2, "--hours"),
        (&["simulate"], 2, "--out <DIR>"),
        (&["simulate", "--out", "a", "--speed=-1"], 2, "--speed"),
        (&["policy", "no/such/policy.toml"], 74, "no/such/policy.toml: No such file"),
        (&["correlate", "--registry", "no/such/city.jsonl"], 74, "no/such/city.jsonl: No such file"),
        (&["decode", "--format", "signal", "no/such/records"], 74, "no/such/records: No such file"),
        // Nobody listens on the port of tcpmux.
        (&["simulate", "--brokers", "127.0.0.1:1"], 69, "no broker answers: 127.0.0.1:1: Connection refused"),
    ] {
        let started = run(args, "");
        assert_eq!(started.code, code, "{args:?}: {started:?}");
        assert!(started.stderr.contains(stderr), "{args:?}: {started:?}");
    }
}

#[test]
fn every_command_explains_itself() {
    for command in [
        "demo",
        "run",
        "topics",
        "config",
        "decode",
        "correlate",
        "explain",
        "policy",
        "validate",
        "backtest",
        "simulate",
    ] {
        let started = run(&[command, "--help"], "");
        assert_eq!(started.code, 0);
        assert!(started.stdout.contains("Examples:"), "{command}");
    }
}
