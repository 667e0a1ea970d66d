//! The cluster that all rounds share: three brokers of our own, a proxy in front of each, and one disk that can fill.
//!
//! The last broker's folder is a file system in memory where the system lets us mount one; else that fault is skipped,
//! and says so. Everything is stopped and removed with it.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use fenghuo_tests::broker::script;
use fenghuo_tests::topics::Topics;
use fenghuo_tests::trouble::Trouble;

use crate::proxy::Proxy;

/// How many brokers there are.
pub const NODES: u16 = 3;
/// How much the last broker's disk holds, MiB.
const DISK_MIB: u32 = 2_048;
/// How often a disk that is written to is measured and resized until both are one.
const RESIZES: u32 = 20;
/// A broker that died is forgotten, and a member's session over, sooner than by default: rounds are short.
const SETTINGS: &str =
    "broker.session.timeout.ms=3000 broker.heartbeat.interval.ms=500 group.min.session.timeout.ms=1000";

/// A running cluster.
pub struct Cluster {
    folder: tempfile::TempDir,
    addresses: String,
    disk: Option<PathBuf>,
    /// The proxies of its brokers.
    pub proxy: Proxy,
    /// Its topics, read past the proxies.
    pub topics: Topics,
}

impl Cluster {
    /// Starts it; `seed` says where ports are looked for.
    ///
    /// # Errors
    /// The brokers do not start.
    pub fn start(seed: u16) -> Result<Self, Trouble> {
        let folder = tempfile::Builder::new().prefix("fenghuo-faults-").tempdir()?;
        let disk = mount(&folder.path().join(format!("kafka/node-{NODES}")))?;
        let proxy = Proxy::bind(NODES, seed)?;
        let (nodes, port) = (NODES.to_string(), proxy.first_port().to_string());
        let started = kafka(folder.path(), &["start", "--nodes", &nodes, "--advertise", &port]);
        let addresses = match started {
            Ok(output) => String::from_utf8_lossy(&output.stdout).trim().to_owned(),
            Err(trouble) => {
                unmount(disk.as_deref());
                return Err(trouble);
            }
        };
        let topics = Topics::new(&addresses)?;
        let cluster = Self { folder, addresses, disk, proxy, topics };
        cluster.proxy.carry_to(cluster.first_port()? + 2 * NODES)?;
        Ok(cluster)
    }

    fn first_port(&self) -> Result<u16, Trouble> {
        let first = self.addresses.split(',').next().and_then(|address| address.rsplit(':').next());
        first.and_then(|port| port.parse().ok()).ok_or_else(|| Trouble::from("the brokers have no address"))
    }

    /// The brokers themselves, host:port, separated by commas.
    pub fn brokers(&self) -> &str {
        &self.addresses
    }

    /// Ends a broker (from 1) as a crash would.
    ///
    /// # Errors
    /// It does not run.
    pub fn kill_node(&self, node: u16) -> Result<(), Trouble> {
        self.kafka(&["kill-node", &node.to_string()]).map(drop)
    }

    /// Starts all brokers that do not run, and waits until all answer.
    ///
    /// # Errors
    /// One does not within the script's limit.
    pub fn start_all(&self) -> Result<(), Trouble> {
        self.kafka(&["start"]).map(drop)
    }

    fn kafka(&self, arguments: &[&str]) -> Result<Output, Trouble> {
        kafka(self.folder.path(), arguments)
    }

    /// The folder of a broker (from 1): its log, and its data in `data/`.
    pub fn folder_of(&self, node: u16) -> PathBuf {
        self.folder.path().join(format!("kafka/node-{node}"))
    }

    /// Whether a broker (from 1) accepts connections.
    pub fn answers(&self, node: u16) -> bool {
        let port = self.first_port().map(|port| port + node - 1);
        port.is_ok_and(|port| TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())
    }

    /// Whether the last broker's disk can be filled.
    pub fn has_disk(&self) -> bool {
        self.disk.is_some()
    }

    /// Fills the last broker's disk to the last page, or gives it the room of the beginning.
    ///
    /// # Errors
    /// The system refuses.
    pub fn fill_disk(&self, full: bool) -> Result<(), Trouble> {
        let disk = self.disk.as_deref().ok_or_else(|| Trouble::from("no disk of its own"))?;
        let mut refused = String::new();
        for _ in 0..RESIZES {
            let used = Command::new("df").args(["--output=used", "-B1"]).arg(disk).output()?;
            let used = String::from_utf8_lossy(&used.stdout);
            let used: u64 = used.lines().nth(1).and_then(|line| line.trim().parse().ok()).unwrap_or_default();
            let size = if full { used } else { u64::from(DISK_MIB) << 20 };
            let remount = Command::new("mount").args(["-o", &format!("remount,size={size}")]).arg(disk).output()?;
            if remount.status.success() {
                return Ok(());
            }
            // More was written in between.
            refused = String::from_utf8_lossy(&remount.stderr).into_owned();
        }
        Err(Trouble::from(format!("the disk was not resized: {refused}")))
    }
}

fn kafka(folder: &Path, arguments: &[&str]) -> Result<Output, Trouble> {
    let mut command = Command::new(script());
    let heap = std::env::var("KAFKA_HEAP_OPTS").unwrap_or_else(|_| "-Xms128m -Xmx384m".to_owned());
    command.env("KAFKA_SETTINGS", SETTINGS).env("KAFKA_HEAP_OPTS", heap);
    let output = command.args(arguments).arg("--dir").arg(folder.join("kafka")).output()?;
    if output.status.success() {
        return Ok(output);
    }
    Err(Trouble::from(format!("kafka {arguments:?}: {}", String::from_utf8_lossy(&output.stderr))))
}

/// A file system in memory at `folder`; nothing if the system does not let us.
fn mount(folder: &Path) -> Result<Option<PathBuf>, Trouble> {
    std::fs::create_dir_all(folder)?;
    let size = format!("size={DISK_MIB}m");
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder).output();
    if mounted.is_ok_and(|mounted| mounted.status.success()) {
        return Ok(Some(folder.to_owned()));
    }
    std::fs::remove_dir(folder)?;
    std::fs::remove_dir(folder.parent().unwrap_or(folder))?;
    Ok(None)
}

fn unmount(disk: Option<&Path>) {
    if let Some(disk) = disk {
        // What cannot be unmounted now goes with the machine's next start; there is nobody left to tell.
        let _ = Command::new("umount").arg(disk).output();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = self.kafka(&["stop"]);
        unmount(self.disk.as_deref());
    }
}
