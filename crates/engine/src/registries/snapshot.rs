//! The snapshot beside a registry's file: a member that starts again has its registry back in a fraction of the time.
//!
//! It says of which file it was made: size, inode and both times of change, which no write of the file leaves as they
//! were. Where anything of that is not so, or the snapshot is damaged, nothing is said and the JSON is read. It is
//! written behind the back of a member that has just read the JSON; where it cannot be written, the next start is as
//! slow as this one.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::Arc;
use std::thread;

use fenghuo_model::Registry;
use fenghuo_model::registry::VERSION_DIGITS;
use fenghuo_model::registry::snapshot::label_of;

use super::{Version, beside};

/// Below so many bytes of JSON a snapshot saves nothing that anybody would notice: about 200,000 devices.
pub const WORTH_IT_BYTES: u64 = 32 * 1024 * 1024;

/// Of a file what changes whenever it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stamp(String);

impl Stamp {
    /// A file's, as it is now; nothing if there is none.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        let file = fs::metadata(path).ok()?;
        let (size, inode) = (file.len(), file.ino());
        let times = [file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()];
        let [modified, modified_ns, changed, changed_ns] = times;
        Some(Self(format!("{size} {inode} {modified}.{modified_ns:09} {changed}.{changed_ns:09}")))
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

/// Where the snapshot of the registry in `path` lies.
#[must_use]
pub fn place(path: &Path) -> PathBuf {
    beside(path, "snapshot")
}

/// The version in `path`, from its snapshot; nothing if there is none of this very file.
#[must_use]
pub fn read(path: &Path, stamp: &Stamp) -> Option<Version> {
    let place = place(path);
    let bytes = fs::read(&place).ok()?;
    let name = label_of(&bytes).and_then(|label| stamp.version_in(label))?;
    match Registry::from_snapshot(&bytes) {
        Ok(registry) => Some(Version { name: name.into(), registry: Arc::new(registry) }),
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
    let unfinished = beside(&place, &format!("{}.unfinished", process::id()));
    let written = (|| {
        let mut file = BufWriter::new(File::create(&unfinished)?);
        version.registry.write_snapshot(&stamp.label(&version.name), &mut file)?;
        file.flush()?;
        file.get_ref().sync_all()?;
        fs::rename(&unfinished, &place)
    })();
    if written.is_err() {
        // What is there of it is of no use; if it cannot be removed either, that is what was said.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// [`write`] while the process goes on.
pub fn write_meanwhile(path: &Path, stamp: Stamp, version: &Version) {
    let (path, version) = (path.to_owned(), version.clone());
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
    use super::*;

    const ONE: &str = "{\"type\":\"building\",\"id\":\"B1\",\"lon\":113.75,\"lat\":23.02}\n";
    const TWO: &str = "{\"type\":\"building\",\"id\":\"B2\",\"lon\":113.75,\"lat\":23.02}\n";

    /// A snapshot is taken for the very file of which it was made, and for no other.
    #[test]
    fn a_snapshot_holds_until_the_file_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("city.jsonl");
        assert_eq!(Stamp::of(&path), None);
        fs::write(&path, ONE).unwrap();
        let stamp = Stamp::of(&path).unwrap();
        assert!(read(&path, &stamp).is_none(), "there is none yet");
        let version = Version::read("city.jsonl", ONE.as_bytes()).unwrap();
        write(&path, &stamp, &version).unwrap();
        let found = read(&path, &Stamp::of(&path).unwrap()).unwrap();
        assert_eq!((found.name, found.registry.building_by_id("B1")), (version.name.clone(), Some(0)));
        // As long, and with the time of the one before: still another file.
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, TWO).unwrap();
        File::options().write(true).open(&path).unwrap().set_modified(modified).unwrap();
        assert!(read(&path, &Stamp::of(&path).unwrap()).is_none());
        // Damage is noticed.
        let stamp = Stamp::of(&path).unwrap();
        write(&path, &stamp, &version).unwrap();
        assert!(read(&path, &stamp).is_some());
        let mut bytes = fs::read(place(&path)).unwrap();
        let last = bytes.len() - 6;
        bytes[last] ^= 1;
        fs::write(place(&path), bytes).unwrap();
        assert!(read(&path, &stamp).is_none());
        let left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(write(&folder.path().join("nowhere/city.jsonl"), &stamp, &version).is_err());
    }

    /// Of a small file none is written, and of a large one nobody waits for it.
    #[test]
    fn a_large_file_gets_its_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("city.jsonl");
        let mut text = ONE.as_bytes().to_vec();
        let mut versions = Vec::new();
        for bytes in [ONE.len(), usize::try_from(WORTH_IT_BYTES).unwrap()] {
            text.resize(bytes, b'\n');
            fs::write(&path, &text).unwrap();
            versions.push(Version::of_file(&path).unwrap().name);
        }
        let stamp = Stamp::of(&path).unwrap();
        let found = loop {
            match read(&path, &stamp) {
                Some(found) => break found,
                None => thread::sleep(std::time::Duration::from_millis(5)),
            }
        };
        assert!(found.name == versions[1] && versions[0] != versions[1]);
        assert_eq!(Version::of_file(&path).unwrap().name, versions[1]);
    }
}
