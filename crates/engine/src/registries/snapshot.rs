//! The snapshot beside a registry's file: a member that starts again has its registry back in a fraction of the time.
//!
//! It says of which file it was made: size, inode and both times of change. Where anything of that is not so, or the
//! snapshot is damaged or another release's, the JSON is read. None is made of a file that was written seconds ago:
//! times of files move in ticks, and a second write within one would leave no trace. A member that has read the JSON
//! writes it while it goes on; where it cannot be written, the next start is as slow as this one.

use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use fenghuo_model::Registry;
use fenghuo_model::registry::VERSION_DIGITS;
use fenghuo_model::registry::snapshot::label_of;

use super::{Version, beside, put_whole};

/// Below so many bytes of JSON a snapshot saves nothing that anybody would notice: about 200,000 devices.
pub const WORTH_IT_BYTES: u64 = 32 * 1024 * 1024;

/// A file that was written later than this ago may be written again within the same tick of its times.
const SETTLED_AFTER: Duration = Duration::from_secs(3);
/// What somebody who ended meanwhile has left is removed after this.
const LEFT_AFTER: Duration = Duration::from_secs(60);
/// The label stands within so many bytes of the beginning.
const LABEL_BYTES: u64 = 4096;
/// How the name of a snapshot ends that is being written.
const UNFINISHED: &str = ".unfinished";

/// Of a file what changes whenever it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(String);

impl Stamp {
    /// That of a file, by what the system says of it.
    #[must_use]
    pub fn of(file: &Metadata) -> Self {
        let (size, inode) = (file.len(), file.ino());
        let times = [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()];
        let [modified, modified_ns, changed, changed_ns] = times;
        Self(format!("{size} {inode} {modified}.{modified_ns:09} {changed}.{changed_ns:09}"))
    }

    /// What a snapshot of a version in that file is labelled.
    fn label(&self, version: &str) -> String {
        format!("{version} {}", self.0)
    }

    /// The version that a label of this very file names.
    fn version_in<'l>(&self, label: &'l str) -> Option<&'l str> {
        let (version, stamp) = label.split_once(' ')?;
        (stamp == self.0 && version.len() == VERSION_DIGITS).then_some(version)
    }
}

/// A snapshot that is worth writing.
#[derive(Debug, Clone)]
pub struct Due {
    path: PathBuf,
    stamp: Stamp,
}

impl Due {
    /// Of a file that was read as a whole: `before` and `after` are what the system said of it.
    #[must_use]
    pub fn of(path: &Path, before: &Metadata, after: &Metadata) -> Option<Self> {
        let stamp = Stamp::of(before);
        // What was read of a file that changed meanwhile may be neither of its versions.
        let is_whole = stamp == Stamp::of(after) && after.len() >= WORTH_IT_BYTES;
        let changed = u64::try_from(after.ctime()).map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        let written = after.modified().ok().into_iter().chain(changed.ok()).max();
        let is_settled = written.is_some_and(|at| at.elapsed().is_ok_and(|ago| ago >= SETTLED_AFTER));
        (is_whole && is_settled).then(|| Self { path: path.to_owned(), stamp })
    }
}

/// Where the snapshot of the registry in `path` lies.
#[must_use]
pub fn place(path: &Path) -> PathBuf {
    beside(path, "snapshot")
}

/// The version in `path`, from its snapshot; nothing if there is none of this very file.
#[must_use]
pub fn read(path: &Path, stamp: &Stamp) -> Option<Version> {
    let place = place(path);
    let mut file = File::open(&place).ok()?;
    // Of one that is of another file, no more than that is read.
    let mut bytes = Vec::new();
    file.by_ref().take(LABEL_BYTES).read_to_end(&mut bytes).ok()?;
    let name: Arc<str> = label_of(&bytes).and_then(|label| stamp.version_in(label))?.into();
    bytes.reserve(usize::try_from(file.metadata().ok()?.len()).ok()?);
    file.read_to_end(&mut bytes).ok()?;
    match Registry::from_snapshot(&bytes) {
        Ok(registry) => Some(Version { name, registry: Arc::new(registry) }),
        Err(reason) => {
            tracing::warn!(snapshot = %place.display(), %reason, "the registry is read from its JSON");
            None
        }
    }
}

/// Writes the snapshot of a version that was read from `path` while its stamp was this one; it is there as a whole or
/// not.
///
/// # Errors
/// It cannot be written.
pub fn write(path: &Path, stamp: &Stamp, version: &Version) -> io::Result<()> {
    let place = place(path);
    let unfinished = beside(&place, &format!("{}{UNFINISHED}", process::id()));
    remove_left(&place);
    let written = put_whole(&place, &unfinished, |file| {
        // Names and numbers of people are no more for everybody's eyes here than there.
        file.set_permissions(fs::metadata(path)?.permissions())?;
        // It comes in large pieces.
        version.registry.write_snapshot(&stamp.label(&version.name), file)
    });
    if written.is_err() {
        // What is there of it is of no use; if it cannot be removed either, that is what was said.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// Removes what others that ended meanwhile have left.
fn remove_left(place: &Path) {
    let Some((folder, name)) = place.parent().zip(place.file_name().and_then(|name| name.to_str())) else { return };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let is_left = entry.file_name().to_str().is_some_and(|other| {
            other.strip_prefix(name).is_some_and(|rest| rest.starts_with('.') && rest.ends_with(UNFINISHED))
        });
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let is_old = written.is_ok_and(|at| at.elapsed().is_ok_and(|ago| ago >= LEFT_AFTER));
        if is_left && is_old {
            // Somebody else may have done so.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Writes it while the process goes on.
pub fn write_meanwhile(due: Due, version: &Version) {
    let (Due { path, stamp }, version) = (due, version.clone());
    let work = move || match write(&path, &stamp, &version) {
        Ok(()) => tracing::info!(snapshot = %place(&path).display(), "written; the next start is faster"),
        Err(reason) => {
            tracing::info!(snapshot = %place(&path).display(), %reason, "no snapshot of the registry was written");
        }
    };
    // Nobody waits for it: without a thread for it there is no snapshot.
    drop(thread::Builder::new().name("snapshot".to_owned()).spawn(work));
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const ONE: &str = "{\"type\":\"building\",\"id\":\"B1\",\"lon\":113.75,\"lat\":23.02}\n";
    const TWO: &str = "{\"type\":\"building\",\"id\":\"B2\",\"lon\":113.75,\"lat\":23.02}\n";

    fn stamp(path: &Path) -> Stamp {
        Stamp::of(&fs::metadata(path).unwrap())
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = entries.collect();
        names.sort_unstable();
        names
    }

    fn set_modified(path: &Path, at: std::time::SystemTime) {
        File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
    }

    /// A snapshot is taken for the very file of which it was made, and for no other.
    #[test]
    fn a_snapshot_holds_until_the_file_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("city.jsonl");
        fs::write(&path, ONE).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(read(&path, &stamp(&path)).is_none(), "there is none yet");
        let version = Version::read("city.jsonl", ONE.as_bytes()).unwrap();
        write(&path, &stamp(&path), &version).unwrap();
        let found = read(&path, &stamp(&path)).unwrap();
        assert_eq!((found.name, found.registry.building_by_id("B1")), (version.name.clone(), Some(0)));
        assert_eq!(fs::metadata(place(&path)).unwrap().permissions().mode() & 0o777, 0o600);
        // As long, and with the time of the one before: still another file.
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, TWO).unwrap();
        set_modified(&path, modified);
        assert!(read(&path, &stamp(&path)).is_none());
        // Damage is noticed.
        write(&path, &stamp(&path), &version).unwrap();
        assert!(read(&path, &stamp(&path)).is_some());
        let mut bytes = fs::read(place(&path)).unwrap();
        let last = bytes.len() - 6;
        bytes[last] ^= 1;
        fs::write(place(&path), bytes).unwrap();
        assert!(read(&path, &stamp(&path)).is_none());
        assert!(write(&folder.path().join("nowhere/city.jsonl"), &stamp(&path), &version).is_err());
    }

    /// What somebody has left who ended meanwhile goes; who is writing right now is left alone.
    #[test]
    fn nothing_is_left_lying() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("city.jsonl");
        fs::write(&path, ONE).unwrap();
        for (name, is_old) in [("1.unfinished", true), ("2.unfinished", false), ("3.else", true)] {
            let other = beside(&place(&path), name);
            fs::write(&other, "x").unwrap();
            if is_old {
                set_modified(&other, UNIX_EPOCH);
            }
        }
        let version = Version::read("city.jsonl", ONE.as_bytes()).unwrap();
        write(&path, &stamp(&path), &version).unwrap();
        let left =
            ["city.jsonl", "city.jsonl.snapshot", "city.jsonl.snapshot.2.unfinished", "city.jsonl.snapshot.3.else"];
        assert_eq!(names(folder.path()), left);
    }

    /// Of a small file none is due, nor of one that has just been written or was written while it was read.
    #[test]
    fn a_large_file_that_rests_gets_its_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("city.jsonl");
        fs::write(&path, ONE).unwrap();
        let small = fs::metadata(&path).unwrap();
        assert!(Due::of(&path, &small, &small).is_none());
        let mut text = ONE.as_bytes().to_vec();
        text.resize(usize::try_from(WORTH_IT_BYTES).unwrap(), b'\n');
        fs::write(&path, &text).unwrap();
        let large = fs::metadata(&path).unwrap();
        assert!(Due::of(&path, &large, &large).is_none(), "just written");
        while Due::of(&path, &large, &large).is_none() {
            thread::sleep(Duration::from_millis(50));
        }
        assert!(Due::of(&path, &small, &large).is_none(), "written meanwhile");
        let (version, due) = Version::of_file(&path).unwrap();
        assert_eq!(names(folder.path()), ["city.jsonl"]);
        write_meanwhile(due.unwrap(), &version);
        while !place(&path).exists() {
            thread::sleep(Duration::from_millis(5));
        }
        let (found, due) = Version::of_file(&path).unwrap();
        assert!(found.name == version.name && due.is_none());
    }
}
