//! The changes made to a tree, so that all of them can be undone.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::tree::exists;
use crate::error::{Context, Error, Kind, Result};
use crate::fs::{create_directory, if_exists, unique_path};
use crate::sys::file::sync_directory;

/// One change that was record.
#[derive(Debug)]
enum UndoRecord {
    /// A new directory.
    Directory(PathBuf),
    /// A new file or link.
    Entry(PathBuf),
    /// The replacement or removal of `path`, whose old entry is `backup` next to it.
    Replacement { path: PathBuf, backup: PathBuf },
}

/// The changes in their order. End it with [`UndoLog::keep`] or [`UndoLog::undo`].
#[derive(Debug, Default)]
pub(super) struct UndoLog(Vec<UndoRecord>);

impl UndoLog {
    /// Creates a directory if it does not exist, and its parents with mode 0755.
    ///
    /// # Errors
    /// The error of mkdir(2) or chmod(2), with the path.
    pub fn create_directory(&mut self, path: &Path, mode: u32) -> Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.create_directory(parent, 0o755)?;
        }
        let context = || format!("create the directory {}", path.display());
        create_directory(path, mode).context(context)?;
        self.0.push(UndoRecord::Directory(path.to_owned()));
        Ok(())
    }

    /// Runs `rename`, which creates or replaces the entry at `path`.
    ///
    /// # Errors
    /// The error of `rename` or of the backup.
    pub fn replace(&mut self, path: &Path, rename: impl FnOnce() -> io::Result<()>) -> Result<()> {
        let context = || format!("replace {}", path.display());
        if exists(path)? {
            // A second name for the old entry, which keeps its first one until the rename.
            let backup = unique_path(path).context(context)?;
            fs::hard_link(path, &backup).context(|| format!("back up {}", path.display()))?;
            let path = path.to_owned();
            self.0.push(UndoRecord::Replacement { path, backup });
            return rename().context(context);
        }
        rename().context(context)?;
        self.0.push(UndoRecord::Entry(path.to_owned()));
        Ok(())
    }

    /// Removes a file or link if it exists.
    ///
    /// # Errors
    /// The error of rename(2).
    pub fn remove(&mut self, path: &Path) -> Result<()> {
        let context = || format!("remove {}", path.display());
        if exists(path)? {
            let backup = unique_path(path).context(context)?;
            fs::rename(path, &backup).context(context)?;
            let path = path.to_owned();
            self.0.push(UndoRecord::Replacement { path, backup });
        }
        Ok(())
    }

    /// Syncs the changed directories to the disk.
    ///
    /// # Errors
    /// The error of fsync(2).
    pub fn sync(&self) -> Result<()> {
        let mut dirs: Vec<_> = self.0.iter().filter_map(|m| m.path().parent()).collect();
        dirs.sort();
        dirs.dedup();
        for dir in dirs {
            sync_directory(dir).context(|| format!("sync {}", dir.display()))?;
        }
        Ok(())
    }

    /// Keeps the changes and removes the backups.
    pub fn keep(self) {
        for record in self.0 {
            if let UndoRecord::Replacement { backup, .. } = record
                && let Err(e) = fs::remove_file(&backup)
            {
                log::warn!("cannot remove the backup {}: {e}", backup.display());
            }
        }
    }

    /// Undoes every change, the last one first. Returns `error`, the reason for it, extended by
    /// what could not be undone.
    pub fn undo(self, error: Error) -> Error {
        let mut failed = Vec::new();
        for record in self.0.into_iter().rev() {
            if let Err(e) = record.undo() {
                failed.push(format!("{}: {e}", record.path().display()));
            }
        }
        if failed.is_empty() {
            return error;
        }
        let context = format!("cannot undo all changes ({})", failed.join("; "));
        Error::with_source(Kind::Io, context, error)
    }
}

impl UndoRecord {
    fn path(&self) -> &Path {
        match self {
            UndoRecord::Directory(path)
            | UndoRecord::Entry(path)
            | UndoRecord::Replacement { path, .. } => path,
        }
    }

    fn undo(&self) -> io::Result<()> {
        match self {
            UndoRecord::Directory(path) => fs::remove_dir(path),
            UndoRecord::Entry(path) => fs::remove_file(path),
            UndoRecord::Replacement { path, backup } => {
                fs::rename(backup, path)?;
                // rename(2) does nothing if both are names of one file.
                if_exists(fs::remove_file(backup)).map(drop)
            }
        }
    }
}
