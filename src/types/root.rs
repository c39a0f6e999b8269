//! The host is a directory: every path that the program reads or writes goes through one [`Root`],
//! so that a test is a tree of files and an image's root is a host like any other.

use std::path::{Path, PathBuf};

/// The directory that stands for `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root(PathBuf);

impl Root {
    /// A root at this directory; `/` is the running host.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Root(dir.into())
    }

    /// Where the host's absolute path `path` lies on this machine.
    pub fn at(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        // `Path::join` with an absolute path would throw the root away.
        self.0.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The directory itself.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.0
    }
}

impl Default for Root {
    fn default() -> Self {
        Root::new("/")
    }
}
