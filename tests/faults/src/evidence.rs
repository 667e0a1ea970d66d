//! What explains a round that failed: examples, members' logs, and what brokers know of a transaction that stays open.

use std::path::{Path, PathBuf};
use std::process::Command;

use fenghuo_tests::broker::script;
use fenghuo_tests::trouble::Trouble;

use crate::cluster::{Cluster, NODES};
use crate::judge::Examples;
use crate::record::Record;

/// Keeps in `folder` what was found, and the logs that members wrote in `stage`.
///
/// # Errors
/// It cannot be kept.
pub fn keep(folder: &Path, stage: &Path, record: &Record, examples: &Examples) -> Result<(), Trouble> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("examples.txt"), examples.0.join("\n") + "\n")?;
    std::fs::write(folder.join("round.txt"), format!("{record:#?}\n"))?;
    for path in logs(stage)? {
        std::fs::copy(&path, folder.join(path.file_name().unwrap_or_default()))?;
    }
    Ok(())
}

/// The logs that members wrote.
///
/// # Errors
/// The folder cannot be read.
pub fn logs(stage: &Path) -> Result<Vec<PathBuf>, Trouble> {
    let mut logs = Vec::new();
    for found in std::fs::read_dir(stage)? {
        let path = found?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            logs.push(path);
        }
    }
    Ok(logs)
}

/// Keeps in `folder` what the brokers know of a transaction that is open on a partition: what Kafka's own tools
/// say, their logs, and the bytes of the partition and of the transactions' own topic.
///
/// # Errors
/// It cannot be kept.
pub fn keep_transaction(folder: &Path, cluster: &Cluster, topic: &str, partition: usize) -> Result<(), Trouble> {
    let partition = partition.to_string();
    let mut said = String::new();
    for question in [&["describe-producers", "--topic", topic, "--partition", &partition] as &[&str], &["list"]] {
        let arguments = [&["transactions", "--bootstrap-server", cluster.brokers()], question].concat();
        let output = Command::new(script()).arg("tool").args(&arguments).output()?;
        let (out, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        said += &format!("{arguments:?}\n{out}{error}\n");
    }
    std::fs::write(folder.join("transactions.txt"), said)?;
    for node in 1..=NODES {
        let (from, to) = (cluster.folder_of(node), folder.join(format!("node-{node}")));
        std::fs::create_dir_all(&to)?;
        std::fs::copy(from.join("log"), to.join("log"))?;
        for kept in std::fs::read_dir(from.join("data"))? {
            let kept = kept?.file_name().to_string_lossy().into_owned();
            if kept == format!("{topic}-{partition}") || kept.starts_with("__transaction_state-") {
                let (from, to) = (from.join("data").join(&kept), to.join(&kept));
                let copied = Command::new("cp").arg("-rT").arg(from).arg(to).output()?;
                if !copied.status.success() {
                    return Err(Trouble::from(String::from_utf8_lossy(&copied.stderr).into_owned()));
                }
            }
        }
    }
    Ok(())
}
