//! What a bench decides is what `fenghuo correlate` decides: the hash that benches print, of a small load, beside that
//! of the command's lines on the same input.

use std::io::Write;
use std::process::Stdio;

use fenghuo_benches::Fingerprint;
use fenghuo_benches::load::{as_inputs, device_names, mix, registry_text};
use fenghuo_correlate::Correlator;
use fenghuo_model::{Policy, Registry};
use fenghuo_tests::processes::fenghuo;

#[test]
fn a_bench_hashes_what_the_command_prints() {
    let text = registry_text(200);
    let registry = Registry::from_json_lines("city", text.as_bytes()).unwrap();
    let signals = mix(&device_names(&registry), 3_000, 20);
    let lines: String = signals.iter().map(|signal| signal.to_json() + "\n").collect();

    let mut correlator = Correlator::new(registry.into(), Policy::default().into());
    let mut decisions = Vec::new();
    for input in as_inputs(signals) {
        correlator.take(&input, &mut decisions).unwrap();
    }
    assert!(decisions.len() > 50, "{}", decisions.len());

    let folder = tempfile::tempdir().unwrap();
    let city = folder.path().join("city.jsonl");
    std::fs::write(&city, text).unwrap();
    let mut command = fenghuo();
    command.args(["correlate", "--registry"]).arg(&city).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut running = command.spawn().unwrap();
    running.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let printed = running.wait_with_output().unwrap();
    assert!(printed.status.success());
    let mut expected = Fingerprint::default();
    String::from_utf8(printed.stdout).unwrap().lines().for_each(|line| expected.take(line));
    assert_eq!(Fingerprint::of_decisions(&decisions), expected);
}
