//! The built programs as real processes: started, watched, stopped, asked to end, or killed.

use std::fs::{File, OpenOptions};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crate::trouble::Trouble;

/// The folder of what cargo built beside this program. A test builds it now, unless `FENGHUO_TEST_BUILT` says that it
/// just was; a program of its own takes what is there.
///
/// # Panics
/// It cannot be built.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        // A test is <folder>/deps/<name>, a program <folder>/<name>.
        let program = std::env::current_exe().expect("a running program has a path");
        let folder = program.parent().expect("a program stands in a folder");
        if !folder.ends_with("deps") {
            return folder.to_owned();
        }
        // The whole workspace's features, or librdkafka would be built a second time.
        let targets = [["--workspace", "--bin", "fenghuo"], ["--workspace", "--example", "subscriber"]];
        for target in targets.iter().filter(|_| std::env::var_os("FENGHUO_TEST_BUILT").is_none()) {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
            let built = Command::new(env!("CARGO")).args(["build", "--quiet"]).args(target).current_dir(root).status();
            assert!(built.is_ok_and(|status| status.success()), "{target:?} was not built");
        }
        folder.parent().expect("deps has a parent").to_owned()
    })
}

/// The `fenghuo` command.
#[must_use]
pub fn fenghuo() -> Command {
    Command::new(built().join("fenghuo"))
}

/// Whether the `fenghuo` command has been built.
#[must_use]
pub fn is_built() -> bool {
    built().join("fenghuo").is_file()
}

/// The example of a subscriber.
#[must_use]
pub fn subscriber() -> Command {
    Command::new(built().join("examples/subscriber"))
}

/// A `fenghuo run`, killed if it is dropped.
pub struct Member {
    child: Child,
    log: PathBuf,
}

/// The memory of a process, MiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// The most that it ever held.
    pub most: u64,
    /// Its address space, held or not.
    pub address_space: u64,
}

impl Member {
    /// Starts one, whose log goes to a file in `folder`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn start(folder: &Path, name: &str, config: &Path, role: &str) -> Result<Self, Trouble> {
        let mut command = fenghuo();
        command.args(["run", "--role", role, "--config"]).arg(config);
        Self::spawn(command, folder, name)
    }

    /// Starts a prepared command, whose log is appended to a file in `folder`.
    ///
    /// # Errors
    /// It cannot be started.
    pub fn spawn(mut command: Command, folder: &Path, name: &str) -> Result<Self, Trouble> {
        let log = folder.join(format!("{name}.log"));
        let file: File = OpenOptions::new().create(true).append(true).open(&log)?;
        Ok(Self { child: command.stdin(Stdio::null()).stderr(Stdio::from(file)).spawn()?, log })
    }

    /// What it said.
    #[must_use]
    pub fn log(&self) -> String {
        std::fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// Where it says it.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.log.clone()
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// The system does not know it.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>, Trouble> {
        Ok(self.child.try_wait()?)
    }

    /// Sends it a signal by its name, such as `STOP` or `CONT`.
    ///
    /// # Errors
    /// It could not be sent.
    pub fn signal(&self, name: &str) -> Result<(), Trouble> {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status()?;
        if sent.success() { Ok(()) } else { Err(Trouble::from(format!("SIG{name} was not sent"))) }
    }

    /// What memory it has; nothing once it has ended.
    #[must_use]
    pub fn memory_mib(&self) -> Option<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim().trim_end_matches(" kB").parse::<u64>().ok()
        };
        Some(Memory { most: field("VmHWM:")? / 1024, address_space: field("VmSize:")? / 1024 })
    }

    /// Ends it as a crash would.
    pub fn kill(mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// It does not within two minutes.
    pub fn end(mut self) -> Result<ExitStatus, Trouble> {
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        self.signal("TERM")?;
        self.wait()
    }

    /// Waits until it has ended, without asking it to: a second request would end it at once.
    ///
    /// # Errors
    /// It does not within two minutes.
    pub fn wait(mut self) -> Result<ExitStatus, Trouble> {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                return Err(Trouble::from(format!("it does not end:\n{}", self.log())));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// Whether a process ended by SIGKILL.
#[must_use]
pub fn was_killed(status: ExitStatus) -> bool {
    status.signal() == Some(9)
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
