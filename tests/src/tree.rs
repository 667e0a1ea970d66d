//! The files of this checkout as the checks see them: paths from its root, and their text.
//!
//! The folders are walked instead of asking git: a new file is checked before it is added, and an unpacked archive
//! can be checked too.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// What holds nothing of ours: build output, and what git keeps for itself (in a second work tree `.git` is a file).
const PASSED_OVER: [&str; 2] = ["target", ".git"];

/// A text file of the checkout.
#[derive(Debug, Clone)]
pub struct Source {
    /// From the checkout's root, with `/`.
    pub path: String,
    /// Its whole text.
    pub text: String,
}

impl Source {
    /// A file that need not exist: what canaries are made of.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether the path ends with one of these.
    #[must_use]
    pub fn is(&self, endings: &[&str]) -> bool {
        endings.iter().any(|ending| self.path.ends_with(ending))
    }
}

/// The checkout's root.
#[must_use]
pub fn root() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().expect("this package lies in a folder of the checkout").to_owned()
}

/// Every text file below the root, in the order of their paths; what is not UTF-8 is no text.
///
/// # Errors
/// A folder or file cannot be read.
pub fn sources(root: &Path) -> io::Result<Vec<Source>> {
    let mut found = Vec::new();
    walk(root, "", &mut found)?;
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<Source>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let kind = entry.file_type()?;
        if PASSED_OVER.contains(&name.as_str()) {
            continue;
        }
        if kind.is_dir() {
            walk(&entry.path(), &format!("{path}/"), found)?;
        } else if kind.is_file()
            && let Some(text) = read(&entry.path())?
        {
            found.push(Source { path, text });
        }
    }
    Ok(())
}

/// The text of a file; nothing if it is no text, or went away since its folder was read (an editor's swap file).
fn read(path: &Path) -> io::Result<Option<String>> {
    match fs::read(path) {
        Ok(bytes) => Ok(String::from_utf8(bytes).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
