//! The root directory: every path of the host is resolved below a [`Root`], so that tests and
//! images use a directory in place of `/`.

use std::path::{Path, PathBuf};

/// The directory in place of `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Root {
    /// A root at this directory; `/` is the running host.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Root(dir.into())
    }

    /// The path below the root for an absolute path of the host.
    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        // `Path::join` with an absolute path returns only that path.
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The directory itself.
    pub fn dir(&self) -> &Path {
        &self.0
    }
}

impl Default for Root {
    fn default() -> Self {
        Root::new("/")
    }
}
