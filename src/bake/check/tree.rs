//! What is asked of a tree that is only looked at.

use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::bake::tree;
use crate::error::Result;
use crate::sys::file::open_regular_nofollow;
use crate::types::Root;

/// The largest file that is read whole, in bytes.
const LIMIT: u64 = 8 * 1024 * 1024;

/// An image's tree. All paths are the image's, and links mean what they will mean there.
pub struct Tree(pub(super) tree::Tree);

impl Tree {
    pub fn open(dir: &Path) -> Result<Tree> {
        tree::Tree::open(dir).map(Tree)
    }

    pub fn root(&self) -> Root {
        self.0.root()
    }

    /// Where what the path stands for lies on this machine, behind all links, if anything does.
    pub fn real(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        self.0
            .follow(path.as_ref())
            .map_err(|e| io::Error::other(e.to_string()))
    }

    /// The path itself, which may be a link; those above it are followed.
    pub fn itself(&self, path: impl AsRef<Path>) -> io::Result<PathBuf> {
        self.0
            .entry(path.as_ref())
            .map_err(|e| io::Error::other(e.to_string()))
    }

    pub fn metadata(&self, path: impl AsRef<Path>) -> io::Result<Metadata> {
        fs::symlink_metadata(self.real(path)?)
    }

    pub fn open_file(&self, path: impl AsRef<Path>) -> io::Result<File> {
        open_regular_nofollow(&self.real(path)?)
    }

    pub fn read(&self, path: impl AsRef<Path>) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.open_file(path)?
            .take(LIMIT + 1)
            .read_to_end(&mut bytes)?;
        if bytes.len() as u64 > LIMIT {
            return Err(io::Error::new(
                ErrorKind::InvalidData,
                "it is too large to be looked through",
            ));
        }
        Ok(bytes)
    }

    /// The names in a directory, sorted.
    pub fn names(&self, directory: impl AsRef<Path>) -> io::Result<Vec<OsString>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(self.real(directory)?)? {
            names.push(entry?.file_name());
        }
        names.sort();
        Ok(names)
    }
}
