//! The versions of the registry that are at hand: the configured one, and those that lie beside it under their names.
//!
//! A registry is too large for a record of the signals topic, so that such a record only names the version that is in
//! force from there on ([`version_of`]). Whoever takes the topic finds it here: in the configured file, or in
//! `<file>.<version>`, where `fenghuo apply` puts it. One copy of each version is in memory, however many use it.

pub mod snapshot;

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::SystemTime;

use fenghuo_model::registry::{VERSION_DIGITS, version_of};
use fenghuo_model::{Fault, Registry};

use crate::failure::Failure;
use snapshot::{Due, Stamp};

/// A registry with the name of its version.
#[derive(Debug, Clone)]
pub struct Version {
    /// Its name.
    pub name: Arc<str>,
    /// Buildings and devices.
    pub registry: Arc<Registry>,
}

impl Version {
    /// The version of a text (JSON Lines); `file` is its name in messages.
    ///
    /// # Errors
    /// Every fault of the text.
    pub fn read(file: &str, text: &[u8]) -> Result<Self, Vec<Fault>> {
        let registry = Registry::from_json_lines(file, text)?;
        Ok(Self { name: version_of(text).into(), registry: Arc::new(registry) })
    }

    /// The version in a file, from the snapshot beside it if there is one of this very file; and the snapshot that is
    /// worth writing, if there is none.
    ///
    /// # Errors
    /// It cannot be read, or every fault of it.
    pub fn of_file(path: &Path) -> Result<(Self, Option<Due>), Failure> {
        let name = path.display().to_string();
        let failed = |source| Failure::File { path: name.clone(), source };
        let mut file = File::open(path).map_err(failed)?;
        let before = file.metadata().map_err(failed)?;
        if let Some(version) = snapshot::read(path, &Stamp::of(&before)) {
            return Ok((version, None));
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).map_err(failed)?;
        let due = Due::of(path, &before, &file.metadata().map_err(failed)?);
        let version = Self::read(&name, &text).map_err(Failure::Configuration)?;
        Ok((version, due))
    }
}

/// Where versions are looked for.
enum Shelf {
    /// In a file, and beside it.
    File(PathBuf),
    /// Only these, which somebody else read.
    Here(Vec<Version>),
}

/// The versions at hand.
pub struct Registries {
    shelf: Shelf,
    read: Mutex<Vec<(Arc<str>, Weak<Registry>)>>,
}

impl Registries {
    /// Those in a file and beside it; the file may be one that lies beside another itself.
    #[must_use]
    pub fn beside(path: &Path) -> Self {
        let is_version = path.extension().and_then(|end| end.to_str()).is_some_and(is_version);
        let configured = if is_version { path.with_extension("") } else { path.to_owned() };
        Self { shelf: Shelf::File(configured), read: Mutex::default() }
    }

    /// Only these.
    #[must_use]
    pub fn of(versions: Vec<Version>) -> Self {
        Self { shelf: Shelf::Here(versions), read: Mutex::default() }
    }

    /// A version, if it is at hand.
    ///
    /// # Errors
    /// Where it was looked for in vain, or what is wrong with it.
    pub fn find(&self, name: &str) -> Result<Version, String> {
        let path = match &self.shelf {
            Shelf::Here(versions) => {
                let found = versions.iter().find(|version| *version.name == *name);
                return found.cloned().ok_or_else(|| format!("registry {name} is not at hand"));
            }
            Shelf::File(path) => path,
        };
        // Held while it is read: who asks for the same meanwhile waits instead of reading it too.
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.retain(|(_, registry)| registry.strong_count() > 0);
        if let Some(registry) = read.iter().find(|(known, _)| **known == *name).and_then(|(_, known)| known.upgrade()) {
            return Ok(Version { name: name.into(), registry });
        }
        let beside = beside(path, name);
        for candidate in [&beside, path] {
            let Ok(text) = fs::read(candidate) else { continue };
            if version_of(&text) == name {
                let file = candidate.display().to_string();
                let version = Version::read(&file, &text).map_err(|faults| texts(&faults))?;
                read.push((Arc::clone(&version.name), Arc::downgrade(&version.registry)));
                return Ok(version);
            }
        }
        Err(format!("registry {name} is not at hand: neither {} nor {} is it", beside.display(), path.display()))
    }

    /// The version whose name a file beside the configured one has.
    #[must_use]
    pub fn version_in(&self, file: &Path) -> Option<String> {
        let Shelf::File(path) = &self.shelf else { return None };
        let rest = file.file_name()?.to_str()?.strip_prefix(path.file_name()?.to_str()?)?;
        let version = rest.strip_prefix('.')?;
        is_version(version).then(|| version.to_owned())
    }

    /// Remembers a version that was read elsewhere.
    pub fn know(&self, version: &Version) {
        let mut read = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        read.push((Arc::clone(&version.name), Arc::downgrade(&version.registry)));
    }

    /// Where the latest of the versions at hand lies, and when it was put there: what whoever starts now begins with.
    #[must_use]
    pub fn latest(&self) -> Option<(PathBuf, SystemTime)> {
        let Shelf::File(path) = &self.shelf else { return None };
        let written = |path: PathBuf| {
            let written_at = fs::metadata(&path).and_then(|metadata| metadata.modified()).ok()?;
            Some((path, written_at))
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let files = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let versions = files.filter(|file| self.version_in(file).is_some());
        // Of two of the same moment the one that was put in force.
        [path.clone()].into_iter().chain(versions).filter_map(written).max_by_key(|(_, written_at)| *written_at)
    }
}

fn is_version(text: &str) -> bool {
    text.len() == VERSION_DIGITS && text.bytes().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f'))
}

/// Where a version of the registry in `path` lies, if it is not the one in `path`.
#[must_use]
pub fn beside(path: &Path, version: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(version);
    name.into()
}

/// Puts a text under its version's name beside the configured registry, as the latest; it is there as a whole or not.
///
/// # Errors
/// It cannot be written.
pub fn put_beside(path: &Path, version: &str, text: &[u8]) -> Result<PathBuf, Failure> {
    let target = beside(path, version);
    let written = put_whole(&target, &beside(&target, "unfinished"), |file| file.write_all(text));
    written.map_err(|source| Failure::File { path: target.display().to_string(), source })?;
    Ok(target)
}

/// Writes a file under another name first, so that it is there as a whole or not.
fn put_whole(target: &Path, unfinished: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<()> {
    let mut file = File::create(unfinished)?;
    write(&mut file)?;
    file.sync_all()?;
    fs::rename(unfinished, target)
}

fn texts(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &str = "{\"type\":\"building\",\"id\":\"B1\",\"lon\":113.75,\"lat\":23.02}\n";
    const TWO: &str = "{\"type\":\"building\",\"id\":\"B2\",\"lon\":113.75,\"lat\":23.02}\n";

    #[test]
    fn a_version_is_found_in_the_file_and_beside_it_and_nowhere_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("city.jsonl");
        fs::write(&path, ONE).unwrap();
        let registries = Registries::beside(&path);
        let (one, two) = (version_of(ONE.as_bytes()), version_of(TWO.as_bytes()));
        let first = registries.find(&one).unwrap();
        assert!(Arc::ptr_eq(&first.registry, &registries.find(&one).unwrap().registry), "one copy in memory");
        assert!(registries.find(&two).unwrap_err().contains(&format!("city.jsonl.{two}")));
        // A file that is not what its name says is not taken for it.
        fs::write(beside(&path, &two), ONE).unwrap();
        assert!(registries.find(&two).is_err());
        put_beside(&path, &two, TWO.as_bytes()).unwrap();
        assert!(registries.find(&two).unwrap().registry.building_by_id("B2").is_some());
        assert!(registries.find(&one).is_ok());
        assert!(Registries::beside(&beside(&path, &two)).find(&one).is_ok(), "named by a version of it");
    }

    #[test]
    fn the_latest_is_the_one_put_there_last() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("city.jsonl");
        let at = |path: &Path, second| {
            let when = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(second);
            File::options().write(true).open(path).unwrap().set_modified(when).unwrap();
        };
        assert!(Registries::beside(&path).latest().is_none());
        fs::write(&path, ONE).unwrap();
        at(&path, 10);
        for (name, second) in
            [("city.jsonl.bak", 50), ("city.jsonl.0123456789abcdeg", 50), ("town.jsonl.0123456789abcdef", 50)]
        {
            fs::write(folder.path().join(name), ONE).unwrap();
            at(&folder.path().join(name), second);
        }
        let latest = || Registries::beside(&path).latest().unwrap().0;
        assert_eq!(latest(), path);
        let two = put_beside(&path, &version_of(TWO.as_bytes()), TWO.as_bytes()).unwrap();
        at(&two, 20);
        assert_eq!(latest(), two);
        at(&path, 30);
        assert_eq!(latest(), path);
    }
}
