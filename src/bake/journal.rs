//! What was changed in the tree, so that all of it can be undone.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::tree::exists;
use crate::error::{Context, Error, Kind, Result};
use crate::fs::unique_path;
use crate::sys::file::sync_directory;

/// One change.
#[derive(Debug)]
enum Change {
    /// A directory was made.
    Made(PathBuf),
    /// Something was put where nothing was.
    New(PathBuf),
    /// What was at `path` is kept at `kept`, beside it.
    Kept { path: PathBuf, kept: PathBuf },
}

/// The changes, in their options. To be ended by [`Journal::keep`] or [`Journal::undo`].
#[derive(Debug, Default)]
pub struct Journal(Vec<Change>);

impl Journal {
    /// Makes a directory that is not there, and those above it (0755).
    ///
    /// # Errors
    /// What the file system answered, with the path.
    pub fn directory(&mut self, path: &Path, mode: u32) -> Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(above) = path.parent() {
            self.directory(above, 0o755)?;
        }
        let doing = || format!("make the directory {}", path.display());
        DirBuilder::new().mode(mode).create(path).context(doing)?;
        self.0.push(Change::Made(path.to_owned()));
        // What the umask took away.
        fs::set_permissions(path, Permissions::from_mode(mode)).context(doing)
    }

    /// Lets `put` give `path` its new entry, in place of what is there.
    ///
    /// # Errors
    /// What `put` or the file system answered.
    pub fn put(&mut self, path: &Path, put: impl FnOnce() -> io::Result<()>) -> Result<()> {
        let doing = || format!("put {} there", path.display());
        if exists(path)? {
            // A second name for what is there: it stays until the new entry takes the first.
            let kept = unique_path(path).context(doing)?;
            fs::hard_link(path, &kept).context(|| format!("keep the old {}", path.display()))?;
            let path = path.to_owned();
            self.0.push(Change::Kept { path, kept });
            return put().context(doing);
        }
        put().context(doing)?;
        self.0.push(Change::New(path.to_owned()));
        Ok(())
    }

    /// Takes away what is there.
    ///
    /// # Errors
    /// What the file system answered.
    pub fn remove(&mut self, path: &Path) -> Result<()> {
        let doing = || format!("remove {}", path.display());
        if exists(path)? {
            let kept = unique_path(path).context(doing)?;
            fs::rename(path, &kept).context(doing)?;
            let path = path.to_owned();
            self.0.push(Change::Kept { path, kept });
        }
        Ok(())
    }

    /// Makes the changed directories last through a power cut.
    ///
    /// # Errors
    /// What the file system answered.
    pub fn sync(&self) -> Result<()> {
        let mut dirs: Vec<_> = self.0.iter().filter_map(|c| c.path().parent()).collect();
        dirs.sort();
        dirs.dedup();
        for dir in dirs {
            sync_directory(dir).context(|| format!("write {}", dir.display()))?;
        }
        Ok(())
    }

    /// The changes stay; the old things go.
    pub fn keep(self) {
        for change in self.0 {
            if let Change::Kept { kept, .. } = change
                && let Err(e) = fs::remove_file(&kept)
            {
                log::warn!("{}: cannot be removed: {e}", kept.display());
            }
        }
    }

    /// Takes every change back, the last one first. `error` is what it is for; what could not be
    /// taken back is added to it.
    #[must_use]
    pub fn undo(self, error: Error) -> Error {
        let mut left = Vec::new();
        for change in self.0.into_iter().rev() {
            if let Err(e) = change.undo() {
                left.push(format!("{}: {e}", change.path().display()));
            }
        }
        if left.is_empty() {
            return error;
        }
        Error::with_source(
            Kind::InvalidInput,
            format!("the tree could not be left as it was ({})", left.join("; ")),
            error,
        )
    }
}

impl Change {
    fn path(&self) -> &Path {
        match self {
            Change::Made(path) | Change::New(path) | Change::Kept { path, .. } => path,
        }
    }

    fn undo(&self) -> io::Result<()> {
        match self {
            Change::Made(path) => fs::remove_dir(path),
            Change::New(path) => fs::remove_file(path),
            Change::Kept { path, kept } => {
                fs::rename(kept, path)?;
                // Two names of one file: rename(2) then does nothing, and says so to nobody.
                match fs::remove_file(kept) {
                    Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
                    other => other,
                }
            }
        }
    }
}
