//! The built programs as real processes: started, watched, asked to end, or killed.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// The folder of what cargo built beside this test; built now unless `FENGHUO_TEST_BUILT` says that it just was.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let targets = [["-p", "fenghuo-cli", "--bin", "fenghuo"], ["-p", "fenghuo-sinks", "--example", "subscriber"]];
        for target in targets.iter().filter(|_| std::env::var_os("FENGHUO_TEST_BUILT").is_none()) {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
            let built = Command::new(env!("CARGO")).args(["build", "--quiet"]).args(target).current_dir(root).status();
            assert!(built.unwrap().success(), "{target:?} was not built");
        }
        // The test itself is <folder>/deps/<name>.
        std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned()
    })
}

/// The `fenghuo` command.
pub fn fenghuo() -> Command {
    Command::new(built().join("fenghuo"))
}

/// The example of a subscriber.
pub fn subscriber() -> Command {
    Command::new(built().join("examples/subscriber"))
}

/// A `fenghuo run`, killed if it is dropped.
pub struct Member {
    child: Child,
    log: PathBuf,
}

impl Member {
    /// Starts one, whose log goes to a file in `folder`.
    pub fn start(folder: &Path, name: &str, config: &Path, role: &str) -> Self {
        let log = folder.join(format!("{name}.log"));
        let child = fenghuo()
            .args(["run", "--role", role, "--config"])
            .arg(config)
            .stderr(Stdio::from(File::create(&log).unwrap()))
            .spawn()
            .unwrap();
        Self { child, log }
    }

    /// What it said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// Sends it a signal, such as STOP.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args(["-s", name]).arg(self.child.id().to_string()).status().unwrap();
        assert!(sent.success(), "{name}");
    }

    /// Ends it as a crash would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to end, and waits until it has.
    pub fn end(mut self) -> ExitStatus {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(asked.success());
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
