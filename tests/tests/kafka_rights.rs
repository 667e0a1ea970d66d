//! A broker that keeps access lists: whoever lacks a right does not start, ends with 77, and is told which right.

// Support functions fail the test that calls them, and say where.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use fenghuo_city::{City, Plan};
use fenghuo_tests::processes::{Member, fenghuo};
use fenghuo_tests::stage::{Shape, Stage};

const AUTHORIZER: &str = "authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer \
                          allow.everyone.if.no.acl.found=true";

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/kafka/kafka")
}

/// A broker of its own, stopped with it.
struct Guarded {
    folder: tempfile::TempDir,
    address: String,
}

impl Guarded {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut start = Command::new(script());
        start.args(["start", "--dir"]).arg(folder.path()).env("KAFKA_SETTINGS", AUTHORIZER);
        let output = start.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let address = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        Self { folder, address }
    }

    fn access(&self, what: &str, rule: &[&str]) {
        let mut tool = Command::new(script());
        tool.args(["tool", "acls", "--bootstrap-server", &self.address, what, "--deny-principal", "User:ANONYMOUS"]);
        // Taking back asks before it does.
        tool.args(if what == "--remove" { &["--force"][..] } else { &[] }).args(rule);
        let output = tool.output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let stopped = Command::new(script()).args(["stop", "--dir"]).arg(self.folder.path()).status();
        assert!(stopped.is_ok_and(|status| status.success()) || std::thread::panicking());
    }
}

#[test]
fn a_missing_right_is_named() {
    let broker = Guarded::start();
    let city = City::new(&Plan::clear_cut(3));
    let shape = Shape { partitions: 1, replication: 1, forward: "all" };
    let stage = Stage::set(&broker.address, &broker.address, &city, "guarded", shape).unwrap();
    let (dispatch, signals, group) = (stage.topic("dispatch"), stage.topic("signals"), stage.group("correlate"));
    for (rule, role, told) in [
        (
            &["--transactional-id", "guarded", "--resource-pattern-type", "prefixed", "--operation", "Write"][..],
            "correlate",
            "transactional ids that begin with kafka.group",
        ),
        (&["--group", &group, "--operation", "Read"], "correlate", "READ on the consumer groups"),
        (&["--topic", &dispatch, "--operation", "Describe"], "correlate", "DESCRIBE"),
        (&["--topic", &signals, "--operation", "Read"], "correlate", "READ on raw, signals"),
    ] {
        broker.access("--add", rule);
        let mut member = Member::start(stage.path(), "member", &stage.config, role).unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        let status = loop {
            if let Some(status) = member.ended().unwrap() {
                break status;
            }
            assert!(Instant::now() < deadline, "{rule:?}: it goes on\n{}", member.log());
            std::thread::sleep(Duration::from_millis(50));
        };
        let log = member.log();
        assert_eq!(status.code(), Some(77), "{rule:?}\n{log}");
        assert!(log.contains(told), "{rule:?}\n{log}");
        broker.access("--remove", rule);
        std::fs::remove_file(stage.path().join("member.log")).unwrap();
    }
    let checked = fenghuo().args(["topics", "--config"]).arg(&stage.config).output().unwrap();
    assert!(checked.status.success(), "all rights are back: {checked:?}");
}
