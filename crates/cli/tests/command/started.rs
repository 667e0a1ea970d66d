//! Starts the built command and says what came of it.

use std::io::Write;
use std::process::{Command, Stdio};

use fenghuo_schemas::faults_by;

/// What came of a command.
#[derive(Debug)]
pub struct Started {
    /// The exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// The command, in English and without the settings of whoever runs the test.
pub fn fenghuo(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fenghuo"));
    command.args(args).env_remove("FENGHUO_LOG").env("LC_ALL", "C.UTF-8");
    command
}

/// Runs the command to its end with that on its standard input.
pub fn run(args: &[&str], stdin: impl AsRef<[u8]>) -> Started {
    let mut child = fenghuo(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary is built before its tests");
    let mut input = child.stdin.take().unwrap();
    let bytes = stdin.as_ref().to_vec();
    // It may end before it has read everything; that is its own affair.
    let writer = std::thread::spawn(move || drop(input.write_all(&bytes)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let started = Started {
        code: output.status.code().expect("no signal ended it"),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    };
    started.check_by_schema(args);
    started
}

/// So many lines of one output are held against their schema, evenly spread; it takes longer than to write them.
const LINES_BY_SCHEMA: usize = 1_000;

impl Started {
    /// Holds the decisions that `correlate` wrote, and the signals that `decode` wrote, against their schemas.
    fn check_by_schema(&self, args: &[&str]) {
        let schema = match args {
            [.., "--help" | "-h"] => return,
            ["correlate", ..] => "decision",
            ["decode", ..] => "signal",
            _ => return,
        };
        let step = self.stdout.lines().count() / LINES_BY_SCHEMA + 1;
        for line in self.stdout.lines().step_by(step).filter(|line| !line.starts_with("{\"rejected\":")) {
            let faults = faults_by(schema, &serde_json::from_str(line).unwrap());
            assert!(faults.is_empty(), "{line}\n{faults:?}");
        }
    }
}

/// A folder with these files.
pub fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}
